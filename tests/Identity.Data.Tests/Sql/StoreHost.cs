using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Data.Tests.Sql;

/// <summary>A node's stores, composed as the hosts compose them.</summary>
internal sealed class StoreHost : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    private StoreHost(ServiceProvider services) => _services = services;

    /// <summary>A node over a database that is migrated already; who opens it disposes it.</summary>
    public static IServiceProvider Open(StorageSettings settings, TimeProvider timeProvider) => Build(settings, timeProvider)._services;

    public IServiceProvider Services => _services;

    public static StoreHost Build(StorageSettings settings, TimeProvider? timeProvider = null)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        services.AddSingleton(timeProvider ?? TimeProvider.System);
        services.AddSqlStores(settings);
        services.AddStoreDataProtection();
        services.AddOAuthStores();
        return new(services.BuildServiceProvider());
    }

    public static async Task<StoreHost> StartAsync(StorageSettings settings, TimeProvider? timeProvider = null)
    {
        var host = Build(settings, timeProvider);
        try
        {
            await host.Services.InitializeStoresAsync();
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    public ValueTask DisposeAsync() => _services.DisposeAsync();
}

/// <summary>A directory that goes with its test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("identity-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
