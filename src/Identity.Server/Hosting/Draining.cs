// RFC 9112 §9.6 (close): graceful shutdown of one node of several, so that a rolling restart is noticed by nobody.
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Server.Hosting;

/// <summary>
/// A server that is told to stop is not ready any more, and answers on for SHUTDOWN_DELAY: whoever spreads the requests learns of it by asking, and sends some until
/// then. Each connection ends with its next answer, which says so: one that is cut while idle may have a request on its way, and nobody dares to send that again.
/// </summary>
internal sealed partial class Draining(ServerSettings settings, TimeProvider timeProvider, ILogger<Draining> logger) : IHostedLifecycleService, IHealthCheck
{
    private bool _serves;
    private volatile bool _drains;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (_drains && context.Request.Protocol is "HTTP/1.1" or "HTTP/1.0")
        {
            context.Response.OnStarting(static state =>
            {
                ((HttpContext)state).Response.Headers.Connection = "close";
                return Task.CompletedTask;
            }, context);
        }

        return next(context);
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Task.FromResult(_drains ? new HealthCheckResult(context.Registration.FailureStatus, "It was told to stop.") : HealthCheckResult.Healthy());
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        _serves = true;
        return Task.CompletedTask;
    }

    /// <summary>Comes before any service is stopped, the listening one too. A stop in the midst of the start waits for nothing.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        _drains = true;
        if (_serves && settings.ShutdownDelay > TimeSpan.Zero)
        {
            LogDraining(settings.ShutdownDelay.TotalSeconds);
            await Task.Delay(settings.ShutdownDelay, timeProvider, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(5012, LogLevel.Information, "Told to stop: not ready any more, and answering for another {Seconds} s")]
    private partial void LogDraining(double seconds);
}
