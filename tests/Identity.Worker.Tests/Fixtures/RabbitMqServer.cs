using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;

namespace Identity.Worker.Tests.Fixtures;

/// <summary>
/// A rabbitmq-server of the tests' own: on loopback, on free ports, under a node name and in folders of its own, with an epmd of its own.
/// IDENTITY_TEST_RABBITMQ names a broker's management API instead (http://user:password@host:15672, AMQP on 5672).
/// </summary>
public sealed class RabbitMqServer : IAsyncLifetime
{
    private const string Script = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    private readonly string _folder = Path.Combine(Path.GetTempPath(), "identity-rabbitmq-" + Guid.NewGuid().ToString("N")[..8]);
    private readonly int _distributionPort = Ports.Free();
    private readonly int _epmdPort = Ports.Free();
    private readonly HttpClient _api = new() { Timeout = TimeSpan.FromSeconds(10) };
    private Process? _epmd;
    private Process? _broker;
    private string _user = "guest";
    private string _password = "guest";
    private string _host = "127.0.0.1";

    public int Port { get; private set; } = Ports.Free();

    public int ManagementPort { get; private set; } = Ports.Free();

    /// <summary>Where amqps answers, with a certificate for localhost that <see cref="Authority"/> signed.</summary>
    public int TlsPort { get; } = Ports.Free();

    /// <summary>The authority's certificate, as a file.</summary>
    public string Authority => Path.Combine(_folder, "ca.pem");

    /// <summary>Why there is none; null: there is one.</summary>
    public string? Missing { get; private set; }

    /// <summary>Whether the tests may stop it.</summary>
    public bool IsOurs { get; private set; }

