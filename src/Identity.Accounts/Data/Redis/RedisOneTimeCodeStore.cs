// NIST SP 800-63B-4 §3.1.3.
using System.Globalization;
using Identity.Accounts.OneTimeCodes;
using StackExchange.Redis;

namespace Identity.Accounts.Data.Redis;

/// <summary>
/// One key holds the one living code of an account and purpose, so that replacing is overwriting. A second key leads from the
/// code's id to the first; it is written before, and decides nothing.
/// </summary>
internal sealed class RedisOneTimeCodeStore(RedisServer redis, TimeProvider timeProvider) : IOneTimeCodeStore
{
    private const string Replace = """
        redis.call('DEL', KEYS[1])
        redis.call('HSET', KEYS[1], 'id', ARGV[1], 'account', ARGV[2], 'channel', ARGV[3], 'purpose', ARGV[4], 'hash', ARGV[5], 'created', ARGV[6], 'expires', ARGV[7], 'guesses', 0)
        return redis.call('PEXPIRE', KEYS[1], ARGV[8])
        """;

    // The guess is spent whether it is right or wrong.
    private const string Use = """
        local code = redis.call('HMGET', KEYS[1], 'id', 'hash', 'guesses', 'expires', 'used')
        if code[1] ~= ARGV[1] or code[5] or tonumber(code[3]) >= tonumber(ARGV[3]) or tonumber(code[4]) <= tonumber(ARGV[4]) then
          return 0
        end
        redis.call('HINCRBY', KEYS[1], 'guesses', 1)
        if code[2] ~= ARGV[2] then
          return 0
        end
        redis.call('HSET', KEYS[1], 'used', ARGV[4])
        return 1
        """;

    public async Task ReplaceAsync(OneTimeCode code, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(code);
        var life = RedisServer.Life(code.ExpiresAt - timeProvider.GetUtcNow());
        var id = Id(code.Id);
        var tag = code.AccountId is { } account ? Tag(account, code.Purpose) : id;
        await redis.CallAsync(database => database.StringSetAsync(redis.Key("otp-id", id), tag, TimeSpan.FromMilliseconds(life)), cancellationToken);
        await redis.EvaluateAsync(
            Replace,
            redis.Key("otp", tag),
            [id, code.AccountId is { } owner ? Id(owner) : "", code.Channel, code.Purpose, code.CodeHash, RedisServer.Time(code.CreatedAt), RedisServer.Time(code.ExpiresAt), life],
            cancellationToken);
    }

    public async Task<OneTimeCode?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        await TagAsync(id, cancellationToken) is { } tag && await ReadAsync(tag, cancellationToken) is { } code && code.Id == id ? code : null;

    public Task<OneTimeCode?> FindLatestAsync(Guid accountId, string purpose, CancellationToken cancellationToken) => ReadAsync(Tag(accountId, purpose), cancellationToken);

    public async Task<bool> TryUseAsync(Guid id, byte[] codeHash, int maxGuesses, DateTimeOffset now, CancellationToken cancellationToken) =>
        await TagAsync(id, cancellationToken) is { } tag
        && (int)await redis.EvaluateAsync(Use, redis.Key("otp", tag), [Id(id), codeHash, maxGuesses, RedisServer.Time(now)], cancellationToken) == 1;

    private async Task<string?> TagAsync(Guid id, CancellationToken cancellationToken) =>
        await redis.CallAsync(database => database.StringGetAsync(redis.Key("otp-id", Id(id)), RedisServer.AtTheMaster), cancellationToken);

    private async Task<OneTimeCode?> ReadAsync(string tag, CancellationToken cancellationToken)
    {
        RedisValue[] names = ["id", "account", "channel", "purpose", "hash", "created", "expires"];
        var code = await redis.CallAsync(database => database.HashGetAsync(redis.Key("otp", tag), names, RedisServer.AtTheMaster), cancellationToken);
        return code[0].IsNull
            ? null
            : new(Guid.ParseExact(code[0]!, "N"), code[1] == "" ? null : Guid.ParseExact(code[1]!, "N"), code[2]!, code[3]!, code[4]!, RedisServer.Time(code[5]), RedisServer.Time(code[6]));
    }

    private static string Tag(Guid account, string purpose) => $"{Id(account)}:{Text.Hash(purpose)}";

    private static string Id(Guid id) => id.ToString("N", CultureInfo.InvariantCulture);
}
