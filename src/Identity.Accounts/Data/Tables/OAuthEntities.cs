// OpenIddict's four entities, with the columns that its own lack.
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using OpenIddict.EntityFrameworkCore.Models;

namespace Identity.Accounts.Data.Tables;

/// <summary>A client. What RFC 7591 has members for and OpenIddict no column is in <see cref="Metadata"/>.</summary>
public class OAuthApplication : OpenIddictEntityFrameworkCoreApplication<Guid, OAuthAuthorization, OAuthToken>
{
    /// <summary>The client as JSON, by the names of the code; the columns that OpenIddict reads are derived from it whenever it is written.</summary>
    public string? Metadata { get; set; }

    public DateTimeOffset UpdatedAt { get; set; }
}

/// <summary>
/// Permanent: a remembered consent. Ad hoc: what one sign-in granted one client; its row is the refresh family, whose
/// <see cref="Generation"/> says which refresh token is the valid one.
/// </summary>
public class OAuthAuthorization : OpenIddictEntityFrameworkCoreAuthorization<Guid, OAuthApplication, OAuthToken>
{
    public Guid? ApplicationId { get; set; }

    /// <summary><c>client_id</c>: known without a join.</summary>
    public required string ClientId { get; set; }

    /// <summary>The session it dies with; null for consents.</summary>
    public string? SessionId { get; set; }

    /// <summary>RFC 8707 resources granted, a JSON array.</summary>
    public string? Resources { get; set; }

    public int Generation { get; set; }

    public DateTimeOffset RotatedAt { get; set; }

    public DateTimeOffset GrantedAt { get; set; }

    /// <summary>Absolute end; null for consents.</summary>
    public DateTimeOffset? ExpiresAt { get; set; }

    public DateTimeOffset? RevokedAt { get; set; }

    /// <summary>The grant as JSON, from which tokens are made.</summary>
    public string? Details { get; set; }
}

/// <summary>A scope of an API, with the resource it belongs to.</summary>
public class OAuthScope : OpenIddictEntityFrameworkCoreScope<Guid>;

/// <summary>Codes, device and user codes, pushed requests and reference tokens. JWTs have no row.</summary>
public class OAuthToken : OpenIddictEntityFrameworkCoreToken<Guid, OAuthApplication, OAuthAuthorization>
{
    public Guid? ApplicationId { get; set; }

    public Guid? AuthorizationId { get; set; }
}

internal sealed class OAuthApplicationTable : IEntityTypeConfiguration<OAuthApplication>
{
    public void Configure(EntityTypeBuilder<OAuthApplication> builder)
    {
        builder.ToTable("applications");
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.ClientId).HasMaxLength(200);
    }
}

internal sealed class OAuthAuthorizationTable : IEntityTypeConfiguration<OAuthAuthorization>
{
    public void Configure(EntityTypeBuilder<OAuthAuthorization> builder)
    {
        builder.ToTable("authorizations");
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.ClientId).HasMaxLength(200);
        builder.Property(r => r.SessionId).HasMaxLength(64);
        builder.Property(r => r.Subject).HasMaxLength(200);
        builder.HasIndex(r => r.SessionId);
        builder.HasIndex(r => new { r.Subject, r.ClientId, r.Type });
        builder.HasIndex(r => r.ExpiresAt);
    }
}

internal sealed class OAuthScopeTable : IEntityTypeConfiguration<OAuthScope>
{
    public void Configure(EntityTypeBuilder<OAuthScope> builder)
    {
        builder.ToTable("scopes");
        builder.Property(r => r.Id).ValueGeneratedNever();
    }
}

internal sealed class OAuthTokenTable : IEntityTypeConfiguration<OAuthToken>
{
    public void Configure(EntityTypeBuilder<OAuthToken> builder)
    {
        builder.ToTable("tokens");
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.Subject).HasMaxLength(200);
        builder.HasIndex(r => r.ExpirationDate);

        // Each type is kept for a time of its own after its end: the clean-up finds those of one that are over, and passes none that is kept.
        builder.HasIndex(r => new { r.Type, r.ExpirationDate });

        // A person's, for their erasure and the copy of their data. Requests and devices' codes are of nobody yet.
        builder.HasIndex(r => r.Subject).HasFilter("subject IS NOT NULL");
    }
}
