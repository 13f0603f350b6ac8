using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

internal sealed class KnownDeviceRow : IEntityTypeConfiguration<KnownDeviceRow>
{
    public Guid AccountId { get; set; }

    /// <summary>SHA-256 (base64url) of what the device is known by.</summary>
    public string Key { get; set; } = "";

    /// <summary>Wrong passwords from it since its last sign-in.</summary>
    public int Failures { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public void Configure(EntityTypeBuilder<KnownDeviceRow> row)
    {
        row.ToTable("known_devices").HasKey(r => new { r.AccountId, r.Key });
        row.Property(r => r.Key).HasMaxLength(64);
        row.HasIndex(r => r.ExpiresAt);
    }
}
