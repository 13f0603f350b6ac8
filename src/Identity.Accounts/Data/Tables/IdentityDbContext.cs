using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data.Tables;

/// <summary>The one model of all relational databases. A subclass per provider exists because each has migrations of its own.</summary>
public abstract class IdentityDbContext(DbContextOptions options) : DbContext(options), IDataProtectionKeyContext
{
    /// <summary>Longest string that SQL Server can have as a key of nvarchar together with another column.</summary>
    private const int KeyLength = 200;

    public DbSet<OAuthApplication> Applications => Set<OAuthApplication>();

    public DbSet<OAuthAuthorization> Authorizations => Set<OAuthAuthorization>();

    public DbSet<OAuthToken> Tokens => Set<OAuthToken>();

    public DbSet<ResourceRow> Resources => Set<ResourceRow>();

    public DbSet<SigningKeyRow> SigningKeys => Set<SigningKeyRow>();

    public DbSet<DenyEntryRow> DenyEntries => Set<DenyEntryRow>();

    public DbSet<ReplayEntryRow> ReplayEntries => Set<ReplayEntryRow>();

    public DbSet<AccountRow> Accounts => Set<AccountRow>();

    public DbSet<CredentialRow> Credentials => Set<CredentialRow>();

    public DbSet<MetadataRow> Metadata => Set<MetadataRow>();

    public DbSet<SessionRow> Sessions => Set<SessionRow>();

    public DbSet<OneTimeCodeRow> OneTimeCodes => Set<OneTimeCodeRow>();

    public DbSet<OutboxRow> Outbox => Set<OutboxRow>();

    public DbSet<ProcessedMessageRow> ProcessedMessages => Set<ProcessedMessageRow>();

    public DbSet<AuditRow> Audit => Set<AuditRow>();

    public DbSet<RateLimitRow> RateLimits => Set<RateLimitRow>();

    /// <summary>Each key's secret part is encrypted under the master key.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    public DbSet<StoreValueRow> StoreValues => Set<StoreValueRow>();

    private HashSet<string>? _changedSessions;

    /// <summary>What is being written ends or changes this session: nodes that remember it are told, once it is committed.</summary>
    internal void SessionChanged(string sessionId) => (_changedSessions ??= new(StringComparer.Ordinal)).Add(sessionId);

    /// <summary>The same for all sessions of an account, since it or they changed.</summary>
    internal void SessionsChangedOf(Guid accountId) => SessionChanged(accountId.ToString("N"));

    /// <summary>What was noted since this was last asked.</summary>
    internal IReadOnlyCollection<string> TakeChangedSessions()
    {
        var changed = _changedSessions;
        _changedSessions = null;
        return changed ?? (IReadOnlyCollection<string>)[];
    }

    private bool _mailAdded;

    /// <summary>What is being written has a mail in it: this process sends it, once it is committed.</summary>
    internal void MailAdded() => _mailAdded = true;

    /// <summary>Whether there was one since this was last asked.</summary>
    internal bool TakeMailAdded() => _mailAdded && !(_mailAdded = false);

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.UseOpenIddict<OAuthApplication, OAuthAuthorization, OAuthScope, OAuthToken, Guid>();
        OAuthModel(modelBuilder);
        AccountsModel(modelBuilder);
        HousekeepingModel(modelBuilder);

