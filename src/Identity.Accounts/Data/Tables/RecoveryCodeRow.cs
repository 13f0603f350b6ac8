using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

internal sealed class RecoveryCodeRow : IEntityTypeConfiguration<RecoveryCodeRow>
{
    public Guid AccountId { get; set; }

    /// <summary>Keyed: a leaked table is no list of codes.</summary>
    public string CodeHash { get; set; } = "";

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset? UsedAt { get; set; }

    public void Configure(EntityTypeBuilder<RecoveryCodeRow> builder)
    {
        builder.ToTable("recovery_codes").HasKey(r => new { r.AccountId, r.CodeHash });
        builder.Property(r => r.CodeHash).HasMaxLength(64);
    }
}
