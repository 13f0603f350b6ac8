using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>A client that is still to be told that a session has ended. It goes when the client took it, refused it, or after an hour.</summary>
public sealed class LogoutNoticeRow
{
    /// <summary>UUIDv7; the <c>jti</c> of the logout token, however often it is sent.</summary>
    public Guid Id { get; set; }

    public required string ClientId { get; set; }

    public required string SessionId { get; set; }

    public Guid AccountId { get; set; }

    /// <summary>When it is sent next; whoever sends it moves this ahead first, and is then the only one.</summary>
    public DateTimeOffset DueAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public int Attempts { get; set; }
}

internal sealed class LogoutNoticeConfiguration : IEntityTypeConfiguration<LogoutNoticeRow>
{
    public void Configure(EntityTypeBuilder<LogoutNoticeRow> builder)
    {
        builder.ToTable("logout_notices").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.ClientId).HasMaxLength(200);
        builder.Property(r => r.SessionId).HasMaxLength(64);
        builder.HasIndex(r => r.DueAt);
        builder.HasIndex(r => r.ExpiresAt);
        builder.HasIndex(r => r.AccountId);
    }
}
