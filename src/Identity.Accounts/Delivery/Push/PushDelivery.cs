using System.Collections.Concurrent;
using System.Security.Cryptography;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery.Push;

/// <summary>
/// Sends what waits in the store, in any number of processes at once: a message is claimed by one at a time. What a killed process had
/// claimed is sent again when the claim runs out, under the same id, which a device shows in the first one's place.
/// </summary>
public sealed partial class PushDelivery : BackgroundService
{
    // Sent side by side, so that a batch takes no longer than its slowest message.
    private const int BatchSize = 32;

    // Longer than a batch can take: an attempt has fifteen seconds for everything.
    private static readonly TimeSpan s_claim = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan s_idle = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_longestIdle = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestRetry = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _pausedUntil = new(StringComparer.Ordinal);
    private readonly StoreDatabase _database;
    private readonly WaitingMessages<PushMessageRow> _waiting;
    private readonly PushOutbox _outbox;
    private readonly DeviceRegistry _registry;
    private readonly IReadOnlyList<IPushSender> _senders;
    private readonly PushMetrics _metrics;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<PushDelivery> _logger;

    internal PushDelivery(StoreDatabase database, PushOutbox outbox, DeviceRegistry registry, IEnumerable<IPushSender> senders, PushMetrics metrics, TimeProvider timeProvider, ILogger<PushDelivery> logger)
    {
        (_database, _outbox, _registry, _metrics, _timeProvider, _logger) = (database, outbox, registry, metrics, timeProvider, logger);
        _waiting = new(database, s_claim, s_longestRetry);
        _senders = [.. senders];
    }

    // Each provider has its own loop: one that is down, with fifteen seconds an attempt, must not hold up the other.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(_senders.Select(sender => SendAllAsync(sender, stoppingToken)));

    /// <summary>Claims what is due, does with each message what can be done now, and says how many there were.</summary>
    internal async Task<int> SendDueAsync(CancellationToken cancellationToken) =>
        (await Task.WhenAll(_senders.Select(sender => SendDueAsync(sender, cancellationToken)))).Sum();

    private async Task SendAllAsync(IPushSender sender, CancellationToken stoppingToken)
    {
        var delay = s_idle;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (await SendDueAsync(sender, stoppingToken) > 0)
                {
                    continue;
                }

                delay = s_idle;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                // The store is away: messages stay where they are until it is back.
                LogFailed(exception);
                delay = delay * 2 < s_longestIdle ? delay * 2 : s_longestIdle;
            }

