using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Accounts.Data.Redis;

/// <summary>Whether Redis answers, and does what is asked of it.</summary>
internal sealed class RedisHealthCheck(RedisServer redis) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        return await redis.FindOutageAsync(cancellationToken) is { } outage ? new(context.Registration.FailureStatus, outage) : HealthCheckResult.Healthy();
    }
}
