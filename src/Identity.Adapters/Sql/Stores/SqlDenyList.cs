// RFC 7009: read from the database at every check, so that what is acknowledged at one node holds at all.
using Identity.Adapters.Sql.Model;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.Adapters.Sql.Stores;

internal sealed class SqlDenyList(StoreDatabase database, TimeProvider timeProvider) : IDenyList
{
    // Compiled once: asked for every token, for its jti alone or with its grant.
    private readonly Func<IdentityDbContext, string, DateTimeOffset, CancellationToken, Task<bool>> _isDenied =
        EF.CompileAsyncQuery((IdentityDbContext context, string id, DateTimeOffset now, CancellationToken token) =>
            context.DenyEntries.Any(r => r.Id == id && r.ExpiresAt > now));

    private readonly Func<IdentityDbContext, string, string, DateTimeOffset, CancellationToken, Task<bool>> _isEitherDenied =
        EF.CompileAsyncQuery((IdentityDbContext context, string first, string second, DateTimeOffset now, CancellationToken token) =>
            context.DenyEntries.Any(r => (r.Id == first || r.Id == second) && r.ExpiresAt > now));

    private readonly string _upsert = database.Dialect.Upsert(
        "deny_entries",
        ["id"],
        ["id", "expires_at"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["expires_at"] = "excluded.expires_at" },
        where: "old.expires_at < excluded.expires_at");

    public Task DenyAsync(string id, DateTimeOffset until, CancellationToken cancellationToken)
    {
        object[] values = [id, database.Dialect.Time(until)];
        return database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken);
    }

    public async ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        switch (ids.Length)
        {
            case 0:
                return false;
            case 1:
                var id = ids.Span[0];
                return await database.ReadAsync((context, token) => _isDenied(context, id, now, token), cancellationToken);
            case 2:
                var (first, second) = (ids.Span[0], ids.Span[1]);
                return await database.ReadAsync((context, token) => _isEitherDenied(context, first, second, now, token), cancellationToken);
            default:
                var all = ids.ToArray();
                return await database.ReadAsync((context, token) => context.DenyEntries.AnyAsync(r => all.Contains(r.Id) && r.ExpiresAt > now, token), cancellationToken);
        }
    }
}
