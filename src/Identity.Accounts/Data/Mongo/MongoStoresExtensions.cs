using Identity.Accounts.Credentials;
using Identity.Accounts.Profile;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Data.Mongo;

/// <summary>Composition of what moves to MongoDB.</summary>
internal static class MongoStoresExtensions
{
    private const string HomeName = "credentials_home";

    /// <summary>In place of the relational stores of the same ports. Nothing is connected before it is needed.</summary>
    public static void AddMongoStores(this IServiceCollection services, MongoSettings settings)
    {
        services.AddMetrics();
        services.AddSingleton(provider => new MongoServer(settings, provider.GetRequiredService<ILogger<MongoServer>>()));
        services.AddSingleton<MongoCredentialStore>();
        services.AddSingleton<MongoMetadataStore>();
        services.Replace(ServiceDescriptor.Singleton<ICredentialStore>(provider => provider.GetRequiredService<MongoCredentialStore>()));
        services.Replace(ServiceDescriptor.Singleton<IMetadataStore>(provider => provider.GetRequiredService<MongoMetadataStore>()));
        services.AddSingleton<MongoMoves>();
        services.AddHostedService(provider => provider.GetRequiredService<MongoMoves>());
        services.AddHealthChecks().AddCheck<MongoHealthCheck>("mongodb", tags: ["ready"]);
    }

    /// <summary>
    /// Notes in the database that its credentials live in MongoDB, or refuses a start that would look for them elsewhere: to everybody it would
    /// say that the password is wrong.
    /// </summary>
    /// <exception cref="StartFailureException">MONGO_URI is missing.</exception>
    public static async Task StartMongoAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        var database = services.GetRequiredService<StoreDatabase>();
        if (services.GetService<MongoServer>() is { } server)
        {
            await server.StartAsync(cancellationToken);
            var insert = database.Dialect.Upsert("store_values", ["name"], ["name", "value"], new Dictionary<string, string>(StringComparer.Ordinal) { ["value"] = "excluded.value" }, where: null);
            object[] values = [HomeName, "mongodb"];
            await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(insert, values, token), cancellationToken);
        }
        else if (await HomeAsync(database, cancellationToken) == "mongodb")
        {
            throw new StartFailureException("MONGO_URI: expected the MongoDB that the credentials of this database live in; elsewhere every password would be wrong.");
        }
    }

    private static Task<string?> HomeAsync(StoreDatabase database, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.StoreValues.Where(r => r.Name == HomeName).Select(r => r.Value).FirstOrDefaultAsync(token), cancellationToken);
}

/// <summary>Whether MongoDB answers.</summary>
internal sealed class MongoHealthCheck(MongoServer server) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await server.PingAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (StoreUnavailableException exception)
        {
            return new(context.Registration.FailureStatus, "MongoDB does not answer.", exception);
        }
    }
}
