// OpenID Connect Core §2 (sid): live sessions as this node last read them; nodes tell each other of changes by Redis pub/sub.
using Identity.Accounts.Sessions;
using StackExchange.Redis;

namespace Identity.Accounts.Data.Redis;

/// <summary>
/// Remembers live sessions in the process, so that a token or cookie that is used again costs no read of the database. A change is told to
/// every node before it is acknowledged. Nothing is believed unless this node hears: from the moment a connection to Redis breaks until a
/// message of its own came back. An entry lives a second at most, so whatever goes wrong on the way holds within that time.
/// </summary>
internal sealed class RedisSessionCache : IDisposable
{
    private const string Hello = "hello ";

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(250);

    private readonly RedisServer _redis;
    private readonly TimeProvider _timeProvider;
    private readonly RedisChannel _channel;
    private readonly ShortCache<string, Session> _sessions;
    private readonly Lock _turn = new();
    private IConnectionMultiplexer? _subscribedTo;
    private bool _isAsking;
    private bool _hears;
    private string? _hello;

    public RedisSessionCache(RedisServer redis, TimeProvider timeProvider)
    {
        _redis = redis;
        _timeProvider = timeProvider;
        _channel = redis.Channel("sessions");
        _sessions = new(timeProvider);
        redis.Interrupted += Forget;
    }

    /// <summary>Whether what is remembered may be believed now.</summary>
    public bool Hears => Volatile.Read(ref _hears);

    public async ValueTask<Session?> FindLiveAsync(string id, DateTimeOffset now, Func<string, CancellationToken, Task<Session?>> read, CancellationToken cancellationToken)
    {
        if (!Hears)
        {
            Ask();
            return await read(id, cancellationToken);
        }

        // One that has run out may have been prolonged elsewhere.
        return await _sessions.GetAsync(id, read, cancellationToken) is { } session && session.ExpiresAt > now ? session : await read(id, cancellationToken);
    }

    /// <summary>Forgets, here and at every node that hears.</summary>
    /// <param name="changed">Ids of sessions, and of accounts for all of theirs (32 hexadecimal digits, which no session's id is).</param>
    public async Task InvalidateAsync(IReadOnlyCollection<string> changed)
    {
        Remove(changed);
        try
        {
            await _redis.CallAsync(database => database.PublishAsync(_channel, string.Join('\n', changed)), CancellationToken.None);
        }
        catch (StoreUnavailableException)
        {
            // Nodes that hear nothing believe nothing; one that is cut off from this one alone believes for a second at most.
        }
    }

    public void Dispose() => _redis.Interrupted -= Forget;

    private void Forget(object? sender, EventArgs interruption)
    {
        lock (_turn)
        {
            (_hears, _hello) = (false, null);
        }

        _sessions.RemoveWhere(_ => true);
    }

    private void Ask()
    {
        lock (_turn)
        {
            if (_isAsking)
            {
                return;
            }

            _isAsking = true;
        }

        _ = AskAsync();
    }

    // Subscribed is not heard: a message of our own that comes back has travelled the whole way.
    private async Task AskAsync()
    {
        try
        {
            var subscriber = await _redis.SubscriberAsync(CancellationToken.None);
            if (!ReferenceEquals(_subscribedTo, subscriber.Multiplexer))
            {
                (await subscriber.SubscribeAsync(_channel)).OnMessage(message => Hear(message.Message.ToString()));
                _subscribedTo = subscriber.Multiplexer;
            }

            var hello = Hello + Guid.NewGuid().ToString("N");
            lock (_turn)
            {
                _hello = hello;
            }

            await subscriber.PublishAsync(_channel, hello);
        }
        catch (Exception exception) when (exception is RedisException or RedisTimeoutException or RedisCommandException or ObjectDisposedException)
        {
            // Asked again at the next request.
        }

        await Task.Delay(s_pause, _timeProvider);
        lock (_turn)
        {
            _isAsking = false;
        }
    }

    private void Hear(string message)
    {
        if (!message.StartsWith(Hello, StringComparison.Ordinal))
        {
            Remove(message.Split('\n'));
            return;
        }

        lock (_turn)
        {
            if (message == _hello)
            {
                (_hears, _hello) = (true, null);
            }
        }
    }

    private void Remove(IEnumerable<string> changed)
    {
        foreach (var id in changed)
        {
            if (Guid.TryParseExact(id, "N", out var accountId))
            {
                _sessions.RemoveWhere(session => session.AccountId == accountId);
            }
            else
            {
                _sessions.Remove(id);
            }
        }
    }
}
