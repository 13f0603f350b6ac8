using Identity.Accounts.Credentials;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Data.Mongo;

/// <summary>Composition of what moves to MongoDB.</summary>
internal static class MongoStoresExtensions
{
    /// <summary>In place of the relational stores of the same ports. Nothing is connected before it is needed.</summary>
    public static void AddMongoStores(this IServiceCollection services, MongoSettings settings)
    {
        services.AddMetrics();
        services.AddSingleton(provider => new MongoServer(settings, provider.GetRequiredService<ILogger<MongoServer>>()));
        services.AddSingleton<CredentialHome>();
        services.AddSingleton<MongoOwner>();
        services.AddSingleton<MongoOrphans>();
        services.AddSingleton<MongoCredentialStore>();
        services.AddSingleton<MongoMetadataStore>();
        services.AddSingleton<FactorSecrets>();
        services.AddSingleton<DeviceSecrets>();
        services.AddSingleton<MongoSecrets>(provider => provider.GetRequiredService<FactorSecrets>());
        services.AddSingleton<MongoSecrets>(provider => provider.GetRequiredService<DeviceSecrets>());
        services.Replace(ServiceDescriptor.Singleton<ISecondFactorStore, MongoSecondFactorStore>());
        services.Replace(ServiceDescriptor.Singleton<ICredentialStore>(provider => provider.GetRequiredService<MongoCredentialStore>()));
        services.Replace(ServiceDescriptor.Singleton<IMetadataStore>(provider => provider.GetRequiredService<MongoMetadataStore>()));
        services.AddSingleton<MongoMoves>();
        services.AddSingleton(provider => new CredentialMigration(
            provider.GetRequiredService<MongoServer>(),
            provider.GetRequiredService<MongoCredentialStore>(),
            provider.GetRequiredService<MongoMetadataStore>(),
            provider.GetServices<MongoSecrets>(),
            provider.GetRequiredService<MongoOwner>(),
            provider.GetRequiredService<MongoOrphans>(),
            provider.GetRequiredService<CredentialHome>(),
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<TimeProvider>()));
        services.AddHostedService(provider => provider.GetRequiredService<MongoMoves>());

        // Degraded, not unready: much goes on without it, and all nodes lose it at once. Shorter than a probe waits, a second with Kubernetes unless it is told otherwise.
        services.AddHealthChecks().AddCheck<MongoHealthCheck>("mongodb", HealthStatus.Degraded, tags: ["ready"], timeout: TimeSpan.FromMilliseconds(700));
    }

    /// <summary>
    /// Notes in the database that its credentials live in MongoDB, or refuses a start that would look for them elsewhere: to everybody it would
    /// say that the password is wrong.
    /// </summary>
    /// <exception cref="StartFailureException">MONGO_URI is missing, is another database's, or is set though the credentials were brought back.</exception>
    public static async Task StartMongoAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        if (services.GetService<MongoServer>() is { } server)
        {
            await server.StartAsync(cancellationToken);
        }

        if (await services.FindHomeProblemAsync(cancellationToken) is { } problem)
        {
            throw new StartFailureException(problem);
        }

        await services.NoteCredentialsHomeAsync(cancellationToken);
    }

    /// <summary>Why this process would look for credentials where they are not; null: it would not.</summary>
    public static async Task<string?> FindHomeProblemAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        var home = await CredentialHome.ReadAsync(services.GetRequiredService<StoreDatabase>(), cancellationToken);
        return (services.GetService<MongoServer>() is not null, home) switch
        {
            (false, CredentialHome.Mongo or CredentialHome.Closing or CredentialHome.Leaving) => "MONGO_URI: expected the MongoDB that the credentials of this database live in; elsewhere every password would be wrong (to bring them back: identity migrate-credentials --to relational).",
            (true, CredentialHome.Relational) => "MONGO_URI: expected to be unset, as the credentials of this database were brought back from MongoDB (to move them there again: identity migrate-credentials --to mongodb).",
            _ => null,
        };
    }

    /// <summary>With MONGO_URI, marks database and MongoDB as each other's, and notes that credentials live there; what is noted already stays.</summary>
    /// <exception cref="StartFailureException">The MongoDB is another database's.</exception>
    public static async Task NoteCredentialsHomeAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        if (services.GetService<MongoOwner>() is { } owner)
        {
            // In this order: a database that notes MongoDB as its home has marked it.
            if (await owner.ClaimAsync(cancellationToken) is { } problem)
            {
                throw new StartFailureException(problem);
            }

            await CredentialHome.NoteAsync(services.GetRequiredService<StoreDatabase>(), CredentialHome.Mongo, replaces: false, cancellationToken);
        }
    }
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
