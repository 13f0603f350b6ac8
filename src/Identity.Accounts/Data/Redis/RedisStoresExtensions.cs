using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.RateLimits;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Data.Redis;

/// <summary>Composition of what moves to Redis.</summary>
internal static class RedisStoresExtensions
{
    /// <summary>In place of the relational stores of the same ports. Nothing is connected before it is needed.</summary>
    public static void AddRedisStores(this IServiceCollection services, RedisSettings settings)
    {
        services.AddSingleton(provider => new RedisServer(settings, provider.GetRequiredService<ILogger<RedisServer>>()));
        services.AddSingleton(provider => new RedisSessionCache(provider.GetRequiredService<RedisServer>(), provider.GetRequiredService<TimeProvider>()));
        services.Replace(ServiceDescriptor.Singleton<IOneTimeCodeStore, RedisOneTimeCodeStore>());
        services.Replace(ServiceDescriptor.Singleton<IRateLimiter, RedisRateLimiter>());
        services.AddHealthChecks().AddCheck<RedisHealthCheck>("redis", tags: ["ready"]);
    }
}
