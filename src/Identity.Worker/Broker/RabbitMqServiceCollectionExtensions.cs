using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.ServiceDefaults.Settings;
using Identity.Worker.Broker;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of the broker.</summary>
public static class RabbitMqServiceCollectionExtensions
{
    /// <summary>
    /// Publishes the outbox to the broker and takes requests for one-time codes from it; health check <c>broker</c> (tag <c>ready</c>).
    /// For the worker: a server with RABBITMQ_URIS leaves both to workers, so that it never waits for the broker.
    /// </summary>
    public static IServiceCollection AddRabbitMq(this IServiceCollection services, RabbitMqSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<EventMetrics>();
        services.AddSingleton(settings);
        // First, so that it is stopped last: the others drain over it.
        services.AddSingleton<RabbitMqConnection>();
        services.AddHostedService(provider => provider.GetRequiredService<RabbitMqConnection>());
        services.AddSingleton<IEventPublisher, RabbitMqEventPublisher>();
        services.AddOutboxRelay();
        services.TryAddSingleton<CodeRequestProcessor>();
        services.AddSingleton<OneTimeCodeConsumer>();
        services.AddHostedService(provider => provider.GetRequiredService<OneTimeCodeConsumer>());
        services.AddHealthChecks().AddCheck<BrokerHealthCheck>("broker", tags: ["ready"]);
        return services;
    }
}
