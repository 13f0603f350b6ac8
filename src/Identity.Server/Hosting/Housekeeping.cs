using Identity.Accounts.Data;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Sessions;
using Identity.OAuth.Keys;

namespace Identity.Server.Hosting;

/// <summary>Rotates keys when they are due, ends sessions that ran out, and, where there is no worker, clears away what has expired. Any number of nodes may do it.</summary>
internal sealed partial class Housekeeping(KeyRing keys, SessionService sessions, ExternalSessions externalSessions, StoreCleanUp store, ServerSettings settings, TimeProvider timeProvider, ILogger<Housekeeping> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                // Jitter: nodes that start together do not clean together.
                await Task.Delay(TimeSpan.FromSeconds(30 + Random.Shared.Next(60)), timeProvider, stoppingToken);

                // Each for itself: one that fails at every turn must not keep the others from theirs.
                await TryAsync(() => keys.RefreshAsync(stoppingToken), stoppingToken);
                await TryAsync(() => EndExpiredAsync(stoppingToken), stoppingToken);
                await TryAsync(() => EndDueAsync(stoppingToken), stoppingToken);
                if (settings.RabbitMq is null)
                {
                    await TryAsync(() => store.RunAsync(stoppingToken), stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop.
        }
    }

    private async Task EndExpiredAsync(CancellationToken cancellationToken)
    {
        while (await sessions.EndExpiredAsync(200, cancellationToken) > 0)
        {
        }
    }

    private async Task EndDueAsync(CancellationToken cancellationToken)
    {
        while (await externalSessions.EndDueAsync(timeProvider.GetUtcNow(), 200, cancellationToken) > 0)
        {
        }
    }

    private async Task TryAsync(Func<Task> work, CancellationToken stoppingToken)
    {
        try
        {
            await work();
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(exception);
        }
    }

    [LoggerMessage(5001, LogLevel.Error, "Housekeeping failed and is tried again at its next turn")]
    private partial void LogFailed(Exception exception);
}
