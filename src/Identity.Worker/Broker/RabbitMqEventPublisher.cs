// CloudEvents 1.0 over AMQP 0-9-1, structured mode.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Identity.Accounts.Events;
using Identity.ServiceDefaults.Settings;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Identity.Worker.Broker;

/// <summary>
/// Publishes persistent and mandatory, with confirms: a message counts only when the broker has put it into a queue.
/// One that no queue is bound for comes back and is tried again, and is parked in <c>&lt;exchange&gt;.unrouted</c>
/// once nobody has listened to its type for <see cref="RabbitMqSettings.UnroutedAfter"/>.
/// </summary>
public sealed partial class RabbitMqEventPublisher(RabbitMqConnection broker, RabbitMqSettings settings, TimeProvider timeProvider, ILogger<RabbitMqEventPublisher> logger)
    : IEventPublisher, IAsyncDisposable
{
    private static readonly ActivitySource Activities = new("Identity.Worker");

    // Longer than the relay's claims last: between two tries of one event there is at least one of those.
    private static readonly TimeSpan s_silence = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<(string Exchange, string Type), (DateTimeOffset First, DateTimeOffset Last)> _unheard = new();
    private readonly SemaphoreSlim _opening = new(1);
    private IChannel? _channel;

    public async Task<PublishOutcome> PublishAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        if (broker.IsBlocked || await FindChannelAsync(cancellationToken) is not { } channel)
        {
            return PublishOutcome.Nothing;
        }

        var confirmed = new ConcurrentBag<long>();
        var unroutable = new ConcurrentBag<long>();
        var refused = new ConcurrentBag<long>();
        // Of one account each waits for the confirm of the one before; accounts do not wait for each other.
        await Task.WhenAll(messages.GroupBy(message => message.AccountId).Select(async group =>
        {
            foreach (var message in group)
            {
                switch (await PublishAsync(channel, message, cancellationToken))
                {
                    case Fate.Confirmed:
                        confirmed.Add(message.Sequence);
                        break;
                    case Fate.Returned:
                        unroutable.Add(message.Sequence);
                        return;
                    case Fate.Refused:
                        refused.Add(message.Sequence);
                        return;
                    default:
                        return;
                }
            }
        }));
        return new([.. confirmed], [.. unroutable], [.. refused]);
    }

    public async ValueTask DisposeAsync()
    {
        _opening.Dispose();
        if (_channel is { } channel)
        {
            await channel.DisposeAsync();
        }
    }

    private async Task<Fate> PublishAsync(IChannel channel, OutboxMessage message, CancellationToken cancellationToken)
    {
        var key = (message.Exchange, message.RoutingKey);
        var fate = await SendAsync(channel, message.Exchange, message.RoutingKey, message, cancellationToken);
        if (fate == Fate.Confirmed)
        {
            _unheard.TryRemove(key, out _);
        }

        if (fate != Fate.Returned)
        {
            return fate;
        }

        var now = timeProvider.GetUtcNow();
        var unheard = _unheard.AddOrUpdate(
            key,
            _ => (now, now),
            // A long time without a word is no proof that nobody listened in it.
            (_, since) => now - since.Last > settings.UnroutedAfter + s_silence ? (now, now) : (since.First, now));
        if (now - unheard.First < settings.UnroutedAfter)
        {
            return Fate.Returned;
        }

        var parked = await SendAsync(channel, "", RabbitMqTopology.UnroutedQueue(message.Exchange), message, cancellationToken);
        if (parked == Fate.Returned && await DeclareAgainAsync(cancellationToken))
        {
            parked = await SendAsync(channel, "", RabbitMqTopology.UnroutedQueue(message.Exchange), message, cancellationToken);
        }

        if (parked == Fate.Confirmed)
        {
            LogParked(message.RoutingKey, message.MessageId, RabbitMqTopology.UnroutedQueue(message.Exchange));
        }

        return parked;
    }

    private async Task<Fate> SendAsync(IChannel channel, string exchange, string routingKey, OutboxMessage message, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(settings.ConfirmTimeout);

        // W3C Trace Context: the sending belongs to the request that the event came of, however much later and wherever it happens.
        using var activity = message.TraceParent is { } parent ? Activities.StartActivity("publish " + message.RoutingKey, ActivityKind.Internal, parent) : null;
        try
        {
            await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, Properties(message), Encoding.UTF8.GetBytes(message.Body), timeout.Token);
            return Fate.Confirmed;
        }
        catch (PublishException exception) when (exception.IsReturn)
        {
            return Fate.Returned;
        }
        catch (Exception exception)
        {
            // It may or may not have arrived, so it goes again. From a broker that is there and reads, no or no word is its answer to this very message.
            LogUnconfirmed(message.RoutingKey, message.MessageId, exception.GetType().Name);
            return exception is PublishException || (channel.IsOpen && !broker.IsBlocked && !cancellationToken.IsCancellationRequested) ? Fate.Refused : Fate.Unknown;
        }
    }

    private static BasicProperties Properties(OutboxMessage message) => new()
    {
        Persistent = true,
        MessageId = message.MessageId.ToString(),
        Type = message.RoutingKey,
        AppId = "identity",
        ContentType = "application/cloudevents+json",
        ContentEncoding = "utf-8",
        Timestamp = new AmqpTimestamp(message.CreatedAt.ToUnixTimeSeconds()),
        Headers = Headers(message),
    };

    private static Dictionary<string, object?> Headers(OutboxMessage message)
    {
        var headers = new Dictionary<string, object?>(StringComparer.Ordinal) { ["x-exchange"] = message.Exchange, ["x-routing-key"] = message.RoutingKey };
        if (message.TraceParent is not null)
        {
            // Where traces are collected the client library puts its own span there, of the same trace.
            headers["traceparent"] = message.TraceParent;
        }

        return headers;
    }

    // Somebody deleted the queue that takes what nobody listens to. The channel stays as it is: others' events are on it.
    private async Task<bool> DeclareAgainAsync(CancellationToken cancellationToken)
    {
        if (broker.Current is not { } connection)
        {
            return false;
        }

        await _opening.WaitAsync(cancellationToken);
        try
        {
            await RabbitMqTopology.DeclareEventsAsync(connection, cancellationToken);
            return true;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogNoChannel(exception);
            return false;
        }
        finally
        {
            _opening.Release();
        }
    }

    private async Task<IChannel?> FindChannelAsync(CancellationToken cancellationToken)
    {
        if (_channel is { IsOpen: true } open)
        {
            return open;
        }

        if (broker.Current is not { } connection)
        {
            return null;
        }

        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (_channel is { IsOpen: true } opened)
            {
                return opened;
            }

            if (_channel is { } old)
            {
                _channel = null;
                await old.DisposeAsync();
            }

            await RabbitMqTopology.DeclareEventsAsync(connection, cancellationToken);
            return _channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogNoChannel(exception);
            return null;
        }
        finally
        {
            _opening.Release();
        }
    }

    private enum Fate
    {
        Unknown,
        Confirmed,
        Returned,
        Refused,
    }

    [LoggerMessage(3410, LogLevel.Warning, "Event {Type} {MessageId} was not confirmed ({Reason}); it is sent again")]
    private partial void LogUnconfirmed(string type, Guid messageId, string reason);

    [LoggerMessage(3411, LogLevel.Warning, "Nobody listens to {Type}; event {MessageId} was parked in {Queue}")]
    private partial void LogParked(string type, Guid messageId, string queue);

    [LoggerMessage(3412, LogLevel.Warning, "No channel for events could be opened, or what they need not be declared")]
    private partial void LogNoChannel(Exception exception);
}
