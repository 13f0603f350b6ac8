using Identity.Accounts.Events;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of the outbox relay.</summary>
public static class EventServiceCollectionExtensions
{
    /// <summary>Publishes the outbox from this process, through whichever <see cref="IEventPublisher"/> is registered.</summary>
    public static IServiceCollection AddOutboxRelay(this IServiceCollection services)
    {
        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<EventMetrics>();
        services.AddOptions<OutboxRelayOptions>().BindSection(OutboxRelayOptions.Section)
            .Validate(options => options.BatchSize is > 0 and <= 10_000, "Outbox:BatchSize: expected 1 to 10000.")
            .Validate(options => options.ClaimDuration >= TimeSpan.FromSeconds(1) && options.ClaimDuration <= TimeSpan.FromHours(1), "Outbox:ClaimDuration: expected 1 second to 1 hour.")
            .Validate(options => options.LongestPutOff >= options.ClaimDuration && options.LongestPutOff <= TimeSpan.FromHours(1), "Outbox:LongestPutOff: expected Outbox:ClaimDuration to 1 hour.")
            .Validate(options => options.IdleDelay > TimeSpan.Zero && options.LongestDelay >= options.IdleDelay, "Outbox:IdleDelay: expected more than zero and at most Outbox:LongestDelay.")
            .Validate(options => options.LongestDelay <= TimeSpan.FromHours(1), "Outbox:LongestDelay: expected at most 1 hour.")
            .Validate(options => options.StatusInterval > TimeSpan.Zero && options.StatusInterval <= TimeSpan.FromHours(1), "Outbox:StatusInterval: expected more than zero and at most 1 hour.");
        services.AddHostedService<OutboxRelay>();
        return services;
    }

    /// <summary>What the server does without RABBITMQ_URIS: events go to subscribers in this process (<see cref="IEventSubscriber"/>) and to the log at Debug.</summary>
    public static IServiceCollection AddInProcessEvents(this IServiceCollection services)
    {
        services.TryAddSingleton<IEventPublisher, InProcessEventPublisher>();
        return services.AddOutboxRelay();
    }
}
