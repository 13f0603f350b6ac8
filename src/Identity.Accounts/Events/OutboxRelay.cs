// Transactional outbox: what was committed with a change is published at least once, of one account in order.
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Events;

/// <summary>How the relay works.</summary>
public sealed class OutboxRelayOptions
{
    public const string Section = "Outbox";

    /// <summary>Messages claimed at once.</summary>
    public int BatchSize { get; set; } = 200;

    /// <summary>How long a claim lasts: what a killed relay had claimed, and what nobody listened to, is tried again after it.</summary>
    public TimeSpan ClaimDuration { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest wait before an event that the receiver refuses is sent again: it waits half as long as it is old, and at least <see cref="ClaimDuration"/>.</summary>
    public TimeSpan LongestPutOff { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Wait when there was nothing to do.</summary>
    public TimeSpan IdleDelay { get; set; } = TimeSpan.FromMilliseconds(300);

    /// <summary>Longest wait while the receiver or the store is away; the waits grow up to it.</summary>
    public TimeSpan LongestDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often depth and age are looked at.</summary>
    public TimeSpan StatusInterval { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// Moves events from the outbox to the publisher, in any number of processes at once.
/// A crash after publishing and before completing repeats the message with the same id; nothing is forgotten before it is confirmed.
/// </summary>
public sealed partial class OutboxRelay(
    SqlOutbox outbox,
    IEventPublisher publisher,
    IOptions<OutboxRelayOptions> options,
    EventMetrics metrics,
    TimeProvider timeProvider,
    ILogger<OutboxRelay> logger) : BackgroundService
{
    private readonly string _worker = $"{Environment.MachineName}:{Environment.ProcessId}:{Guid.NewGuid():N}";
    private readonly OutboxRelayOptions _options = options.Value;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var delay = _options.IdleDelay;
        var nextStatus = DateTimeOffset.MinValue;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var step = await RelayAsync(stoppingToken);
                if (timeProvider.GetUtcNow() >= nextStatus)
                {
                    metrics.Report(await outbox.StatusAsync(stoppingToken));
                    nextStatus = timeProvider.GetUtcNow() + _options.StatusInterval;
                }

                if (step.Claimed > 0 && step.Lost == 0)
                {
                    // Work was done and there may be more.
                    delay = _options.IdleDelay;
                    continue;
                }

                // What was lost on the way may have arrived, also at queues that are not the cause: it must not be sent without a pause either.
                delay = step.Claimed == 0 ? _options.IdleDelay : Longer(delay);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                // The store is away: events stay where they are until it is back.
                LogFailed(exception);
                delay = Longer(delay);
            }

            try
            {
                // Jitter, so that several workers do not ask in step.
                await Task.Delay(delay * (0.75 + (Random.Shared.NextDouble() / 2)), timeProvider, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    private async Task<(int Claimed, int Lost)> RelayAsync(CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var messages = await outbox.ClaimAsync(_worker, _options.BatchSize, now, now + _options.ClaimDuration, cancellationToken);
        if (messages.Count == 0)
        {
            return (0, 0);
        }

        var outcome = PublishOutcome.Nothing;
        try
        {
            outcome = await publisher.PublishAsync(messages, cancellationToken);
        }
        finally
        {
            // Also when told to stop: what was confirmed is completed, what was not is given back.
            if (outcome.Confirmed.Count > 0)
            {
                await outbox.CompleteAsync(_worker, outcome.Confirmed, CancellationToken.None);
                metrics.Published(outcome.Confirmed.Count);
            }

            foreach (var alike in messages.Where(message => outcome.Refused.Contains(message.Sequence)).GroupBy(message => PutOff(now - message.CreatedAt)))
            {
                await outbox.PutOffAsync(_worker, [.. alike.Select(message => message.Sequence)], now + alike.Key, CancellationToken.None);
            }

            var settled = outcome.Confirmed.Concat(outcome.Unroutable).Concat(outcome.Refused).ToHashSet();
            var unconfirmed = messages.Select(message => message.Sequence).Where(sequence => !settled.Contains(sequence)).ToList();
            if (unconfirmed.Count > 0)
            {
                await outbox.ReleaseAsync(_worker, unconfirmed, CancellationToken.None);
            }

            if (unconfirmed.Count + outcome.Refused.Count is var again and > 0)
            {
                metrics.Retried(again);
            }
        }

        if (outcome.Unroutable.Count > 0)
        {
            metrics.Returned(outcome.Unroutable.Count);
            LogUnroutable(outcome.Unroutable.Count, _options.ClaimDuration);
        }

        // Behind one of their account that waits, the others were not sent and cannot be claimed.
        var later = outcome.Unroutable.Concat(outcome.Refused).ToHashSet();
        var waiting = messages.Where(message => later.Contains(message.Sequence)).Select(message => message.AccountId).ToHashSet();
        var confirmed = outcome.Confirmed.ToHashSet();
        return (messages.Count, messages.Count(message => !confirmed.Contains(message.Sequence) && !waiting.Contains(message.AccountId)));
    }

    // In doubled steps, so that those of one batch are few statements.
    private TimeSpan PutOff(TimeSpan age)
    {
        var wait = _options.ClaimDuration;
        while (wait * 2 <= age / 2 && wait * 2 <= _options.LongestPutOff)
        {
            wait *= 2;
        }

        return wait;
    }

    private TimeSpan Longer(TimeSpan delay) => delay * 2 < _options.LongestDelay ? delay * 2 : _options.LongestDelay;

    [LoggerMessage(2802, LogLevel.Error, "The outbox could not be read or written; events wait")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(2803, LogLevel.Warning, "{Count} events came back because nobody listens; they are sent again in {Delay}")]
    private partial void LogUnroutable(int count, TimeSpan delay);
}
