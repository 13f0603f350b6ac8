using Identity.ServiceDefaults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Identity.Data.Tests.Configuration;

/// <summary>The exit code: container platforms and systemd start again what ends with a failure, and leave alone what ends well.</summary>
public sealed class HostRunTests
{
    [Fact]
    public async Task Code_WhenWhatWorksInTheBackgroundBreaks_IsOne()
    {
        using var host = Build(async _ =>
        {
            await Task.Yield();
            throw new InvalidOperationException("a bug");
        });
        Assert.Equal(1, await HostRun.RunAsync(host));
    }

    [Fact]
    public async Task Code_WhenToldToStop_IsNought()
    {
        using var host = Build(stop => Task.Delay(Timeout.InfiniteTimeSpan, stop));
        Assert.Equal(0, await HostRun.RunAsync(host, () =>
        {
            host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
            return Task.CompletedTask;
        }));
    }

    // SIGTERM while Kestrel binds.
    [Fact]
    public async Task Code_WhenToldToStopInTheMidstOfTheStart_IsNought()
    {
        var isSaidToListen = false;
        using var host = Build(stop => Task.Delay(Timeout.InfiniteTimeSpan, stop), services => services.AddHostedService<StoppedStart>());
        Assert.Equal(0, await HostRun.RunAsync(host, () =>
        {
            isSaidToListen = true;
            return Task.CompletedTask;
        }));
        Assert.False(isSaidToListen);
    }

    [Fact]
    public async Task Start_WhenItFailsOtherwise_ThrowsAsBefore()
    {
        using var host = Build(_ => Task.CompletedTask, services => services.AddHostedService<BrokenStart>());
        await Assert.ThrowsAsync<InvalidOperationException>(() => HostRun.RunAsync(host));
    }

    private static IHost Build(Func<CancellationToken, Task> work, Action<IServiceCollection>? configure = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        builder.Services.AddHostedService(_ => new Work(work));
        configure?.Invoke(builder.Services);
        return builder.Build();
    }

    private sealed class Work(Func<CancellationToken, Task> work) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => work(stoppingToken);
    }

    private sealed class StoppedStart(IHostApplicationLifetime lifetime) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            lifetime.StopApplication();
            return Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class BrokenStart : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("a bug");

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
