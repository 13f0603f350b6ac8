using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Identity.ServiceDefaults.Settings;
using MongoDB.Driver;

namespace Identity.Tests.Kit;

/// <summary>
/// MongoDB for tests: the server that IDENTITY_TEST_MONGO names (a URI), or a compatible one that lies beside the checkout
/// (<c>../shared/tools/mongo</c>), on a free loopback port with its data in a file. The latter has no sessions, sign-in or TLS.
/// </summary>
public sealed class MongoInstance : IAsyncDisposable
{
    public const string WhatIsMissing = "No MongoDB: neither IDENTITY_TEST_MONGO nor ../shared/tools/mongo (with a JDK) is here.";

    private readonly string? _program;
    private readonly string _directory = Directory.CreateTempSubdirectory("identity-mongo-").FullName;
    private readonly int _port = Ports.Free();
    private readonly string _uri;
    private Process? _process;

    private MongoInstance(string? program, string? uri)
    {
        _program = program;
        _uri = uri ?? string.Create(CultureInfo.InvariantCulture, $"mongodb://127.0.0.1:{_port}/?retryWrites=false");
    }

    /// <summary>Whether it is ours to stop and start.</summary>
    public bool IsPrivate => _program is not null;

    /// <summary>Null where there is none, which fails where IDENTITY_TEST_REQUIRE_SERVICES=1.</summary>
    public static async Task<MongoInstance?> StartAsync()
    {
        if (Environment.GetEnvironmentVariable("IDENTITY_TEST_MONGO") is { Length: > 0 } given)
        {
            return new(program: null, given);
        }

        if (Find() is not { } program)
        {
            return Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1"
                ? throw new InvalidOperationException(WhatIsMissing)
                : null;
        }

        var server = new MongoInstance(program, uri: null);
        await server.StartAgainAsync();
        return server;
    }

    /// <summary>MONGO_URI for a database of its own.</summary>
    public string Uri(string? database = null) => new MongoUrlBuilder(_uri) { DatabaseName = database ?? $"identity_test_{Guid.NewGuid():N}" }.ToString();

    public MongoSettings Settings(string? database = null) => new() { Url = MongoUrl.Create(Uri(database)), StartWait = TimeSpan.FromSeconds(1) };

    public async Task StartAgainAsync()
    {
        // Its script hands over to Java, so the process id is the server's.
        _process = Process.Start(new ProcessStartInfo(_program!, [_port.ToString(CultureInfo.InvariantCulture), Path.Combine(_directory, "state.db")]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, _port);
                return;
            }
            catch (SocketException) when (attempt < 600 && !_process.HasExited)
            {
                await Task.Delay(50);
            }
        }
    }

    /// <summary>SIGTERM: what it acknowledged is kept.</summary>
    public async Task StopAsync()
    {
        if (_process is { HasExited: false })
        {
            using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync();
            }

            await _process.WaitForExitAsync();
        }

        _process?.Dispose();
        _process = null;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private static string? Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (folder.Parent is not null && (File.Exists(Path.Combine(folder.FullName, "Identity.sln"))))
            {
                // Worktrees lie one folder deeper than the checkout they belong to.
                return new[] { folder.Parent, folder.Parent.Parent }
                    .Where(parent => parent is not null)
                    .Select(parent => Path.Combine(parent!.FullName, "shared", "tools", "mongo", "start"))
                    .FirstOrDefault(File.Exists);
            }
        }

        return null;
    }
}
