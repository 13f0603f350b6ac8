using Identity.Accounts.Data;
using Identity.Accounts.Sessions;

namespace Identity.Worker;

/// <summary>Clears away what has expired: codes, sessions, refresh families, processed message ids, old audit records. Any number of workers may do it.</summary>
public sealed partial class CleanUpLoop(StoreCleanUp store, SessionService sessions, TimeSpan interval, TimeProvider timeProvider, ILogger<CleanUpLoop> logger) : BackgroundService
{
    private const int BatchSize = 200;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                // Jitter first: workers that start together do not clean together.
                await Task.Delay(interval * (0.5 + Random.Shared.NextDouble()), timeProvider, stoppingToken);

                // Sessions first: ending one tells of it, and only then may its row go. Where that fails, everything else that has expired still goes.
                var count = await TryAsync(() => EndSessionsAsync(stoppingToken), stoppingToken) + await TryAsync(() => store.RunAsync(stoppingToken), stoppingToken);
                if (count > 0)
                {
                    LogCleaned(count);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop; the next one goes on where this one was.
        }
    }

    private async Task<int> EndSessionsAsync(CancellationToken cancellationToken)
    {
        var count = 0;
        for (var ended = BatchSize; ended == BatchSize; count += ended)
        {
            ended = await sessions.EndExpiredAsync(BatchSize, cancellationToken);
        }

        return count;
    }

    private async Task<int> TryAsync(Func<Task<int>> clean, CancellationToken stoppingToken)
    {
        try
        {
            return await clean();
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(exception);
            return 0;
        }
    }

    [LoggerMessage(6001, LogLevel.Information, "{Count} expired rows cleared away")]
    private partial void LogCleaned(int count);

    [LoggerMessage(6002, LogLevel.Error, "The clean-up failed and is tried again at its next turn")]
    private partial void LogFailed(Exception exception);
}
