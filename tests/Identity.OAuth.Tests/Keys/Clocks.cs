using Microsoft.Extensions.DependencyInjection;

namespace Identity.OAuth.Tests.Keys;

internal static class Clocks
{
    public static void AddClock(this IServiceCollection services, TimeProvider clock) => services.AddSingleton(clock);
}
