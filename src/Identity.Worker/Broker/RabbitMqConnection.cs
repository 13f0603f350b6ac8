// AMQP 0-9-1.
using System.Net.Security;
using System.Net.Sockets;
using Identity.ServiceDefaults.Settings;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Identity.Worker.Broker;

/// <summary>
/// The process's one connection to the broker. Keeps it: the URIs are tried in turn, and after a round without success
/// with growing waits and jitter. Nobody else reconnects; they wait here.
/// </summary>
public sealed partial class RabbitMqConnection(RabbitMqSettings settings, TimeProvider timeProvider, ILogger<RabbitMqConnection> logger) : BackgroundService
{
    private static readonly TimeSpan s_shortestDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromSeconds(10);

    // Opening one takes a few round trips. A broker, or what stands before it, may take the connection and never say a word.
    private static readonly TimeSpan s_openingTime = TimeSpan.FromSeconds(15);

    private readonly Lock _lock = new();
    private Uri? _currentUri;
    private volatile IConnection? _blocked;
    private TaskCompletionSource<IConnection> _current = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The open connection, or null while the broker is away.</summary>
    public IConnection? Current
    {
        get
        {
            lock (_lock)
            {
                return _current.Task is { IsCompletedSuccessfully: true, Result: { IsOpen: true } connection } ? connection : null;
            }
        }
    }

    /// <summary>The broker is short of memory or disk, and reads nothing of what it is sent until it has some again.</summary>
    public bool IsBlocked => _blocked is { } blocked && ReferenceEquals(blocked, Current);

    /// <summary>Waits for the broker.</summary>
    public async Task<IConnection> WaitAsync(CancellationToken cancellationToken)
    {
        Task<IConnection> task;
        lock (_lock)
        {
            task = _current.Task;
        }

        return await task.WaitAsync(cancellationToken);
    }

