using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery;

/// <summary>
/// Sends messages after the request that caused them is answered: whether there was anybody to send to must not show in how long that took.
/// A message that is lost with the process is one that its person asks for again; what tells of a change is not sent by this (<see cref="Mail.MailDelivery"/>).
/// </summary>
public sealed partial class DeliveryQueue(IEnumerable<IMessageSender> senders, TimeProvider timeProvider, ILogger<DeliveryQueue> logger) : BackgroundService
{
    private const int Attempts = 4;

    // Each channel has its own: an SMS gateway that is down must not hold up the mail, nor one slow message those behind it.
    private const int Parallel = 4;
    private readonly Dictionary<string, Lane> _lanes = senders.ToDictionary(sender => sender.Channel, sender => new Lane(sender), StringComparer.Ordinal);

    public bool Has(string channel) => _lanes.ContainsKey(channel);

    /// <summary>Queues a message that its person waits for. With ten thousand in line the channel is down, and the message is dropped with a log line.</summary>
    public void Post(string channel, PersonalMessage message) => Post(channel, message, lane => lane.Waiting);

    /// <summary>
    /// Queues what nobody waits for. It stands in a line of its own: of some of these strangers can cause as many as they like, and no code is held up
    /// or dropped for them.
    /// </summary>
    public void PostNotice(string channel, PersonalMessage message) => Post(channel, message, lane => lane.Notices);

    /// <summary>Sends now, for callers whose own work is not done before it is sent.</summary>
    public Task SendAsync(string channel, PersonalMessage message, CancellationToken cancellationToken) => _lanes[channel].Sender.SendAsync(message, cancellationToken);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(from lane in _lanes.Values from line in lane.Lines from _ in Enumerable.Range(0, Parallel) select WorkAsync(lane.Sender, line, stoppingToken));

    /// <summary>What is still queued gets one try each: people are waiting for it.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await SendWaitingAsync(cancellationToken);
    }

    /// <summary>One try for each message that is queued, where nobody works on the queue; how many could not be sent.</summary>
    public async Task<int> SendWaitingAsync(CancellationToken cancellationToken)
    {
        var unsent = await Task.WhenAll(_lanes.Values.Select(async lane =>
        {
            var failed = 0;
            while (!cancellationToken.IsCancellationRequested && (lane.Waiting.Reader.TryRead(out var message) || lane.Notices.Reader.TryRead(out message)))
            {
                failed += await DeliverAsync(lane.Sender, message, new CancellationToken(canceled: true)) ? 0 : 1;
            }

            return failed;
        }));
        return unsent.Sum();
    }

    private void Post(string channel, PersonalMessage message, Func<Lane, Channel<PersonalMessage>> line)
    {
        if (!_lanes.TryGetValue(channel, out var lane) || !line(lane).Writer.TryWrite(message))
        {
            LogDropped(channel);
        }
    }

    private async Task WorkAsync(IMessageSender sender, Channel<PersonalMessage> line, CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var message in line.Reader.ReadAllAsync(stoppingToken))
            {
                await DeliverAsync(sender, message, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop; what is still queued is StopAsync's.
        }
    }

    private async Task<bool> DeliverAsync(IMessageSender sender, PersonalMessage message, CancellationToken stoppingToken)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            var last = attempt == Attempts || stoppingToken.IsCancellationRequested;
            if (await TryAsync(sender, message))
            {
                return true;
            }

            if (last)
            {
                break;
            }

            try
            {
                await Task.Delay(TimeSpan.FromSeconds(attempt * attempt), timeProvider, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                // Told to stop: the next try is the last.
            }
        }

        LogGivenUp(sender.Channel);
        return false;
    }

    private async Task<bool> TryAsync(IMessageSender sender, PersonalMessage message)
    {
        try
        {
            // Not ended by a stop: it has limits of its own, and a message half sent may arrive twice.
            await sender.SendAsync(message, CancellationToken.None);
            return true;
        }
        catch (Exception exception)
        {
            LogFailed(sender.Channel, exception.GetType().Name);
            return false;
        }
    }

    private sealed record Lane(IMessageSender Sender)
    {
        public Channel<PersonalMessage> Waiting { get; } = Line();

        public Channel<PersonalMessage> Notices { get; } = Line();

        public IReadOnlyList<Channel<PersonalMessage>> Lines => [Waiting, Notices];

        private static Channel<PersonalMessage> Line() => Channel.CreateBounded<PersonalMessage>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.Wait });
    }

    [LoggerMessage(2700, LogLevel.Error, "A message by {Channel} was dropped: too many are waiting")]
    private partial void LogDropped(string channel);

    [LoggerMessage(2701, LogLevel.Warning, "A message by {Channel} could not be sent ({Reason})")]
    private partial void LogFailed(string channel, string reason);

    [LoggerMessage(2702, LogLevel.Error, "A message by {Channel} could not be sent and is given up")]
    private partial void LogGivenUp(string channel);
}
