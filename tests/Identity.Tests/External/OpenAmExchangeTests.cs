// RFC 8693 at /connect/token with an OpenAM session token, against OpenAM's recorded answers; and what tokens tell of a provider's sign-in (idp, acr, amr).
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Changes;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>Only clients that may, only for their APIs, and only while OpenAM says yes and the account here is fit.</summary>
public sealed class OpenAmExchangeTests
{
    private const string Orders = "https://api.example.com/orders";
    private const string Notes = "https://api.example.com/notes";
    private const string Validate = "POST /openam/json/sessions";
    private const string SessionType = "urn:identity:params:oauth:token-type:openam-session";
    private const string Token = "AQIC5wM2LY4SfcwITAonKhac9rvJwfadIjk9zNmsvC1EYwY.*AAJTSQACMDEAAlNLABM4MjIzMjEwODA4MTY5MzgzMDEyAAJTMQAA*";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 22, 43, 0, TimeSpan.Zero);

    [Fact]
    public async Task SessionToken_WhenValid_IsExchangedForATokenOfTheApiWithinItsTime()
    {
        await using var world = await StartAsync();
        using var node = new AddressedNode(world.Server.Url);
        var (status, body) = await ExchangeAsync(node, ("audience", Orders));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal("urn:ietf:params:oauth:token-type:access_token", (string?)body["issued_token_type"]);
        Assert.Equal(1800, (int)body["expires_in"]!);
        Assert.Null(body["refresh_token"]);
        Assert.Null(body["id_token"]);
        var claims = RunningServer.Payload((string)body["access_token"]!);
        Assert.Equal((Orders, "gateway", "orders.read", "openam"), ((string?)claims["aud"], (string?)claims["client_id"], (string?)claims["scope"], (string?)claims["idp"]));
        Assert.Contains("fed", claims["amr"]!.AsArray().Select(value => (string)value!));
        Assert.NotNull(claims["sid"]);
        Assert.DoesNotContain(world.Logs.Lines, line => line.Contains(Token, StringComparison.Ordinal));

        // It ends with its account here, whatever OpenAM says.
        Assert.True(await IsActiveAsync(node, (string)body["access_token"]!));
        await world.Server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(Guid.Parse((string)claims["sub"]!), new AccountChange { IsActive = false }, null, new(null, null), CancellationToken.None);
        Assert.False(await IsActiveAsync(node, (string)body["access_token"]!));
        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(node, ("audience", Orders))).Body["error"]);
    }

    [Fact]
    public async Task SessionToken_ExchangedAgain_GoesOnWithItsSession_WhileThatLives()
    {
        await using var world = await StartAsync();
        using var node = new AddressedNode(world.Server.Url);
        async Task<(string Token, string Session)> GetAsync(string token = Token)
        {
            var (status, body) = await ExchangeAsync(node, "gateway", token, ("audience", Orders));
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            return ((string)body["access_token"]!, (string)RunningServer.Payload((string)body["access_token"]!)["sid"]!);
        }

        var first = await GetAsync();
        world.Time.Advance(TimeSpan.FromMinutes(20));
        var second = await GetAsync();
        Assert.Equal(first.Session, second.Session);
        Assert.NotEqual(first.Token, second.Token);

        // OpenAM has said yes once more: it lives for as long again, and so does what came of it before.
        world.Time.Advance(TimeSpan.FromMinutes(20));
        Assert.True(await IsActiveAsync(node, second.Token));

        // Another session of OpenAM's is another here, and so is the same one's where it signs in for itself.
        var other = await GetAsync(Token[..^1] + "x*");
        Assert.NotEqual(first.Session, other.Session);
        using var http = new HttpClient();
        using var answer = await http.PostAsJsonAsync(new Uri(world.Server.Url, "/api/identity/sso/openam"), new { ssoToken = Token });
        var own = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.NotEqual(first.Session, (string?)RunningServer.Payload((string)own["accessToken"]!)["sid"]);

        // One that has ended is not taken up again: neither by its time nor by anybody's word.
        var sessions = world.Server.Services.GetRequiredService<SessionService>();
        await sessions.EndAsync(first.Session, SessionEndReasons.Logout, new(null, null), CancellationToken.None);
        Assert.False(await IsActiveAsync(node, second.Token));
        var third = await GetAsync();
        Assert.NotEqual(first.Session, third.Session);
        world.Time.Jump(TimeSpan.FromMinutes(31));
        Assert.NotEqual(third.Session, (await GetAsync()).Session);
    }

    // A gateway exchanges it for each call, and calls come at once.
    [Fact]
    public async Task SessionToken_ExchangedByManyAtOnce_GoesOnWithItsSession_OnPostgresToo()
    {
        await using var postgres = await PostgresServer.StartAsync();
        Assert.SkipWhen(postgres is null, PostgresServer.WhatIsMissing);
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        postgres.AddSettings(settings);
        await using var world = await StartAsync(more: settings);
        using var node = new AddressedNode(world.Server.Url);
        Assert.Equal(HttpStatusCode.OK, (await ExchangeAsync(node, ("audience", Orders))).Status);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ExchangeAsync(node, ("audience", Orders))));
        Assert.All(answers, answer => Assert.True(answer.Status == HttpStatusCode.OK, $"{answer.Status} {answer.Body.ToJsonString()}"));
        Assert.Single(answers.Select(answer => (string?)RunningServer.Payload((string)answer.Body["access_token"]!)["sid"]).Distinct());
    }

    [Theory]
    [InlineData("stranger", "audience", Orders, "invalid_request")]
    [InlineData("gateway", "audience", Notes, "invalid_target")]
    [InlineData("gateway", "scope", "notes.read", "invalid_scope")]
    [InlineData("gateway", "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request")]
    public async Task SessionToken_FromWhomItMayNotComeOrForWhatItMayNot_AsksOpenAmNothing(string client, string name, string value, string error)
    {
        await using var world = await StartAsync();
        using var node = new AddressedNode(world.Server.Url);
        var (status, body) = await ExchangeAsync(node, client, Token, (name, value));
        Assert.Equal((HttpStatusCode.BadRequest, error), (status, (string?)body["error"]));
        Assert.Empty(world.Provider.Requests);
    }

    [Theory]
    [InlineData("session/invalid/garbage-r1.2.http", 400, "invalid_request")]
    [InlineData("session/subrealm/validate-path-at-root-r1.2.http", 400, "invalid_request")]
    [InlineData("session/validate-nopath/header-r2.0.http", 503, "temporarily_unavailable")]
    [InlineData("oidc/discovery/root-at-context.http", 503, "temporarily_unavailable")]
    public async Task SessionToken_WhenOpenAmSaysNoOrNothingOfUse_IsWorthNothing(string file, int status, string error)
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read(file)));
        using var node = new AddressedNode(world.Server.Url);
        var (answered, body) = await ExchangeAsync(node, ("audience", Orders));
        Assert.Equal((status, error), ((int)answered, (string?)body["error"]));
        Assert.Null(body["access_token"]);
    }

    [Fact]
    public async Task SessionToken_WhereNoOpenAmIsConfigured_IsNoToken()
    {
        await using var world = await StartAsync(withOpenAm: false);
        using var node = new AddressedNode(world.Server.Url);
        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(node, ("audience", Orders))).Body["error"]);
    }

    [Fact]
    public async Task SessionToken_OfTheOwnerOfAnUnlinkedAddress_TakesNothingOver()
    {
        await using var world = await StartAsync();
        await world.Server.RegisterAsync("alice@example.org", Node.Password);
        using var node = new AddressedNode(world.Server.Url);
        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(node, ("audience", Orders))).Body["error"]);
    }

    [Fact]
    public async Task Tokens_OfASignInThroughAProvider_TellWhichAndWhatItWasWorth()
    {
        using var key = new TestKey();
        var settings = ExternalWorld.Root("rp-nocons");
        settings["Federation:Providers:openam:MultiFactorAcr:0"] = "urn:example:two";
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero), settings, Clients, Resources);
        world.ServeRoot(key.Jwks());
        using var node = new AddressedNode(world.Server.Url);
        foreach (var (acr, worth) in ((string, string)[])[("0", "urn:identity:acr:1fa"), ("urn:example:two", "urn:identity:acr:2fa")])
        {
            var recorded = Recording.Read("oidc/variants/username-upper-token.http");
            var (json, claims) = (recorded.Json, recorded.Claims);
            claims["acr"] = acr;
            json["id_token"] = key.Sign(claims);
            world.Provider.On("POST /openam/oauth2/access_token", new StubAnswer(200, json.ToJsonString()));
            world.Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read("oidc/variants/username-upper-userinfo.http")));
            world.Ids.Nonce = (string)claims["nonce"]!;
            using var browser = world.NewBrowser();
            await world.SignInAsync(browser, world.Ids.Nonce, ExternalWorld.Issuer);
            var tokens = await node.TokensAsync(browser, scope: "openid");
            foreach (var token in (string[])["id_token", "access_token"])
            {
                var told = RunningServer.Payload((string)tokens[token]!);
                Assert.Equal(("openam", worth), ((string?)told["idp"], (string?)told["acr"]));
            }
        }

        // Who signed in here has no provider.
        using var own = await node.SignedInAsync();
        Assert.Null(RunningServer.Payload((string)(await node.TokensAsync(own, scope: "openid"))["id_token"]!)["idp"]);
    }

    private static string Clients { get; } = new JsonArray(
        Exchanger("gateway", mayExchangeSessions: true),
        Exchanger("stranger", mayExchangeSessions: false),
        new JsonObject { ["client_id"] = "orders-api", ["client_secret"] = Node.Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "orders.read", ["introspects"] = new JsonArray(Orders) },
        new JsonObject
        {
            ["client_id"] = "spa",
            ["token_endpoint_auth_method"] = "none",
            ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
            ["scope"] = "openid",
        }).ToJsonString();

    private static string Resources { get; } = new JsonArray(
        new JsonObject { ["resource"] = Orders, ["scopes_supported"] = new JsonArray("orders.read") },
        new JsonObject { ["resource"] = Notes, ["scopes_supported"] = new JsonArray("notes.read") }).ToJsonString();

    private static JsonObject Exchanger(string id, bool mayExchangeSessions) => new()
    {
        ["client_id"] = id,
        ["client_secret"] = Node.Secret,
        ["grant_types"] = new JsonArray("urn:ietf:params:oauth:grant-type:token-exchange"),
        ["scope"] = "orders.read",
        ["token_exchange_audiences"] = new JsonArray(Orders),
        ["token_exchange_openam"] = mayExchangeSessions,
    };

    private static Task<(HttpStatusCode Status, JsonNode Body)> ExchangeAsync(AddressedNode node, params (string Name, string Value)[] more) => ExchangeAsync(node, "gateway", Token, more);

    private static Task<(HttpStatusCode Status, JsonNode Body)> ExchangeAsync(AddressedNode node, string client, string token, params (string Name, string Value)[] more) =>
        node.PostAsync("/connect/token", client, [("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", token), ("subject_token_type", SessionType), .. more]);

    private static async Task<bool> IsActiveAsync(AddressedNode node, string token) =>
        (bool)(await node.PostAsync("/connect/introspect", "orders-api", ("token", token))).Body["active"]!;

    private static async Task<ExternalWorld> StartAsync(bool withOpenAm = true, IReadOnlyDictionary<string, string>? more = null)
    {
        var world = await ExternalWorld.StartAsync(
            s_time,
            withOpenAm
                ? new Dictionary<string, string>(more ?? new Dictionary<string, string>(), StringComparer.Ordinal)
                {
                    ["Federation:Providers:openam:Type"] = "session",
                    ["Federation:Providers:openam:Preset"] = "openam",
                    ["Federation:Providers:openam:Timeout"] = "00:00:02",
                    ["Federation:Providers:openam:SessionToken:Root"] = "http://openam.example.org:18300/openam",
                    ["Federation:Providers:openam:SessionToken:Realms:0"] = "/",
                    ["Federation:Providers:openam:SessionToken:Lifetime"] = "00:30:00",
                }
                : [],
            Clients,
            Resources);
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        return world;
    }
}
