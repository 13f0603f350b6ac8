using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Accounts.Data.Redis;

/// <summary>Whether Redis answers.</summary>
internal sealed class RedisHealthCheck(RedisServer redis) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await redis.CallAsync(database => database.PingAsync(), cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (StoreUnavailableException exception)
        {
            return new(context.Registration.FailureStatus, "Redis does not answer.", exception);
        }
    }
}
