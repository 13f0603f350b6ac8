using System.Data.Common;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Sessions;
using Identity.OAuth.Clients;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Data.Tests.Sql;

/// <summary>A store that cannot answer throws: no outage is an answer, least of all a permissive one.</summary>
public sealed class OutageTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Stores_WhenTheServerIsAway_Throw()
    {
        await using var host = StoreHost.Build(Unreachable());
        await AssertAllThrowAsync(host);
        Assert.Equal(HealthStatus.Unhealthy, (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Status);
    }

    [Fact]
    public async Task Stores_WhenTheFileCannotBeOpened_Throw()
    {
        File.WriteAllText(Path.Combine(_directory.Path, "file"), "");
        await using var host = StoreHost.Build(new()
        {
            Provider = DatabaseProvider.Sqlite,
            ConnectionString = StorageSettings.SqliteConnectionString(Path.Combine(_directory.Path, "file", "identity.db")),
            DataDirectory = _directory.Path,
            Description = "",
        });
        await AssertAllThrowAsync(host);
        Assert.Equal(HealthStatus.Unhealthy, (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Status);
    }

    [Fact]
    public async Task Start_WhenTheServerIsAway_StopsWithOneLineWithoutThePassword()
    {
        await using var host = StoreHost.Build(Unreachable());
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => host.Services.InitializeStoresAsync(Cancel));
        Assert.StartsWith("DB_HOST: expected a usable database (PostgreSQL at 127.0.0.1", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HealthCheck_WhenTheDatabaseAnswers_IsHealthy()
    {
        await using var host = await StoreHost.StartAsync(StorageSettings.Embedded(_directory.Path));
        var report = await host.Get<HealthCheckService>().CheckHealthAsync(r => r.Tags.Contains("ready"), Cancel);
        Assert.Equal(HealthStatus.Healthy, report.Entries["database"].Status);
    }

    [Fact]
    public async Task Sqlite_WhenAnotherProcessHoldsTheWriteLock_WaitsForIt()
    {
        await using var host = await StoreHost.StartAsync(StorageSettings.Embedded(_directory.Path));
        await using var other = new SqliteConnection(StorageSettings.Embedded(_directory.Path).ConnectionString);
        await other.OpenAsync(Cancel);
        Task denied;
        await using (var transaction = other.BeginTransaction(deferred: false))
        {
            denied = host.Get<IDenyList>().DenyAsync("x", DateTimeOffset.MaxValue, Cancel);
            Assert.False(await host.Get<IDenyList>().IsDeniedAsync(new[] { "x" }, Cancel));
            Assert.False(denied.IsCompleted);
            await transaction.RollbackAsync(Cancel);
        }

        await denied;
        Assert.True(await host.Get<IDenyList>().IsDeniedAsync(new[] { "x" }, Cancel));
    }

    [Fact]
    public async Task Sqlite_WhenOneOfAGroupFails_TheOthersAreKept()
    {
        await using var host = await StoreHost.StartAsync(StorageSettings.Embedded(_directory.Path));
        var now = DateTimeOffset.UnixEpoch;
        var database = host.Get<StoreDatabase>();
        var writes = Enumerable.Range(0, 200).Select(i => Task.Run(() => database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ReplayEntryRow { Kind = "k", Key = $"{i / 2}", ExpiresAt = now });
                return context.SaveChangesAsync(token);
            },
            Cancel))).ToArray();
        await Task.WhenAll(writes.Select(w => w.ContinueWith(_ => { }, TaskScheduler.Default)));
        Assert.Equal(100, writes.Count(w => w.IsCompletedSuccessfully));
        Assert.All(writes.Where(w => w.IsFaulted), w => Assert.IsType<DbUpdateException>(w.Exception!.InnerException));
        Assert.Equal(100, await database.ReadAsync((context, token) => context.ReplayEntries.CountAsync(token), Cancel));
    }

    [Fact]
    public async Task Sqlite_WhenAMigrationWasKilled_StartsAllTheSame()
    {
        var settings = StorageSettings.Embedded(_directory.Path);
        await using (await StoreHost.StartAsync(settings))
        {
        }

        await using (var connection = new SqliteConnection(settings.ConnectionString))
        {
            await connection.OpenAsync(Cancel);
            await using var command = connection.CreateCommand();
            command.CommandText = "CREATE TABLE IF NOT EXISTS \"__EFMigrationsLock\" (\"Id\" INTEGER NOT NULL PRIMARY KEY, \"Timestamp\" TEXT NOT NULL); INSERT INTO \"__EFMigrationsLock\" VALUES (1, '2030-01-01');";
            await command.ExecuteNonQueryAsync(Cancel);
        }

        await using var host = await StoreHost.StartAsync(settings);
        Assert.Empty(await host.Get<ClientStore>().ListAsync(Cancel));
    }

    internal static StorageSettings Unreachable() => new()
    {
        Provider = DatabaseProvider.Postgres,
        ConnectionString = "Host=127.0.0.1;Port=1;Username=u;Password=canary;Database=d;Timeout=2",
        DataDirectory = Path.GetTempPath(),
        MasterKey = new byte[32],
        Description = "PostgreSQL at 127.0.0.1:1, database d",
        StartWait = TimeSpan.FromSeconds(1),
    };

    private static async Task AssertAllThrowAsync(StoreHost host)
    {
        var now = DateTimeOffset.UnixEpoch;
        Func<Task>[] questions =
        [
            async () => await host.Get<IDenyList>().IsDeniedAsync(new[] { "a" }, Cancel),
            async () => await host.Get<IDenyList>().IsDeniedAsync(new[] { "a", "b" }, Cancel),
            () => host.Get<IDenyList>().DenyAsync("a", now, Cancel),
            () => host.Get<IReplayCache>().TryAddAsync("k", "v", now, Cancel),
            () => host.Get<IRateLimiter>().AcquireAsync("k", 1, TimeSpan.FromMinutes(1), Cancel),
            () => host.Get<RefreshFamilies>().TryRotateAsync(Guid.Empty, 1, now, Cancel),
            () => host.Get<RefreshFamilies>().FindAsync(Guid.Empty, Cancel),
            async () => await host.Get<ISessionStore>().FindAsync("s", Cancel),
            () => host.Get<IAccountStore>().FindAsync(Guid.Empty, Cancel),
            async () => await host.Get<ClientStore>().FindAsync("c", Cancel),
        ];
        foreach (var question in questions)
        {
            var thrown = await Record.ExceptionAsync(question);
            Assert.NotNull(thrown);
            Assert.True(thrown is DbException || thrown.InnerException is DbException, thrown.ToString());
        }
    }
}
