using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.Data.Tests.Sql;

/// <summary>A connection that breaks in the middle of something is an outage, whatever the driver makes of it.</summary>
public sealed class BrokenConnectionTests(PostgresFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Transaction_WhenItsConnectionBreaks_IsAnOutageAtEachStatementAfter(int statements)
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var database = host.Get<StoreDatabase>();
        var thrown = await Assert.ThrowsAnyAsync<Exception>(() => database.TransactAsync(
            async (context, token) =>
            {
                var backend = await context.Database.SqlQueryRaw<int>("SELECT pg_backend_pid() AS \"Value\"").SingleAsync(token);
                await database.ReadAsync((other, inner) => other.Database.ExecuteSqlAsync($"SELECT pg_terminate_backend({backend})", inner), token);
                for (var i = 1; i < statements; i++)
                {
                    await Record.ExceptionAsync(() => context.Accounts.CountAsync(token));
                }

                return await context.Database.ExecuteSqlRawAsync("SELECT 1", token);
            },
            Cancel));
        Assert.True(StoreOutage.Is(thrown), thrown.ToString());
    }

    // After a restart or a fail-over of the server each pooled connection is one of before.
    [Fact]
    public async Task Pool_WhenItsConnectionsAreDead_IsNoticedByNobodyWhoReadsOrTransacts()
    {
        var settings = await fixture.NewDatabaseAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var database = host.Get<StoreDatabase>();
        await KillPoolAsync(database, settings.Description);
        Assert.Equal(0, await database.ReadAsync((context, token) => context.Accounts.CountAsync(token), Cancel));
        await KillPoolAsync(database, settings.Description);
        var runs = 0;
        Assert.Equal(0, await database.TransactAsync(
            async (context, token) =>
            {
                runs++;
                return await context.Accounts.CountAsync(token);
            },
            Cancel));
        Assert.Equal(2, runs);
    }

    // A node that froze, or whose machine is gone, must not hold for hours what all nodes take in turn.
    [Fact]
    public async Task Lock_WhenItsNodeSaysNothingMore_IsGivenUpByTheServer_AndTheNodeBeginsAnew()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var database = host.Get<StoreDatabase>();
        Task LockAsync(IdentityDbContext context, CancellationToken token) => database.Dialect.LockAsync(context, "outbox-claim", token);
        var runs = 0;
        await database.TransactAsync(
            async (context, token) =>
            {
                await LockAsync(context, token);
                if (++runs == 1)
                {
                    Assert.Equal("1min", await SettingAsync(context, "idle_in_transaction_session_timeout"));

                    // That is too long for a test. The other waits until the lock is free; this one says nothing meanwhile.
                    await context.Database.ExecuteSqlRawAsync("SET LOCAL idle_in_transaction_session_timeout = '100ms'", token);
                    await database.TransactAsync(
                        async (other, inner) =>
                        {
                            await LockAsync(other, inner);
                            return true;
                        },
                        token);
                }

                return await context.Accounts.CountAsync(token);
            },
            Cancel);
        Assert.Equal(2, runs);
        Assert.Equal("0", await database.ReadAsync((context, _) => SettingAsync(context, "idle_in_transaction_session_timeout"), Cancel));

        Task<string> SettingAsync(IdentityDbContext context, string name) => context.Database.SqlQuery<string>($"SELECT current_setting({name}) AS \"Value\"").SingleAsync(Cancel);
    }

    // A single statement commits by itself: nobody knows whether it did before the connection broke.
    [Fact]
    public async Task Write_WhenItsConnectionBreaks_IsNotDoneAgain()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var runs = 0;
        var thrown = await Assert.ThrowsAnyAsync<Exception>(() => host.Get<StoreDatabase>().WriteAsync(
            (context, token) =>
            {
                runs++;
                return context.Database.ExecuteSqlRawAsync("SELECT pg_terminate_backend(pg_backend_pid())", token);
            },
            Cancel));
        Assert.True(StoreOutage.Is(thrown), thrown.ToString());
        Assert.Equal(1, runs);
    }

    private static async Task KillPoolAsync(StoreDatabase database, string name)
    {
        // Several connections in the pool, all of them idle.
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => database.ReadAsync((context, token) => context.Database.ExecuteSqlRawAsync("SELECT pg_sleep(0.05)", token), Cancel)));
        await using var other = new Npgsql.NpgsqlConnection(new Npgsql.NpgsqlConnectionStringBuilder(database.CreateContext().Database.GetConnectionString()) { Database = "postgres", Pooling = false }.ConnectionString);
        await other.OpenAsync(Cancel);
        await using var command = new Npgsql.NpgsqlCommand("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", other) { Parameters = { new() { Value = name } } };
        await command.ExecuteNonQueryAsync(Cancel);
    }

    [Fact]
    public async Task Transaction_WhenTheCodeInItIsWrong_IsNone()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => host.Get<StoreDatabase>().TransactAsync<int>((_, _) => throw new InvalidOperationException("A bug."), Cancel));
        Assert.False(StoreOutage.Is(thrown));
    }
}
