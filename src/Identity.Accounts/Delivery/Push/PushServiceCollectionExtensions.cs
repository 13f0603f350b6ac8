using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Push;
using Identity.Accounts.Devices;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of push messages.</summary>
public static class PushServiceCollectionExtensions
{
    /// <summary>The channel <c>push</c>, where a provider is set: messages are written to the store. Needs the stores and their master key.</summary>
    public static IServiceCollection AddPushOutbox(this IServiceCollection services, PushSettings? settings)
    {
        if (settings is not null)
        {
            services.AddSingleton(provider => new PushOutbox(
                provider.GetRequiredService<StoreDatabase>(),
                provider.GetRequiredService<MasterKey>(),
                settings,
                provider.GetRequiredService<IOptions<AccountsOptions>>(),
                provider.GetRequiredService<TimeProvider>()));
            services.AddSingleton<IMessageSender>(provider => provider.GetRequiredService<PushOutbox>());
        }

        return services;
    }

    /// <summary>Sends what waits in the store, from this process: the worker, or a server without one.</summary>
    public static IServiceCollection AddPushDelivery(this IServiceCollection services, PushSettings? settings)
    {
        if (settings is null)
        {
            return services;
        }

        services.AddMetrics();
        services.AddSingleton<PushMetrics>();
        if (settings.Fcm is { } fcm)
        {
            services.AddSingleton<IPushSender>(provider => new FcmSender(fcm, provider.GetRequiredService<TimeProvider>()));
        }

        if (settings.Apns is { } apns)
        {
            services.AddSingleton(provider => new ApnsProviderToken(apns, provider.GetRequiredService<StoreDatabase>(), provider.GetRequiredService<MasterKey>(), provider.GetRequiredService<TimeProvider>()));
            services.AddSingleton<IPushSender>(provider => new ApnsSender(apns, provider.GetRequiredService<ApnsProviderToken>(), provider.GetRequiredService<TimeProvider>()));
        }

        services.AddSingleton(provider => new PushDelivery(
            provider.GetRequiredService<StoreDatabase>(),
            provider.GetRequiredService<PushOutbox>(),
            provider.GetRequiredService<DeviceRegistry>(),
            provider.GetServices<IPushSender>(),
            provider.GetRequiredService<PushMetrics>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<PushDelivery>>()));
        services.AddHostedService(provider => provider.GetRequiredService<PushDelivery>());
        return services;
    }
}
