using Identity.Accounts.Data;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Identity.Data.Tests.Sql;

/// <summary>A server that a fail-over demoted still answers who reads; a real one that was made read-only stands in for it.</summary>
public sealed class FailOverTests(PostgresFixture fixture)
{
    private static readonly DateTimeOffset s_until = new(2050, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stores_WhenTheServerTakesNoWrites_AreUnavailableUntilItDoes()
    {
        var settings = await fixture.NewDatabaseAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var (database, denied) = (host.Get<StoreDatabase>(), host.Get<IDenyList>());
        await denied.DenyAsync("before", s_until, Cancel);
        Assert.Equal(HealthStatus.Healthy, await ReadinessAsync(host));

        await AdministerAsync(settings, $"ALTER DATABASE {settings.Description} SET default_transaction_read_only = on");
        await AdministerAsync(settings, $"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{settings.Description}'");
        Assert.True(await denied.IsDeniedAsync(new[] { "before" }, Cancel));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => denied.DenyAsync("meanwhile", s_until, Cancel));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => database.TransactAsync((context, token) => context.Accounts.ExecuteDeleteAsync(token), Cancel));
        Assert.Equal(HealthStatus.Unhealthy, await ReadinessAsync(host));

        // What was opened meanwhile goes on being read-only, and nobody comes to it.
        await AdministerAsync(settings, $"ALTER DATABASE {settings.Description} SET default_transaction_read_only = off");
        await denied.DenyAsync("after", s_until, Cancel);
        Assert.Equal(HealthStatus.Healthy, await ReadinessAsync(host));
        Assert.False(await denied.IsDeniedAsync(new[] { "meanwhile" }, Cancel));
        Assert.True(await denied.IsDeniedAsync(new[] { "after" }, Cancel));
    }

    [Fact]
    public async Task Pool_WhenItsConnectionsLeadToTheServerOfBefore_IsNoticedByNobodyWhoWrites()
    {
        var settings = await fixture.NewDatabaseAsync();
        settings = settings with { ConnectionString = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { NoResetOnClose = true }.ConnectionString };
        await using var host = await StoreHost.StartAsync(settings);
        var (database, denied) = (host.Get<StoreDatabase>(), host.Get<IDenyList>());

        await DemotePoolAsync(database);
        await denied.DenyAsync("a", s_until, Cancel);
        Assert.True(await denied.IsDeniedAsync(new[] { "a" }, Cancel));

        await DemotePoolAsync(database);
        var runs = 0;
        await database.TransactAsync(
            (context, token) =>
            {
                runs++;
                return context.Accounts.ExecuteDeleteAsync(token);
            },
            Cancel);
        Assert.Equal(2, runs);

        await DemotePoolAsync(database);
        Assert.Equal(HealthStatus.Healthy, await ReadinessAsync(host));
    }

    // Several connections, all of them idle in the pool afterwards.
    private static Task DemotePoolAsync(StoreDatabase database) => Task.WhenAll(Enumerable.Range(0, 5).Select(_ =>
        database.ReadAsync((context, token) => context.Database.ExecuteSqlRawAsync("SET SESSION default_transaction_read_only = on; SELECT pg_sleep(0.05)", token), Cancel)));

    private static async Task<HealthStatus> ReadinessAsync(StoreHost host) =>
        (await host.Get<HealthCheckService>().CheckHealthAsync(check => check.Tags.Contains("ready"), Cancel)).Entries["database"].Status;

    private static async Task AdministerAsync(StorageSettings settings, string statement)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(settings.ConnectionString) { Database = "postgres", Pooling = false }.ConnectionString);
        await connection.OpenAsync(Cancel);
#pragma warning disable CA2100 // The name in it is made by the fixture.
        await using var command = new NpgsqlCommand(statement, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
