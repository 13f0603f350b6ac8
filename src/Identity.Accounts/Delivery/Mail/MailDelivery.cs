// RFC 5321 §4.5.4.1: for days, with growing waits.
using System.Security.Cryptography;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>
/// Sends the notices that wait in the store, in any number of processes at once: one is claimed by one at a time. What a killed process had
/// claimed is sent again when the claim runs out, under the same Message-ID, by which receivers drop a repeat.
/// </summary>
public sealed partial class MailDelivery : BackgroundService
{
    // Sent side by side, so no more connections to the mail server than this.
    private const int BatchSize = 8;

    // Longer than a batch can take: the sender gives up after three tries of twenty seconds.
    private static readonly TimeSpan s_claim = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_longestRetry = TimeSpan.FromMinutes(30);

    // For retries, and for what other processes wrote: of its own writes this one is told.
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestIdle = TimeSpan.FromMinutes(1);

    private readonly StoreDatabase _database;
    private readonly WaitingMessages<MailMessageRow> _waiting;
    private readonly MailOutbox _outbox;
    private readonly IMessageSender _sender;
    private readonly MailMetrics _metrics;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<MailDelivery> _logger;

    internal MailDelivery(StoreDatabase database, MailOutbox outbox, IEnumerable<IMessageSender> senders, MailMetrics metrics, TimeProvider timeProvider, ILogger<MailDelivery> logger)
    {
        (_database, _outbox, _metrics, _timeProvider, _logger) = (database, outbox, metrics, timeProvider, logger);
        _waiting = new(database, s_claim, s_longestRetry);
        _sender = senders.Single(sender => sender.Channel == "email");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var delay = s_idle;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                // Where none of them went, the mail server is away: the rest is not thrown at it at once.
                while (await SendDueAsync(stoppingToken) is var (found, unsent) && unsent < found)
                {
                }

                delay = s_idle;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                // The store is away: notices stay where they are until it is back.
                LogFailed(exception);
                delay = delay * 2 < s_longestIdle ? delay * 2 : s_longestIdle;
            }

            await _database.NewMail.WaitAsync(delay * (0.75 + (Random.Shared.NextDouble() / 2)), _timeProvider, stoppingToken);
        }
    }

    /// <summary>Claims what is due, and tries each once; how many there were, and how many were not sent.</summary>
    public async Task<(int Found, int Unsent)> SendDueAsync(CancellationToken cancellationToken)
    {
        var claimed = await ClaimAsync(cancellationToken);
        var sent = await Task.WhenAll(claimed.Select(async message =>
        {
            try
            {
                return await SendAsync(message);
            }
            catch (Exception exception)
            {
                // The claim runs out, and then it is tried again.
                LogMessageFailed(exception, message.Id);
                return false;
            }
        }));
        return (claimed.Count, sent.Count(done => !done));
    }

    /// <summary>Where nobody works on it: one try for what waits, if this process wrote any of it; how many could not be sent. They are another process's, or the next one's.</summary>
    public async Task<int> SendWrittenAsync(CancellationToken cancellationToken) => _database.NewMail.TryTake() ? (await SendDueAsync(cancellationToken)).Unsent : 0;

    private async Task<IReadOnlyList<MailMessageRow>> ClaimAsync(CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();

        // An idle process asks often: without a lock and without a write where there is nothing.
        if (!await _database.ReadAsync((context, token) => WaitingMessages<MailMessageRow>.Due(context, now).AnyAsync(token), cancellationToken))
        {
            return [];
        }

        return await _database.TransactAsync<IReadOnlyList<MailMessageRow>>(
            async (context, token) =>
            {
                await _database.Dialect.LockAsync(context, "mail-claim", token);
                var due = await WaitingMessages<MailMessageRow>.Due(context, now).AsNoTracking().OrderBy(r => r.NextAttemptAt).Take(BatchSize).ToListAsync(token);
                await _waiting.ClaimAsync(context, [.. due.Select(r => r.Id)], now, token);
                return due;
            },
            cancellationToken);
    }

    private async Task<bool> SendAsync(MailMessageRow message)
    {
        PersonalMessage mail;
        try
        {
            mail = _outbox.Open(message);
        }
        catch (CryptographicException)
        {
            await GiveUpAsync(message, "unreadable");
            LogUnreadable(message.Kind, message.AccountId);
            return false;
        }

        string reason;
        var refused = false;
        try
        {
            // Not ended by a stop: it has limits of its own, and a message half sent may arrive twice.
            await _sender.SendAsync(mail, CancellationToken.None);
            reason = "";
        }
        catch (Exception exception)
        {
            // What a server says may hold the person's address.
            reason = exception.GetType().Name;
            refused = exception is MessageRefusedException;
        }

        if (reason.Length == 0)
        {
            await _waiting.DeleteAsync(message);
            _metrics.Sent(message.Kind, _timeProvider.GetUtcNow() - message.CreatedAt);
            return true;
        }

        await PutOffAsync(message, reason, refused);
        return false;
    }

    private async Task PutOffAsync(MailMessageRow message, string reason, bool refused)
    {
        var now = _timeProvider.GetUtcNow();
        if (message.ExpiresAt <= now)
        {
            await GiveUpAsync(message, "expired");
            LogGivenUp(message.Kind, message.AccountId, message.Attempts + 1, reason);
            return;
        }

        // A refusal for good may be the mail server's settings, which somebody mends: asked again, and seldom. The last try is when the time is up.
        var again = now + (refused ? _waiting.LongestWait() : _waiting.Wait(message));
        await _waiting.PutOffAsync(message, again < message.ExpiresAt ? again : message.ExpiresAt);
        _metrics.Retried(message.Kind);
        LogRetry(message.Kind, message.Attempts + 1, reason);
    }

    private async Task GiveUpAsync(MailMessageRow message, string reason)
    {
        await _waiting.DeleteAsync(message);
        _metrics.GivenUp(message.Kind, reason);
    }

    [LoggerMessage(2730, LogLevel.Error, "Notices by mail could not be read or written in the store; they wait")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(2731, LogLevel.Error, "The notice by mail {Id} met a fault of ours; it is tried again when its claim runs out")]
    private partial void LogMessageFailed(Exception exception, Guid id);

    [LoggerMessage(2732, LogLevel.Warning, "A notice by mail ({Kind}) could not be sent at attempt {Attempt} ({Reason}); it is tried again")]
    private partial void LogRetry(string kind, int attempt, string reason);

    [LoggerMessage(2733, LogLevel.Error, "A notice by mail ({Kind}) to the owner of account {AccountId} could not be sent for days, {Attempts} times ({Reason}), and is given up")]
    private partial void LogGivenUp(string kind, Guid accountId, int attempts, string reason);

    [LoggerMessage(2734, LogLevel.Error, "A notice by mail ({Kind}) to the owner of account {AccountId} does not open under this master key; it is dropped")]
    private partial void LogUnreadable(string kind, Guid accountId);
}
