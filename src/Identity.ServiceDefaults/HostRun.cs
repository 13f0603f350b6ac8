using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Identity.ServiceDefaults;

/// <summary>A host from its start to its end, with the process's exit code.</summary>
public static class HostRun
{
    /// <summary>
    /// 0 where it was told to stop, in the midst of its start too; 1 where what works in the background broke and the host ended because of it:
    /// container platforms and systemd start again what ends with a failure, and leave alone what ends well.
    /// </summary>
    /// <param name="host">Built, not yet started.</param>
    /// <param name="started">Done when it listens; null: nothing.</param>
    public static async Task<int> RunAsync(IHost host, Func<Task>? started = null)
    {
        ArgumentNullException.ThrowIfNull(host);
        try
        {
            await host.StartAsync();
        }
        catch (OperationCanceledException) when (host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested)
        {
            await host.StopAsync();
            return ExitCode(host);
        }

        if (started is not null)
        {
            await started();
        }

        await host.WaitForShutdownAsync();
        return ExitCode(host);
    }

    private static int ExitCode(IHost host) => host.Services.GetServices<IHostedService>().OfType<BackgroundService>().Any(service => service.ExecuteTask is { IsFaulted: true }) ? 1 : 0;
}
