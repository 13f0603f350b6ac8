using System.Diagnostics;
using Identity.Accounts.Administration;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Redis;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Delivery.Push;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.Profile;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Data;

/// <summary>Composition of the relational stores.</summary>
public static partial class SqlStoresExtensions
{
    /// <summary>
    /// Every store of the accounts on one relational database, but for what the settings give a second home (Redis, MongoDB); health checks
    /// (tag <c>ready</c>) and <see cref="StoreCleanUp"/>. Nothing is opened before <see cref="InitializeStoresAsync"/>.
    /// </summary>
    public static IServiceCollection AddSqlStores(this IServiceCollection services, StorageSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(settings);
        services.AddOptions();
        services.AddSingleton<StoreDatabase>(provider => settings.Provider switch
        {
            DatabaseProvider.Sqlite => new SqliteDatabase(settings, provider) { SessionCache = provider.GetService<RedisSessionCache>() },
            DatabaseProvider.Postgres => new ServerDatabase<PostgresIdentityDbContext>(ProviderOptions.Postgres(settings.ConnectionString, provider), new PostgresDialect()) { SessionCache = provider.GetService<RedisSessionCache>() },
            DatabaseProvider.SqlServer => new ServerDatabase<SqlServerIdentityDbContext>(ProviderOptions.SqlServer(settings.ConnectionString, provider), new SqlServerDialect()) { SessionCache = provider.GetService<RedisSessionCache>() },
            _ => throw new InvalidOperationException($"No database provider {settings.Provider}."),
        });

        services.AddSingleton(provider => new MailOutbox(new Lazy<SealedText>(() => new SealedText(provider.GetRequiredService<MasterKey>(), MailOutbox.Purpose))));
        services.AddSingleton<IAccountStore, SqlAccountStore>();
        services.AddSingleton<ICredentialStore, SqlCredentialStore>();
        services.AddSingleton<IMetadataStore, SqlMetadataStore>();
        services.AddSingleton<ISessionStore, SqlSessionStore>();
        services.AddSingleton<IOneTimeCodeStore, SqlOneTimeCodeStore>();
        services.AddSingleton<SqlOutbox>();
        services.AddSingleton<IProcessedMessages, SqlProcessedMessages>();
        services.AddSingleton<IAuditLog, SqlAuditLog>();
        services.AddSingleton<IAccessNoticeStore, SqlAccessNoticeStore>();
        services.AddSingleton<IKnownDeviceStore, SqlKnownDeviceStore>();
        services.AddSingleton<IRateLimiter, SqlRateLimiter>();
        services.AddAccountWork();
        services.AddSingleton<ISecondFactorStore, SqlSecondFactorStore>();
        services.AddSingleton<IFactorProofStore, SqlFactorProofStore>();

        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<DeviceWithdrawal>(provider));
        services.AddSingleton(provider => new DeviceRegistry(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<MasterKey>(),
            provider.GetRequiredService<MailOutbox>(),
            provider.GetRequiredService<AuditTrail>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetService<DeviceSecrets>()));
        services.AddSingleton(provider => new PushSignIns(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<MasterKey>(),
            provider.GetService<PushOutbox>(),
            provider.GetRequiredService<AuditTrail>(),
            provider.GetRequiredService<IOptions<PushSignInOptions>>(),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new DeviceApprovals(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<IAccountStore>(),
            provider.GetRequiredService<Lockout>(),
            provider.GetRequiredService<AuditTrail>(),
            provider.GetRequiredService<IRateLimiter>(),
            provider.GetRequiredService<IOptions<AccountsOptions>>(),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ExternalIdentities(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<MailOutbox>()));
        services.AddSingleton(provider => new ExternalEntries(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<TimeProvider>()));

        // A host that signs in through providers puts its own in the place of none.
        services.AddSingleton(new ConfiguredProviders([]));
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<MappedRoles>(provider));
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<ExternalSignInService>(provider));
        services.AddSingleton<Profile.IGrantedAccess, ExternalRevocation>();
        services.AddSingleton(provider => new ExternalSessions(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<SessionService>(), provider.GetRequiredService<TimeProvider>()));

        services.AddSingleton(provider => new StoreCleanUp(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<IOptions<AccountsOptions>>(),
            provider.GetRequiredService<AccountErasure>(),
            provider.GetRequiredService<ILogger<StoreCleanUp>>()));
        services.AddHealthChecks().AddCheck<DatabaseHealthCheck>("database", tags: ["ready"]);
        if (settings.Redis is { } redis)
        {
            services.AddRedisStores(redis);
        }

        if (settings.Mongo is { } mongo)
        {
            services.AddMongoStores(mongo);
        }

        return services;
    }

    /// <summary>
    /// To be awaited after the host is built and before it runs: waits for a server that does not answer yet (<see cref="StorageSettings.StartWait"/>), creates or migrates the database under a lock, checks that the
    /// master key is the one the store was made under, and makes the first Data Protection key.
    /// </summary>
    /// <exception cref="StartFailureException">One line for the operator.</exception>
    public static async Task InitializeStoresAsync(this IServiceProvider services, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(services);
        var settings = services.GetRequiredService<StorageSettings>();
        var keyRing = services.GetService<StoreKeyRing>();
        var database = services.GetRequiredService<StoreDatabase>();
        long? since = null;
        while (true)
        {
            try
            {
                await database.MigrateAsync(token => keyRing is null ? Task.CompletedTask : keyRing.PrepareAsync(token), cancellationToken);
                break;
            }
            catch (Exception exception) when (database.Dialect.IsAway(exception) && (since is not { } first || Stopwatch.GetElapsedTime(first) < settings.StartWait))
            {
                // Nodes and stores may start in any order.
                if (since is null)
                {
                    since = Stopwatch.GetTimestamp();
                    LogWaiting(services.GetRequiredService<ILoggerFactory>().CreateLogger("Identity.Accounts.Data"), settings.Description, settings.StartWait.TotalSeconds);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(500), cancellationToken);
            }
            catch (Exception exception) when (StoreInspection.IsOfDatabase(exception))
            {
                throw new StartFailureException(StoreInspection.Unusable(settings, exception), exception);
            }
        }

        // Expand, then contract: a schema of the version after this one still fits this one.
        if (await database.FindNewerMigrationsAsync(cancellationToken) is { Count: > 0 } newer)
        {
            LogNewer(services.GetRequiredService<ILoggerFactory>().CreateLogger("Identity.Accounts.Data"), settings.Description, newer[^1]);
        }

        await services.StartMongoAsync(cancellationToken);
        if (services.GetService<RedisServer>() is { } redis)
        {
            await redis.StartAsync(cancellationToken);
        }
    }

    [LoggerMessage(2814, LogLevel.Warning, "{Database} does not answer yet: waiting for up to {Seconds} s")]
    private static partial void LogWaiting(ILogger logger, string database, double seconds);

    [LoggerMessage(2815, LogLevel.Warning, "{Database} was brought up to date by a newer version ({Migration}): this one goes on with it, as long as it is the version before")]
    private static partial void LogNewer(ILogger logger, string database, string migration);
}
