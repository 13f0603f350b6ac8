// Accounts that come from elsewhere or from an administrator: with ids, hashes, marks, roles and times of their own, many at once.
using System.Text.Json.Nodes;
using Identity.Accounts.Administration;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Import;

/// <summary>An account as it is to be. Formats are checked; whether it is free and its roles exist is not.</summary>
/// <param name="Account">With the id that it has, or was given here.</param>
/// <param name="PasswordHash">Ours, or of another system (<see cref="Passwords.BroughtHashes"/>); null: none.</param>
/// <param name="Metadata">Without nulls.</param>
/// <param name="HasOwnId">Its id came along: it is known again by that. Else by its address.</param>
public sealed record BroughtAccount(Account Account, string? PasswordHash, JsonObject Metadata, bool HasOwnId);

/// <summary>What became of one.</summary>
public enum Intake
{
    Created,

    /// <summary>It is there already, and stays as it is.</summary>
    Existing,
    EmailTaken,
    UserNameTaken,
    PhoneNumberTaken,
    UnknownRole,
}

/// <summary>Takes accounts in: each whole, with credentials, metadata and its <c>user.created</c>, or not at all.</summary>
public sealed class AccountIntake
{
    /// <summary>Accounts in one transaction. SQL Server takes 2,100 parameters.</summary>
    public const int Most = 200;

    private const int Attempts = 10;

    private readonly StoreDatabase _database;
    private readonly LifecycleEvents _events;

    internal AccountIntake(StoreDatabase database, LifecycleEvents events) => (_database, _events) = (database, events);

    /// <summary>One outcome for each, in order. At most <see cref="Most"/>.</summary>
    public Task<IReadOnlyList<Intake>> AddAsync(IReadOnlyList<BroughtAccount> accounts, CancellationToken cancellationToken) =>
        AddAsync(accounts, (_, outcomes, _) => Task.FromResult(outcomes), cancellationToken);

