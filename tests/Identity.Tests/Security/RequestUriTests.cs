// Security catalogue: URLs we fetch (here request_uri), and request objects by reference. OpenID Connect Core §6.2, RFC 9101 §5.2 and §10.4.
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Identity.Tests.External;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>A client that publishes its request objects, and a server that may call 127.0.0.1 and nothing else that is private.</summary>
public sealed class RequestUriTests(RequestUriTests.World world) : IClassFixture<RequestUriTests.World>
{
    [Fact]
    public async Task RequestUri_WhenRegistered_IsFetchedAndWhatIsThereCountsAlone()
    {
        using var browser = await world.TrustedAsync();
        foreach (var address in (string[])[world.At("/object"), world.At("/object#of-this-version")])
        {
            using var answer = await browser.GetAsync(Go(address, ("state", "outside"), ("redirect_uri", "https://evil.example/")));
            Assert.StartsWith(RequestWorld.RedirectUri, answer.Headers.Location?.OriginalString, StringComparison.Ordinal);
            var query = Node.Query(answer.Headers.Location);
            Assert.Equal("inside", query["state"]);
            Assert.Equal(HttpStatusCode.OK, (await world.Node.RedeemAsync(query["code"], "filed", ("redirect_uri", RequestWorld.RedirectUri))).Status);
        }
    }

    // What is at the address may be written anew each time that it is asked for: the person is still in the same request.
    [Fact]
    public async Task RequestUri_WhenThePersonSignsInAndConsents_IsStillTheSameRequest()
    {
        world.Site.On("GET /object", _ => new StubAnswer(200, world.Sign()));
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        using var asked = await browser.GetAsync(Go(world.At("/object")));
        world.Time.Advance(TimeSpan.FromMinutes(5));
        var back = await browser.SignInAtAsync(asked.Headers.Location!, email, Node.Password);
        using var consent = await browser.GetAsync(back.OriginalString);
        Assert.Contains("/consent", consent.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var allowed = await browser.SubmitAsync(consent.Headers.Location.OriginalString, [], "Allow");
        using var answered = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        Assert.Contains("code", Node.Query(answered.Headers.Location).Keys);
    }

    [Theory]
    [InlineData("/object?other=1")]
    [InlineData("/Object")]
    [InlineData("/object/")]
    [InlineData("/unknown")]
    public async Task RequestUri_WhenItIsNotRegistered_IsNotCalled(string path)
    {
        using var browser = await world.TrustedAsync();
        var before = world.Site.Requests.Count;
        await RefusesAsync(browser, world.At(path), "invalid_request_uri");
        await RefusesAsync(browser, "https://evil.example/object", "invalid_request_uri");
        await RefusesAsync(browser, "file:///etc/passwd", "invalid_request_uri");
        Assert.Equal(before, world.Site.Requests.Count);
    }

    [Fact]
    public async Task RequestUri_WhenItLeadsInside_IsNotCalled()
    {
        using var browser = await world.TrustedAsync();
        foreach (var address in world.Forbidden)
        {
            await RefusesAsync(browser, address, "invalid_request_uri");
        }

        Assert.False(world.Inside.Pending());
    }

    [Theory]
    [InlineData("/redirect", "invalid_request_uri")]
    [InlineData("/error", "invalid_request_uri")]
    [InlineData("/large", "invalid_request_uri")]
    [InlineData("/long", "invalid_request_object")]
    [InlineData("/html", "invalid_request_object")]
    [InlineData("/empty", "invalid_request_object")]
    [InlineData("/other", "invalid_request_object")]
    [InlineData("/nested", "invalid_request_object")]
    [InlineData("/silent", "invalid_request_uri")]
    public async Task RequestUri_WhenThereIsNoObjectOfThisClient_IsRefusedInSeconds(string path, string error)
    {
        world.Site.On("GET /redirect", new StubAnswer(302, "", Headers: [KeyValuePair.Create("Location", world.At("/object"))]));
        world.Site.On("GET /error", _ => new StubAnswer(500, world.Sign()));
        world.Site.On("GET /large", _ => new StubAnswer(200, world.Sign() + new string(' ', 100_000)));
        world.Site.On("GET /long", _ => new StubAnswer(200, world.Sign(claims => claims["pad"] = new string('a', 16_000))));
        world.Site.On("GET /html", new StubAnswer(200, "<html>no</html>"));
        world.Site.On("GET /empty", new StubAnswer(200, ""));
        world.Site.On("GET /other", _ => new StubAnswer(200, world.Sign(claims => (claims["iss"], claims["client_id"]) = ("app", "app"))));
        world.Site.On("GET /nested", _ => new StubAnswer(200, world.Sign(claims => claims["request_uri"] = world.At("/object"))));
        world.Site.Routes["GET /silent"] = async _ =>
        {
            await Task.Delay(TimeSpan.FromMinutes(5), TestContext.Current.CancellationToken);
            return new StubAnswer(200, "");
        };
        using var browser = await world.TrustedAsync();
        var before = world.Site.Requests.Count(request => request.Path == "/object");
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        await RefusesAsync(browser, world.At(path), error);
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TimeLimit.Seconds(15));
        Assert.Equal(before, world.Site.Requests.Count(request => request.Path == "/object"));
    }

