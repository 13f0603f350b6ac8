using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>When the person of a session last proved something of this strength.</summary>
internal sealed class FactorProofRow : IEntityTypeConfiguration<FactorProofRow>
{
    public string SessionId { get; set; } = "";

    public int Strength { get; set; }

    public DateTimeOffset At { get; set; }

    public void Configure(EntityTypeBuilder<FactorProofRow> builder)
    {
        builder.ToTable("factor_proofs").HasKey(r => new { r.SessionId, r.Strength });
        builder.Property(r => r.SessionId).HasMaxLength(64);
        builder.HasIndex(r => r.At);
    }
}
