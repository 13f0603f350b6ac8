using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Npgsql;

namespace Identity.Tests.Kit;

/// <summary>
/// PostgreSQL for tests: the server that IDENTITY_TEST_POSTGRES names (a connection string whose user may create databases), or a
/// private one on a free loopback port, which goes with its data when the tests end.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    public const string WhatIsMissing = "No PostgreSQL: neither IDENTITY_TEST_POSTGRES nor initdb and postgres are here.";

    private readonly string? _directory;
    private readonly string[]? _command;
    private readonly List<string> _databases = [];
    private Process? _process;

    private PostgresServer(string connectionString, string? directory = null, string[]? command = null) =>
        (ConnectionString, _directory, _command) = (connectionString, directory, command);

    public string ConnectionString { get; }

    /// <summary>Process id of the private server's postmaster, for tests that stop it; null for a server of others.</summary>
    public int? ProcessId => _process?.Id;

    /// <summary>Null where there is none, which fails where IDENTITY_TEST_REQUIRE_SERVICES=1.</summary>
    public static async Task<PostgresServer?> StartAsync()
    {
        if (Environment.GetEnvironmentVariable("IDENTITY_TEST_POSTGRES") is { Length: > 0 } given)
        {
            return new(given);
        }

        if (FindBinaries() is not { } binaries)
        {
            return Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1"
                ? throw new InvalidOperationException(WhatIsMissing)
                : null;
        }

        var directory = Directory.CreateTempSubdirectory("identity-postgres-").FullName;
        try
        {
            // The server refuses to run as root.
            string[] prefix = [];
            if (Environment.UserName == "root")
            {
                await RunAsync("chown", ["postgres", directory]);
                prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];
            }

            var data = Path.Combine(directory, "data");
            await RunAsync([.. prefix, Path.Combine(binaries, "initdb"), "-D", data, "-U", "identity", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], directory);
            var port = Ports.Free();
            string[] command =
            [
                .. prefix, Path.Combine(binaries, "postgres"), "-D", data, "-p", port.ToString(CultureInfo.InvariantCulture), "-h", "127.0.0.1", "-k", directory,
                "-c", "fsync=off", "-c", "max_connections=1000", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal", "-c", "log_min_error_statement=panic",
            ];
            var server = new PostgresServer($"Host=127.0.0.1;Port={port};Username=identity;Database=postgres;Maximum Pool Size=60", directory, command);
            await server.StartAgainAsync();
            return server;
        }
        catch
        {
            Directory.Delete(directory, recursive: true);
            throw;
        }
    }

    /// <summary>Whether it is ours to stop and start.</summary>
    public bool IsPrivate => _command is not null;

    public async Task StartAgainAsync()
    {
        _process = Process.Start(new ProcessStartInfo(_command![0], _command[1..]) { WorkingDirectory = _directory, RedirectStandardError = true, UseShellExecute = false })!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        await WaitAsync();
    }

    /// <summary>SIGQUIT: it stops at once, as in a crash, and recovers from its log at the next start.</summary>
    public async Task StopAsync()
    {
        using (var kill = Process.Start("kill", ["-QUIT", _process!.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>A name for a database, which is dropped at the end.</summary>
    public string NewDatabaseName()
    {
        var name = $"identity_test_{Guid.NewGuid():N}";
        lock (_databases)
        {
            _databases.Add(name);
        }

        return name;
    }

    /// <summary>What a server process is told to use a new database here, and a master key.</summary>
    /// <param name="settings">Environment variables by name.</param>
    /// <param name="host">Another way to this server; null: straight.</param>
    public void AddSettings(IDictionary<string, string> settings, string? host = null)
    {
        var connection = new NpgsqlConnectionStringBuilder(ConnectionString);
        settings["DB_PROVIDER"] = "postgres";
        settings["DB_HOST"] = host ?? string.Create(CultureInfo.InvariantCulture, $"{connection.Host}:{connection.Port}");
        settings["DB_NAME"] = NewDatabaseName();
        settings["DB_USERNAME"] = connection.Username!;
        settings["DB_PASSWORD"] = connection.Password ?? "none";
        settings["DB_TLS"] = "off";
        settings["MASTER_KEY"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (!IsPrivate)
        {
            await using var connection = new NpgsqlConnection(ConnectionString);
            await connection.OpenAsync();
            foreach (var name in _databases)
            {
#pragma warning disable CA2100 // The name is made above.
                await using var command = new NpgsqlCommand($"DROP DATABASE IF EXISTS {name} WITH (FORCE)", connection);
#pragma warning restore CA2100
                await command.ExecuteNonQueryAsync();
            }

            return;
        }

        // Its children notice that it is gone and follow.
        if (_process is not null)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        for (var attempt = 0; Directory.Exists(_directory); attempt++)
        {
            try
            {
                Directory.Delete(_directory!, recursive: true);
            }
            catch (IOException) when (attempt < 50)
            {
                await Task.Delay(20);
            }
        }
    }

    private static string? FindBinaries()
    {
        IEnumerable<string> candidates = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        if (Directory.Exists("/usr/lib/postgresql"))
        {
            candidates = candidates.Concat(Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(d => Path.Combine(d, "bin")));
        }

        return candidates.FirstOrDefault(d => File.Exists(Path.Combine(d, "initdb")) && File.Exists(Path.Combine(d, "postgres")));
    }

    private static Task RunAsync(string program, string[] arguments) => RunAsync([program, .. arguments], Path.GetTempPath());

    private static async Task RunAsync(string[] command, string workingDirectory)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{command[0]} failed: {await output}{await error}");
        }
    }

    private async Task WaitAsync()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await using var connection = new NpgsqlConnection(ConnectionString);
                await connection.OpenAsync();
                return;
            }
            catch (Exception exception) when (exception is NpgsqlException && attempt < 300 && !_process!.HasExited)
            {
                await Task.Delay(50);
            }
        }
    }
}
