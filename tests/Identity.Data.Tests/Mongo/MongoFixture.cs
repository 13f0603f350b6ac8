using Identity.Data.Tests.Mongo;
using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;

[assembly: AssemblyFixture(typeof(MongoFixture))]
[assembly: AssemblyFixture(typeof(MongoAndPostgresFixture))]

namespace Identity.Data.Tests.Mongo;

/// <summary>MongoDB beside a SQLite file; all conformance tests share both.</summary>
public sealed class MongoFixture : StoreFixture, IAsyncDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Lazy<Task<MongoInstance?>> _server = new(MongoInstance.StartAsync);
    private readonly Lazy<Task<StorageSettings>> _shared;
    private int _count;

    public MongoFixture() => _shared = new(MigratedAsync);

    public override async ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider)
    {
        await ServerAsync();
        return StoreHost.Open(await _shared.Value, timeProvider);
    }

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        var settings = await MigratedAsync();
        return () => ValueTask.FromResult(StoreHost.Open(settings, timeProvider));
    }

    /// <summary>A new file and a new database.</summary>
    public async Task<StorageSettings> NewAsync() =>
        StorageSettings.Embedded(Path.Combine(_directory.Path, $"{Interlocked.Increment(ref _count)}")) with { Mongo = (await ServerAsync()).Settings() };

    public async Task<MongoInstance> ServerAsync()
    {
        var server = await _server.Value;
        if (server is null)
        {
            Assert.Skip(MongoInstance.WhatIsMissing);
        }

        return server;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated && await _server.Value is { } server)
        {
            await server.DisposeAsync();
        }

        _directory.Dispose();
    }

    private async Task<StorageSettings> MigratedAsync()
    {
        var settings = await NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        return settings;
    }
}

/// <summary>MongoDB beside a real PostgreSQL server, each of its own.</summary>
public sealed class MongoAndPostgresFixture : StoreFixture, IAsyncDisposable
{
    private readonly MongoFixture _mongo = new();
    private readonly PostgresFixture _postgres = new();
    private readonly Lazy<Task<StorageSettings>> _shared;

    public MongoAndPostgresFixture() => _shared = new(MigratedAsync);

    public override async ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider)
    {
        await _mongo.ServerAsync();
        return StoreHost.Open(await _shared.Value, timeProvider);
    }

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        var settings = await MigratedAsync();
        return () => ValueTask.FromResult(StoreHost.Open(settings, timeProvider));
    }

    /// <summary>A new database of each.</summary>
    public async Task<StorageSettings> NewAsync() => await _postgres.NewDatabaseAsync() with { Mongo = (await _mongo.ServerAsync()).Settings() };

    public async ValueTask DisposeAsync()
    {
        await _mongo.DisposeAsync();
        await _postgres.DisposeAsync();
    }

    private async Task<StorageSettings> MigratedAsync()
    {
        var settings = await NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        return settings;
    }
}
