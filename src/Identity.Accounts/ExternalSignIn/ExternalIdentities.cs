using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>A way into an account through another provider.</summary>
/// <param name="Key">Names it in forms.</param>
/// <param name="Provider">The provider's name in the settings.</param>
/// <param name="Realm">Empty where the provider has none.</param>
/// <param name="Subject">As the provider told it when it was linked.</param>
/// <param name="AccountId">Whose it is.</param>
/// <param name="CreatedAt">When it was linked.</param>
/// <param name="LastUsedAt">When somebody last came in this way.</param>
public sealed record ExternalIdentity(string Key, string Provider, string Realm, string Subject, Guid AccountId, DateTimeOffset CreatedAt, DateTimeOffset LastUsedAt);

/// <summary>What unlinking came to.</summary>
public enum Unlinking
{
    Done,
    NotFound,
    /// <summary>Without it nobody could sign in to the account any more.</summary>
    LastWayIn,
}

/// <summary>Which account somebody at a provider is. A subject belongs to one account; an account may have any number.</summary>
public sealed class ExternalIdentities
{
    private readonly StoreDatabase _database;

    private readonly MailOutbox _mail;

    internal ExternalIdentities(StoreDatabase database, MailOutbox mail) => (_database, _mail) = (database, mail);

    public async Task<ExternalIdentity?> FindAsync(string key, CancellationToken cancellationToken)
    {
        var row = await _database.ReadAsync((context, token) => context.Set<ExternalIdentityRow>().FirstOrDefaultAsync(r => r.Key == key, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    /// <summary>Oldest first.</summary>
    public async Task<IReadOnlyList<ExternalIdentity>> ListAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var rows = await _database.ReadAsync((context, token) => context.Set<ExternalIdentityRow>().Where(r => r.AccountId == accountId).OrderBy(r => r.CreatedAt).ToListAsync(token), cancellationToken);
        return [.. rows.Select(Map)];
    }

    /// <summary>And tells the owner, as one. False: the subject belongs to an account already.</summary>
    public async Task<bool> TryAddAsync(ExternalSubject subject, Guid accountId, DateTimeOffset now, Notice notice, CancellationToken cancellationToken)
    {
        try
        {
            return await _database.TransactAsync(
                async (context, token) =>
                {
                    context.Add(Row(subject, accountId, now));
                    _mail.Add(context, notice);
                    await context.SaveChangesAsync(token);
                    return true;
                },
                cancellationToken);
        }
        catch (Exception exception) when (_database.Dialect.IsUniqueViolation(exception, out _))
        {
            return false;
        }
    }

    /// <summary>The account, its first way in and the events, all or nothing. False: somebody has the subject, the e-mail address or the user name by now.</summary>
    public async Task<bool> TryCreateAsync(Account account, ExternalSubject subject, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken)
    {
        try
        {
            return await _database.TransactAsync(
                async (context, token) =>
                {
                    context.Add(SqlAccountStore.Map(account));
                    context.Add(Row(subject, account.Id, account.CreatedAt));
                    await context.SaveChangesAsync(token);
                    await SqlOutbox.AppendAsync(_database, context, events, token);
                    return true;
                },
                cancellationToken);
        }
        catch (Exception exception) when (_database.Dialect.IsUniqueViolation(exception, out _))
        {
            return false;
        }
    }

    public Task TouchAsync(string key, DateTimeOffset now, CancellationToken cancellationToken) => _database.WriteAsync(
        (context, token) => context.Set<ExternalIdentityRow>().Where(r => r.Key == key && r.LastUsedAt < now).ExecuteUpdateAsync(set => set.SetProperty(r => r.LastUsedAt, now), token),
        cancellationToken);

    /// <summary>For an account that is gone.</summary>
    public Task ForgetAsync(string key, Guid accountId, CancellationToken cancellationToken) => _database.WriteAsync(
        (context, token) => context.Set<ExternalIdentityRow>().Where(r => r.Key == key && r.AccountId == accountId).ExecuteDeleteAsync(token),
        cancellationToken);

    /// <summary>Takes away those that were linked at this time or later, the last one too: for an owner who takes the account back by its mailbox; how many.</summary>
    public Task<int> RemoveSinceAsync(Guid accountId, DateTimeOffset since, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            await _database.Dialect.LockAsync(context, "external:" + accountId.ToString("N"), token);
            return await context.Set<ExternalIdentityRow>().Where(r => r.AccountId == accountId && r.CreatedAt >= since).ExecuteDeleteAsync(token);
        },
        cancellationToken);

    /// <summary>Takes one way in away from the account, and tells the owner, as one. Of two that are taken away at the same time one stays, where there is no other.</summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="key">Which.</param>
    /// <param name="hasOtherWay">They can sign in without any provider.</param>
    /// <param name="isOpen">Whether the provider of that name lets anybody in: one that the settings have no more does not.</param>
    /// <param name="notice">To the owner; null: none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<Unlinking> RemoveAsync(Guid accountId, string key, bool hasOtherWay, Func<string, bool> isOpen, Notice? notice, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            await _database.Dialect.LockAsync(context, "external:" + accountId.ToString("N"), token);
            var all = await context.Set<ExternalIdentityRow>().Where(r => r.AccountId == accountId).Select(r => new { r.Key, r.Provider }).ToListAsync(token);
            if (!all.Exists(each => each.Key == key))
            {
                return Unlinking.NotFound;
            }

            if (!hasOtherWay && !all.Exists(each => each.Key != key && isOpen(each.Provider)))
            {
                return Unlinking.LastWayIn;
            }

            await context.Set<ExternalIdentityRow>().Where(r => r.AccountId == accountId && r.Key == key).ExecuteDeleteAsync(token);
            _mail.Add(context, notice);
            await context.SaveChangesAsync(token);
            return Unlinking.Done;
        },
        cancellationToken);

    private static ExternalIdentityRow Row(ExternalSubject subject, Guid accountId, DateTimeOffset now) => new()
    {
        Key = subject.Key,
        Provider = subject.Provider,
        Realm = subject.Realm,
        Subject = subject.Subject,
        AccountId = accountId,
        CreatedAt = now,
        LastUsedAt = now,
    };

    private static ExternalIdentity Map(ExternalIdentityRow row) => new(row.Key, row.Provider, row.Realm, row.Subject, row.AccountId, row.CreatedAt, row.LastUsedAt);
}
