using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Accounts.Data;

/// <summary>Whether the database answers a query of ours.</summary>
internal sealed class DatabaseHealthCheck(StoreDatabase database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await database.ReadAsync((model, token) => model.StoreValues.Select(r => r.Name).OrderBy(name => name).FirstOrDefaultAsync(token), cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new(context.Registration.FailureStatus, "The database does not answer.", exception);
        }
    }
}
