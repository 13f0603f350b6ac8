using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Redis;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Keys;
using Identity.OAuth.Refresh;
using Identity.OAuth.Resources;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Identity.OAuth.Storage;

/// <summary>Composition of what the protocol keeps in the accounts' database.</summary>
public static class OAuthStoresExtensions
{
    /// <summary>The engine's stores, the protection of its signing keys, and the keys of <see cref="OAuthOptions"/>. Needs AddSqlStores and AddStoreDataProtection.</summary>
    public static IServiceCollection AddOAuthStores(this IServiceCollection services)
    {
        services.AddSingleton<ClientStore>();
        services.AddSingleton<ResourceStore>();
        services.AddSingleton<SigningKeyStore>();
        services.AddSingleton<ConsentStore>();
        services.AddSingleton<RefreshFamilies>();
        services.AddSingleton<TokenSessions>();
        services.AddSingleton<KeyProtector>();
        services.AddSharedMarks();
        services.AddOptions<OAuthOptions>().Configure<MasterKey>((options, masterKey) =>
        {
            options.RefreshTokenKey = masterKey.Derive("refresh-token");
            options.DPoPNonceKey = masterKey.Derive("dpop-nonce");
        });
        return services;
    }

    /// <summary>Denied tokens and values seen, where the operator keeps them: Redis, where AddSqlStores was given one, else the database.</summary>
    public static IServiceCollection AddSharedMarks(this IServiceCollection services)
    {
        services.TryAddSingleton<IDenyList>(provider => provider.GetService<RedisServer>() is { } redis
            ? new RedisDenyList(redis, provider.GetRequiredService<TimeProvider>())
            : new SqlDenyList(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IReplayCache>(provider => provider.GetService<RedisServer>() is { } redis
            ? new RedisReplayCache(redis, provider.GetRequiredService<TimeProvider>())
            : new SqlReplayCache(provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<TimeProvider>()));
        return services;
    }
}
