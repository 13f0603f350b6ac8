// RFC 7523 §3, RFC 9449 §11.1.
using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

internal sealed class SqlReplayCache(StoreDatabase database, TimeProvider timeProvider) : IReplayCache
{
    private readonly string _upsert = database.Dialect.Upsert(
        "replay_entries",
        ["kind", "key"],
        ["kind", "key", "expires_at"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["expires_at"] = "excluded.expires_at" },
        where: "old.expires_at <= {3}");

    public async Task<bool> TryAddAsync(string kind, string value, DateTimeOffset until, CancellationToken cancellationToken)
    {
        object[] values = [kind, Text.Hash(value), database.Dialect.Time(until), database.Dialect.Time(timeProvider.GetUtcNow())];
        return await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken) == 1;
    }
}
