using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.RateLimits;

/// <summary>Fixed windows, aligned to the epoch so that all nodes count in the same ones. A refused attempt writes nothing.</summary>
internal sealed class SqlRateLimiter(StoreDatabase database, TimeProvider timeProvider) : IRateLimiter
{
    // A node whose clock is behind counts in the newer window rather than taking it back.
    private readonly string _upsert = database.Dialect.Upsert(
        "rate_limits",
        ["key"],
        ["key", "window_start", "count", "expires_at"],
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["count"] = "CASE WHEN old.window_start < excluded.window_start THEN 1 ELSE old.\"count\" + 1 END",
            ["window_start"] = "CASE WHEN old.window_start < excluded.window_start THEN excluded.window_start ELSE old.window_start END",
            ["expires_at"] = "CASE WHEN old.window_start < excluded.window_start THEN excluded.expires_at ELSE old.expires_at END",
        },
        where: "old.window_start < excluded.window_start OR old.\"count\" < {4}");

    public async Task<RateLimitLease> AcquireAsync(string key, int limit, TimeSpan window, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(window, TimeSpan.FromMilliseconds(1));
        var now = timeProvider.GetUtcNow();
        var start = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % window.Ticks), TimeSpan.Zero);
        var end = start + window;
        if (limit < 1)
        {
            return new(false, end - now);
        }

        object[] values = [Text.Hash(key), database.Dialect.Time(start), 1, database.Dialect.Time(end), limit];
        var counted = await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken) == 1;
        return counted ? new(true, TimeSpan.Zero) : new(false, end - now);
    }
}
