using Identity.Accounts.OneTimeCodes.Requests;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of requests for one-time codes without a broker.</summary>
public static class InProcessCodeRequestsExtensions
{
    /// <summary>What a server without RABBITMQ_URIS has in place of the queue: <see cref="InProcessCodeRequests"/>.</summary>
    public static IServiceCollection AddInProcessCodeRequests(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<CodeRequestProcessor>();
        services.AddSingleton<InProcessCodeRequests>();
        services.AddHostedService(provider => provider.GetRequiredService<InProcessCodeRequests>());
        return services;
    }
}
