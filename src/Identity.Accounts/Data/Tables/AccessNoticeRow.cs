using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

internal sealed class AccessNoticeRow : IEntityTypeConfiguration<AccessNoticeRow>
{
    /// <summary>SHA-256 (base64url) of the link's secret.</summary>
    public string Key { get; set; } = "";

    public Guid AccountId { get; set; }

    public string Change { get; set; } = "";

    /// <summary>The address in force before a change of it, where it was proven; null: the link brings none back.</summary>
    public string? EmailBefore { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset? UsedAt { get; set; }

    public void Configure(EntityTypeBuilder<AccessNoticeRow> row)
    {
        row.ToTable("access_notices").HasKey(r => r.Key);
        row.Property(r => r.Key).HasMaxLength(64);
        row.Property(r => r.Change).HasMaxLength(40);
        row.Property(r => r.EmailBefore).HasMaxLength(320);
        row.HasIndex(r => r.ExpiresAt);
        row.HasIndex(r => r.AccountId);
    }
}
