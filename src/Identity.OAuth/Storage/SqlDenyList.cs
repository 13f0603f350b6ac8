// RFC 7009: read from the database at every check, so that what is acknowledged at one node holds at all.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

internal sealed class SqlDenyList : IDenyList
{
    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;

    // Null where the database is in the process: a read is no round trip then.
    private readonly GroupedReads<(ReadOnlyMemory<string> Ids, DateTimeOffset GrantedAt), bool>? _grouped;

    // Compiled once: asked for every token, for its jti alone, with its grant, or with what its person allowed its client.
    private readonly Func<IdentityDbContext, string, DateTimeOffset, DateTimeOffset, CancellationToken, Task<bool>> _isDenied =
        EF.CompileAsyncQuery((IdentityDbContext context, string id, DateTimeOffset grantedAt, DateTimeOffset now, CancellationToken token) =>
            context.DenyEntries.Any(r => r.Id == id && r.GrantedUntil >= grantedAt && r.ExpiresAt > now));

    private readonly Func<IdentityDbContext, string, string, DateTimeOffset, DateTimeOffset, CancellationToken, Task<bool>> _isEitherDenied =
        EF.CompileAsyncQuery((IdentityDbContext context, string first, string second, DateTimeOffset grantedAt, DateTimeOffset now, CancellationToken token) =>
            context.DenyEntries.Any(r => (r.Id == first || r.Id == second) && r.GrantedUntil >= grantedAt && r.ExpiresAt > now));

    private readonly Func<IdentityDbContext, string, string, string, DateTimeOffset, DateTimeOffset, CancellationToken, Task<bool>> _isAnyOfThreeDenied =
        EF.CompileAsyncQuery((IdentityDbContext context, string first, string second, string third, DateTimeOffset grantedAt, DateTimeOffset now, CancellationToken token) =>
            context.DenyEntries.Any(r => (r.Id == first || r.Id == second || r.Id == third) && r.GrantedUntil >= grantedAt && r.ExpiresAt > now));

    private readonly Func<IdentityDbContext, string[], DateTimeOffset, IAsyncEnumerable<DenyEntryRow>> _ofAny =
        EF.CompileAsyncQuery((IdentityDbContext context, string[] ids, DateTimeOffset now) => context.DenyEntries.Where(r => ids.Contains(r.Id) && r.ExpiresAt > now));

    private readonly string _upsert;

    public SqlDenyList(StoreDatabase database, TimeProvider timeProvider)
    {
        _database = database;
        _timeProvider = timeProvider;
        _grouped = database.IsEmbedded ? null : new(atOnce: 2, database.IsAway, ReadAsync);
        _upsert = database.Dialect.Upsert(
            "deny_entries",
            ["id"],
            ["id", "granted_until", "expires_at"],
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["granted_until"] = "CASE WHEN old.granted_until < excluded.granted_until THEN excluded.granted_until ELSE old.granted_until END",
                ["expires_at"] = "CASE WHEN old.expires_at < excluded.expires_at THEN excluded.expires_at ELSE old.expires_at END",
            },
            where: "old.expires_at < excluded.expires_at OR old.granted_until < excluded.granted_until");
    }

    public bool IsInDatabase => true;

    public Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken)
    {
        object[] values = [id, _database.Dialect.Time(grantedUntil), _database.Dialect.Time(until)];
        return _database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken);
    }

    public async ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken) =>
        ids.Length != 0 && await (_grouped is null ? ReadAsync(ids, grantedAt, cancellationToken) : _grouped.ReadAsync((ids, grantedAt)).WaitAsync(cancellationToken));

    private Task<bool> ReadAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        switch (ids.Length)
        {
            case 1:
                var id = ids.Span[0];
                return _database.ReadAsync((context, token) => _isDenied(context, id, grantedAt, now, token), cancellationToken);
            case 2:
                var (first, second) = (ids.Span[0], ids.Span[1]);
                return _database.ReadAsync((context, token) => _isEitherDenied(context, first, second, grantedAt, now, token), cancellationToken);
            case 3:
                var (one, two, three) = (ids.Span[0], ids.Span[1], ids.Span[2]);
                return _database.ReadAsync((context, token) => _isAnyOfThreeDenied(context, one, two, three, grantedAt, now, token), cancellationToken);
            default:
                var all = ids.ToArray();
                return _database.ReadAsync((context, token) => context.DenyEntries.AnyAsync(r => all.Contains(r.Id) && r.GrantedUntil >= grantedAt && r.ExpiresAt > now, token), cancellationToken);
        }
    }

    private async Task<IReadOnlyList<bool>> ReadAsync(IReadOnlyList<(ReadOnlyMemory<string> Ids, DateTimeOffset GrantedAt)> questions)
    {
        if (questions is [var (only, at)])
        {
            return [await ReadAsync(only, at, CancellationToken.None)];
        }

        var now = _timeProvider.GetUtcNow();
        var ids = questions.SelectMany(question => question.Ids.ToArray()).Distinct(StringComparer.Ordinal).ToArray();
        var denied = await _database.ReadAsync(
            async (context, token) =>
            {
                var found = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
                await foreach (var entry in _ofAny(context, ids, now).WithCancellation(token))
                {
                    found[entry.Id] = entry.GrantedUntil;
                }

                return found;
            },
            CancellationToken.None);
        return [.. questions.Select(question => question.Ids.ToArray().Any(id => denied.TryGetValue(id, out var until) && until >= question.GrantedAt))];
    }
}
