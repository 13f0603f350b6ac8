using System.Diagnostics;
using Identity.Accounts.Data.Tables;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Identity.Accounts.Data.Redis;

/// <summary>
/// The connection to Redis. While it is away every call throws at once, and nothing is queued for later: what a caller was told
/// had failed must not happen afterwards. It comes back by itself, at another master too where there was a fail-over.
/// </summary>
internal sealed partial class RedisServer(RedisSettings settings, ILogger<RedisServer> logger) : IAsyncDisposable, IDisposable
{
    // Each command that a script or store of ours runs, so that a right that is missing is found at the start and not at the first sign-in.
    private const string Probe = """
        redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
        redis.call('GET', KEYS[1])
        redis.call('PTTL', KEYS[1])
        redis.call('DEL', KEYS[1])
        redis.call('HSET', KEYS[1], 'count', 1)
        redis.call('HINCRBY', KEYS[1], 'count', 1)
        redis.call('HMGET', KEYS[1], 'count')
        redis.call('PEXPIRE', KEYS[1], ARGV[1])
        return redis.call('DEL', KEYS[1])
        """;

    // Nodes' clocks differ: what one wants forgotten another may still ask for. The times in the values decide.
    private static readonly TimeSpan s_slack = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    // The library asks the servers for their parts once a minute by itself, and for so long writes would be refused after a fail-over, or replicas taken for masters.
    private static readonly TimeSpan s_renewal = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _connecting = new(1, 1);
    private volatile ConnectionMultiplexer? _connection;
    private long _madeAt;
    private int _isRenewing;
    private bool _isDisposed;

    /// <summary>A connection broke or is another one now: what was published meanwhile was not heard.</summary>
    public event EventHandler? Interrupted;

    public string Description => settings.Description;

    /// <summary>A key; all that belongs to one <paramref name="tag"/> lies on one node of a cluster.</summary>
    public RedisKey Key(string kind, string tag) => $"{settings.KeyPrefix}:{kind}:{{{tag}}}";

    public RedisChannel Channel(string name) => RedisChannel.Literal($"{settings.KeyPrefix}:{name}");

    /// <summary>A time as scripts compare it.</summary>
    public static long Time(DateTimeOffset time) => UnixMicrosecondsConverter.Of(time);

    public static DateTimeOffset Time(RedisValue microseconds) => DateTimeOffset.UnixEpoch.AddTicks((long)microseconds * TimeSpan.TicksPerMicrosecond);

    /// <summary>How many milliseconds a key lives that is worth something for so long.</summary>
    public static long Life(TimeSpan needed) => (long)Math.Max(1, (needed + s_slack).TotalMilliseconds);

    /// <summary>Runs one script on one key.</summary>
    public async Task<RedisResult> EvaluateAsync(string script, RedisKey key, RedisValue[] arguments, CancellationToken cancellationToken) =>
        await CallAsync(database => database.ScriptEvaluateAsync(script, [key], arguments, AtTheMaster), cancellationToken);

    /// <exception cref="StoreUnavailableException">It cannot answer now.</exception>
    public async Task<T> CallAsync<T>(Func<IDatabase, Task<T>> command, CancellationToken cancellationToken)
    {
        ConnectionMultiplexer? connection = null;
        try
        {
            connection = await ConnectAsync(cancellationToken);
            return await command(connection.GetDatabase()).WaitAsync(cancellationToken);
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            if (connection is not null && IsAtAReplica(connection, exception))
            {
                Renew(connection);
            }

            throw new StoreUnavailableException("Redis does not answer.", exception);
        }
    }

    /// <summary>
    /// What a question that decides is asked with: a replica answers too, and does not know what its master acknowledged since they were parted, nor that it was replaced.
    /// </summary>
    public const CommandFlags AtTheMaster = CommandFlags.DemandMaster;

    public async Task<ISubscriber> SubscriberAsync(CancellationToken cancellationToken) => (await ConnectAsync(cancellationToken)).GetSubscriber();

    /// <summary>Waits for the server, as nodes and stores may start in any order, and refuses one that would forget what it must not.</summary>
    /// <exception cref="StartFailureException">One line for the operator.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            if (await FindProblemAsync(cancellationToken) is not { } problem)
            {
                return;
            }

            if (!problem.MayPass || Stopwatch.GetElapsedTime(started) >= settings.StartWait)
            {
                throw new StartFailureException(problem.Text, problem.Exception);
            }

            if (attempt == 1)
            {
                LogWaiting(Description, settings.StartWait.TotalSeconds);
            }

