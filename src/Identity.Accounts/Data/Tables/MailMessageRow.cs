using Identity.Accounts.Delivery;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>A mail that tells a person of a change, on its way. It stays here until the mail server took it, the account is gone, or it is given up.</summary>
internal sealed class MailMessageRow : IWaitingMessage
{
    public Guid Id { get; set; }

    public Guid AccountId { get; set; }

    /// <summary>What it tells of, for metrics and logs.</summary>
    public required string Kind { get; set; }

    /// <summary>The whole mail, its address too, under a key derived from the master key: it may hold a link that opens the account.</summary>
    public required byte[] SealedBody { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>When it is tried for the last time.</summary>
    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset NextAttemptAt { get; set; }

    public int Attempts { get; set; }

    public string? ClaimedBy { get; set; }

    public DateTimeOffset? ClaimedUntil { get; set; }
}

internal sealed class MailMessageConfiguration : IEntityTypeConfiguration<MailMessageRow>
{
    public void Configure(EntityTypeBuilder<MailMessageRow> builder)
    {
        builder.ToTable("mail_messages").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.Kind).HasMaxLength(40);
        builder.Property(r => r.ClaimedBy).HasMaxLength(200);
        builder.HasIndex(r => r.NextAttemptAt);
        builder.HasIndex(r => r.ExpiresAt);
        builder.HasIndex(r => r.AccountId);
    }
}
