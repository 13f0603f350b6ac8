using Identity.Accounts.RateLimits;

namespace Identity.Accounts.Data.Redis;

/// <summary>The windows of <see cref="SqlRateLimiter"/>, counted by one script. A refused attempt writes nothing.</summary>
internal sealed class RedisRateLimiter(RedisServer redis, TimeProvider timeProvider) : IRateLimiter
{
    // A node whose clock is behind counts in the newer window rather than taking it back.
    private const string Acquire = """
        local window = redis.call('HMGET', KEYS[1], 'start', 'count')
        if window[1] and tonumber(window[1]) >= tonumber(ARGV[1]) then
          if tonumber(window[2]) >= tonumber(ARGV[2]) then
            return 0
          end
          redis.call('HINCRBY', KEYS[1], 'count', 1)
          return 1
        end
        redis.call('HSET', KEYS[1], 'start', ARGV[1], 'count', 1)
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return 1
        """;

    public async Task<RateLimitLease> AcquireAsync(string key, int limit, TimeSpan window, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(window, TimeSpan.FromMilliseconds(1));
        var now = timeProvider.GetUtcNow();
        var start = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % window.Ticks), TimeSpan.Zero);
        var wait = start + window - now;
        if (limit < 1)
        {
            return new(false, wait);
        }

        var counted = (int)await redis.EvaluateAsync(Acquire, redis.Key("limit", Text.Hash(key)), [RedisServer.Time(start), limit, RedisServer.Life(wait)], cancellationToken) == 1;
        return counted ? new(true, TimeSpan.Zero) : new(false, wait);
    }
}
