using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>Somebody at another provider is this account.</summary>
internal sealed class ExternalIdentityRow
{
    /// <summary>SHA-256 (base64url) of provider, realm and subject.</summary>
    public required string Key { get; set; }

    public required string Provider { get; set; }

    public required string Realm { get; set; }

    /// <summary>As told when it was linked: for people to read.</summary>
    public required string Subject { get; set; }

    public Guid AccountId { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset LastUsedAt { get; set; }
}

/// <summary>What an external sign-in left for its next step, or a mark that something was seen. Each is taken once.</summary>
internal sealed class ExternalEntryRow
{
    public required string Kind { get; set; }

    /// <summary>SHA-256 (base64url) of the id.</summary>
    public required string Key { get; set; }

    public required string Payload { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset? UsedAt { get; set; }
}

/// <summary>A session of ours that came from a provider's.</summary>
internal sealed class ExternalSessionRow
{
    public required string SessionId { get; set; }

    public required string Provider { get; set; }

    /// <summary>Key of the external identity.</summary>
    public required string SubjectKey { get; set; }

    /// <summary>SHA-256 (base64url) of the provider's name for its session; null: it told none.</summary>
    public string? UpstreamKey { get; set; }

    public string? SignOutState { get; set; }

    /// <summary>The session ends then at the latest; null: as any other.</summary>
    public DateTimeOffset? EndsAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}

internal sealed class ExternalIdentityConfiguration : IEntityTypeConfiguration<ExternalIdentityRow>
{
    public void Configure(EntityTypeBuilder<ExternalIdentityRow> builder)
    {
        builder.ToTable("external_identities").HasKey(r => r.Key);
        builder.Property(r => r.Key).HasMaxLength(64);
        builder.Property(r => r.Provider).HasMaxLength(64);
        builder.Property(r => r.Realm).HasMaxLength(255);
        builder.Property(r => r.Subject).HasMaxLength(255);
        builder.HasIndex(r => r.AccountId);
    }
}

internal sealed class ExternalEntryConfiguration : IEntityTypeConfiguration<ExternalEntryRow>
{
    public void Configure(EntityTypeBuilder<ExternalEntryRow> builder)
    {
        builder.ToTable("external_entries").HasKey(r => new { r.Kind, r.Key });
        builder.Property(r => r.Kind).HasMaxLength(40);
        builder.Property(r => r.Key).HasMaxLength(64);
        builder.HasIndex(r => r.ExpiresAt);
    }
}

internal sealed class ExternalSessionConfiguration : IEntityTypeConfiguration<ExternalSessionRow>
{
    public void Configure(EntityTypeBuilder<ExternalSessionRow> builder)
    {
        builder.ToTable("external_sessions").HasKey(r => r.SessionId);
        builder.Property(r => r.SessionId).HasMaxLength(64);
        builder.Property(r => r.Provider).HasMaxLength(64);
        builder.Property(r => r.SubjectKey).HasMaxLength(64);
        builder.Property(r => r.UpstreamKey).HasMaxLength(64);
        builder.HasIndex(r => new { r.Provider, r.SubjectKey });
        builder.HasIndex(r => new { r.Provider, r.UpstreamKey });
        builder.HasIndex(r => r.EndsAt);
        builder.HasIndex(r => r.ExpiresAt);
    }
}
