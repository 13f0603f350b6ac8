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
                try
                {
                    await keys.RefreshAsync(stoppingToken);
                    while (await sessions.EndExpiredAsync(200, stoppingToken) > 0)
                    {
                    }

                    while (await externalSessions.EndDueAsync(timeProvider.GetUtcNow(), 200, stoppingToken) > 0)
                    {
                    }

                    if (settings.RabbitMq is null)
                    {
                        await store.RunAsync(stoppingToken);
                    }
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogFailed(exception);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop.
        }
    }

    [LoggerMessage(5001, LogLevel.Error, "Housekeeping failed and is tried again at its next turn")]
    private partial void LogFailed(Exception exception);
}
