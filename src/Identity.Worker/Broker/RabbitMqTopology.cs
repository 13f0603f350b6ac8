using Identity.Accounts.Events;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Identity.Worker.Broker;

/// <summary>Exchanges and queues: declared where they are missing, used as they are where they exist with other arguments.</summary>
internal static class RabbitMqTopology
{
    public const string RequestQueue = "otp_requests";
    public const string DeadLetterQueue = "otp_requests.dead";

    // Kept long enough for an operator to notice, and not for ever: events and requests name people.
    private static readonly TimeSpan s_parkedLife = TimeSpan.FromDays(7);

    // Some hundred thousand messages; the oldest go then, so that no faulty producer fills the broker's disk. Of a queue that was declared before there was a limit, a policy is the limit: docs/operations.md.
    private const long ParkedBytes = 256 * 1024 * 1024;

    private static readonly string[] s_exchanges = [EventExchanges.Identity, EventExchanges.Session];

    public static string RetryQueue(TimeSpan delay) => FormattableString.Invariant($"otp_requests.retry.{(long)delay.TotalMilliseconds}");

    public static string UnroutedQueue(string exchange) => exchange + ".unrouted";

    public static async Task DeclareEventsAsync(IConnection connection, CancellationToken cancellationToken)
    {
        foreach (var exchange in s_exchanges)
        {
            await EnsureAsync(
                connection,
                channel => channel.ExchangeDeclarePassiveAsync(exchange, cancellationToken),
                channel => channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true, autoDelete: false, cancellationToken: cancellationToken),
                cancellationToken);
            await EnsureQueueAsync(connection, UnroutedQueue(exchange), Parked(), cancellationToken);
        }
    }

    public static async Task DeclareRequestsAsync(IConnection connection, IReadOnlyList<TimeSpan> retryDelays, CancellationToken cancellationToken)
    {
        await EnsureQueueAsync(connection, RequestQueue, null, cancellationToken);
        await EnsureQueueAsync(connection, DeadLetterQueue, Parked(), cancellationToken);
        foreach (var delay in retryDelays)
        {
            // Nobody reads these: a message waits out its time and the broker moves it back.
            await EnsureQueueAsync(
                connection,
                RetryQueue(delay),
                new Dictionary<string, object?>(StringComparer.Ordinal)
                {
                    ["x-message-ttl"] = (long)delay.TotalMilliseconds,
                    ["x-dead-letter-exchange"] = "",
                    ["x-dead-letter-routing-key"] = RequestQueue,
                },
                cancellationToken);
        }
    }

    // Nobody but an operator reads these.
    private static Dictionary<string, object?> Parked() =>
        new(StringComparer.Ordinal) { ["x-message-ttl"] = (long)s_parkedLife.TotalMilliseconds, ["x-max-length-bytes"] = ParkedBytes, ["x-overflow"] = "drop-head" };

    private static Task EnsureQueueAsync(IConnection connection, string queue, Dictionary<string, object?>? arguments, CancellationToken cancellationToken) => EnsureAsync(
        connection,
        channel => channel.QueueDeclarePassiveAsync(queue, cancellationToken),
        channel => channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, cancellationToken: cancellationToken),
        cancellationToken);

    // A refusal closes the channel it was asked on, so each question has one of its own.
    private static async Task EnsureAsync(IConnection connection, Func<IChannel, Task> passive, Func<IChannel, Task> declare, CancellationToken cancellationToken)
    {
        if (await AskAsync(connection, passive, Constants.NotFound, cancellationToken) is null)
        {
            return;
        }

        // Precondition failed: somebody else declared it in between, with other arguments; or the broker does not want it like this at all.
        var refusal = await AskAsync(connection, declare, Constants.PreconditionFailed, cancellationToken);
        if (refusal is not null && await AskAsync(connection, passive, Constants.NotFound, cancellationToken) is not null)
        {
            throw refusal;
        }
    }

    // Null: yes.
    private static async Task<OperationInterruptedException?> AskAsync(IConnection connection, Func<IChannel, Task> question, ushort expectedRefusal, CancellationToken cancellationToken)
    {
        var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await using (channel)
        {
            try
            {
                await question(channel);
                return null;
            }
            catch (OperationInterruptedException exception) when (exception.ShutdownReason?.ReplyCode == expectedRefusal)
            {
                return exception;
            }
        }
    }
}
