using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

/// <summary>A sign-in that a person's devices are asked about. It stays for a day after its minute, so that denials are remembered.</summary>
internal sealed class PushSignInRow : IEntityTypeConfiguration<PushSignInRow>
{
    public Guid Id { get; set; }

    /// <summary>Nobody's where the sign-in page was given a name that may not sign in so: it must not show.</summary>
    public Guid AccountId { get; set; }

    /// <summary>Who may go on with it: a half-done sign-in, a session, or the browser that asked without a password.</summary>
    public required string Binding { get; set; }

    /// <summary>Instead of the password, rather than after it.</summary>
    public bool IsAlone { get; set; }

    /// <summary>The account's security stamp at the time: after a change of the password a yes is worth nothing.</summary>
    public required string Stamp { get; set; }

    /// <summary>What the page shows. Text, so that no export of a person's data tells it.</summary>
    public required string Number { get; set; }

    /// <summary>What the device offers, in its order, with spaces between.</summary>
    public required string Choices { get; set; }

    /// <summary>Signed over, so that no signature is good for two requests.</summary>
    public required string Nonce { get; set; }

    /// <summary>One of <see cref="PushSignIn.PushStatus"/>.</summary>
    public required string Status { get; set; }

    public string? ClientId { get; set; }

    public string? ClientName { get; set; }

    public string? Ip { get; set; }

    public string? UserAgent { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset? DecidedAt { get; set; }

    /// <summary>The device that answered.</summary>
    public Guid? DecidedBy { get; set; }

    public void Configure(EntityTypeBuilder<PushSignInRow> builder)
    {
        builder.ToTable("push_sign_ins").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.Binding).HasMaxLength(80);
        builder.Property(r => r.Stamp).HasMaxLength(128);
        builder.Property(r => r.Number).HasMaxLength(2);
        builder.Property(r => r.Choices).HasMaxLength(20);
        builder.Property(r => r.Nonce).HasMaxLength(64);
        builder.Property(r => r.Status).HasMaxLength(20);
        builder.Property(r => r.ClientId).HasMaxLength(200);
        builder.Property(r => r.ClientName).HasMaxLength(200);
        builder.Property(r => r.Ip).HasMaxLength(64);
        builder.Property(r => r.UserAgent).HasMaxLength(400);
        builder.HasIndex(r => new { r.AccountId, r.CreatedAt });
        builder.HasIndex(r => r.Binding);
        builder.HasIndex(r => r.ExpiresAt);
    }
}
