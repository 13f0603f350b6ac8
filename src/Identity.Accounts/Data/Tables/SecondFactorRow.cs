using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Identity.Accounts.Data.Tables;

internal sealed class SecondFactorRow : IEntityTypeConfiguration<SecondFactorRow>
{
    public Guid Id { get; set; }

    public Guid AccountId { get; set; }

    public string Kind { get; set; } = "";

    /// <summary>What there can be one of: "totp:", "email:", "sms:" or "push:" and the account, "passkey:" and the hash of its credential id.</summary>
    public string Slot { get; set; } = "";

    public string Name { get; set; } = "";

    /// <summary>An authenticator's secret, encrypted; a passkey's public part as JSON; "alone" where devices may sign in without the password; empty for the others, and where it is in MongoDB.</summary>
    public string Data { get; set; } = "";

    /// <summary>Only ever raised: an authenticator's last used time step, a passkey's signature counter.</summary>
    public long Counter { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset? LastUsedAt { get; set; }

    public void Configure(EntityTypeBuilder<SecondFactorRow> builder)
    {
        // No foreign key: factors may live in another database than the accounts.
        builder.ToTable("second_factors").HasKey(r => r.Id);
        builder.Property(r => r.Id).ValueGeneratedNever();
        builder.Property(r => r.Kind).HasMaxLength(20);
        builder.Property(r => r.Slot).HasMaxLength(64);
        builder.Property(r => r.Name).HasMaxLength(100);
        builder.HasIndex(r => r.Slot).IsUnique();
        builder.HasIndex(r => r.AccountId);
    }
}
