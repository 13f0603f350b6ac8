using Microsoft.Extensions.Hosting;

namespace Identity.Accounts.Data;

/// <summary>Runs jobs that are rows until there are none, then waits to be told of one, or half a minute: another node may have left one.</summary>
/// <param name="runNext">Claims and runs one; false: there was none.</param>
/// <param name="wait">Returns when a job was put in at this node, or after that time.</param>
internal abstract class JobLoop(Func<CancellationToken, Task<bool>> runNext, Func<TimeSpan, CancellationToken, Task> wait) : BackgroundService
{
    protected abstract void LogFailed(Exception exception);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    while (await runNext(stoppingToken))
                    {
                    }
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogFailed(exception);
                }

                // Not all nodes at once.
                await wait(TimeSpan.FromSeconds(20 + Random.Shared.Next(20)), stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Told to stop.
        }
    }
}
