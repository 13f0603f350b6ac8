using Identity.Accounts.Data;
using Identity.OAuth.Keys;
using Identity.ServiceDefaults.Settings;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Identity.Data.Tests.Sql;

public sealed class StoreStartTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private StorageSettings Settings => StorageSettings.Embedded(Path.Combine(_directory.Path, "data"));

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Start_WhenDoneTwice_ReadsWhatTheFirstProtected()
    {
        byte[] secret;
        await using (var first = await StoreHost.StartAsync(Settings))
        {
            secret = first.Get<KeyProtector>().Protect([1, 2, 3]);
        }

        await using var second = await StoreHost.StartAsync(Settings);
        Assert.Equal([1, 2, 3], second.Get<KeyProtector>().Unprotect(secret));
    }

    [Fact]
    public async Task Start_WhenMasterKeyIsAnother_StopsWithOneLine()
    {
        await using (await StoreHost.StartAsync(Settings))
        {
        }

        var other = StorageSettings.Embedded(Settings.DataDirectory, masterKey: new byte[32]);
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(other));
        Assert.StartsWith("MASTER_KEY:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    // A mistyped DB_NAME: nothing of ours is left in it.
    [Fact]
    public async Task Start_WhenTheDatabaseIsSomebodyElses_StopsWithOneLineAndLeavesItAlone()
    {
        await WriteAsync("CREATE TABLE customers (id INTEGER)");
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(Settings));
        Assert.StartsWith("DB_NAME:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.Equal(["customers"], await TablesAsync());
    }

    // Killed in the midst of its first migration.
    [Fact]
    public async Task Start_WhenTheDatabaseHasOurHistoryAndNothingInIt_GoesOn()
    {
        await WriteAsync("CREATE TABLE \"__EFMigrationsHistory\" (\"migration_id\" TEXT NOT NULL PRIMARY KEY, \"product_version\" TEXT NOT NULL)");
        await using var host = await StoreHost.StartAsync(Settings);
        Assert.Contains("accounts", await TablesAsync());
    }

    private async Task WriteAsync(string statement)
    {
        Directory.CreateDirectory(Settings.DataDirectory);
        await using var connection = new SqliteConnection(Settings.ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Written above.
        command.CommandText = statement;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private async Task<List<string>> TablesAsync()
    {
        await using var connection = new SqliteConnection(Settings.ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var names = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    [Theory]
    [InlineData("DELETE FROM \"__EFMigrationsHistory\" WHERE \"migration_id\" NOT LIKE '%Initial'; UPDATE \"__EFMigrationsHistory\" SET \"migration_id\" = '20261124022603_Initial'")]
    [InlineData("ALTER TABLE \"__EFMigrationsHistory\" RENAME COLUMN \"migration_id\" TO \"MigrationId\"")]
    public async Task Start_WhenTheDatabaseIsOlderThanTheFirstRelease_StopsWithOneLine(string statement)
    {
        await using (var host = await StoreHost.StartAsync(Settings))
        {
            await host.Get<StoreDatabase>().WriteAsync(
                (context, token) => context.Database.ExecuteSqlRawAsync(statement, token),
                TestContext.Current.CancellationToken);
        }

        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(Settings));
        Assert.StartsWith("DB_NAME:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public async Task Start_WhenManyNodesStartAtOnce_AllStartOnOneKeyRing()
    {
        var hosts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => StoreHost.StartAsync(Settings))));
        var secret = hosts[0].Get<KeyProtector>().Protect([7]);
        foreach (var host in hosts)
        {
            Assert.Equal([7], host.Get<KeyProtector>().Unprotect(secret));
            await host.DisposeAsync();
        }
    }

    [Fact]
    public async Task Start_OnUnix_KeepsFilesFromOthers()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Unix modes.");
            return;
        }

        await using var host = await StoreHost.StartAsync(Settings);
        foreach (var file in (string[])["master.key", "identity.db", "identity.db-wal"])
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Settings.DataDirectory, file)));
        }
    }
}
