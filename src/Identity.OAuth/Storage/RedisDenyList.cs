// RFC 7009: asked of Redis at every check, so that what is acknowledged at one node holds at all.
using System.Globalization;
using Identity.Accounts.Data.Redis;
using StackExchange.Redis;

namespace Identity.OAuth.Storage;

internal sealed class RedisDenyList(RedisServer redis, TimeProvider timeProvider) : IDenyList
{
    // Of several entries for one id the later times hold. Numbers stay text: Lua would round them when it writes.
    private const string Deny = """
        local old = redis.call('HMGET', KEYS[1], 'granted_until', 'expires')
        local granted, expires = ARGV[1], ARGV[2]
        if old[1] and tonumber(old[1]) > tonumber(granted) then granted = old[1] end
        if old[2] and tonumber(old[2]) > tonumber(expires) then expires = old[2] end
        redis.call('HSET', KEYS[1], 'granted_until', granted, 'expires', expires)
        if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
          redis.call('PEXPIRE', KEYS[1], ARGV[3])
        end
        return 1
        """;

    private static readonly RedisValue[] s_fields = ["granted_until", "expires"];

    public Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken) =>
        redis.EvaluateAsync(
            Deny,
            redis.Key("denied", id),
            [Number(grantedUntil), Number(until), RedisServer.Life(until - timeProvider.GetUtcNow())],
            cancellationToken);

    public async ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken)
    {
        var now = RedisServer.Time(timeProvider.GetUtcNow());
        var granted = RedisServer.Time(grantedAt);

        // Each id has a key of its own, anywhere in a cluster; all of them travel at once.
        var entries = await redis.CallAsync(database => Task.WhenAll(ids.ToArray().Select(id => database.HashGetAsync(redis.Key("denied", id), s_fields, RedisServer.AtTheMaster))), cancellationToken);
        return Array.Exists(entries, entry => !entry[0].IsNull && (long)entry[0] >= granted && (long)entry[1] > now);
    }

    private static string Number(DateTimeOffset time) => RedisServer.Time(time).ToString(CultureInfo.InvariantCulture);
}
