// Security catalogue: what an operator takes from a client, or a client from the operator's file, is taken at once. RFC 6749 §6, RFC 7009 §2.1, RP-Initiated Logout 1.0 §3.
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>A server whose clients a test changes as an operator does.</summary>
public sealed class ClientTakenBackTests(ClientTakenBackTests.World world) : IClassFixture<ClientTakenBackTests.World>
{
    [Fact]
    public async Task AccessToken_WhenItsClientIsDisabled_IsWorthNothingUntilItIsEnabledAgain()
    {
        var service = await world.AddAsync("client_credentials");
        var token = (string)(await world.Node.PostAsync("/connect/token", service.ClientId, ("grant_type", "client_credentials"), ("scope", "identity.users.read"))).Body["access_token"]!;
        Assert.Equal((HttpStatusCode.OK, true), (await world.UsersAsync(token), await world.IsActiveAsync(token)));
        await world.ChangeAsync(service with { Disabled = true });
        Assert.Equal((HttpStatusCode.Unauthorized, false), (await world.UsersAsync(token), await world.IsActiveAsync(token)));
        await world.ChangeAsync(service);
        Assert.Equal((HttpStatusCode.OK, true), (await world.UsersAsync(token), await world.IsActiveAsync(token)));
    }

    [Fact]
    public async Task AccessTokenOfAPerson_WhenItsClientIsDisabled_IsWorthNothing()
    {
        var app = await world.AddAsync("authorization_code", "refresh_token");
        using var browser = await world.Node.SignedInAsync();
        var token = (string)(await world.TokensAsync(browser, app))["access_token"]!;
        Assert.Equal((HttpStatusCode.OK, true), (await world.Node.UserInfoAsync(token), await world.IsActiveAsync(token)));
        await world.ChangeAsync(app with { Disabled = true });
        Assert.Equal((HttpStatusCode.Unauthorized, false), (await world.Node.UserInfoAsync(token), await world.IsActiveAsync(token)));
    }

    [Fact]
    public async Task ServiceToken_WhenAScopeIsTakenFromItsClient_OpensWhatIsLeft()
    {
        var service = await world.AddAsync("client_credentials");
        var token = (string)(await world.Node.PostAsync("/connect/token", service.ClientId, ("grant_type", "client_credentials"), ("scope", "identity.users.read"))).Body["access_token"]!;
        await world.ChangeAsync(service with { Scopes = ["identity.users.export"] });
        Assert.Equal(HttpStatusCode.Forbidden, await world.UsersAsync(token));
        Assert.Null((await world.IntrospectAsync(token))["scope"]);
    }

    [Fact]
    public async Task RefreshToken_WhenOfflineAccessIsTakenFromItsClient_IsWorthNothing()
    {
        var app = await world.AddAsync("authorization_code", "refresh_token");
        using var browser = await world.Node.SignedInAsync();
        var token = (string)(await world.TokensAsync(browser, app))["refresh_token"]!;
        await world.ChangeAsync(app with { Scopes = ["openid", "email"] });
        var (status, body) = await world.RefreshAsync(app, token);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string?)body["error"]));

        // Nothing of it was used up: given back, it goes on.
        await world.ChangeAsync(app);
        Assert.Equal(HttpStatusCode.OK, (await world.RefreshAsync(app, token)).Status);
    }

    [Fact]
    public async Task SignOut_WhenItsClientIsDisabled_LeadsNowhere()
    {
        var app = await world.AddAsync("authorization_code", "refresh_token");
        using var browser = await world.Node.SignedInAsync();
        var hint = (string)(await world.TokensAsync(browser, app))["id_token"]!;
        await world.ChangeAsync(app with { Disabled = true });
        foreach (var who in (string[])["id_token_hint=" + hint, "client_id=" + app.ClientId])
        {
            using var answer = await browser.GetAsync($"/connect/endsession?{who}&post_logout_redirect_uri={Uri.EscapeDataString("http://127.0.0.1:4711/bye")}");
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    public sealed class World : IAsyncLifetime
    {
        private HostedServer? _server;
        private Client? _template;

        internal Node Node { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            JsonObject Of(string id, params string[] grants) => new()
            {
                ["client_id"] = id,
                ["client_secret"] = Node.Secret,
                ["grant_types"] = new JsonArray([.. grants.Select(grant => (JsonNode)grant)]),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
                ["post_logout_redirect_uris"] = new JsonArray("http://127.0.0.1:4711/bye"),
                ["scope"] = "openid email offline_access identity.users.read identity.users.export",
            };
            var asks = Of("asks", "client_credentials");
            asks.Remove("redirect_uris");
            asks.Remove("post_logout_redirect_uris");
            asks["introspects"] = new JsonArray("*");
            _server = await HostedServer.StartAsync(new JsonArray(Of("template", "authorization_code", "refresh_token"), asks).ToJsonString(), settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "100000" });
            Node = new AddressedNode(_server.Url);
            _template = await _server.Services.GetRequiredService<ClientStore>().FindAsync("template", CancellationToken.None);
        }

        public async ValueTask DisposeAsync()
        {
            Node?.Dispose();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }

        public async Task<Client> AddAsync(params string[] grants)
        {
            var client = _template! with { ClientId = "c" + Guid.NewGuid().ToString("N"), GrantTypes = grants, FromFile = false };
            await ChangeAsync(client);
            return client;
        }

        public Task ChangeAsync(Client client) => _server!.Services.GetRequiredService<ClientStore>().UpsertAsync(client, CancellationToken.None);

        public async Task<JsonNode> TokensAsync(Browser browser, Client app)
        {
            var (status, body) = await Node.RedeemAsync(await Node.CodeAsync(browser, app.ClientId), app.ClientId, ("client_secret", Node.Secret));
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            return body;
        }

        public Task<(HttpStatusCode Status, JsonNode Body)> RefreshAsync(Client app, string token) =>
            Node.PostAsync("/connect/token", app.ClientId, ("grant_type", "refresh_token"), ("refresh_token", token));

        public async Task<JsonNode> IntrospectAsync(string token) => (await Node.PostAsync("/connect/introspect", "asks", ("token", token))).Body;

        public async Task<bool> IsActiveAsync(string token) => (bool)(await IntrospectAsync(token))["active"]!;

        public async Task<HttpStatusCode> UsersAsync(string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Node.Address, "/api/identity/users"));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await Node.Http.SendAsync(request);
            return answer.StatusCode;
        }
    }
}