    [Fact]
    public async Task RequestUri_WhenPushed_IsRefusedAndNotCalled()
    {
        var before = world.Site.Requests.Count;
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, ("client_id", "filed"), ("request_uri", world.At("/object")));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
        Assert.Equal(before, world.Site.Requests.Count);
    }

    private static string Go(string address, params (string Name, string Value)[] more) =>
        $"/connect/authorize?client_id=filed&request_uri={Uri.EscapeDataString(address)}" + string.Concat(more.Select(pair => $"&{pair.Name}={Uri.EscapeDataString(pair.Value)}"));

    // Told at the client's redirect URI to who was there before, and on a page where none stands outside.
    private static async Task RefusesAsync(Browser browser, string address, string error)
    {
        using var answer = await browser.GetAsync(Go(address, ("redirect_uri", RequestWorld.RedirectUri), ("state", "outside")));
        Assert.StartsWith(RequestWorld.RedirectUri, answer.Headers.Location?.OriginalString, StringComparison.Ordinal);
        Assert.Equal((error, "outside"), (Node.Query(answer.Headers.Location)["error"], Node.Query(answer.Headers.Location)["state"]));
        if (!address.EndsWith("/silent", StringComparison.Ordinal))
        {
            using var page = await browser.GetAsync(Go(address));
            Assert.Equal((HttpStatusCode.BadRequest, null), (page.StatusCode, page.Headers.Location));
        }
    }

    public sealed class World : IAsyncLifetime
    {
        private readonly RequestWorld _signing = new();
        private StubProvider? _site;
        private HostedServer? _server;
        private AddressedNode? _node;

        public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

        public TcpListener Inside { get; } = new(IPAddress.Parse("127.0.0.2"), 0);

        internal Node Node => _node!;

        public StubProvider Site => _site!;

        public IReadOnlyList<string> Forbidden { get; private set; } = [];

        public string At(string path) => $"http://127.0.0.1:{Site.Port}{path}";

        public string Sign(Action<JsonObject>? change = null) => _signing.Sign("filed", claims =>
        {
            var now = Time.GetUtcNow().ToUnixTimeSeconds();
            (claims["aud"], claims["iat"], claims["nbf"], claims["exp"]) = (_server!.Url.OriginalString, now, now, now + 60);
            change?.Invoke(claims);
        });

        /// <summary>Somebody who once allowed this client what it wants.</summary>
        public async Task<Browser> TrustedAsync()
        {
            Site.On("GET /object", _ => new StubAnswer(200, Sign() + "\n", "application/oauth-authz-req+jwt"));
            var browser = await Node.SignedInAsync();
            using var consent = await browser.GetAsync(Go(At("/object")));
            using var allowed = await browser.SubmitAsync(consent.Headers.Location!.OriginalString, [], "Allow");
            return browser;
        }

        public async ValueTask InitializeAsync()
        {
            Inside.Start();
            _site = await StubProvider.StartAsync();
            var port = ((IPEndPoint)Inside.LocalEndpoint).Port;
            Forbidden = [$"https://127.0.0.2:{port}/object", $"http://127.0.0.2:{port}/object", $"https://2130706434:{port}/object", $"https://user@127.0.0.2:{port}/object", "https://169.254.169.254/object", "https://[::ffff:127.0.0.2]/object"];
            var client = new JsonObject
            {
                ["client_id"] = "filed",
                ["token_endpoint_auth_method"] = "none",
                ["require_consent"] = true,
                ["grant_types"] = new JsonArray("authorization_code"),
                ["redirect_uris"] = new JsonArray(RequestWorld.RedirectUri),
                ["scope"] = "openid email",
                ["jwks"] = new JsonObject { ["keys"] = new JsonArray(_signing.PublicKey()) },
                ["request_uris"] = new JsonArray([.. ((string[])["/object#v1", "/redirect", "/error", "/large", "/long", "/html", "/empty", "/other", "/nested", "/silent"]).Select(At).Concat(Forbidden).Select(address => JsonValue.Create(address))]),
            };
            _server = await HostedServer.StartAsync(new JsonArray(client).ToJsonString(), time: Time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["OUTGOING_ALLOW"] = "127.0.0.1" });
            _node = new AddressedNode(_server.Url);
        }

        public async ValueTask DisposeAsync()
        {
            _node?.Dispose();
            Inside.Dispose();
            _signing.Key.Dispose();
            _signing.Rsa.Dispose();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }

            if (_site is not null)
            {
                await _site.DisposeAsync();
            }
        }
    }
}
