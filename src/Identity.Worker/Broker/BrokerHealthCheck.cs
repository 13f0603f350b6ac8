using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Worker.Broker;

/// <summary>Unhealthy while the broker is away or requests are not being taken.</summary>
internal sealed class BrokerHealthCheck(RabbitMqConnection broker, OneTimeCodeConsumer consumer) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
        broker.Current is null ? HealthCheckResult.Unhealthy("The broker is away.")
        : consumer.IsConsuming ? HealthCheckResult.Healthy()
        : HealthCheckResult.Unhealthy("Requests are not being taken."));
}
