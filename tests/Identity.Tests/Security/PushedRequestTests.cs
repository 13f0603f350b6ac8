// Security catalogue: pushed authorization requests. RFC 9126, RFC 9101 §6.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>Requests that are pushed first, at a server whose clock a test moves.</summary>
public sealed class PushedRequestTests(PushedRequestTests.World world) : IClassFixture<PushedRequestTests.World>
{
    [Fact]
    public async Task Push_WhenSound_IsCreatedForAMinuteInNoCache()
    {
        using var form = new FormUrlEncodedContent(Parameters("web").Select(pair => KeyValuePair.Create(pair.Name, pair.Value)));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Node.Address, "/connect/par")) { Content = form };
        request.Headers.Authorization = Node.Basic("web", Node.Secret);
        using var answer = await world.Node.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal(60, (int)body["expires_in"]!);
        Assert.StartsWith("urn:ietf:params:oauth:request_uri:", (string)body["request_uri"]!, StringComparison.Ordinal);
        using var read = await world.Node.Http.GetAsync(new Uri(world.Node.Address, "/connect/par"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, read.StatusCode);
    }

    [Fact]
    public async Task Push_WhenUsed_LeadsToTokensOnce()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        using var first = await browser.GetAsync(Go(reference));
        var code = RunningServer.Query(first.Headers.Location)["code"];
        Assert.Equal("s1", RunningServer.Query(first.Headers.Location)["state"]);
        Assert.Equal(HttpStatusCode.OK, (await world.Node.RedeemAsync(code, "spa")).Status);
        using var again = await browser.GetAsync(Go(reference));
        Assert.DoesNotContain("code", RunningServer.Query(again.Headers.Location).Keys);
    }

    [Fact]
    public async Task Push_WhenReloadedBeforeSignIn_StillWorks()
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        var reference = await PushAsync();
        using var once = await browser.GetAsync(Go(reference));
        using var twice = await browser.GetAsync(Go(reference));
        var back = await browser.SignInAtAsync(twice.Headers.Location!, email, Node.Password);
        using var answered = await browser.GetAsync(back.OriginalString);
        Assert.Contains("code", RunningServer.Query(answered.Headers.Location).Keys);
    }

    [Fact]
    public async Task Push_WhenUsedFiftyTimesAtOnce_LeadsToOneCode()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        var codes = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var answer = await browser.GetAsync(Go(reference));
            return RunningServer.Query(answer.Headers.Location).GetValueOrDefault("code");
        }));
        Assert.Single(codes, code => code is not null);
    }

    [Fact]
    public async Task Push_WhenItsMinuteIsOver_IsWorthNothing()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        world.Time.Advance(TimeSpan.FromSeconds(61));
        using var answer = await browser.GetAsync(Go(reference));
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
    }

    [Fact]
    public async Task Push_WhenAnotherClientUsesIt_IsRefusedAndStaysGood()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        using var stolen = await browser.GetAsync(Go(reference, "other"));
        Assert.DoesNotContain("code", RunningServer.Query(stolen.Headers.Location).Keys);
        using var own = await browser.GetAsync(Go(reference));
        Assert.Contains("code", RunningServer.Query(own.Headers.Location).Keys);
    }

    [Fact]
    public async Task Push_WhenTheAddressAddsOrChangesParameters_CountsAsPushed()
    {
        using var browser = await world.Node.SignedInAsync();
        using var answer = await browser.GetAsync(Go(await PushAsync()) + "&state=other&redirect_uri=https%3A%2F%2Fevil.example%2F&scope=openid%20notes.write");
        Assert.StartsWith(Node.RedirectUri, answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal("s1", RunningServer.Query(answer.Headers.Location)["state"]);
    }

    [Theory]
    [InlineData("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request")]
    [InlineData("request", "eyJhbGciOiJub25lIn0.e30.", "invalid_request_object")]
    [InlineData("redirect_uri", "https://evil.example/cb", "invalid_request")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    [InlineData("scope", "openid nothing.of.ours", "invalid_scope")]
    [InlineData("prompt", "none login", "invalid_request")]
    public async Task Push_WhenTheRequestIsWrong_TellsTheClientAtOnce(string name, string value, string error)
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, [.. Parameters("spa").Where(pair => pair.Name != name), (name, value)]);
        Assert.Equal((HttpStatusCode.BadRequest, error), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Push_WhenTheClientIsNotProven_IsRefused()
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, [.. Parameters("web"), ("client_secret", "not the secret")]);
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        (status, body) = await world.Node.PostAsync("/connect/par", client: null, Parameters("web"));
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Reference_WhenFedIntoAnotherSlot_IsRefused()
    {
        var reference = await PushAsync();
        foreach (var value in (string[])[reference, reference[(reference.LastIndexOf(':') + 1)..]])
        {
            Assert.Equal("invalid_grant", (string?)(await world.Node.RedeemAsync(value)).Body["error"]);
            Assert.Equal("invalid_grant", (string?)(await world.Node.RefreshAsync(value)).Body["error"]);
            Assert.Equal(HttpStatusCode.Unauthorized, await world.Node.UserInfoAsync(value));
        }
    }

    private static (string Name, string Value)[] Parameters(string client) =>
    [
        ("client_id", client), ("redirect_uri", Node.RedirectUri), ("response_type", "code"), ("scope", "openid email"), ("state", "s1"),
        ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"),
    ];

    private static string Go(string reference, string client = "spa") => $"/connect/authorize?client_id={client}&request_uri={Uri.EscapeDataString(reference)}";

    private async Task<string> PushAsync()
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, Parameters("spa"));
        Assert.True(status == HttpStatusCode.Created, body.ToJsonString());
        return (string)body["request_uri"]!;
    }

    public sealed class World : IAsyncLifetime
    {
        private HostedServer? _server;
        private AddressedNode? _node;

        public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

        internal Node Node => _node!;

        public async ValueTask InitializeAsync()
        {
            JsonObject Client(string id) => new()
            {
                ["client_id"] = id,
                ["token_endpoint_auth_method"] = "none",
                ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
                ["scope"] = "openid email offline_access",
            };
            var web = Client("web");
            (web["token_endpoint_auth_method"], web["client_secret"]) = ("client_secret_basic", Node.Secret);
            _server = await HostedServer.StartAsync(new JsonArray(Client("spa"), Client("other"), web).ToJsonString(), time: Time);
            _node = new AddressedNode(_server.Url);
        }

        public async ValueTask DisposeAsync()
        {
            _node?.Dispose();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }
    }
}
