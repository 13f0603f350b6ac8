using System.Diagnostics;
using Identity.Accounts;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using Identity.Tests.Kit;
using Npgsql;

namespace Identity.Data.Tests.Sql;

/// <summary>A database that keeps its connections open and answers nothing: here one whose tables somebody else has locked.</summary>
public sealed class HangingDatabaseTests(PostgresFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> LookUps => ["deny list", "session of a token", "account"];

    [Theory]
    [MemberData(nameof(LookUps))]
    public async Task LookUp_WhileTheDatabaseHangs_IsLeftByWhoeverHangsUp_AndFailsForTheOthersTogether(string lookUp)
    {
        var settings = await fixture.NewDatabaseAsync();
        settings = settings with { ConnectionString = new NpgsqlConnectionStringBuilder(settings.ConnectionString) { CommandTimeout = 2 }.ConnectionString };
        await using var host = await StoreHost.StartAsync(settings);
        await AskAsync(host, lookUp, 0, Cancel);
        await using var other = new NpgsqlConnection(settings.ConnectionString);
        await other.OpenAsync(Cancel);
        await using var transaction = await other.BeginTransactionAsync(Cancel);
        await using (var locking = new NpgsqlCommand("LOCK TABLE accounts, sessions, deny_entries IN ACCESS EXCLUSIVE MODE", other, transaction))
        {
            await locking.ExecuteNonQueryAsync(Cancel);
        }

        var began = Stopwatch.GetTimestamp();
        var underWay = Enumerable.Range(0, 2).Select(i => AskAsync(host, lookUp, i, Cancel)).ToArray();
        using var hangUp = new CancellationTokenSource();
        var left = AskAsync(host, lookUp, 2, hangUp.Token);
        var waiting = Enumerable.Range(3, 1000).Select(i => AskAsync(host, lookUp, i, Cancel)).ToArray();
        await hangUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        Assert.DoesNotContain(waiting, one => one.IsCompleted);

        foreach (var one in underWay.Concat(waiting))
        {
            var thrown = await Assert.ThrowsAnyAsync<Exception>(() => one);
            Assert.True(StoreOutage.Is(thrown), thrown.ToString());
        }

        // Five groups, one after the other, would be three time limits.
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeLimit.Seconds(5), $"{Stopwatch.GetElapsedTime(began)}");
        await transaction.RollbackAsync(Cancel);
        await AskAsync(host, lookUp, 0, Cancel);
    }

    private static Task AskAsync(StoreHost host, string lookUp, int number, CancellationToken cancellationToken) => lookUp switch
    {
        "deny list" => host.Get<IDenyList>().IsDeniedAsync(new[] { $"{number}" }, DateTimeOffset.UnixEpoch, cancellationToken).AsTask(),
        "session of a token" => host.Get<TokenSessions>().FindLiveAsync($"{number}", [$"{number}"], DateTimeOffset.UnixEpoch, cancellationToken).AsTask(),
        _ => host.Get<IAccountStore>().FindAsync(new Guid(number, 0, 0, new byte[8]), cancellationToken),
    };
}