            try
            {
                await Task.Delay(delay * (0.75 + (Random.Shared.NextDouble() / 2)), _timeProvider, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    private async Task<int> SendDueAsync(IPushSender sender, CancellationToken cancellationToken)
    {
        if (_pausedUntil.TryGetValue(sender.Platform, out var until) && until > _timeProvider.GetUtcNow())
        {
            return 0;
        }

        var (claimed, expired) = await ClaimAsync(sender.Platform, cancellationToken);
        await Task.WhenAll(claimed.Select(async work =>
        {
            try
            {
                await SendAsync(sender, work.Message, work.Device);
            }
            catch (Exception exception)
            {
                // The claim runs out, and then it is tried again.
                LogMessageFailed(exception, work.Message.Id);
            }
        }));
        return claimed.Count + expired;
    }

    private async Task<(IReadOnlyList<Work> Claimed, int Expired)> ClaimAsync(string platform, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();

        // An idle process asks often: without a lock and without a write where there is nothing.
        if (!await _database.ReadAsync((context, token) => Due(context, platform, now).AnyAsync(token), cancellationToken))
        {
            return ([], 0);
        }

        var found = await _database.TransactAsync<(IReadOnlyList<Work> Claimed, int Expired)>(
            async (context, token) =>
            {
                await _database.Dialect.LockAsync(context, "push-claim:" + platform, token);
                var due = await Due(context, platform, now).OrderBy(work => work.Message.NextAttemptAt).Take(BatchSize).ToListAsync(token);
                var over = due.Where(work => work.Message.ExpiresAt <= now).Select(work => work.Message.Id).ToArray();
                await context.Set<PushMessageRow>().Where(r => over.Contains(r.Id)).ExecuteDeleteAsync(token);
                await _waiting.ClaimAsync(context, [.. due.Select(work => work.Message.Id).Except(over)], now, token);
                return (due.Where(work => work.Message.ExpiresAt > now).ToList(), over.Length);
            },
            cancellationToken);
        _metrics.Expired(platform, found.Expired);
        return found;
    }

    // The device as it is now: its token may have changed since the message was written.
    private static IQueryable<Work> Due(IdentityDbContext context, string platform, DateTimeOffset now) =>
        WaitingMessages<PushMessageRow>.Due(context, now)
            .Join(context.Set<DeviceRow>().Where(r => r.Platform == platform), message => message.DeviceId, device => device.Id, (message, device) => new Work { Message = message, Device = device });

    private async Task SendAsync(IPushSender sender, PushMessageRow message, DeviceRow device)
    {
        PushTarget target;
        PushMessage content;
        try
        {
            if (await _registry.TokenAsync(device, CancellationToken.None) is not { } token)
            {
                // Its device may have registered anew meanwhile, or does so when its app starts.
                await RetryAsync(message, device, "no_token", TimeSpan.Zero, _timeProvider.GetUtcNow());
                return;
            }

            (target, content) = (new PushTarget(token, device.Environment, device.AppId), _outbox.Open(message));
        }
        catch (StoreUnavailableException)
        {
            await RetryAsync(message, device, "store_away", TimeSpan.Zero, _timeProvider.GetUtcNow());
            return;
        }
        catch (CryptographicException)
        {
            LogUnreadable(device.Id);
            await _waiting.DeleteAsync(message);
            _metrics.Refused(device.Platform, "unreadable", isAlarm: true);
            return;
        }

        // Not ended by a stop: it has a limit of its own, and a message half sent may arrive twice.
        await ActAsync(message, device, await sender.SendAsync(target, content, CancellationToken.None));
    }

    private async Task ActAsync(PushMessageRow message, DeviceRow device, PushOutcome outcome)
    {
        var now = _timeProvider.GetUtcNow();
        switch (outcome)
        {
            case PushOutcome.Sent:
                await _waiting.DeleteAsync(message);
                _metrics.Sent(device.Platform, now - message.CreatedAt);
                break;
            case PushOutcome.Gone gone when await _registry.RemoveRefusedAsync(device, gone.AsOf, CancellationToken.None):
                // Its messages went with it.
                _metrics.Removed(device.Platform, gone.Reason);
                LogRemoved(device.Platform, gone.Reason);
                break;
            case PushOutcome.Gone gone:
                // Registered again meanwhile: the refusal was the old token's.
                await RetryAsync(message, device, gone.Reason, TimeSpan.Zero, now);
                break;
            case PushOutcome.Later later:
                if (later.PausesAll)
                {
                    _pausedUntil[device.Platform] = now + later.AtLeast;
                    LogPaused(device.Platform, later.Reason, later.AtLeast);
                }

                await RetryAsync(message, device, later.Reason, later.AtLeast, now);
                break;
            case PushOutcome.Refused refused:
                await _waiting.DeleteAsync(message);
                _metrics.Refused(device.Platform, refused.Reason, refused.IsAlarm);
                if (refused.IsAlarm)
                {
                    LogAlarm(device.Platform, refused.Reason);
                }
                else
                {
                    LogRefused(device.Platform, refused.Reason);
                }

                break;
            default:
                throw new InvalidOperationException("An unknown outcome.");
        }
    }

    private async Task RetryAsync(PushMessageRow message, DeviceRow device, string reason, TimeSpan atLeast, DateTimeOffset now)
    {
        var wait = _waiting.Wait(message);
        await _waiting.PutOffAsync(message, now + (wait > atLeast ? wait : atLeast));
        _metrics.Retried(device.Platform, reason);
        LogRetry(device.Platform, reason, message.Attempts + 1);
    }

    private sealed class Work
    {
        public required PushMessageRow Message { get; init; }

        public required DeviceRow Device { get; init; }
    }

    [LoggerMessage(3480, LogLevel.Error, "Push messages could not be read or written in the store; they wait")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(3481, LogLevel.Error, "Push message {Id} met a fault of ours; it is tried again when its claim runs out")]
    private partial void LogMessageFailed(Exception exception, Guid id);

    [LoggerMessage(3482, LogLevel.Critical, "The push provider of {Platform} refuses us ({Reason}): check its credentials, key and topic in the settings")]
    private partial void LogAlarm(string platform, string reason);

    [LoggerMessage(3483, LogLevel.Information, "A device of {Platform} was removed: {Reason}")]
    private partial void LogRemoved(string platform, string reason);

    [LoggerMessage(3484, LogLevel.Warning, "The push provider of {Platform} asks to wait ({Reason}): nothing more for {Wait}")]
    private partial void LogPaused(string platform, string reason, TimeSpan wait);

    [LoggerMessage(3485, LogLevel.Information, "A push message to {Platform} is put off at attempt {Attempt}: {Reason}")]
    private partial void LogRetry(string platform, string reason, int attempt);

    [LoggerMessage(3486, LogLevel.Warning, "The push provider of {Platform} does not take a message: {Reason}")]
    private partial void LogRefused(string platform, string reason);

    [LoggerMessage(3487, LogLevel.Error, "A message to device {Id} does not open under this master key; it is dropped")]
    private partial void LogUnreadable(Guid id);
}