    /// <summary>As above, and in the same transaction what is to be written down of it.</summary>
    internal async Task<T> AddAsync<T>(IReadOnlyList<BroughtAccount> accounts, Func<IdentityDbContext, IReadOnlyList<Intake>, CancellationToken, Task<T>> note, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(accounts);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(accounts.Count, Most, nameof(accounts));
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await _database.TransactAsync(
                    async (context, token) =>
                    {
                        var outcomes = await AddAsync(context, accounts, token);
                        return await note(context, outcomes, token);
                    },
                    cancellationToken);
            }
            catch (Exception exception) when (attempt < Attempts && _database.Dialect.IsUniqueViolation(exception, out _))
            {
                // Somebody took an address in the moment between looking and writing: the next look sees it.
            }
        }
    }

    private async Task<IReadOnlyList<Intake>> AddAsync(IdentityDbContext context, IReadOnlyList<BroughtAccount> accounts, CancellationToken cancellationToken)
    {
        var roles = await RoleCatalog.FindAsync(_database, context, [.. accounts.SelectMany(brought => brought.Account.Roles).Distinct(StringComparer.Ordinal)], cancellationToken);
        var taken = await Taken.ReadAsync(context, accounts, cancellationToken);
        var outcomes = new List<Intake>(accounts.Count);
        foreach (var brought in accounts)
        {
            var outcome = !roles.IsSupersetOf(brought.Account.Roles) && !taken.Knows(brought) ? Intake.UnknownRole : taken.Claim(brought);
            outcomes.Add(outcome);
            if (outcome == Intake.Created)
            {
                Add(context, brought);
            }
        }

        await context.SaveChangesAsync(cancellationToken);
        return outcomes;
    }

    private void Add(IdentityDbContext context, BroughtAccount brought)
    {
        var account = brought.Account;
        context.Add(SqlAccountStore.Map(account));
        context.Add(new CredentialRow { AccountId = account.Id, PasswordHash = brought.PasswordHash, PasswordChangedAt = brought.PasswordHash is null ? null : account.UpdatedAt });
        if (brought.Metadata.Count > 0)
        {
            context.Add(new MetadataRow { AccountId = account.Id, Document = brought.Metadata.ToJsonString() });
        }

        // The account's first event, and nobody else can write one before this commit: it needs no lock to be in order.
        context.Add(SqlOutbox.Row(_events.OfUser(EventTypes.UserCreated, account)));
    }

    /// <summary>Ids, addresses, names and numbers that somebody has: in the store, or earlier in the same batch.</summary>
    private sealed class Taken
    {
        private readonly HashSet<Guid> _ids = [];
        private readonly HashSet<string> _emails = new(StringComparer.Ordinal);
        private readonly HashSet<string> _userNames = new(StringComparer.Ordinal);
        private readonly HashSet<string> _phoneNumbers = new(StringComparer.Ordinal);

        public static async Task<Taken> ReadAsync(IdentityDbContext context, IReadOnlyList<BroughtAccount> accounts, CancellationToken cancellationToken)
        {
            var taken = new Taken();
            var ids = accounts.Where(brought => brought.HasOwnId).Select(brought => brought.Account.Id).Distinct().ToArray();
            var emails = accounts.Select(brought => brought.Account.NormalizedEmail).Distinct(StringComparer.Ordinal).ToArray();
            var userNames = accounts.Select(brought => brought.Account.NormalizedUserName).OfType<string>().Distinct(StringComparer.Ordinal).ToArray();
            var phoneNumbers = accounts.Select(brought => brought.Account.PhoneNumber).OfType<string>().Distinct(StringComparer.Ordinal).ToArray();
            if (ids.Length > 0)
            {
                taken._ids.UnionWith(await context.Accounts.Where(r => ids.Contains(r.Id)).Select(r => r.Id).ToListAsync(cancellationToken));
            }

            // With whose they are: what another node commits between these looks may be the very account that is asked for.
            foreach (var found in await context.Accounts.Where(r => emails.Contains(r.NormalizedEmail)).Select(r => new { r.NormalizedEmail, r.Id }).ToListAsync(cancellationToken))
            {
                taken.Note(found.Id, found.NormalizedEmail);
            }

            if (userNames.Length > 0)
            {
                foreach (var found in await context.Accounts.Where(r => userNames.Contains(r.NormalizedUserName)).Select(r => new { r.NormalizedUserName, r.Id, r.NormalizedEmail }).ToListAsync(cancellationToken))
                {
                    taken._userNames.Add(found.NormalizedUserName!);
                    taken.Note(found.Id, found.NormalizedEmail);
                }
            }

            if (phoneNumbers.Length > 0)
            {
                foreach (var found in await context.Accounts.Where(r => phoneNumbers.Contains(r.PhoneNumber)).Select(r => new { r.PhoneNumber, r.Id, r.NormalizedEmail }).ToListAsync(cancellationToken))
                {
                    taken._phoneNumbers.Add(found.PhoneNumber!);
                    taken.Note(found.Id, found.NormalizedEmail);
                }
            }

            return taken;
        }

        private void Note(Guid id, string email)
        {
            _ids.Add(id);
            _emails.Add(email);
        }

        public bool Knows(BroughtAccount brought) => brought.HasOwnId ? _ids.Contains(brought.Account.Id) : _emails.Contains(brought.Account.NormalizedEmail);

        public Intake Claim(BroughtAccount brought)
        {
            var account = brought.Account;
            var outcome = Knows(brought) ? Intake.Existing
                : _emails.Contains(account.NormalizedEmail) ? Intake.EmailTaken
                : account.NormalizedUserName is { } userName && _userNames.Contains(userName) ? Intake.UserNameTaken
                : account.PhoneNumber is { } phoneNumber && _phoneNumbers.Contains(phoneNumber) ? Intake.PhoneNumberTaken
                : Intake.Created;
            if (outcome == Intake.Created)
            {
                _ids.Add(account.Id);
                _emails.Add(account.NormalizedEmail);
                _ = account.NormalizedUserName is { } name && _userNames.Add(name);
                _ = account.PhoneNumber is { } number && _phoneNumbers.Add(number);
            }

            return outcome;
        }
    }
}
