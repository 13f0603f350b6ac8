using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery;

/// <summary>
/// Sends messages after the request that caused them is answered: whether there was anybody to send to must not show in how long that took.
/// A message that is lost with the process is one that its person asks for again.
/// </summary>
public sealed partial class DeliveryQueue(IEnumerable<IMessageSender> senders, TimeProvider timeProvider, ILogger<DeliveryQueue> logger) : BackgroundService
{
    private const int Attempts = 4;

    // One slow receiver holds up a quarter of the others, not all of them.
    private const int Senders = 4;

    private readonly Dictionary<string, IMessageSender> _senders = senders.ToDictionary(sender => sender.Channel, StringComparer.Ordinal);
    private readonly Channel<(string Channel, PersonalMessage Message)> _queue = System.Threading.Channels.Channel.CreateBounded<(string, PersonalMessage)>(
        new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropWrite });

    public bool Has(string channel) => _senders.ContainsKey(channel);

    /// <summary>Queues a message. With ten thousand waiting the channel is down, and the message is dropped with a log line.</summary>
    public void Post(string channel, PersonalMessage message)
    {
        if (_queue.Reader.Count >= 10_000 || !_queue.Writer.TryWrite((channel, message)))
        {
            LogDropped(channel);
        }
    }

    /// <summary>Sends now, for callers whose own work is not done before it is sent.</summary>
    public Task SendAsync(string channel, PersonalMessage message, CancellationToken cancellationToken) => _senders[channel].SendAsync(message, cancellationToken);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(Enumerable.Range(0, Senders).Select(_ => SendAsync(stoppingToken)));

    private async Task SendAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var (channel, message) in _queue.Reader.ReadAllAsync(stoppingToken))
            {
                await DeliverAsync(channel, message, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What is still queued gets one try each: people are waiting for it.
            while (_queue.Reader.TryRead(out var rest))
            {
                await TryAsync(rest.Channel, rest.Message, CancellationToken.None);
            }
        }
    }

    private async Task DeliverAsync(string channel, PersonalMessage message, CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            if (await TryAsync(channel, message, cancellationToken))
            {
                return;
            }

            if (attempt < Attempts)
            {
                await Task.Delay(TimeSpan.FromSeconds(attempt * attempt), timeProvider, cancellationToken);
            }
        }

        LogGivenUp(channel);
    }

    private async Task<bool> TryAsync(string channel, PersonalMessage message, CancellationToken cancellationToken)
    {
        try
        {
            await _senders[channel].SendAsync(message, cancellationToken);
            return true;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(channel, exception.GetType().Name);
            return false;
        }
    }

    [LoggerMessage(2700, LogLevel.Error, "A message by {Channel} was dropped: too many are waiting")]
    private partial void LogDropped(string channel);

    [LoggerMessage(2701, LogLevel.Warning, "A message by {Channel} could not be sent ({Reason}) and is tried again")]
    private partial void LogFailed(string channel, string reason);

    [LoggerMessage(2702, LogLevel.Error, "A message by {Channel} could not be sent and is given up")]
    private partial void LogGivenUp(string channel);
}
