using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>An export that is made behind the answer: what was asked for, and how far it is.</summary>
internal sealed class ExportJobRow
{
    public Guid Id { get; set; }

    public required string State { get; set; }

    public required string Format { get; set; }

    public required string Language { get; set; }

    public string? Role { get; set; }

    public bool? IsActive { get; set; }

    public DateTimeOffset? CreatedAfter { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }

    public long Total { get; set; }

    public long Processed { get; set; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; set; }

    public int Attempts { get; set; }

    public Guid? ClaimedBy { get; set; }

    public DateTimeOffset? ClaimedUntil { get; set; }

    /// <summary>Until when the file can be fetched; before it is whole, until when it may take.</summary>
    public DateTimeOffset ExpiresAt { get; set; }
}

/// <summary>A piece of the file.</summary>
internal sealed class ExportChunkRow
{
    public Guid JobId { get; set; }

    public int Ordinal { get; set; }

    public required byte[] Content { get; set; }
}

internal sealed class ExportJobRowConfiguration : IEntityTypeConfiguration<ExportJobRow>
{
    public void Configure(EntityTypeBuilder<ExportJobRow> row)
    {
        row.ToTable("export_jobs").HasKey(r => r.Id);
        row.Property(r => r.Id).ValueGeneratedNever();
        row.Property(r => r.State).HasMaxLength(20);
        row.Property(r => r.Format).HasMaxLength(20);
        row.Property(r => r.Language).HasMaxLength(20);
        row.Property(r => r.Role).HasMaxLength(64);
        row.HasIndex(r => r.ExpiresAt);
    }
}

internal sealed class ExportChunkRowConfiguration : IEntityTypeConfiguration<ExportChunkRow>
{
    public void Configure(EntityTypeBuilder<ExportChunkRow> row) => row.ToTable("export_chunks").HasKey(r => new { r.JobId, r.Ordinal });
}
