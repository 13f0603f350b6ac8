using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>A ticket that was used. Tickets themselves are kept nowhere: they are encrypted and signed, and live for minutes.</summary>
internal sealed class SpentTicketRow : IEntityTypeConfiguration<SpentTicketRow>
{
    public Guid Id { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public void Configure(EntityTypeBuilder<SpentTicketRow> builder)
    {
        builder.ToTable("spent_tickets").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.HasIndex(r => r.ExpiresAt);
    }
}
