using System.Net;
using System.Net.Sockets;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.OAuth.Clients;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Identity.Data.Tests.Sql;

/// <summary>A database server that is not there yet is waited for, and never replaced by another store.</summary>
public sealed class StartWaitTests(PostgresFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_WhenPostgresComesLater_SaysOnceThatItWaitsAndGoesOn()
    {
        var real = new NpgsqlConnectionStringBuilder((await fixture.NewDatabaseAsync()).ConnectionString);
        var port = Ports.Free();
        var log = new Lines();
        await using var services = Build(At(real, port, TimeSpan.FromSeconds(60)), log);
        var starting = services.InitializeStoresAsync(Cancel);
        await log.First.WaitAsync(TimeLimit.Patience, Cancel);
        Assert.False(starting.IsCompleted);
        using var door = new TcpListener(IPAddress.Loopback, port);
        door.Start();
        _ = ForwardAsync(door, real.Port);
        await starting;
        Assert.Empty(await services.GetRequiredService<ClientStore>().ListAsync(Cancel));
        Assert.Equal("PostgreSQL late does not answer yet: waiting for up to 60 s", Assert.Single(log.Told));
        NpgsqlConnection.ClearAllPools();
    }

    [Fact]
    public async Task Start_WhenPostgresNeverComes_StopsWithOneLineThatNamesTheSetting()
    {
        var nowhere = new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Username = "u", Password = "canary", Database = "d" };
        var log = new Lines();
        await using var services = Build(At(nowhere, Ports.Free(), TimeSpan.FromSeconds(1)), log);
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => services.InitializeStoresAsync(Cancel));
        Assert.StartsWith("DB_HOST: expected a usable database (PostgreSQL late)", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
        Assert.Single(log.Told);
    }

    [Fact]
    public async Task Start_WhenPostgresRefusesTheUser_DoesNotWait()
    {
        var wrong = new NpgsqlConnectionStringBuilder((await fixture.NewDatabaseAsync()).ConnectionString) { Username = "nobody" };
        var log = new Lines();
        await using var services = Build(At(wrong, wrong.Port, TimeSpan.FromMinutes(10)), log);
        await Assert.ThrowsAsync<StartFailureException>(() => services.InitializeStoresAsync(Cancel));
        Assert.Empty(log.Told);
    }

    private static StorageSettings At(NpgsqlConnectionStringBuilder connection, int port, TimeSpan wait) => new()
    {
        Provider = DatabaseProvider.Postgres,
        DataDirectory = Path.GetTempPath(),
        MasterKey = new byte[32],
        ConnectionString = new NpgsqlConnectionStringBuilder(connection.ConnectionString) { Port = port }.ConnectionString,
        Description = "PostgreSQL late",
        StartWait = wait,
    };

    private static ServiceProvider Build(StorageSettings settings, ILoggerProvider log)
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.AddFilter((category, level) => category == "Identity.Accounts.Data" && level >= LogLevel.Warning).AddProvider(log));
        services.AddSqlStores(settings);
        services.AddStoreDataProtection();
        services.AddOAuthStores();
        return services.BuildServiceProvider();
    }

    private static async Task ForwardAsync(TcpListener door, int port)
    {
        try
        {
            while (true)
            {
                var from = await door.AcceptTcpClientAsync(Cancel);
                var to = new TcpClient();
                await to.ConnectAsync(IPAddress.Loopback, port, Cancel);
                _ = from.GetStream().CopyToAsync(to.GetStream(), Cancel);
                _ = to.GetStream().CopyToAsync(from.GetStream(), Cancel);
            }
        }
        catch (Exception exception) when (exception is ObjectDisposedException or SocketException or OperationCanceledException)
        {
            // Closed with its test.
        }
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task First => _first.Task;

        public List<string> Told { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Told.Add(formatter(state, exception));
            _first.TrySetResult();
        }

        public void Dispose()
        {
        }
    }
}
