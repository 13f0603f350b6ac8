using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit.Conformance;

[assembly: AssemblyFixture(typeof(SqliteFixture))]

namespace Identity.Data.Tests.Sql;

/// <summary>SQLite files; all conformance tests share one.</summary>
public sealed class SqliteFixture : StoreFixture, IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Lazy<Task<StorageSettings>> _shared;
    private int _count;

    public SqliteFixture() => _shared = new(MigratedAsync);

    public override async ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider) => StoreHost.Open(await _shared.Value, timeProvider);

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        var settings = await MigratedAsync();
        return () => ValueTask.FromResult(StoreHost.Open(settings, timeProvider));
    }

    public void Dispose() => _directory.Dispose();

    private async Task<StorageSettings> MigratedAsync()
    {
        var settings = StorageSettings.Embedded(Path.Combine(_directory.Path, $"{Interlocked.Increment(ref _count)}"));
        await using var host = await StoreHost.StartAsync(settings);
        return settings;
    }
}