        // A new table is one file: its row, and an IEntityTypeConfiguration beside it.
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(IdentityDbContext).Assembly);
    }

    private static void OAuthModel(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<ResourceRow>(row =>
        {
            row.ToTable("resources").HasKey(r => r.Identifier);
            row.Property(r => r.Identifier).HasMaxLength(400);
        });
        modelBuilder.Entity<SigningKeyRow>(row =>
        {
            row.ToTable("signing_keys").HasKey(r => r.Kid);
            row.Property(r => r.Kid).HasMaxLength(KeyLength);
            row.Property(r => r.Algorithm).HasMaxLength(20);
            row.HasIndex(r => new { r.Algorithm, r.Ordinal }).IsUnique();
        });
        modelBuilder.Entity<DenyEntryRow>(row =>
        {
            row.ToTable("deny_entries").HasKey(r => r.Id);
            row.Property(r => r.Id).HasMaxLength(KeyLength);
            row.HasIndex(r => r.ExpiresAt);
        });
        modelBuilder.Entity<ReplayEntryRow>(row =>
        {
            row.ToTable("replay_entries").HasKey(r => new { r.Kind, r.Key });
            row.Property(r => r.Kind).HasMaxLength(KeyLength);
            row.Property(r => r.Key).HasMaxLength(64);
            row.HasIndex(r => r.ExpiresAt);
        });
    }

    private static void AccountsModel(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<AccountRow>(row =>
        {
            row.ToTable("accounts").HasKey(r => r.Id);
            row.Property(r => r.Id).ValueGeneratedNever();
            row.Property(r => r.Email).HasMaxLength(320);
            row.Property(r => r.NormalizedEmail).HasMaxLength(320);
            row.Property(r => r.UserName).HasMaxLength(256);
            row.Property(r => r.NormalizedUserName).HasMaxLength(256);
            row.Property(r => r.PhoneNumber).HasMaxLength(32);
            row.Property(r => r.PendingEmail).HasMaxLength(320);
            row.Property(r => r.PendingPhoneNumber).HasMaxLength(32);
            row.HasIndex(r => r.PendingEmail);
            row.HasIndex(r => r.PendingPhoneNumber);
            row.Property(r => r.FirstName).HasMaxLength(256);
            row.Property(r => r.LastName).HasMaxLength(256);
            row.Property(r => r.SecurityStamp).HasMaxLength(128);
            row.Property(r => r.SearchText).HasMaxLength(AccountFilter.Longest);
            row.HasIndex(r => r.DeleteAfter);
            row.HasIndex(r => r.NormalizedEmail).IsUnique();
            row.HasIndex(r => r.NormalizedUserName).IsUnique();
            row.HasIndex(r => r.PhoneNumber).IsUnique();
        });

        // No foreign key from credentials and metadata: both may live in another database than the accounts.
        modelBuilder.Entity<CredentialRow>(row =>
        {
            row.ToTable("credentials").HasKey(r => r.AccountId);
            row.Property(r => r.AccountId).ValueGeneratedNever();
            row.Property(r => r.PasswordHash).HasMaxLength(512);
        });
        modelBuilder.Entity<MetadataRow>(row =>
        {
            row.ToTable("account_metadata").HasKey(r => r.AccountId);
            row.Property(r => r.AccountId).ValueGeneratedNever();
        });
        modelBuilder.Entity<SessionRow>(row =>
        {
            row.ToTable("sessions").HasKey(r => r.Id);
            row.Property(r => r.Id).HasMaxLength(64);
            row.Property(r => r.Amr).HasMaxLength(200);
            row.Property(r => r.Acr).HasMaxLength(200);
            row.Property(r => r.Ip).HasMaxLength(64);
            row.Property(r => r.UserAgent).HasMaxLength(400);
            row.Property(r => r.DeviceId).HasMaxLength(KeyLength);
            row.HasIndex(r => new { r.AccountId, r.CreatedAt });
            row.HasIndex(r => r.ExpiresAt);
        });
        modelBuilder.Entity<OneTimeCodeRow>(row =>
        {
            row.ToTable("one_time_codes").HasKey(r => r.Id);
            row.Property(r => r.Id).ValueGeneratedNever();
            row.Property(r => r.Channel).HasMaxLength(20);
            row.Property(r => r.Purpose).HasMaxLength(64);
            row.Property(r => r.CodeHash).HasMaxLength(64);
            row.HasIndex(r => new { r.AccountId, r.Purpose });
            row.HasIndex(r => r.ExpiresAt);
        });
    }

    private static void HousekeepingModel(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<OutboxRow>(row =>
        {
            row.ToTable("outbox").HasKey(r => r.Sequence);
            row.Property(r => r.Exchange).HasMaxLength(64);
            row.Property(r => r.RoutingKey).HasMaxLength(64);
            row.Property(r => r.ClaimedBy).HasMaxLength(KeyLength);
            row.Property(r => r.TraceParent).HasMaxLength(64);
            row.HasIndex(r => new { r.AccountId, r.Sequence });
        });
        modelBuilder.Entity<ProcessedMessageRow>(row =>
        {
            row.ToTable("processed_messages").HasKey(r => r.Key);
            row.Property(r => r.Key).HasMaxLength(64);
            row.Property(r => r.Answer).HasMaxLength(2000);
            row.HasIndex(r => r.ExpiresAt);
        });
        modelBuilder.Entity<AuditRow>(row =>
        {
            row.ToTable("audit_log").HasKey(r => r.Id);
            row.Property(r => r.Id).ValueGeneratedNever();
            row.Property(r => r.Action).HasMaxLength(64);
            row.Property(r => r.Outcome).HasMaxLength(64);
            row.Property(r => r.ActorId).HasMaxLength(KeyLength);
            row.Property(r => r.ClientId).HasMaxLength(KeyLength);
            row.Property(r => r.SessionId).HasMaxLength(64);
            row.Property(r => r.Ip).HasMaxLength(64);
            row.Property(r => r.UserAgent).HasMaxLength(400);
            row.HasIndex(r => new { r.AccountId, r.Time });
            row.HasIndex(r => r.Time);

            // An erasure forgets also whom somebody acted on.
            row.HasIndex(r => r.ActorId).HasFilter("actor_id IS NOT NULL");
        });
        modelBuilder.Entity<RateLimitRow>(row =>
        {
            row.ToTable("rate_limits").HasKey(r => r.Key);
            row.Property(r => r.Key).HasMaxLength(64);
            row.HasIndex(r => r.ExpiresAt);
        });
        modelBuilder.Entity<DataProtectionKey>(row =>
        {
            row.ToTable("data_protection_keys").HasKey(r => r.Id);
            row.Property(r => r.FriendlyName).HasMaxLength(KeyLength);
        });
        modelBuilder.Entity<StoreValueRow>(row =>
        {
            row.ToTable("store_values").HasKey(r => r.Name);
            row.Property(r => r.Name).HasMaxLength(64);
            row.Property(r => r.Value).HasMaxLength(1000);
        });
    }
}
