// OpenID Connect Discovery 1.0 §4.3, RFC 9700 §2.6, RFC 6265bis §4.1.3, RFC 6797: the server as the suite meets it.
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Conformance;

/// <summary>The server process in Production, behind a proxy that ends TLS on another port.</summary>
public sealed class HttpsIssuerTests(HttpsIssuerTests.World world) : IClassFixture<HttpsIssuerTests.World>
{
    private const string Password = "a sound pass phrase 7";

    private string Issuer => world.Proxy.Address.GetLeftPart(UriPartial.Authority);

    [Fact]
    public async Task Metadata_WhenReadThroughTheProxy_NamesItsAddressEverywhere()
    {
        var document = await MetadataAsync();
        Assert.Equal(Issuer, (string?)document["issuer"]);
        var addresses = document.Where(member => member.Key.EndsWith("_endpoint", StringComparison.Ordinal) || member.Key == "jwks_uri").ToArray();
        Assert.Equal(9, addresses.Length);
        Assert.All(addresses, member => Assert.StartsWith(Issuer + "/connect/", (string?)member.Value, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Flow_WhenItRunsOverHttps_SignsInRefreshesAndSignsOut()
    {
        var metadata = await MetadataAsync();
        var client = CertificationClients.Find("certification");
        var redirectUri = (string)client["redirect_uris"]![0]!;
        var email = await RegisterAsync();
        using var browser = new Browser(world.Proxy.Address, world.Proxy.CreateHandler());
        var request = $"{metadata["authorization_endpoint"]}?response_type=code&client_id=certification&scope=openid%20email%20offline_access&state=s1&nonce=n1&code_challenge={RunningServer.Challenge}&code_challenge_method=S256&redirect_uri={Uri.EscapeDataString(redirectUri)}";
        using var asked = await browser.GetAsync(request);
        Assert.Equal(HttpStatusCode.SeeOther, asked.StatusCode);
        Assert.StartsWith("/signin?", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var back = await browser.SignInAtAsync(asked.Headers.Location, email, Password);
        using var answered = await browser.GetAsync(back.OriginalString);
        Assert.StartsWith(redirectUri + "?", answered.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var answer = RunningServer.Query(answered.Headers.Location);
        Assert.Equal(("s1", Issuer), (answer["state"], answer["iss"]));

        var tokens = await TokenAsync(metadata, ("grant_type", "authorization_code"), ("code", answer["code"]), ("redirect_uri", redirectUri), ("code_verifier", RunningServer.Verifier));
        var idToken = RunningServer.Payload((string)tokens["id_token"]!);
        Assert.Equal((Issuer, "certification", "n1"), ((string?)idToken["iss"], (string?)idToken["aud"], (string?)idToken["nonce"]));
        Assert.Equal(email, (string?)(await UserInfoAsync(metadata, tokens))["email"]);

        var refreshed = await TokenAsync(metadata, ("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!));
        Assert.Equal(Issuer, (string?)RunningServer.Payload((string)refreshed["access_token"]!)["iss"]);
        Assert.Equal((string?)idToken["sub"], (string?)(await UserInfoAsync(metadata, refreshed))["sub"]);

        var goodbye = (string)client["post_logout_redirect_uris"]![0]!;
        using var ended = await browser.GetAsync($"{metadata["end_session_endpoint"]}?id_token_hint={refreshed["id_token"]}&post_logout_redirect_uri={Uri.EscapeDataString(goodbye)}&state=s2");
        Assert.Equal(goodbye + "?state=s2", ended.Headers.Location!.OriginalString);
        using var silent = await browser.GetAsync(request + "&prompt=none");
        Assert.Equal("login_required", RunningServer.Query(silent.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Cookies_WhenSetOverHttps_AreBoundToTheHostAndSecure()
    {
        var email = await RegisterAsync();
        using var browser = new Browser(world.Proxy.Address, world.Proxy.CreateHandler());
        using var page = await browser.GetAsync("/signin");
        using var signedIn = await browser.SubmitAsync("/signin", new() { ["username"] = email, ["current-password"] = Password });
        Assert.Equal(HttpStatusCode.SeeOther, signedIn.StatusCode);
        var lines = page.Headers.GetValues("Set-Cookie").Concat(signedIn.Headers.GetValues("Set-Cookie")).ToArray();
        Assert.Equal(["__Host-identity", "__Host-identity-browser", "__Host-identity-form"], lines.Select(line => line.Split('=')[0]).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        Assert.All(lines, line =>
        {
            var attributes = line.Split(';').Skip(1).Select(attribute => attribute.Trim().ToLowerInvariant()).ToArray();
            Assert.Superset(new HashSet<string>(["secure", "httponly", "samesite=lax", "path=/"], StringComparer.Ordinal), attributes.ToHashSet(StringComparer.Ordinal));
            Assert.DoesNotContain(attributes, attribute => attribute.StartsWith("domain", StringComparison.Ordinal));
        });
    }

    [Theory]
    [InlineData("/signin")]
    [InlineData("/.well-known/openid-configuration")]
    [InlineData("/connect/authorize")]
    [InlineData("/no-such-page")]
    public async Task Answers_WhenGivenOverHttps_KeepBrowsersOnHttpsForAYear(string path)
    {
        // localhost is left out: the wish is kept by host, and would take every other server of the machine with it.
        Assert.Equal("max-age=31536000", await PolicyAsync(TlsProxy.OtherName));
        Assert.Null(await PolicyAsync(world.Proxy.Address.Authority));

        async Task<string?> PolicyAsync(string host)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Proxy.Address, path));
            request.Headers.Host = host;
            using var answer = await world.Http.SendAsync(request);
            return answer.Headers.TryGetValues("Strict-Transport-Security", out var values) ? values.Single() : null;
        }
    }

    [Fact]
    public async Task Issuer_WhenAnotherHostIsAskedFor_StaysTheSame()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Proxy.Address, "/.well-known/openid-configuration"));
        request.Headers.Host = TlsProxy.OtherName;
        using var answer = await world.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal(Issuer, (string?)JsonNode.Parse(text)!["issuer"]);
        Assert.DoesNotContain(TlsProxy.OtherName, text, StringComparison.Ordinal);
    }

    // The proxy is 127.0.0.1. What comes by plain http is refused from it as from anybody, and from anybody else whatever it claims.
    [Theory]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.0.0.2", false)]
    [InlineData("127.0.0.2", true)]
    public async Task Request_WhenItDoesNotComeThroughTheProxy_IsNotBelieved(string from, bool claimsHttps)
    {
        using var http = From(from);
        foreach (var path in (string[])["/.well-known/openid-configuration", "/signin", "/connect/authorize?client_id=certification", "/connect/token", "/api/identity/login"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            if (claimsHttps)
            {
                request.Headers.Add("X-Forwarded-For", "127.0.0.1");
                request.Headers.Add("X-Forwarded-Proto", "https");
                request.Headers.Add("X-Forwarded-Host", world.Proxy.Address.Authority);
            }

            using var answer = await http.SendAsync(request);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.Contains("https is required", text, StringComparison.Ordinal);
            Assert.Equal(
                path.StartsWith("/api/identity", StringComparison.Ordinal) ? ["statusCode", "message", "error", "errorCode"] : ["error", "error_description"],
                JsonNode.Parse(text)!.AsObject().Select(member => member.Key));
            Assert.False(answer.Headers.Contains("Set-Cookie"));
            Assert.False(answer.Headers.Contains("Strict-Transport-Security"));
        }

        using var health = await http.GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    [Fact]
    public async Task Request_WhenTheProxysAddressSaysHttps_IsBelieved()
    {
        using var http = From("127.0.0.1");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/signin");
        request.Headers.Add("X-Forwarded-For", "192.0.2.7");
        request.Headers.Add("X-Forwarded-Proto", "https");
        request.Headers.Add("X-Forwarded-Host", world.Proxy.Address.Authority);
        using var answer = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private async Task<JsonObject> MetadataAsync() => JsonNode.Parse(await world.Http.GetStringAsync(new Uri(world.Proxy.Address, "/.well-known/openid-configuration")))!.AsObject();

    private async Task<string> RegisterAsync()
    {
        var email = $"p{Guid.NewGuid():N}@example.com";
        using var answer = await world.Http.PostAsJsonAsync(new Uri(world.Proxy.Address, "/api/identity/register"), new { email, password = Password });
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return email;
    }

    private async Task<JsonObject> TokenAsync(JsonObject metadata, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((string)metadata["token_endpoint"]!)) { Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
        request.Headers.Authorization = RunningServer.Basic("certification", (string)CertificationClients.Find("certification")["client_secret"]!);
        using var answer = await world.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!.AsObject();
    }

    private async Task<JsonObject> UserInfoAsync(JsonObject metadata, JsonObject tokens)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri((string)metadata["userinfo_endpoint"]!));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
        using var answer = await world.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();
    }

    // All of 127/8 is this machine, so a caller can be somebody other than the proxy.
    private HttpClient From(string address) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
            await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    { BaseAddress = world.Server };

    public sealed class World : IAsyncLifetime
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-https-test-");
        private ServerProcess? _server;

        public TlsProxy Proxy { get; private set; } = null!;

        /// <summary>Trusts the proxy.</summary>
        public HttpClient Http { get; private set; } = null!;

        /// <summary>Where the server listens behind it, by http.</summary>
        public Uri Server => _server!.Address;

        public async ValueTask InitializeAsync()
        {
            Proxy = await TlsProxy.StartAsync();
            var clients = Path.Combine(_directory.FullName, "clients.json");
            await File.WriteAllTextAsync(clients, CertificationClients.Json);
            _server = ServerProcess.Start(
                new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["DATA_DIR"] = Path.Combine(_directory.FullName, "data"),
                    ["PUBLIC_URL"] = Proxy.Address.GetLeftPart(UriPartial.Authority),
                    ["TRUSTED_PROXIES"] = "127.0.0.1",
                    ["MASTER_KEY"] = Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)),
                    ["CLIENTS_FILE"] = clients,
                },
                "Production");
            Proxy.Target = new Uri($"http://127.0.0.1:{_server.Port}");
            await _server.WaitReadyAsync();
            Http = new HttpClient(Proxy.CreateHandler());
        }

        public async ValueTask DisposeAsync()
        {
            Http?.Dispose();
            if (Proxy is not null)
            {
                await Proxy.DisposeAsync();
            }

            if (_server is not null)
            {
                await _server.DisposeAsync();
            }

            _directory.Delete(recursive: true);
        }
    }
}