    /// <summary>A second connection to the broker in use, for what must not be able to take the first one down. The caller closes it.</summary>
    public Task<IConnection> OpenAnotherAsync(CancellationToken cancellationToken)
    {
        Uri? uri;
        lock (_lock)
        {
            uri = _currentUri;
        }

        return OpenAsync(uri ?? settings.Uris[0], cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var next = 0;
        var failures = 0;
        try
        {
            while (true)
            {
                stoppingToken.ThrowIfCancellationRequested();
                var uri = settings.Uris[next % settings.Uris.Count];
                next++;
                IConnection connection;
                try
                {
                    connection = await OpenAsync(uri, stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogUnreachable(RabbitMqSettings.Describe(uri), Reason(exception));
                    failures++;
                    await WaitAfterAsync(failures, stoppingToken);
                    continue;
                }

                bool wasOfUse;
                await using (connection)
                {
                    wasOfUse = await HoldAsync(connection, uri, stoppingToken);
                }

                // A broker that lets us in and shows us out again (no such virtual host, no right to it) is no better than one that is away.
                failures = wasOfUse ? 0 : failures + 1;
                if (!wasOfUse)
                {
                    await WaitAfterAsync(failures, stoppingToken);
                    continue;
                }

                // Several workers whose broker restarts do not all come back in the same instant.
                await Task.Delay(s_shortestDelay * Random.Shared.NextDouble(), timeProvider, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop.
        }
        finally
        {
            lock (_lock)
            {
                _current.TrySetCanceled(CancellationToken.None);
            }
        }
    }

    // After each round of all URIs.
    private async Task WaitAfterAsync(int failures, CancellationToken stoppingToken)
    {
        if (failures % settings.Uris.Count == 0)
        {
            await Task.Delay(Delay(failures / settings.Uris.Count), timeProvider, stoppingToken);
        }
    }

    private static TimeSpan Delay(int rounds)
    {
        var full = s_shortestDelay * Math.Pow(2, Math.Min(rounds - 1, 10));
        return (full < s_longestDelay ? full : s_longestDelay) * (0.5 + (Random.Shared.NextDouble() / 2));
    }

    private async Task<IConnection> OpenAsync(Uri uri, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory
        {
            Uri = uri,
            ClientProvidedName = $"identity {Environment.MachineName}:{Environment.ProcessId}",
            AutomaticRecoveryEnabled = false,
            TopologyRecoveryEnabled = false,
            RequestedHeartbeat = TimeSpan.FromSeconds(15),
            RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
            ContinuationTimeout = TimeSpan.FromSeconds(10),
            // The broker's own limit is 128 MiB. Below it, one huge message would close the connection each time it is delivered.
            MaxInboundMessageBodySize = 512 * 1024 * 1024,
        };
        if (factory.Ssl.Enabled)
        {
            factory.Ssl.AcceptablePolicyErrors = SslPolicyErrors.None;
        }

        using var limit = new CancellationTokenSource(s_openingTime, timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        return await factory.CreateConnectionAsync(either.Token);
    }

    // Until it ends. False: nothing could be asked for over it.
    private async Task<bool> HoldAsync(IConnection connection, Uri uri, CancellationToken stoppingToken)
    {
        var name = RabbitMqSettings.Describe(uri);
        var closed = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionShutdownAsync += (_, shutdown) =>
        {
            closed.TrySetResult(shutdown.ReplyText);
            return Task.CompletedTask;
        };
        connection.ConnectionBlockedAsync += (_, _) =>
        {
            _blocked = connection;
            LogBlocked(name);
            return Task.CompletedTask;
        };
        connection.ConnectionUnblockedAsync += (_, _) =>
        {
            _blocked = null;
            LogUnblocked(name);
            return Task.CompletedTask;
        };
        if (!connection.IsOpen)
        {
            closed.TrySetResult("closed at once");
        }

        lock (_lock)
        {
            _currentUri = uri;
            _current.TrySetResult(connection);
        }

        LogConnected(name);
        try
        {
            var wasOfUse = await DeclareEventsAsync(connection, stoppingToken);
            LogClosed(name, await closed.Task.WaitAsync(stoppingToken));
            return wasOfUse;
        }
        finally
        {
            lock (_lock)
            {
                _current = new TaskCompletionSource<IConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    // At once, so that who listens has something to bind to before the first event. Who publishes declares them too, and waits where that fails.
    private async Task<bool> DeclareEventsAsync(IConnection connection, CancellationToken stoppingToken)
    {
        try
        {
            await RabbitMqTopology.DeclareEventsAsync(connection, stoppingToken);
            return true;
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogNotDeclared(Reason(exception));
            return false;
        }
    }

    // The innermost cause by its kind: messages of the client library may repeat user names.
    private static string Reason(Exception exception)
    {
        while (exception.InnerException is { } inner)
        {
            exception = inner;
        }

        return exception switch
        {
            SocketException socket => socket.SocketErrorCode.ToString(),
            OperationInterruptedException { ShutdownReason: { } reason } => $"refused with {reason.ReplyCode}",
            _ => exception.GetType().Name,
        };
    }

    [LoggerMessage(3400, LogLevel.Information, "Connected to the broker at {Broker}")]
    private partial void LogConnected(string broker);

    [LoggerMessage(3401, LogLevel.Warning, "The broker at {Broker} cannot be used: {Reason}")]
    private partial void LogUnreachable(string broker, string reason);

    [LoggerMessage(3402, LogLevel.Warning, "The connection to the broker at {Broker} ended: {Reason}")]
    private partial void LogClosed(string broker, string reason);

    [LoggerMessage(3403, LogLevel.Warning, "The broker at {Broker} takes no messages for now: it is short of memory or disk")]
    private partial void LogBlocked(string broker);

    [LoggerMessage(3405, LogLevel.Information, "The broker at {Broker} takes messages again")]
    private partial void LogUnblocked(string broker);

    [LoggerMessage(3404, LogLevel.Warning, "The exchanges for events could not be declared: {Reason}")]
    private partial void LogNotDeclared(string reason);
}
