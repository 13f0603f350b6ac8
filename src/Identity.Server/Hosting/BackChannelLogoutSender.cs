// OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8: tells clients that a session has ended. A client that is slow, away or wrong keeps nobody waiting but itself.
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Identity.OAuth.Clients;
using Identity.OAuth.EndSession;

namespace Identity.Server.Hosting;

/// <summary>Sends logout tokens, on any number of nodes: clients side by side, the notices of one client one after the other.</summary>
internal sealed partial class BackChannelLogoutSender(LogoutNotices notices, LogoutToken tokens, ClientStore clients, GuardedHttp http, TimeProvider timeProvider, ILogger<BackChannelLogoutSender> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly Meter Meter = new("Identity.OAuth");
    private static readonly Counter<long> Sent = Meter.CreateCounter<long>("identity.oauth.logout_tokens", "{token}", "Logout tokens sent to clients, by outcome: taken, refused, failed.");

    private readonly ConcurrentDictionary<string, Task> _busy = new(StringComparer.Ordinal);

    // Clients that did not answer: until when nothing is sent to them from here.
    private readonly ConcurrentDictionary<string, DateTimeOffset> _resting = new(StringComparer.Ordinal);

    private enum Outcome
    {
        Taken,
        Refused,
        Failed,
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    await StartDueAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // The store is away: notices stay where they are until it is back.
                    LogFailed(exception);
                }

                await Task.Delay(Interval, timeProvider, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            await Task.WhenAll(_busy.Values);
        }
    }

    private async Task StartDueAsync(CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        foreach (var (client, _) in _resting.Where(pair => pair.Value <= now))
        {
            _resting.TryRemove(client, out _);
        }

        var claimed = await notices.ClaimAsync([.. _busy.Keys, .. _resting.Keys], cancellationToken);
        foreach (var ofClient in claimed.GroupBy(notice => notice.ClientId, StringComparer.Ordinal))
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _busy[ofClient.Key] = done.Task;
            _ = TellAsync(ofClient.Key, [.. ofClient], done, cancellationToken);
        }
    }

    private async Task TellAsync(string clientId, LogoutNotice[] waiting, TaskCompletionSource done, CancellationToken cancellationToken)
    {
        var told = 0;
        try
        {
            while (told < waiting.Length && await TellAsync(clientId, waiting[told], cancellationToken))
            {
                told++;
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            LogFailed(exception);
        }
        catch (OperationCanceledException)
        {
            // Told to stop: the next node, or the next start, goes on.
        }
        finally
        {
            await GiveBackAsync(waiting[told..], cancellationToken.IsCancellationRequested ? TimeSpan.Zero : null);
            _busy.TryRemove(clientId, out _);
            done.SetResult();
        }
    }

    /// <summary>False: the client does not answer, and what else it is to be told waits.</summary>
    private async Task<bool> TellAsync(string clientId, LogoutNotice notice, CancellationToken cancellationToken)
    {
        var client = await clients.FindAsync(clientId, cancellationToken);
        if (client is not { Disabled: false, BackChannelLogoutUri: { } address })
        {
            await notices.SettleAsync(notice, cancellationToken);
            return true;
        }

        var token = await tokens.WriteAsync(client, notice, cancellationToken);
        var status = await http.PostAsync(address, [new("logout_token", token)], cancellationToken);

        // §2.8: 200 is a yes and 400 a no; frameworks in the field say yes with 204 too.
        var outcome = status switch
        {
            200 or 204 => Outcome.Taken,
            null or 408 or 429 or >= 500 => Outcome.Failed,
            _ => Outcome.Refused,
        };
        Sent.Add(1, new KeyValuePair<string, object?>("outcome", outcome switch { Outcome.Taken => "taken", Outcome.Refused => "refused", _ => "failed" }));
        if (outcome != Outcome.Failed)
        {
            if (outcome == Outcome.Refused)
            {
                LogRefused(clientId, status!.Value);
            }

            await notices.SettleAsync(notice, CancellationToken.None);
            return true;
        }

        LogUnanswered(clientId, status, LogoutNotices.Delay(notice.Attempts));
        _resting[clientId] = timeProvider.GetUtcNow() + LogoutNotices.Delay(notice.Attempts);
        return false;
    }

    // Of several only the first was tried.
    private async Task GiveBackAsync(LogoutNotice[] left, TimeSpan? untried)
    {
        try
        {
            for (var i = 0; i < left.Length; i++)
            {
                await (i == 0 && untried is null
                    ? notices.RetryAsync(left[i], CancellationToken.None)
                    : notices.ReleaseAsync(left[i], untried ?? LogoutNotices.Delay(left[0].Attempts), CancellationToken.None));
            }
        }
        catch (Exception exception)
        {
            // Their claim runs out by itself.
            LogFailed(exception);
        }
    }

    [LoggerMessage(5601, LogLevel.Warning, "Client {ClientId} refused a logout token with {Status}; it is not sent again")]
    private partial void LogRefused(string clientId, int status);

    [LoggerMessage(5602, LogLevel.Warning, "Client {ClientId} did not take a logout token ({Status}); it is told again in {Delay}, for an hour. An address that may not be reached: OUTGOING_ALLOW")]
    private partial void LogUnanswered(string clientId, int? status, TimeSpan delay);

    [LoggerMessage(5603, LogLevel.Error, "Logout tokens could not be read or settled; they wait")]
    private partial void LogFailed(Exception exception);
}
