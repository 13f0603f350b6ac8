using System.Net;
using System.Net.Sockets;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.OAuth.Storage;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;

namespace Identity.Data.Tests.Sql;

/// <summary>What a busy or hanging server says in its own ways, and is no fault of whoever asked.</summary>
public sealed class DeadlockTests(PostgresFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // By SaveChanges, which wraps what the database says twice.
    [Fact]
    public async Task Transactions_ThatWaitForEachOtherInSaveChanges_AreBothDone()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewDatabaseAsync());
        var (first, second) = (await CreatedAsync(host), await CreatedAsync(host));
        using var met = new Barrier(2);
        var attempts = 0;
        await Task.WhenAll(Task.Run(() => RenameBothAsync(first, second), Cancel), Task.Run(() => RenameBothAsync(second, first), Cancel));
        Assert.True(attempts > 2, "Neither was a victim: the test met no deadlock.");
        var names = await host.Get<StoreDatabase>().ReadAsync((context, token) => context.Accounts.Select(r => r.FirstName).ToListAsync(token), Cancel);
        Assert.Equal(2, names.Count);
        Assert.All(names, name => Assert.NotNull(name));

        Task RenameBothAsync(Guid one, Guid other)
        {
            var isFirst = true;
            return host.Get<StoreDatabase>().TransactAsync(
                async (context, token) =>
                {
                    Interlocked.Increment(ref attempts);
                    (await context.Accounts.AsTracking().FirstAsync(r => r.Id == one, token)).FirstName = "Ada";
                    await context.SaveChangesAsync(token);
                    if (isFirst)
                    {
                        isFirst = false;
                        met.SignalAndWait(TimeSpan.FromSeconds(20), token);
                    }

                    (await context.Accounts.AsTracking().FirstAsync(r => r.Id == other, token)).FirstName = "Ada";
                    return await context.SaveChangesAsync(token);
                },
                Cancel);
        }
    }

    // A server that takes connections and says nothing: those that are being opened fill the pool, and whoever comes later is told of the pool alone.
    [Fact]
    public async Task SqlServer_ThatHangs_IsAnOutageAlsoForThoseWhoWaitForThePool()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var connections = $"Server=127.0.0.1,{((IPEndPoint)silent.LocalEndpoint).Port};Encrypt=false;User ID=x;Password=x;Connect Timeout=2;Max Pool Size=1;ConnectRetryCount=0;Pool Blocking Period=NeverBlock";
        var failures = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Task.Factory.StartNew(
            () =>
            {
                using var connection = new SqlConnection(connections);
                return Assert.ThrowsAny<Exception>(connection.Open);
            },
            Cancel,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
        Assert.Contains(failures, failure => failure is InvalidOperationException { InnerException: null });
        Assert.All(failures, failure => Assert.True(StoreOutage.Is(failure), $"{failure.GetType()}: {failure.Message} ({failure.Source})"));

        // What only looks alike: a fault of ours.
        await using var closed = new SqlConnection(connections);
        await using var command = closed.CreateCommand();
        command.CommandText = "SELECT 1";
        Assert.False(StoreOutage.Is(await Assert.ThrowsAsync<InvalidOperationException>(() => command.ExecuteScalarAsync(Cancel))));
        Assert.False(StoreOutage.Is(new InvalidOperationException("Timeout expired.")));
    }

    private static async Task<Guid> CreatedAsync(StoreHost host)
    {
        var now = TimeProvider.System.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = now, UpdatedAt = now, SecurityStamp = "stamp" };
        Assert.Equal(AccountWrite.Done, await host.Get<IAccountStore>().CreateAsync(account, new(id, "hash", now), [], Cancel));
        return id;
    }
}
