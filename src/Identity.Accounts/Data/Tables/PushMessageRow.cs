using Identity.Accounts.Delivery;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>A message on its way to one device. It stays here until the provider took it, the device is gone, or it is worth nothing any more.</summary>
internal sealed class PushMessageRow : IWaitingMessage
{
    public Guid Id { get; set; }

    public Guid DeviceId { get; set; }

    public Guid AccountId { get; set; }

    /// <summary>What it is about, for metrics: code, sign_in.</summary>
    public required string Kind { get; set; }

    /// <summary>Title, text and data, under a key derived from the master key: the text may hold a one-time code.</summary>
    public required byte[] SealedBody { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset NextAttemptAt { get; set; }

    public int Attempts { get; set; }

    public string? ClaimedBy { get; set; }

    public DateTimeOffset? ClaimedUntil { get; set; }
}

internal sealed class PushMessageConfiguration : IEntityTypeConfiguration<PushMessageRow>
{
    public void Configure(EntityTypeBuilder<PushMessageRow> builder)
    {
        builder.ToTable("push_messages").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.Kind).HasMaxLength(20);
        builder.Property(r => r.ClaimedBy).HasMaxLength(200);
        builder.HasIndex(r => r.NextAttemptAt);
        builder.HasIndex(r => r.ExpiresAt);
        builder.HasIndex(r => r.AccountId);
        builder.HasIndex(r => r.DeviceId);
    }
}
