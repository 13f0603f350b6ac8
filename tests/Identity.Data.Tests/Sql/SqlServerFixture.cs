using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit.Conformance;
using Microsoft.Data.SqlClient;

[assembly: AssemblyFixture(typeof(SqlServerFixture))]

namespace Identity.Data.Tests.Sql;

/// <summary>A real SQL Server, where IDENTITY_TEST_SQLSERVER holds the connection string of a login that may create databases.</summary>
public sealed class SqlServerFixture : StoreFixture, IAsyncDisposable
{
    private static readonly string? s_connectionString = Environment.GetEnvironmentVariable("IDENTITY_TEST_SQLSERVER");

    private readonly Lazy<Task<StorageSettings>> _shared;
    private readonly List<string> _databases = [];

    public SqlServerFixture() => _shared = new(MigratedAsync);

    public override async ValueTask<IServiceProvider> OpenAsync(TimeProvider timeProvider)
    {
        SkipWithoutServer();
        return StoreHost.Open(await _shared.Value, timeProvider);
    }

    public override async ValueTask<Func<ValueTask<IServiceProvider>>> IsolateAsync(TimeProvider timeProvider)
    {
        SkipWithoutServer();
        var settings = await MigratedAsync();
        return () => ValueTask.FromResult(StoreHost.Open(settings, timeProvider));
    }

    public StorageSettings NewDatabase()
    {
        SkipWithoutServer();
        var name = $"identity_test_{Guid.NewGuid():N}";
        lock (_databases)
        {
            _databases.Add(name);
        }

        return new()
        {
            Provider = DatabaseProvider.SqlServer,
            DataDirectory = Path.GetTempPath(),
            MasterKey = new byte[32],
            ConnectionString = new SqlConnectionStringBuilder(s_connectionString) { InitialCatalog = name }.ConnectionString,
            Description = name,
        };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var name in _databases)
        {
            SqlConnection.ClearAllPools();
            await using var connection = new SqlConnection(s_connectionString);
            await connection.OpenAsync();
            await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // The name is made above.
            command.CommandText = $"IF DB_ID('{name}') IS NOT NULL BEGIN ALTER DATABASE [{name}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE; DROP DATABASE [{name}]; END";
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }
    }

    private static void SkipWithoutServer() =>
        Assert.SkipWhen(string.IsNullOrEmpty(s_connectionString), "IDENTITY_TEST_SQLSERVER is not set: no SQL Server to run against.");

    private async Task<StorageSettings> MigratedAsync()
    {
        var settings = NewDatabase();
        await using var host = await StoreHost.StartAsync(settings);
        return settings;
    }
}
