using Identity.Data.Tests.Redis;
using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;

[assembly: AssemblyFixture(typeof(RedisFixture))]
[assembly: AssemblyFixture(typeof(RedisClusterFixture))]

namespace Identity.Data.Tests.Redis;

/// <summary>A real redis-server beside a SQLite file; all conformance tests share both.</summary>
public class RedisFixture : StoreFixture, IAsyncDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Lazy<Task<RedisInstance?>> _server;
    private readonly Lazy<Task<StorageSettings>> _shared;
    private int _count;

    public RedisFixture()
        : this(cluster: false)
    {
    }

    protected RedisFixture(bool cluster)
    {
        _server = new(() => RedisInstance.StartAsync(cluster: cluster));
        _shared = new(MigratedAsync);
    }

    public override async ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider)
    {
        await ServerAsync();
        return StoreHost.Open(await _shared.Value, timeProvider);
    }

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        await ServerAsync();
        var settings = await MigratedAsync();
        return () => ValueTask.FromResult(StoreHost.Open(settings, timeProvider));
    }

    public async Task<RedisInstance> ServerAsync()
    {
        var server = await _server.Value;
        if (server is null)
        {
            Assert.Skip(RedisInstance.WhatIsMissing);
        }

        return server;
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_server.IsValueCreated && await _server.Value is { } server)
        {
            await server.DisposeAsync();
        }

        _directory.Dispose();
    }

    private async Task<StorageSettings> MigratedAsync()
    {
        var server = await ServerAsync();
        var number = Interlocked.Increment(ref _count);
        var settings = StorageSettings.Embedded(Path.Combine(_directory.Path, $"{number}")) with { Redis = server.Settings($"test{number}") };
        await using var host = await StoreHost.StartAsync(settings);
        return settings;
    }
}

/// <summary>The same in cluster mode, where a script may only touch keys of one slot.</summary>
public sealed class RedisClusterFixture() : RedisFixture(cluster: true);
