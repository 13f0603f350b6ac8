using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

internal sealed class RememberedBrowserRow : IEntityTypeConfiguration<RememberedBrowserRow>
{
    public Guid Id { get; set; }

    public Guid AccountId { get; set; }

    /// <summary>SHA-256 (base64url) of what the browser's cookie carries.</summary>
    public string TokenHash { get; set; } = "";

    /// <summary>The account's at that time: after a change of the password nothing is remembered.</summary>
    public string SecurityStamp { get; set; } = "";

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset LastUsedAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public string? Ip { get; set; }

    public string? UserAgent { get; set; }

    public void Configure(EntityTypeBuilder<RememberedBrowserRow> builder)
    {
        builder.ToTable("remembered_browsers").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.TokenHash).HasMaxLength(64);
        builder.Property(r => r.SecurityStamp).HasMaxLength(128);
        builder.Property(r => r.Ip).HasMaxLength(64);
        builder.Property(r => r.UserAgent).HasMaxLength(400);
        builder.HasIndex(r => r.AccountId);
        builder.HasIndex(r => r.ExpiresAt);
    }
}
