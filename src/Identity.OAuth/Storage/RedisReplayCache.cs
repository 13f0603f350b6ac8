// RFC 7523 §3, RFC 9449 §11.1.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Redis;

namespace Identity.OAuth.Storage;

internal sealed class RedisReplayCache(RedisServer redis, TimeProvider timeProvider) : IReplayCache
{
    private const string Add = """
        local expires = redis.call('GET', KEYS[1])
        if expires and tonumber(expires) > tonumber(ARGV[2]) then
          return 0
        end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
        return 1
        """;

    public async Task<bool> TryAddAsync(string kind, string value, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        return (int)await redis.EvaluateAsync(
            Add,
            redis.Key("seen", $"{kind}:{Text.Hash(value)}"),
            [RedisServer.Time(until), RedisServer.Time(now), RedisServer.Life(until - now)],
            cancellationToken) == 1;
    }
}
