using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;
using Npgsql;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Identity.Data.Tests.Sql;

/// <summary>A real PostgreSQL server, started at first need; all conformance tests share one database.</summary>
public sealed class PostgresFixture : StoreFixture, IAsyncDisposable
{
    private readonly Lazy<Task<PostgresServer?>> _server = new(PostgresServer.StartAsync);
    private readonly Lazy<Task<StorageSettings>> _shared;

    public PostgresFixture() => _shared = new(MigratedAsync);

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

    /// <summary>Settings for a database that does not exist yet.</summary>
    public async Task<StorageSettings> NewDatabaseAsync()
    {
        var server = await ServerAsync();
        var name = server.NewDatabaseName();
        return new()
        {
            Provider = DatabaseProvider.Postgres,
            DataDirectory = Path.GetTempPath(),
            MasterKey = new byte[32],
            ConnectionString = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = name }.ConnectionString,
            Description = name,
        };
    }

    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated && await _server.Value is { } server)
        {
            await server.DisposeAsync();
        }
    }

    private async Task<PostgresServer> ServerAsync()
    {
        var server = await _server.Value;
        if (server is null)
        {
            Assert.Skip(PostgresServer.WhatIsMissing);
        }

        return server;
    }

    private async Task<StorageSettings> MigratedAsync()
    {
        var settings = await NewDatabaseAsync();
        await using var host = await StoreHost.StartAsync(settings);
        return settings;
    }
}
