using System.Reflection;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Profile;
using Identity.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>The contract's lives are whole, however long the store or the machine took over the answer: a client that compares them is not to meet 299.</summary>
public sealed class SlowAnswerTests
{
    [Fact]
    public async Task Lives_WhenTheStoreTakesSeconds_AreWholeAllTheSame()
    {
        ApiServer? slow = null;
        await using var server = slow = await ApiServer.StartAsync([], services =>
        {
            Slow<IOneTimeCodeStore>(services, () => slow?.Time);
            Slow<IMetadataStore>(services, () => slow?.Time);
        });
        var person = await server.RegisterAsync();
        var login = await server.PostAsync("login", new { email = person.Email, password = ApiServer.Password });
        Assert.Equal((3600, 604800), ((int)login.Json["expiresIn"]!, (int)login.Json["refreshExpiresIn"]!));
        Assert.Equal(300, (int)(await server.PostAsync("otp/generate", new { email = person.Email })).Json["expiresIn"]!);

        // What is left of the family is what it is.
        server.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.InRange((int)(await server.PostAsync("refresh-token", new { refreshToken = login.Value("refreshToken") })).Json["refreshExpiresIn"]!, 604800 - 120, 604800 - 60);
    }

    private static void Slow<T>(IServiceCollection services, Func<FakeTimeProvider?> time)
        where T : class
    {
        var registered = services.Last(service => service.ServiceType == typeof(T));
        services.AddSingleton(provider =>
        {
            var proxy = DispatchProxy.Create<T, Delayed<T>>();
            var delayed = (Delayed<T>)(object)proxy;
            delayed.Time = time;
            delayed.Store = (T)(registered.ImplementationInstance
                ?? registered.ImplementationFactory?.Invoke(provider)
                ?? ActivatorUtilities.CreateInstance(provider, registered.ImplementationType!));
            return proxy;
        });
    }

    /// <summary>Three seconds pass at each call, once the server runs.</summary>
    public class Delayed<T> : DispatchProxy
        where T : class
    {
        public T Store { get; set; } = null!;

        public Func<FakeTimeProvider?> Time { get; set; } = null!;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            Time()?.Advance(TimeSpan.FromSeconds(3));
            return targetMethod!.Invoke(Store, args);
        }
    }
}
