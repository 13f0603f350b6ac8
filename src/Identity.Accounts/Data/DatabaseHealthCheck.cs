using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Accounts.Data;

/// <summary>Whether the database answers a query of ours, and takes writes: at a server that a fail-over demoted almost every answer would be 503.</summary>
internal sealed class DatabaseHealthCheck(StoreDatabase database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await database.ReadAsync((model, token) => model.StoreValues.Select(r => r.Name).OrderBy(name => name).FirstOrDefaultAsync(token), cancellationToken);
            return await database.TakesWritesAsync(cancellationToken)
                ? HealthCheckResult.Healthy()
                : new(context.Registration.FailureStatus, "The database takes no writes: it is a standby, or was made read-only.");
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new(context.Registration.FailureStatus, "The database does not answer.", exception);
        }
    }
}
