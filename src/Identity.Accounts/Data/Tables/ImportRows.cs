using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>An import of users: what was received, and how far it is.</summary>
internal sealed class ImportJobRow
{
    public Guid Id { get; set; }

    public required string State { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }

    public long Lines { get; set; }

    public long Processed { get; set; }

    public long Created { get; set; }

    public long Existing { get; set; }

    public long Refused { get; set; }

    public Guid? ClaimedBy { get; set; }

    public DateTimeOffset? ClaimedUntil { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
}

/// <summary>Lines that wait; gone in the transaction that takes them in.</summary>
internal sealed class ImportChunkRow
{
    public Guid JobId { get; set; }

    public int Ordinal { get; set; }

    public long FirstLine { get; set; }

    public required byte[] Content { get; set; }
}

/// <summary>A line that was refused, and why: one reason a line of text.</summary>
internal sealed class ImportRefusalRow
{
    public Guid JobId { get; set; }

    public long Line { get; set; }

    public required string Reasons { get; set; }
}

internal sealed class ImportJobRowConfiguration : IEntityTypeConfiguration<ImportJobRow>
{
    public void Configure(EntityTypeBuilder<ImportJobRow> row)
    {
        row.ToTable("import_jobs").HasKey(r => r.Id);
        row.Property(r => r.Id).ValueGeneratedNever();
        row.Property(r => r.State).HasMaxLength(20);
        row.HasIndex(r => r.ExpiresAt);
    }
}

internal sealed class ImportChunkRowConfiguration : IEntityTypeConfiguration<ImportChunkRow>
{
    public void Configure(EntityTypeBuilder<ImportChunkRow> row) => row.ToTable("import_chunks").HasKey(r => new { r.JobId, r.Ordinal });
}

internal sealed class ImportRefusalRowConfiguration : IEntityTypeConfiguration<ImportRefusalRow>
{
    public void Configure(EntityTypeBuilder<ImportRefusalRow> row)
    {
        row.ToTable("import_refusals").HasKey(r => new { r.JobId, r.Line });
        row.Property(r => r.Reasons).HasMaxLength(2000);
    }
}
