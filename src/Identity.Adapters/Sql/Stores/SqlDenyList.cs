// RFC 7009: read from the database at every check, so that what is acknowledged at one node holds at all.
using Identity.Adapters.Sql.Model;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.Adapters.Sql.Stores;

internal sealed class SqlDenyList(StoreDatabase database, TimeProvider timeProvider) : IDenyList
{
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
        if (ids.Length == 1)
        {
            var id = ids.Span[0];
            return await database.ReadAsync((context, token) => context.DenyEntries.AnyAsync(r => r.Id == id && r.ExpiresAt > now, token), cancellationToken);
        }

        var all = ids.ToArray();
        return all.Length > 0
            && await database.ReadAsync((context, token) => context.DenyEntries.AnyAsync(r => all.Contains(r.Id) && r.ExpiresAt > now, token), cancellationToken);
    }
}
