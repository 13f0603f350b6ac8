// RFC 9700 §4.7 (state is used once), SAML 2.0 Bindings §3.5.5.2 and Profiles §4.1.4.5 (an assertion is accepted once): one atomic statement decides.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>What an external sign-in leaves for its next step, what may not come twice, and requests too long for an address. Over all nodes.</summary>
public sealed class ExternalEntries
{
    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;
    private readonly string _mark;

    internal ExternalEntries(StoreDatabase database, TimeProvider timeProvider)
    {
        (_database, _timeProvider) = (database, timeProvider);
        _mark = database.Dialect.Upsert(
            "external_entries",
            ["kind", "key"],
            ["kind", "key", "payload", "expires_at"],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["expires_at"] = "excluded.expires_at" },
            where: "old.expires_at <= {4}");
    }

    /// <param name="kind">What it is: an id of one kind is worth nothing as another.</param>
    /// <param name="id">Unguessable, and new.</param>
    /// <param name="payload">Never a secret in clear.</param>
    /// <param name="expiresAt">From when it is worth nothing.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task SaveAsync(string kind, string id, string payload, DateTimeOffset expiresAt, CancellationToken cancellationToken) => _database.WriteAsync(
        (context, token) =>
        {
            context.Add(new ExternalEntryRow { Kind = kind, Key = Text.Hash(id), Payload = payload, ExpiresAt = expiresAt });
            return context.SaveChangesAsync(token);
        },
        cancellationToken);

    /// <summary>The payload, and it stays; null: unknown, used or expired.</summary>
    public Task<string?> PeekAsync(string kind, string id, CancellationToken cancellationToken)
    {
        var (key, now) = (Text.Hash(id), _timeProvider.GetUtcNow());
        return _database.ReadAsync(
            (context, token) => context.Set<ExternalEntryRow>().Where(r => r.Kind == kind && r.Key == key && r.UsedAt == null && r.ExpiresAt > now).Select(r => (string?)r.Payload).FirstOrDefaultAsync(token),
            cancellationToken);
    }

    /// <summary>The payload, for exactly one caller; null: unknown, used or expired.</summary>
    public async Task<string?> TakeAsync(string kind, string id, CancellationToken cancellationToken)
    {
        var (key, now) = (Text.Hash(id), _timeProvider.GetUtcNow());
        var taken = await _database.WriteAsync(
            (context, token) => context.Set<ExternalEntryRow>()
                .Where(r => r.Kind == kind && r.Key == key && r.UsedAt == null && r.ExpiresAt > now)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.UsedAt, now), token),
            cancellationToken) == 1;
        return taken
            ? await _database.ReadAsync((context, token) => context.Set<ExternalEntryRow>().Where(r => r.Kind == kind && r.Key == key).Select(r => r.Payload).FirstAsync(token), cancellationToken)
            : null;
    }

    /// <summary>True for exactly one caller per (kind, id) until it is forgotten at <paramref name="until"/>.</summary>
    public async Task<bool> TryMarkAsync(string kind, string id, DateTimeOffset until, CancellationToken cancellationToken)
    {
        object[] values = [kind, Text.Hash(id), "", _database.Dialect.Time(until), _database.Dialect.Time(_timeProvider.GetUtcNow())];
        return await _database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_mark, values, token), cancellationToken) == 1;
    }
}
