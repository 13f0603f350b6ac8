using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

internal sealed class DeviceRow
{
    public Guid Id { get; set; }

    public Guid AccountId { get; set; }

    /// <summary>The session that registered it last: the device is detached when that one is ended.</summary>
    public required string SessionId { get; set; }

    public required string Platform { get; set; }

    public string? Environment { get; set; }

    public string? AppId { get; set; }

    public string? DeviceId { get; set; }

    /// <summary>Keyed hash of platform and token: a token has one owner, and a leaked table confirms no token.</summary>
    public required string TokenHash { get; set; }

    /// <summary>The token under a key derived from the master key. Empty: it is in MongoDB.</summary>
    public required byte[] SealedToken { get; set; }

    /// <summary>SubjectPublicKeyInfo; null: the device approves nothing.</summary>
    public byte[]? PublicKey { get; set; }

    public string? UserAgent { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>When its app registered it last: a refusal of the token from before that says nothing any more.</summary>
    public DateTimeOffset RegisteredAt { get; set; }

    public DateTimeOffset LastSeenAt { get; set; }
}

internal sealed class DeviceConfiguration : IEntityTypeConfiguration<DeviceRow>
{
    public void Configure(EntityTypeBuilder<DeviceRow> builder)
    {
        builder.ToTable("devices").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.SessionId).HasMaxLength(64);
        builder.Property(r => r.Platform).HasMaxLength(20);
        builder.Property(r => r.Environment).HasMaxLength(20);
        builder.Property(r => r.AppId).HasMaxLength(200);
        builder.Property(r => r.DeviceId).HasMaxLength(200);
        builder.Property(r => r.TokenHash).HasMaxLength(64);
        builder.Property(r => r.PublicKey).HasMaxLength(200);
        builder.Property(r => r.UserAgent).HasMaxLength(400);
        builder.HasIndex(r => r.TokenHash).IsUnique();
        builder.HasIndex(r => r.AccountId);
        builder.HasIndex(r => r.SessionId);
        builder.HasIndex(r => r.LastSeenAt);
    }
}