            await Task.Delay(s_pause, cancellationToken);
        }
    }

    /// <summary>What keeps us from using it now; null: nothing.</summary>
    /// <exception cref="StartFailureException">It would forget what it must not.</exception>
    public async Task<(string Text, bool MayPass, Exception Exception)?> FindProblemAsync(CancellationToken cancellationToken)
    {
        try
        {
            // One of its own: it tells a refused sign-in from a server that is not there, which the one that lives on does not.
            await using var probe = await ConnectionMultiplexer.ConnectAsync(Options(isProbe: true));
            await CheckMemoryAsync(probe, cancellationToken);
            await TryRightsAsync(probe.GetDatabase()).WaitAsync(cancellationToken);
            return null;
        }
        catch (RedisServerException refusal) when (IsRefusal(refusal))
        {
            return (WithoutRights, false, refusal);
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            return exception is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure }
                ? ($"REDIS_PASSWORD: expected what {Description} lets in (REDIS_USERNAME, REDIS_PASSWORD); it refused the sign-in.", false, exception)
                : ($"REDIS_HOST: expected a usable Redis ({Description}); it does not answer: {exception.Message.ReplaceLineEndings(" ")}", true, exception);
        }
    }

    /// <summary>What keeps the connection that lives on from serving now; null: nothing. A ping alone needs no rights.</summary>
    public async Task<string?> FindOutageAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync(TryRightsAsync, cancellationToken) ? null : "Redis does not answer.";
        }
        catch (StoreUnavailableException outage)
        {
            return outage.InnerException is RedisServerException refusal && IsRefusal(refusal) ? WithoutRights : outage.Message;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        if (_connection is { } connection)
        {
            await connection.DisposeAsync();
        }

        _connecting.Dispose();
    }

    public void Dispose()
    {
        _isDisposed = true;
        _connection?.Dispose();
        _connecting.Dispose();
    }

    private string WithoutRights => $"REDIS_USERNAME: expected a user of {Description} that may run scripts on keys {settings.KeyPrefix}:* and publish and subscribe on channels {settings.KeyPrefix}:* (ACL SETUSER ... ~{settings.KeyPrefix}:* &{settings.KeyPrefix}:* +@read +@write +@scripting +@pubsub +@connection +info); it refused one of these.";

    private async Task<bool> TryRightsAsync(IDatabase database)
    {
        await database.ScriptEvaluateAsync(Probe, [Key("probe", "x")], [1_000], AtTheMaster);
        await database.PublishAsync(Channel("sessions"), "probe");
        return true;
    }

    // A script's refusal is worded in other ways than a command's, and by version.
    private static bool IsRefusal(RedisServerException exception) =>
        exception.Message.Contains("NOPERM", StringComparison.Ordinal) || exception.Message.Contains("ACL failure", StringComparison.Ordinal) || exception.Message.Contains("can't run this command", StringComparison.Ordinal);

    // A server that evicts would make a revoked token valid again, and one that keeps no file forgets all of it in a restart.
    private async Task CheckMemoryAsync(ConnectionMultiplexer connection, CancellationToken cancellationToken)
    {
        foreach (var server in connection.GetServers().Where(server => server is { IsConnected: true, IsReplica: false }))
        {
            Dictionary<string, string> facts;
            try
            {
                facts = (await server.InfoAsync().WaitAsync(cancellationToken)).SelectMany(group => group).ToDictionary(fact => fact.Key, fact => fact.Value, StringComparer.Ordinal);
            }
            catch (Exception exception) when (exception is RedisServerException or RedisCommandException)
            {
                LogUnchecked(Description, exception);
                continue;
            }

            if (facts.GetValueOrDefault("maxmemory_policy") is { } policy and not "noeviction" && facts.GetValueOrDefault("maxmemory") is not (null or "0"))
            {
                throw new StartFailureException($"REDIS_HOST: expected maxmemory-policy noeviction; {Description} has {policy}, and with a denied token that it evicts the token would work again.");
            }

            if (facts.GetValueOrDefault("aof_enabled") is "0")
            {
                LogForgetful(Description);
            }
        }
    }

    private async ValueTask<ConnectionMultiplexer> ConnectAsync(CancellationToken cancellationToken)
    {
        if (_connection is { } there)
        {
            return there;
        }

        await _connecting.WaitAsync(cancellationToken);
        try
        {
            if (_connection is { } made)
            {
                return made;
            }

            return _connection = await MakeAsync();
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task<ConnectionMultiplexer> MakeAsync()
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(Options(isProbe: false));
        connection.ConnectionFailed += (_, failure) =>
        {
            Interrupted?.Invoke(this, EventArgs.Empty);
            LogLost(Description, failure.FailureType);
        };
        connection.ConnectionRestored += (_, _) =>
        {
            Interrupted?.Invoke(this, EventArgs.Empty);
            LogRestored(Description);
        };
        Volatile.Write(ref _madeAt, Stopwatch.GetTimestamp());
        return connection;
    }

    // Its connection may stand for ever: behind a name or an address that leads to the new master by now, nothing breaks where the old one merely changes its part.
    private static bool IsAtAReplica(ConnectionMultiplexer connection, Exception exception)
    {
        if (exception is RedisServerException && exception.Message.Contains("READONLY", StringComparison.Ordinal))
        {
            return true;
        }

        var connected = connection.GetServers().Where(server => server.IsConnected).ToList();
        return connected.Count > 0 && connected.TrueForAll(server => server.IsReplica);
    }

    // Beside the old one, which answers as before until the new one stands; nobody waits, and there are never more than two.
    private void Renew(ConnectionMultiplexer old)
    {
        if (Stopwatch.GetElapsedTime(Volatile.Read(ref _madeAt)) >= s_renewal && Interlocked.Exchange(ref _isRenewing, 1) == 0)
        {
            _ = RenewAsync(old);
        }
    }

    private async Task RenewAsync(ConnectionMultiplexer old)
    {
        try
        {
            LogRenewing(Description);
            var made = await MakeAsync();
            if (_isDisposed)
            {
                await made.DisposeAsync();
                return;
            }

            _connection = made;
            Interrupted?.Invoke(this, EventArgs.Empty);
            await old.CloseAsync(allowCommandsToComplete: true);
            await old.DisposeAsync();

            // Whoever held the old one until now heard by it.
            Interrupted?.Invoke(this, EventArgs.Empty);
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            // As it was: the next that fails tries again.
            Volatile.Write(ref _madeAt, Stopwatch.GetTimestamp());
        }
        finally
        {
            Volatile.Write(ref _isRenewing, 0);
        }
    }

    private ConfigurationOptions Options(bool isProbe)
    {
        var options = new ConfigurationOptions
        {
            User = settings.UserName,
            Password = settings.Password,
            Ssl = settings.Tls != RedisTls.Off,
            ClientName = "identity",
            AbortOnConnectFail = isProbe,
            // INFO counts as an administrator's command.
            AllowAdmin = isProbe,
            ConnectRetry = 1,
            ConnectTimeout = 5_000,
            AsyncTimeout = 2_000,
            SyncTimeout = 2_000,
            KeepAlive = 5,
            ConfigCheckSeconds = (int)s_renewal.TotalSeconds,
            ReconnectRetryPolicy = new LinearRetry(500),
            BacklogPolicy = BacklogPolicy.FailFast,
        };
        foreach (var (host, port) in settings.Endpoints)
        {
            options.EndPoints.Add(host, port);
        }

        if (settings.Tls == RedisTls.Require)
        {
#pragma warning disable CA5359 // What REDIS_TLS=require asks for: encrypted, whoever answers.
            options.CertificateValidation += (_, _, _, _) => true;
#pragma warning restore CA5359
        }

        return options;
    }

    private static bool IsOutage(Exception exception) => exception is RedisException or RedisTimeoutException or RedisCommandException or ObjectDisposedException;

    [LoggerMessage(2820, LogLevel.Warning, "{Server} does not answer yet: waiting for up to {Seconds} s")]
    private partial void LogWaiting(string server, double seconds);

    [LoggerMessage(2821, LogLevel.Warning, "The connection to {Server} is lost ({Reason}); what depends on it is refused until it is back")]
    private partial void LogLost(string server, ConnectionFailureType reason);

    [LoggerMessage(2822, LogLevel.Information, "The connection to {Server} is back")]
    private partial void LogRestored(string server);

    [LoggerMessage(2823, LogLevel.Warning, "{Server} keeps no append-only file: what it forgets in a restart are revoked tokens and used values. Set appendonly yes")]
    private partial void LogForgetful(string server);

    [LoggerMessage(2824, LogLevel.Warning, "{Server} does not tell (INFO) whether it evicts keys or keeps a file: see to it that it has maxmemory-policy noeviction and appendonly yes")]
    private partial void LogUnchecked(string server, Exception exception);

    [LoggerMessage(2825, LogLevel.Warning, "{Server} is a replica now: looking for its master over another connection")]
    private partial void LogRenewing(string server);
}
