// Security catalogue: URLs we fetch (here jwks_uri). RFC 7591 §5, OWASP ASVS 5.0 §1.3.6.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Compression;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>
/// A server that may call 127.0.0.2 and nothing else that is private, and clients whose keys are said to be at each kind of bad address.
/// Whoever sends an assertion in such a client's name makes the server look there.
/// </summary>
public sealed class OutgoingCallTests(OutgoingCallTests.World world) : IClassFixture<OutgoingCallTests.World>
{
    [Theory]
    [InlineData("http://127.0.0.1:{0}/keys")]
    [InlineData("https://127.0.0.1:{0}/keys")]
    [InlineData("http://localhost:{0}/keys")]
    [InlineData("https://localhost:{0}/keys")]
    [InlineData("https://localhost.:{0}/keys")]
    [InlineData("https://localtest.localhost:{0}/keys")]
    [InlineData("https://2130706433:{0}/keys")]
    [InlineData("https://0x7f000001:{0}/keys")]
    [InlineData("https://0177.0.0.1:{0}/keys")]
    [InlineData("https://127.1:{0}/keys")]
    [InlineData("https://0:{0}/keys")]
    [InlineData("https://0.0.0.0:{0}/keys")]
    [InlineData("https://[::1]:{0}/keys")]
    [InlineData("https://[::]:{0}/keys")]
    [InlineData("https://[::ffff:127.0.0.1]:{0}/keys")]
    [InlineData("https://[::ffff:7f00:1]:{0}/keys")]
    [InlineData("https://user@127.0.0.1:{0}/keys")]
    [InlineData("https://127.0.0.2@127.0.0.1:{0}/keys")]
    [InlineData("https://169.254.169.254/latest/meta-data/")]
    [InlineData("https://10.0.0.1/keys")]
    [InlineData("https://[fd00::1]/keys")]
    [InlineData("https://[fe80::1]/keys")]
    public async Task JwksUri_WhenItLeadsInside_IsNotCalled(string address)
    {
        var (status, answer, took) = await world.AuthenticateAsync(address);
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)answer["error"]));
        Assert.Equal(0, world.ForbiddenHits);
        Assert.True(took < TimeLimit.Seconds(15), $"{took}");
        Assert.DoesNotContain("127.0.0", answer.ToJsonString(), StringComparison.Ordinal);
    }

    // The guard asks about the address that is connected to, after the name was looked up: a name that answers otherwise the second time gains nothing.
    [Fact]
    public async Task JwksUri_WhenANameOfThisMachineLeadsInside_IsNotCalled()
    {
        var (status, _, _) = await world.AuthenticateAsync($"https://{Dns.GetHostName()}:{{0}}/keys");
        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.Equal(0, world.ForbiddenHits);
    }

    // What a server's certificate says of its issuer's address is as much its word as a redirect.
    [Fact]
    public async Task JwksUri_WhenTheCertificateThereLeadsInside_IsNotFollowed()
    {
        var (status, answer, _) = await world.AuthenticateAsync(World.Certified);
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)answer["error"]));
        Assert.True(world.Shaken > 0);
        Assert.Equal(0, world.ForbiddenHits);
    }

    [Fact]
    public async Task JwksUri_WhenAllowed_IsCalledAndItsKeysAreUsedOnceForManyRequests()
    {
        for (var i = 0; i < 5; i++)
        {
            var (status, answer, _) = await world.AuthenticateAsync("http://127.0.0.2:{1}/keys");
            Assert.True(status == HttpStatusCode.OK, answer.ToJsonString());
        }

        Assert.Equal(1, world.Asked("/keys"));
    }

    [Theory]
    [InlineData("/redirect-inside")]
    [InlineData("/redirect-home")]
    [InlineData("/error")]
    [InlineData("/not-json")]
    [InlineData("/not-keys")]
    [InlineData("/empty")]
    [InlineData("/large")]
    [InlineData("/compressed")]
    [InlineData("/many-headers")]
    [InlineData("/nonsense")]
    public async Task JwksUri_WhenTheAnswerIsNotAKeySet_IsRefusedAndNotFollowed(string path)
    {
        var (status, answer, took) = await world.AuthenticateAsync("http://127.0.0.2:{1}" + path);
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)answer["error"]));
        Assert.Equal(0, world.ForbiddenHits);
        Assert.True(took < TimeLimit.Seconds(15), $"{took}");
        Assert.Equal(1, world.Asked(path));
    }

    [Theory]
    [InlineData("/endless")]
    [InlineData("/slow")]
    [InlineData("/silent")]
    public async Task JwksUri_WhenTheAnswerNeverEnds_IsGivenUpInSecondsAndNobodyElseWaits(string path)
    {
        var hung = world.AuthenticateAsync("http://127.0.0.2:{1}" + path);
        await world.WaitAskedAsync(path);
        var others = Stopwatch.GetTimestamp();
        var (status, _, _) = await world.AuthenticateAsync("http://127.0.0.2:{1}/keys");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.True(Stopwatch.GetElapsedTime(others) < TimeLimit.Seconds(4));

        var (refused, answer, took) = await hung;
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (refused, (string?)answer["error"]));
        Assert.True(took < TimeLimit.Seconds(15), $"{took}");
    }

    [Theory]
    [InlineData("http://example.com/keys")]
    [InlineData("ftp://127.0.0.1/keys")]
    [InlineData("file:///etc/passwd")]
    [InlineData("gopher://127.0.0.1/keys")]
    [InlineData("/keys")]
    [InlineData("https://")]
    [InlineData("")]
    public async Task JwksUri_WhenItIsNoHttpsAddress_StopsTheStartAndNamesTheClient(string address)
    {
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync(new JsonArray(World.Client("bad", address)).ToJsonString()));
        Assert.Contains("bad", failure.Message, StringComparison.Ordinal);
        Assert.Contains("jwks", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("2606:4700:4700::1111", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("0.1.2.3", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("100.127.255.255", false)]
    [InlineData("100.128.0.1", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.255.255.254", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.15.0.1", true)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.0.0.8", false)]
    [InlineData("192.0.2.1", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("198.18.0.1", false)]
    [InlineData("198.51.100.1", false)]
    [InlineData("203.0.113.1", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::127.0.0.1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("64:ff9b::7f00:1", false)]
    [InlineData("100::1", false)]
    [InlineData("2001::1", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fd12:3456::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("ff02::1", false)]
    public void Rules_WhenNothingIsAllowed_LetOnlyPublicAddressesThrough(string address, bool allowed) =>
        Assert.Equal(allowed, OutgoingRules.Read("nothing.example", isDevelopment: false, []).MayReach("somebody.example", IPAddress.Parse(address)));

    /// <summary>The server; a listener that nobody may reach; and one that may be, with every kind of answer.</summary>
    public sealed class World : IAsyncLifetime
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-outgoing-test-");
        private readonly TcpListener _forbidden = new(IPAddress.IPv6Any, 0) { Server = { DualMode = true } };
        private readonly TcpListener _allowed = new(IPAddress.Parse("127.0.0.2"), 0);
        private readonly ConcurrentDictionary<string, int> _asked = new(StringComparer.Ordinal);
        private readonly SemaphoreSlim _changed = new(0);
        private readonly CancellationTokenSource _stop = new();
        private readonly HttpClient _http = new();
        private readonly List<string> _addresses = [];
        private ServerProcess? _process;
        private readonly TcpListener _certified = new(IPAddress.Parse("127.0.0.2"), 0);
        private int _forbiddenHits;
        private int _shaken;

        /// <summary>A server with TLS, whose certificate says that its issuer's is at the address that nobody may reach.</summary>
        public const string Certified = "https://127.0.0.2:{2}/keys";

        public static ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        public int ForbiddenHits => Volatile.Read(ref _forbiddenHits);

        /// <summary>How many have seen that certificate.</summary>
        public int Shaken => Volatile.Read(ref _shaken);

        public static JsonObject Client(string id, string address) => new()
        {
            ["client_id"] = id,
            ["grant_types"] = new JsonArray("client_credentials"),
            ["token_endpoint_auth_method"] = "private_key_jwt",
            ["jwks_uri"] = address,
        };

        public int Asked(string path) => _asked.GetValueOrDefault(path);

        public async Task WaitAskedAsync(string path)
        {
            while (Asked(path) == 0)
            {
                Assert.True(await _changed.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken), "Nobody asked for " + path);
            }
        }

        public async ValueTask InitializeAsync()
        {
            _forbidden.Start();
            _allowed.Start();
            _certified.Start();
            _ = AcceptAsync(_forbidden, connection =>
            {
                Interlocked.Increment(ref _forbiddenHits);
                connection.Dispose();
            });
            _ = AcceptAsync(_allowed, connection => _ = ServeAsync(connection));
            _ = AcceptAsync(_certified, connection => _ = ShowCertificateAsync(connection));

            // One client for each address that a test names.
            var tests = typeof(OutgoingCallTests).GetMethods().SelectMany(method => method.GetCustomAttributes(typeof(InlineDataAttribute), inherit: false).Cast<InlineDataAttribute>().Select(data => (method.Name, Value: (string)data.Data[0]!)))
                .Where(test => test.Name.StartsWith("JwksUri_", StringComparison.Ordinal) && !test.Name.Contains("StopsTheStart", StringComparison.Ordinal))
                .Select(test => test.Value.StartsWith('/') ? "http://127.0.0.2:{1}" + test.Value : test.Value);
            _addresses.AddRange([.. tests, Certified, "http://127.0.0.2:{1}/keys", $"https://{Dns.GetHostName()}:{{0}}/keys"]);
            var clients = new JsonArray([.. _addresses.Select((address, i) => Client("client-" + i, Place(address)))]);
            var file = Path.Combine(_directory.FullName, "clients.json");
            await File.WriteAllTextAsync(file, clients.ToJsonString());
            _process = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["DATA_DIR"] = Path.Combine(_directory.FullName, "data"),
                ["CLIENTS_FILE"] = file,
                ["OUTGOING_ALLOW"] = "127.0.0.2",
                ["RateLimits__TokenFailuresPerAddress"] = "1000000",
            });
            await _process.WaitReadyAsync();
        }

        /// <summary>Sends an assertion, rightly signed, in the name of the client whose keys are said to be at this address.</summary>
        public async Task<(HttpStatusCode Status, JsonNode Answer, TimeSpan Took)> AuthenticateAsync(string address)
        {
            var client = "client-" + _addresses.IndexOf(address);
            var claims = new JsonObject { ["iss"] = client, ["sub"] = client, ["aud"] = $"http://localhost:{_process!.Port}", ["jti"] = Guid.NewGuid().ToString(), ["exp"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds() };
            var assertion = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(Key) { KeyId = "theirs" }, "ES256"));
            using var content = new FormUrlEncodedContent(new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ["client_assertion"] = assertion,
                ["token"] = "x",
            });
            var started = Stopwatch.GetTimestamp();
            using var answer = await _http.PostAsync(new Uri(_process.Address, "/connect/revoke"), content);
            var took = Stopwatch.GetElapsedTime(started);
            var text = await answer.Content.ReadAsStringAsync();
            return (answer.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!, took);
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            if (_process is not null)
            {
                await _process.DisposeAsync();
            }

            _forbidden.Dispose();
            _allowed.Dispose();
            _certified.Dispose();
            _http.Dispose();
            _changed.Dispose();
            _stop.Dispose();
            _directory.Delete(recursive: true);
        }

        private string Place(string address) => address
            .Replace("{0}", ((IPEndPoint)_forbidden.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{1}", ((IPEndPoint)_allowed.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{2}", ((IPEndPoint)_certified.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);

        private async Task AcceptAsync(TcpListener listener, Action<TcpClient> serve)
        {
            try
            {
                while (true)
                {
                    serve(await listener.AcceptTcpClientAsync(_stop.Token));
                }
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                // The tests are over.
            }
        }

        private async Task ShowCertificateAsync(TcpClient connection)
        {
            using var issuer = Certificates.Authority("Nobody's");
            using var made = Certificates.Client("CN=127.0.0.2", issuer, names => names.AddIpAddress(IPAddress.Parse("127.0.0.2")), purpose: "1.3.6.1.5.5.7.3.1", leadsTo: Place("http://127.0.0.1:{0}/"));
            using (connection)
            {
                try
                {
                    await using var tls = new SslStream(connection.GetStream());
                    await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = SslStreamCertificateContext.Create(made, additionalCertificates: null, offline: true) });
                    Interlocked.Increment(ref _shaken);
                    await tls.ReadExactlyAsync(new byte[1], _stop.Token);
                }
                catch (Exception exception) when (exception is IOException or OperationCanceledException or SocketException or ObjectDisposedException or AuthenticationException)
                {
                    // Nobody takes it, as they should not.
                    Interlocked.Increment(ref _shaken);
                }
            }
        }

        private async Task ServeAsync(TcpClient connection)
        {
            using (connection)
            {
                try
                {
                    await using var stream = connection.GetStream();
                    using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                    var path = (await reader.ReadLineAsync(_stop.Token))?.Split(' ')[1] ?? "";
                    while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 })
                    {
                    }

                    _asked.AddOrUpdate(path, 1, (_, count) => count + 1);
                    _changed.Release();
                    await AnswerAsync(stream, path);
                }
                catch (Exception exception) when (exception is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
                {
                    // The caller hung up, as it should.
                }
            }
        }

        private async Task AnswerAsync(NetworkStream stream, string path)
        {
            var point = Key.ExportParameters(includePrivateParameters: false).Q;
            var keys = new JsonObject { ["keys"] = new JsonArray(new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "theirs", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) }) }.ToJsonString();
            switch (path)
            {
                case "/keys":
                    await SendAsync(stream, "200 OK", keys);
                    break;
                case "/redirect-inside":
                    await SendAsync(stream, "302 Found", "", "Location: " + Place("http://127.0.0.1:{0}/keys"));
                    break;
                case "/redirect-home":
                    await SendAsync(stream, "302 Found", "", "Location: " + Place("http://127.0.0.2:{1}/keys"));
                    break;
                case "/error":
                    await SendAsync(stream, "500 Internal Server Error", keys);
                    break;
                case "/not-json":
                    await SendAsync(stream, "200 OK", "<html>no</html>");
                    break;
                case "/not-keys":
                    await SendAsync(stream, "200 OK", """{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":7},null,"x"]}""");
                    break;
                case "/empty":
                    await SendAsync(stream, "200 OK", "");
                    break;
                case "/large":
                    await SendAsync(stream, "200 OK", keys[..^1] + ",\"pad\":\"" + new string('x', 1024 * 1024) + "\"}");
                    break;
                case "/compressed":
                    // Small on the way, 10 MB when unpacked: it is not unpacked.
                    await SendAsync(stream, "200 OK", Gzip(keys[..^1] + ",\"pad\":\"" + new string('x', 10_000_000) + "\"}"), "Content-Encoding: gzip");
                    break;
                case "/many-headers":
                    await SendAsync(stream, "200 OK", keys, string.Join("\r\n", Enumerable.Range(0, 1000).Select(i => $"X-{i}: {new string('x', 100)}")));
                    break;
                case "/nonsense":
                    await stream.WriteAsync("\0\0\0\0nonsense\r\n\r\n"u8.ToArray(), _stop.Token);
                    break;
                case "/endless":
                    await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"keys\":["u8.ToArray(), _stop.Token);
                    for (var chunk = Encoding.ASCII.GetBytes(new string(' ', 64)); ;)
                    {
                        await stream.WriteAsync(chunk, _stop.Token);
                        await Task.Delay(TimeSpan.FromMilliseconds(20), _stop.Token);
                    }

                case "/slow":
                    foreach (var letter in Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: " + keys.Length + "\r\n\r\n" + keys))
                    {
                        await stream.WriteAsync(new[] { letter }, _stop.Token);
                        await Task.Delay(TimeSpan.FromMilliseconds(200), _stop.Token);
                    }

                    break;
                case "/silent":
                    await Task.Delay(Timeout.InfiniteTimeSpan, _stop.Token);
                    break;
                default:
                    await SendAsync(stream, "404 Not Found", "");
                    break;
            }
        }

        private Task SendAsync(NetworkStream stream, string status, string body, string? header = null) => SendAsync(stream, status, Encoding.UTF8.GetBytes(body), header);

        private async Task SendAsync(NetworkStream stream, string status, byte[] body, string? header)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n{(header is null ? "" : header + "\r\n")}Connection: close\r\n\r\n"), _stop.Token);
            await stream.WriteAsync(body, _stop.Token);
        }

        private static byte[] Gzip(string text)
        {
            using var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
            {
                gzip.Write(Encoding.ASCII.GetBytes(text));
            }

            return packed.ToArray();
        }
    }
}
