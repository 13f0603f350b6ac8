using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Identity.ServiceDefaults.Settings;

namespace Identity.Tests.Kit;

/// <summary>A real redis-server of its own on a free loopback port, with an append-only file; it can be stopped and started again.</summary>
public sealed class RedisInstance : IAsyncDisposable
{
    public const string WhatIsMissing = "No redis-server is here.";

    private readonly string _directory = Directory.CreateTempSubdirectory("identity-redis-").FullName;
    private readonly string[] _arguments;
    private readonly string? _password;
    private readonly bool _tls;
    private Process? _process;

    private RedisInstance(string[] arguments, string? password, bool tls) => (_arguments, _password, _tls) = (arguments, password, tls);

    public int Port { get; } = Ports.Free();

    public string Host => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>Null where there is none, which fails where IDENTITY_TEST_REQUIRE_SERVICES=1.</summary>
    public static async Task<RedisInstance?> StartAsync(string? password = null, bool tls = false, bool cluster = false, params string[] arguments)
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(d => File.Exists(Path.Combine(d, "redis-server"))))
        {
            return Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1"
                ? throw new InvalidOperationException(WhatIsMissing)
                : null;
        }

        // Nodes of a cluster talk at their port plus 10,000 unless told, which may be an outgoing connection's.
        var server = new RedisInstance(cluster ? ["--cluster-enabled", "yes", "--cluster-port", Ports.Free().ToString(CultureInfo.InvariantCulture), .. arguments] : arguments, password, tls);
        try
        {
            await server.StartAsync();
            if (cluster)
            {
                // One node that owns every slot still refuses a script whose keys lie in several.
                await server.CommandAsync("CLUSTER ADDSLOTSRANGE 0 16383");
                while (!(await server.CommandAsync("CLUSTER INFO")).Contains("cluster_state:ok", StringComparison.Ordinal))
                {
                    await Task.Delay(20);
                }
            }

            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Settings as the operator would give them, over those of a relational database.</summary>
    public RedisSettings Settings(string? prefix = null) => new()
    {
        Endpoints = [("127.0.0.1", Port)],
        Password = _password,
        Tls = _tls ? RedisTls.Require : RedisTls.Off,
        KeyPrefix = prefix ?? "identity",
        StartWait = TimeSpan.FromSeconds(1),
    };

    public async Task StartAsync()
    {
        List<string> arguments =
        [
            "--bind", "127.0.0.1", "--dir", _directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning",
            "--port", _tls ? "0" : Port.ToString(CultureInfo.InvariantCulture), .. _arguments,
        ];
        if (_password is not null)
        {
            arguments.AddRange(["--requirepass", _password]);
        }

        if (_tls)
        {
            WriteCertificate();
            arguments.AddRange(["--tls-port", Port.ToString(CultureInfo.InvariantCulture), "--tls-cert-file", Path.Combine(_directory, "cert.pem"), "--tls-key-file", Path.Combine(_directory, "key.pem"), "--tls-auth-clients", "no"]);
        }

        _process = Process.Start(new ProcessStartInfo("redis-server", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        var said = new ConcurrentQueue<string?>();
        _process.OutputDataReceived += (_, line) => said.Enqueue(line.Data);
        _process.ErrorDataReceived += (_, line) => said.Enqueue(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        var waited = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, Port);
                if (_tls || (await CommandAsync("PING")).StartsWith("+PONG", StringComparison.Ordinal))
                {
                    return;
                }
            }
            catch (Exception exception) when (exception is SocketException or IOException)
            {
                if (_process.HasExited || waited.Elapsed > TimeSpan.FromSeconds(60))
                {
                    throw new InvalidOperationException("redis-server does not answer: " + string.Join('\n', said), exception);
                }
            }

            await Task.Delay(20);
        }
    }

    /// <summary>SIGTERM: what it acknowledged is in its file.</summary>
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

    /// <summary>Sends one command as a person at a terminal would; what came back first.</summary>
    public async Task<string> CommandAsync(string command)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Port);
        await using var stream = client.GetStream();
        var buffer = new byte[64 * 1024];
        if (_password is not null)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"AUTH {_password}\r\n"));
            _ = await stream.ReadAsync(buffer);
        }

        await stream.WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"));
        var read = await stream.ReadAsync(buffer);
        return Encoding.ASCII.GetString(buffer, 0, read);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process?.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private void WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        File.WriteAllText(Path.Combine(_directory, "cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_directory, "key.pem"), key.ExportPkcs8PrivateKeyPem());
    }
}