    public async ValueTask InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable("IDENTITY_TEST_RABBITMQ") is { Length: > 0 } address)
        {
            var uri = new Uri(address);
            var colon = uri.UserInfo.IndexOf(':');
            (_host, ManagementPort, Port) = (uri.Host, uri.Port, 5672);
            if (colon > 0)
            {
                (_user, _password) = (Uri.UnescapeDataString(uri.UserInfo[..colon]), Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]));
            }

            UseApi();
            return;
        }

        if (!File.Exists(Script))
        {
            Missing = "rabbitmq-server is not installed";
            return;
        }

        IsOurs = true;
        foreach (var name in (string[])["mnesia", "log", "home"])
        {
            Directory.CreateDirectory(Path.Combine(_folder, name));
        }

        WriteCertificates();
        await File.WriteAllTextAsync(Path.Combine(_folder, "enabled_plugins"), "[rabbitmq_management].");
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "rabbitmq.conf"),
            $"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {ManagementPort}\nvm_memory_high_watermark.relative = 0.9\ndisk_free_limit.absolute = 10MB\n"
            + $"listeners.ssl.1 = 127.0.0.1:{TlsPort}\nssl_options.cacertfile = {Authority}\nssl_options.certfile = {Path.Combine(_folder, "server.pem")}\nssl_options.keyfile = {Path.Combine(_folder, "server.key")}\nssl_options.verify = verify_none\n");
        _epmd = Start("/usr/bin/epmd", $"-port {_epmdPort} -address 127.0.0.1 -relaxed_command_check");
        UseApi();
        await StartAsync();
    }

    /// <summary>Skips the test where there is no broker, unless services are required.</summary>
    public void Require()
    {
        if (Missing is not null)
        {
            Assert.False(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", Missing);
            Assert.Skip(Missing);
        }
    }

    /// <summary>As <see cref="Require"/>, for a test that stops the broker.</summary>
    public void RequireOurs()
    {
        Require();
        if (!IsOurs)
        {
            Assert.Skip("The broker of IDENTITY_TEST_RABBITMQ is not stopped by tests.");
        }
    }

    public async Task StartAsync()
    {
        _broker = Start(Script, "");
        var deadline = Stopwatch.StartNew();
        while (true)
        {
            if (_broker.HasExited)
            {
                throw new InvalidOperationException("rabbitmq-server ended: " + string.Join('\n', Directory.GetFiles(Path.Combine(_folder, "log")).Select(File.ReadAllText)));
            }

            try
            {
                // The listener for AMQP opens last.
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, Port);
                using var answer = await _api.GetAsync("overview");
                if (answer.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (Exception exception) when (exception is SocketException or HttpRequestException)
            {
                Assert.True(deadline.Elapsed < TimeSpan.FromSeconds(240), "rabbitmq-server did not start in time");
            }

            await Task.Delay(100);
        }
    }

    /// <summary>As a crash: SIGKILL.</summary>
    public async Task KillAsync()
    {
        _broker!.Kill(entireProcessTree: true);
        await _broker.WaitForExitAsync();
        _broker.Dispose();
        _broker = null;
    }

    /// <summary>As when it is short of memory: connections that publish are blocked, and what they send is not read until it has some again.</summary>
    public async Task AlarmAsync(bool isShort)
    {
        using var control = Start("/usr/lib/rabbitmq/bin/rabbitmqctl", "set_vm_memory_high_watermark " + (isShort ? "0" : "0.9"));
        await control.WaitForExitAsync();
        Assert.Equal(0, control.ExitCode);
    }

    /// <summary>A virtual host of the test's own, as a URI.</summary>
    /// <param name="queueType">What a queue is unless it says otherwise; null: the broker's default.</param>
    public async Task<string> CreateHostAsync(string? queueType = null)
    {
        var name = "t" + Guid.NewGuid().ToString("N")[..12];
        using var created = await _api.PutAsync($"vhosts/{name}", JsonContent.Create(queueType is null ? new JsonObject() : new JsonObject { ["default_queue_type"] = queueType, ["defaultqueuetype"] = queueType }));
        created.EnsureSuccessStatusCode();
        using var permitted = await _api.PutAsync($"permissions/{name}/{Uri.EscapeDataString(_user)}", JsonContent.Create(new { configure = ".*", write = ".*", read = ".*" }));
        permitted.EnsureSuccessStatusCode();
        return $"amqp://{Uri.EscapeDataString(_user)}:{Uri.EscapeDataString(_password)}@{_host}:{Port}/{name}";
    }

    /// <summary>classic, quorum or stream.</summary>
    public async Task<string?> QueueTypeAsync(string uri, string queue) => (string?)(await _api.GetFromJsonAsync<JsonObject>($"queues/{new Uri(uri).AbsolutePath.Trim('/')}/{queue}"))!["type"];

    /// <summary>Whether the virtual host has an exchange or a queue of that name.</summary>
    /// <param name="uri">The virtual host.</param>
    /// <param name="kind"><c>exchanges</c> or <c>queues</c>.</param>
    /// <param name="name">Its name.</param>
    public async Task<bool> ExistsAsync(string uri, string kind, string name)
    {
        using var answer = await _api.GetAsync($"{kind}/{new Uri(uri).AbsolutePath.Trim('/')}/{name}");
        return answer.IsSuccessStatusCode;
    }

    /// <summary>What a queue was declared with.</summary>
    public async Task<JsonNode?> ArgumentAsync(string uri, string queue, string name) => (await _api.GetFromJsonAsync<JsonObject>($"queues/{new Uri(uri).AbsolutePath.Trim('/')}/{queue}"))!["arguments"]![name];

    /// <summary>Closes every client connection, as a load balancer or a rolling upgrade does.</summary>
    public async Task<int> CloseConnectionsAsync(string uri)
    {
        var connections = (await _api.GetFromJsonAsync<JsonArray>($"vhosts/{new Uri(uri).AbsolutePath.Trim('/')}/connections"))!;
        foreach (var connection in connections)
        {
            using var answer = await _api.DeleteAsync("connections/" + Uri.EscapeDataString((string)connection!["name"]!));
        }

        return connections.Count;
    }

    public async ValueTask DisposeAsync()
    {
        if (_broker is not null)
        {
            await KillAsync();
        }

        if (_epmd is not null)
        {
            _epmd.Kill();
            await _epmd.WaitForExitAsync();
            _epmd.Dispose();
        }

        _api.Dispose();
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private void WriteCertificates()
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=Identity tests", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        var from = DateTimeOffset.UtcNow.AddHours(-1);
        using var authority = authorityRequest.CreateSelfSigned(from, from.AddDays(2));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, from, from.AddDays(1), [1, 2, 3, 4]);
        File.WriteAllText(Authority, authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "server.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "server.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private void UseApi()
    {
        _api.BaseAddress = new Uri($"http://{_host}:{ManagementPort}/api/");
        _api.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{_user}:{_password}")));
    }

    private Process Start(string file, string arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        var environment = start.Environment;
        environment["HOME"] = Path.Combine(_folder, "home");
        environment["ERL_EPMD_PORT"] = _epmdPort.ToString();
        environment["ERL_EPMD_ADDRESS"] = "127.0.0.1";
        environment["RABBITMQ_NODENAME"] = $"identity{Port}@localhost";
        environment["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1";
        environment["RABBITMQ_NODE_PORT"] = Port.ToString();
        environment["RABBITMQ_DIST_PORT"] = _distributionPort.ToString();
        environment["RABBITMQ_MNESIA_BASE"] = Path.Combine(_folder, "mnesia");
        environment["RABBITMQ_LOG_BASE"] = Path.Combine(_folder, "log");
        environment["RABBITMQ_PID_FILE"] = Path.Combine(_folder, "pid");
        environment["RABBITMQ_CONFIG_FILE"] = Path.Combine(_folder, "rabbitmq.conf");
        environment["RABBITMQ_ADVANCED_CONFIG_FILE"] = Path.Combine(_folder, "advanced.config");
        environment["RABBITMQ_CONF_ENV_FILE"] = Path.Combine(_folder, "rabbitmq-env.conf");
        environment["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_folder, "enabled_plugins");
        var process = Process.Start(start)!;
        // Read, or a full pipe would stop it.
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }
}

/// <summary>One broker for all tests that need one; they run one after another.</summary>
[CollectionDefinition(Name)]
public sealed class BrokerCollection : ICollectionFixture<RabbitMqServer>
{
    public const string Name = "broker";
}
