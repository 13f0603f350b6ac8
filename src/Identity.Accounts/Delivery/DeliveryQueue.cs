using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery;

/// <summary>
/// Sends messages after the request that caused them is answered: whether there was anybody to send to must not show in how long that took.
/// A message that is lost with the process is one that its person asks for again; what tells of a change is not sent by this (<see cref="Mail.MailDelivery"/>).
/// </summary>
public sealed partial class DeliveryQueue(IEnumerable<IMessageSender> senders, DeliveryMetrics metrics, TimeProvider timeProvider, ILogger<DeliveryQueue> logger) : BackgroundService
{
    private const int Attempts = 4;
    private const int Longest = 10_000;

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
            foreach (var line in lane.Lines)
            {
                while (!cancellationToken.IsCancellationRequested && line.TryTake(out var waiting))
                {
                    failed += await DeliverAsync(lane.Sender, line, waiting with { Attempt = Attempts }) ? 0 : 1;
                }
            }

            return failed;
        }));
        return unsent.Sum();
    }

    private void Post(string channel, PersonalMessage message, Func<Lane, Line> line)
    {
        // One id from here on: whoever gets it twice can tell.
        var waiting = new Waiting(message with { Id = message.Id ?? Guid.CreateVersion7(timeProvider.GetUtcNow()) }, 1);
        if (!_lanes.TryGetValue(channel, out var lane) || !line(lane).TryAdd(waiting))
        {
            Drop(channel);
        }
    }

    private void Drop(string channel)
    {
        metrics.Ended(channel, "dropped");
        LogDropped(channel);
    }

    private async Task WorkAsync(IMessageSender sender, Line line, CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var waiting in line.ReadAllAsync(stoppingToken))
            {
                await DeliverAsync(sender, line, waiting);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop; what is still queued is StopAsync's.
        }
    }

    // False: it did not arrive, and nobody tries again.
    private async Task<bool> DeliverAsync(IMessageSender sender, Line line, Waiting waiting)
    {
        if (waiting.Message.ExpiresAt <= timeProvider.GetUtcNow())
        {
            metrics.Ended(sender.Channel, "expired");
            LogExpired(sender.Channel);
            return false;
        }

        try
        {
            // Not ended by a stop: it has limits of its own, and a message half sent may arrive twice.
            await sender.SendAsync(waiting.Message, CancellationToken.None);
            metrics.Ended(sender.Channel, "sent");
            return true;
        }
        catch (MessageRefusedException refused)
        {
            metrics.Ended(sender.Channel, "refused");
            LogRefused(sender.Channel, refused.Reason);
            return false;
        }
        catch (Exception exception)
        {
            LogFailed(sender.Channel, exception.GetType().Name);
        }

        if (waiting.Attempt >= Attempts)
        {
            metrics.Ended(sender.Channel, "given_up");
            LogGivenUp(sender.Channel);
            return false;
        }

        // Not waited for here: while one message waits for its next attempt, others are sent.
        if (!line.TryAddLater(waiting with { Attempt = waiting.Attempt + 1 }, TimeSpan.FromSeconds(waiting.Attempt * waiting.Attempt), timeProvider))
        {
            Drop(sender.Channel);
        }

        return true;
    }

    private sealed record Waiting(PersonalMessage Message, int Attempt);

    private sealed record Lane(IMessageSender Sender)
    {
        public Line Waiting { get; } = new();

        public Line Notices { get; } = new();

        public IReadOnlyList<Line> Lines => [Waiting, Notices];
    }

    /// <summary>What is to be sent, in turn, and beside it what is to come back into the line at its time. Each is taken by one: by its time, or by who empties both.</summary>
    private sealed class Line
    {
        private readonly Channel<Waiting> _now = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(Longest) { FullMode = BoundedChannelFullMode.Wait });

        // With the timers, which nothing else holds.
        private readonly ConcurrentDictionary<Guid, (Waiting Waiting, ITimer Timer)> _later = new();

        public bool TryAdd(Waiting waiting) => _now.Writer.TryWrite(waiting);

        public bool TryAddLater(Waiting waiting, TimeSpan wait, TimeProvider timeProvider)
        {
            if (_later.Count >= Longest)
            {
                return false;
            }

            var key = Guid.NewGuid();
            var timer = timeProvider.CreateTimer(_ => Return(key), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _later[key] = (waiting, timer);
            timer.Change(wait, Timeout.InfiniteTimeSpan);
            return true;
        }

        public IAsyncEnumerable<Waiting> ReadAllAsync(CancellationToken cancellationToken) => _now.Reader.ReadAllAsync(cancellationToken);

        public bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Waiting? waiting)
        {
            if (_now.Reader.TryRead(out waiting))
            {
                return true;
            }

            foreach (var key in _later.Keys)
            {
                if (_later.TryRemove(key, out var later))
                {
                    later.Timer.Dispose();
                    waiting = later.Waiting;
                    return true;
                }
            }

            return false;
        }

        private void Return(Guid key)
        {
            if (!_later.TryRemove(key, out var later))
            {
                return;
            }

            if (_now.Writer.TryWrite(later.Waiting))
            {
                later.Timer.Dispose();
                return;
            }

            // A full line: a moment later then, after those who are in it.
            _later[key] = later;
            later.Timer.Change(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        }
    }

    [LoggerMessage(2700, LogLevel.Error, "A message by {Channel} was dropped: too many are waiting")]
    private partial void LogDropped(string channel);

    [LoggerMessage(2701, LogLevel.Warning, "A message by {Channel} could not be sent ({Reason})")]
    private partial void LogFailed(string channel, string reason);

    [LoggerMessage(2702, LogLevel.Error, "A message by {Channel} could not be sent and is given up")]
    private partial void LogGivenUp(string channel);

    [LoggerMessage(2703, LogLevel.Warning, "A message by {Channel} was refused for good ({Reason}) and is not tried again")]
    private partial void LogRefused(string channel, string reason);

    [LoggerMessage(2704, LogLevel.Warning, "A message by {Channel} was worth nothing any more when its turn came, and was not sent")]
    private partial void LogExpired(string channel);
}
