using Identity.Accounts.Data;
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

    [Fact]
    public async Task Transaction_WhenTheCodeInItIsWrong_IsNone()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => host.Get<StoreDatabase>().TransactAsync<int>((_, _) => throw new InvalidOperationException("A bug."), Cancel));
        Assert.False(StoreOutage.Is(thrown));
    }
}
