using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Events;

/// <summary>Takes the broker's place where none is configured: subscribers in this process, and the log at Debug.</summary>
public sealed partial class InProcessEventPublisher(IEnumerable<IEventSubscriber> subscribers, ILogger<InProcessEventPublisher> logger) : IEventPublisher
{
    private readonly IEventSubscriber[] _subscribers = [.. subscribers];

    public async Task<PublishOutcome> PublishAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var confirmed = new List<long>(messages.Count);
        var failed = new HashSet<Guid>();
        var later = new List<long>();
        foreach (var message in messages)
        {
            if (failed.Contains(message.AccountId))
            {
                continue;
            }

            try
            {
                foreach (var subscriber in _subscribers)
                {
                    await subscriber.OnEventAsync(message, cancellationToken);
                }
            }
            catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                LogSubscriberFailed(exception, message.RoutingKey, message.MessageId);
                failed.Add(message.AccountId);
                // After its claim has run out: a subscriber that always fails must not spin.
                later.Add(message.Sequence);
                continue;
            }

            LogEvent(message.Exchange, message.RoutingKey, message.MessageId, message.AccountId);
            confirmed.Add(message.Sequence);
        }

        return new(confirmed, later, []);
    }

    [LoggerMessage(2800, LogLevel.Debug, "Event {Exchange} {Type} {MessageId} of account {AccountId}")]
    private partial void LogEvent(string exchange, string type, Guid messageId, Guid accountId);

    [LoggerMessage(2801, LogLevel.Warning, "A subscriber failed on event {Type} {MessageId}; it is given the event again")]
    private partial void LogSubscriberFailed(Exception exception, string type, Guid messageId);
}
