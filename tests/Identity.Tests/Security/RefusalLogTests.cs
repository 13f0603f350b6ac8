// RFC 6749 §4.1.2.1 and §5.2: whoever made a client's mistake finds in one line of the log whose request it was, what was sent, and what would have been right.
using System.Text.Json.Nodes;
using Identity.Tests.Api;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Security;

public sealed class RefusalLogTests : IAsyncLifetime
{
    private static readonly string s_clients = new JsonArray(
        new JsonObject
        {
            ["client_id"] = "spa",
            ["token_endpoint_auth_method"] = "none",
            ["redirect_uris"] = new JsonArray("https://app.example.com/callback"),
            ["post_logout_redirect_uris"] = new JsonArray("https://app.example.com/"),
            ["scope"] = "openid email",
        },
        new JsonObject { ["client_id"] = "service", ["client_secret"] = Node.Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "reports.read" }).ToJsonString();

    private readonly CapturedLogs _log = new();
    private HostedServer? _server;
    private AddressedNode? _node;

    public async ValueTask InitializeAsync()
    {
        _server = await HostedServer.StartAsync(s_clients);
        _server.Services.GetRequiredService<ILoggerFactory>().AddProvider(_log);
        _node = new AddressedNode(_server.Url);
    }

    public async ValueTask DisposeAsync()
    {
        _node?.Dispose();
        _log.Dispose();
        await _server!.DisposeAsync();
    }

    [Theory]
    [InlineData("redirect_uri", "https://app.example.com/callback/", "Authorization refused a request of spa: invalid_request (redirect_uri is none of the client's, which are: https://app.example.com/callback. Sent: redirect_uri=https://app.example.com/callback/)")]
    [InlineData("scope", "openid notes.raed", "Authorization refused a request of spa: invalid_scope (a scope is not in the client's, which is: openid email.)")]
    [InlineData("resource", "https://api.example.com/nots", "Authorization refused a request of spa: invalid_target (A resource is not known here: protected_resources of the discovery document names those that are. Sent: resource=https://api.example.com/nots)")]
    [InlineData("response_type", "id_token", "Authorization refused a request of spa: unsupported_response_type (The only response_type is code.)")]
    [InlineData("client_id", "sap", "Authorization refused a request of an unknown client: ")]
    public async Task Authorize_WhenAParameterIsWrong_TellsTheLogWhatWasSentAndWhatIsRight(string name, string value, string line)
    {
        (string Name, string? Value)[] changes = [("redirect_uri", "https://app.example.com/callback"), (name, value)];
        using var answer = await _node!.Http.GetAsync(new Uri(_server!.Url, _node.AuthorizeUrl(scope: "openid email", changes: changes)));
        Assert.Contains(_log.Lines, found => found.Contains(line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Authorize_WhenAParameterHasLineBreaks_WritesOneLine()
    {
        using var answer = await _node!.Http.GetAsync(new Uri(_server!.Url, _node.AuthorizeUrl(changes: [("redirect_uri", "https://app.example.com/\r\ninfo: forged\u001b[31m\u202e")])));
        Assert.Contains(_log.Lines, line => line.Contains("Sent: redirect_uri=https://app.example.com/??info: forged?[31m?)", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("https://app.example.com/cb?email=ada%40example.org&code=canary", "Sent: redirect_uri=https://app.example.com/cb?...)")]
    [InlineData("https://ada:canary@app.example.com/callback", "Sent: redirect_uri=(not shown))")]
    [InlineData("mailto:canary@example.org", "Sent: redirect_uri=(not shown))")]
    [InlineData("canary", "Sent: redirect_uri=(not shown))")]
    public async Task Authorize_WhenAnAddressSpeaksOfAPerson_DoesNotRepeatIt(string redirectUri, string line)
    {
        using var answer = await _node!.Http.GetAsync(new Uri(_server!.Url, _node.AuthorizeUrl(changes: [("redirect_uri", redirectUri)])));
        Assert.Contains(_log.Lines, found => found.Contains(line, StringComparison.Ordinal));
        Assert.DoesNotContain(_log.Lines, found => found.Contains("canary", StringComparison.Ordinal) && found.Contains(" 5101 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SignOut_WhenTheAddressIsNotTheClients_TellsTheLogWhichAre()
    {
        using var answer = await _node!.Http.GetAsync(new Uri(_server!.Url, "/connect/endsession?client_id=spa&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com"));
        Assert.Contains(_log.Lines, line => line.Contains("EndSession refused a request of spa: invalid_request (post_logout_redirect_uri is none of the client's, which are: https://app.example.com/. Sent: post_logout_redirect_uri=https://app.example.com)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ClientCredentials_WhenAScopeIsNotTheClients_TellsTheLogWhich()
    {
        await _node!.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"), ("scope", "reports.read reports.write"));
        Assert.Contains(_log.Lines, line => line.Contains("Token refused a request of service: invalid_scope (a scope is not in the client's, which is: reports.read.)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Token_WhenAPublicClientSendsASecret_SaysThatItSendsNone()
    {
        var (_, body) = await _node!.PostAsync("/connect/token", "spa", ("grant_type", "authorization_code"), ("code", "any"), ("redirect_uri", "https://app.example.com/callback"));
        Assert.Equal("Client authentication failed: a public client (token_endpoint_auth_method none) sends no secret.", (string?)body["error_description"]);
        Assert.DoesNotContain(_log.Lines, line => line.Contains(Node.Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Token_WhenAClientSendsNoSecret_SaysHowItAuthenticates()
    {
        var (_, body) = await _node!.PostAsync("/connect/token", client: null, ("grant_type", "client_credentials"), ("client_id", "service"));
        Assert.Equal("Client authentication failed: this client authenticates by client_secret_basic.", (string?)body["error_description"]);
    }

    [Theory]
    [InlineData("POST", "https://else.example.com", "/connect/token: a page of https://else.example.com may not read the answer (CORS): that origin is in neither redirect_uris nor allowed_origins of spa.")]
    [InlineData("OPTIONS", "https://else.example.com", "/connect/token: a page of https://else.example.com may not read the answer (CORS): that origin is in neither redirect_uris nor allowed_origins of any client.")]
    [InlineData("POST", "https://app.example.com", null)]
    [InlineData("OPTIONS", "https://app.example.com", null)]
    public async Task Token_WhenAPageOfAnotherOriginAsks_TellsTheLogWhatIsMissing(string method, string origin, string? line)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_server!.Url, "/connect/token")) { Headers = { { "Origin", origin } } };
        if (method == "POST")
        {
            request.Content = new FormUrlEncodedContent([KeyValuePair.Create("client_id", "spa"), KeyValuePair.Create("grant_type", "refresh_token"), KeyValuePair.Create("refresh_token", "none")]);
        }

        using var answer = await _node!.Http.SendAsync(request);
        var told = _log.Lines.Where(found => found.Contains("CORS", StringComparison.Ordinal)).ToArray();
        if (line is null)
        {
            Assert.Empty(told);
        }
        else
        {
            Assert.Contains(line, Assert.Single(told), StringComparison.Ordinal);
        }
    }
}
