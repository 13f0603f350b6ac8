// RFC 8693: what may be exchanged, by whom and for what, over HTTP. RFC 8693 §2.2.2 says which error is whose.
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.OAuth.Consents;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>A gateway in front of notes, which asks orders for the person it was called by.</summary>
public sealed class TokenExchangeTests : IAsyncLifetime
{
    private const string Notes = "https://api.example.com/notes";
    private const string Orders = "https://api.example.com/orders";
    private const string Grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    private const string AccessToken = "urn:ietf:params:oauth:token-type:access_token";
    private const string Scopes = "openid email offline_access notes.read notes.write orders.read";

    private static readonly string s_resources = new JsonArray(
        new JsonObject { ["resource"] = Notes, ["scopes_supported"] = new JsonArray("notes.read", "notes.write") },
        new JsonObject { ["resource"] = Orders, ["scopes_supported"] = new JsonArray("orders.read") },
        new JsonObject { ["resource"] = "opaque", ["scopes_supported"] = new JsonArray("opaque.read"), ["access_token_format"] = "reference" }).ToJsonString();

    private readonly FakeTimeProvider _time = FakeTimeProvider.OfThisSecond();
    private HostedServer _server = null!;
    private AddressedNode _node = null!;
    private Browser _browser = null!;

    public async ValueTask InitializeAsync()
    {
        var clients = new JsonArray(
            new JsonObject
            {
                ["client_id"] = "spa",
                ["token_endpoint_auth_method"] = "none",
                ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
                ["scope"] = Scopes + " opaque.read",
            },
            Exchanger("gateway", "notes.read orders.read opaque.read", [Notes, Orders, "opaque"], [Notes, "opaque"]),
            Exchanger("orders-api", "orders.read", [Orders], [Orders]),
            Exchanger("stranger", "orders.read", [Orders], []),
            new JsonObject { ["client_id"] = "service", ["client_secret"] = Node.Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "orders.read" });
        _server = await HostedServer.StartAsync(clients.ToJsonString(), s_resources, _time);
        _node = new AddressedNode(_server.Url);
        _browser = await _node.SignedInAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _browser.Dispose();
        _node.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Exchange_ForAnotherApi_GivesANarrowerTokenOfTheSamePersonAndSession()
    {
        var subject = await SubjectAsync();
        _time.Advance(TimeSpan.FromMinutes(10));
        var (status, body) = await ExchangeAsync(subject);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal((AccessToken, "Bearer", "orders.read"), ((string?)body["issued_token_type"], (string?)body["token_type"], (string?)body["scope"]));
        Assert.Null(body["refresh_token"]);
        Assert.Null(body["id_token"]);

        var (before, after) = (Node.Payload(subject), Node.Payload((string)body["access_token"]!));
        Assert.Equal((Orders, "orders.read", "gateway"), ((string?)after["aud"], (string?)after["scope"], (string?)after["client_id"]));
        foreach (var name in (string[])["sub", "sid", "auth_time", "acr"])
        {
            Assert.Equal(before[name]!.ToJsonString(), after[name]!.ToJsonString());
        }

        // What is left of it, and not an hour again.
        Assert.Equal((long)before["exp"]!, (long)after["exp"]!);
        Assert.InRange((long)body["expires_in"]!, 2998, 3000);
        Assert.False(after.ContainsKey("act"));
    }

    // A stranger's guesses stop no session that its owner began in spite of them; those from before they do, as at a refresh.
    [Fact]
    public async Task Exchange_WhileStrangersLockTheAccount_GoesOnForWhoSignedInAfterwards()
    {
        var (_, email) = await _node.RegisterAsync();
        using var browser = new Browser(_node.Address);
        await browser.SignInAsync(email, Node.Password);
        var before = (string)(await _node.TokensAsync(browser, "spa", Scopes))["access_token"]!;
        _time.Advance(TimeSpan.FromSeconds(1));
        for (var i = 0; i < 10; i++)
        {
            using var guess = await _node.Http.PostAsJsonAsync(new Uri(_node.Address, "/api/identity/login"), new { email, password = "stranger's guess " + i }, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Unauthorized, guess.StatusCode);
        }

        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(before)).Body["error"]);
        using var own = new Browser(_node.Address);
        foreach (Cookie cookie in browser.Cookies.GetAllCookies().Where(cookie => cookie.Name.Contains("browser", StringComparison.Ordinal)))
        {
            own.Cookies.Add(cookie);
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        await own.SignInAsync(email, Node.Password);
        var (status, body) = await ExchangeAsync((string)(await _node.TokensAsync(own, "spa", Scopes))["access_token"]!);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
    }

    [Fact]
    public async Task Exchange_WithAnActor_TellsWhoActsAndWhoActedBefore()
    {
        var (_, first) = await ExchangeAsync(await SubjectAsync(), more: [("actor_token", await OwnTokenAsync("gateway", "notes.read")), ("actor_token_type", AccessToken)]);
        Assert.Equal("""{"sub":"gateway"}""", Node.Payload((string)first["access_token"]!)["act"]!.ToJsonString());

        var (_, second) = await ExchangeAsync((string)first["access_token"]!, "orders-api", more: [("actor_token", await OwnTokenAsync("orders-api", "orders.read")), ("actor_token_type", AccessToken)]);
        Assert.Equal("""{"sub":"orders-api","act":{"sub":"gateway"}}""", Node.Payload((string)second["access_token"]!)["act"]!.ToJsonString());

        // Nobody washes off who acted by leaving out the actor.
        var (_, third) = await ExchangeAsync((string)first["access_token"]!, "orders-api");
        Assert.Equal("""{"sub":"gateway"}""", Node.Payload((string)third["access_token"]!)["act"]!.ToJsonString());
    }

    [Fact]
    public async Task Exchange_OfAReferenceToken_GivesOneThatIntrospects()
    {
        var subject = (string)(await _node.TokensAsync(_browser, "spa", "openid opaque.read"))["access_token"]!;
        Assert.DoesNotContain('.', subject);
        var (status, body) = await ExchangeAsync(subject, target: ("audience", "opaque"));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        var (_, seen) = await IntrospectAsync((string)body["access_token"]!);
        Assert.Equal((true, "opaque", "opaque.read", "gateway"), ((bool)seen["active"]!, (string?)seen["aud"], (string?)seen["scope"], (string?)seen["client_id"]));
        Assert.Null(seen["granted_to"]);
    }

    [Fact]
    public async Task Exchange_WhenOneApiIsAllowed_NeedNotNameIt()
    {
        var (_, body) = await ExchangeAsync(await SubjectAsync(), "orders-api", target: ("", ""));
        Assert.Equal(Orders, (string?)Node.Payload((string)body["access_token"]!)["aud"]);
        (_, body) = await ExchangeAsync(await SubjectAsync(), target: ("", ""));
        Assert.Equal("invalid_request", (string?)body["error"]);
    }

    [Theory]
    [InlineData("subject revoked")]
    [InlineData("refresh token revoked")]
    [InlineData("session ended")]
    [InlineData("consent withdrawn")]
    public async Task ExchangedToken_WhenWhatItCameFromEnds_Dies(string end)
    {
        var tokens = await _node.TokensAsync(_browser, "spa", Scopes);
        var subject = (string)tokens["access_token"]!;
        var first = (string)(await ExchangeAsync(subject)).Body["access_token"]!;
        var second = (string)(await ExchangeAsync(first)).Body["access_token"]!;
        Assert.True((bool)(await IntrospectAsync(second)).Body["active"]!);
        switch (end)
        {
            case "subject revoked":
                await _node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", subject));
                break;
            case "refresh token revoked":
                await _node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", (string)tokens["refresh_token"]!));
                break;
            case "session ended":
                await _server.Services.GetRequiredService<SignInSessions>().EndAsync((string)Node.Payload(subject)["sid"]!, "admin", CancellationToken.None);
                break;
            default:
                var until = _time.GetUtcNow().AddMinutes(1);
                await _server.Services.GetRequiredService<IDenyList>().DenyAsync(ConsentService.DenyId((string)Node.Payload(subject)["sub"]!, "spa"), until, until, CancellationToken.None);
                break;
        }

        Assert.Equal("""{"active":false}""", (await IntrospectAsync(first)).Body.ToJsonString());
        Assert.Equal("""{"active":false}""", (await IntrospectAsync(second)).Body.ToJsonString());
        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(subject)).Body["error"]);
    }

    [Fact]
    public async Task ExchangedToken_WhenRevokedItself_LeavesItsSubjectAlive()
    {
        var subject = await SubjectAsync();
        var exchanged = (string)(await ExchangeAsync(subject)).Body["access_token"]!;
        await _node.PostAsync("/connect/revoke", "gateway", ("token", exchanged));
        Assert.False((bool)(await IntrospectAsync(exchanged)).Body["active"]!);
        Assert.Equal(HttpStatusCode.OK, await _node.UserInfoAsync(subject));
    }

    [Fact]
    public async Task Exchange_OfAnExchangedToken_EndsSomewhere()
    {
        var token = await SubjectAsync();
        for (var hop = 1; hop <= 4; hop++)
        {
            token = (string)(await ExchangeAsync(token)).Body["access_token"]!;
        }

        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(token)).Body["error"]);
    }

    [Fact]
    public async Task Exchange_OfAServicesOwnToken_StaysThatServices()
    {
        var (_, body) = await ExchangeAsync(await OwnTokenAsync("service", "orders.read"), "orders-api");
        var claims = Node.Payload((string)body["access_token"]!);
        Assert.Equal(("service", "orders-api"), ((string?)claims["sub"], (string?)claims["client_id"]));
        Assert.False(claims.ContainsKey("sid"));
    }

    [Theory]
    [InlineData("id token")]
    [InlineData("refresh token")]
    [InlineData("garbage")]
    [InlineData("other issuer")]
    [InlineData("other key")]
    [InlineData("expired")]
    [InlineData("last second")]
    public async Task Exchange_WhenTheSubjectTokenIsNone_AnswersInvalidRequest(string kind)
    {
        var tokens = await _node.TokensAsync(_browser, "spa", Scopes);
        var subject = (string)tokens["access_token"]!;
        if (kind is "expired" or "last second")
        {
            _time.Advance(DateTimeOffset.FromUnixTimeSeconds((long)Node.Payload(subject)["exp"]!).AddMilliseconds(kind == "expired" ? 0 : -500) - _time.GetUtcNow());
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var forged = Node.Payload(subject);
        forged["iss"] = kind == "other issuer" ? "https://other.example.com" : (string?)forged["iss"];
        var token = kind switch
        {
            "id token" => (string)tokens["id_token"]!,
            "refresh token" => (string)tokens["refresh_token"]!,
            "garbage" => subject[..^4] + "AAAA",
            "other issuer" or "other key" => new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(
                forged.ToJsonString(),
                new SigningCredentials(new ECDsaSecurityKey(key) { KeyId = (string)Node.Header(subject)["kid"]! }, "ES256"),
                new Dictionary<string, object>(StringComparer.Ordinal) { ["typ"] = "at+jwt" }),
            _ => subject,
        };
        var (status, body) = await ExchangeAsync(token);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
    }

    [Theory]
    [InlineData("subject_token", "", "invalid_request")]
    [InlineData("subject_token_type", "", "invalid_request")]
    [InlineData("subject_token_type", "urn:ietf:params:oauth:token-type:id_token", "invalid_request")]
    [InlineData("subject_token_type", "urn:ietf:params:oauth:token-type:saml2", "invalid_request")]
    [InlineData("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request")]
    [InlineData("requested_token_type", "urn:ietf:params:oauth:token-type:id_token", "invalid_request")]
    [InlineData("actor_token", "garbage", "invalid_request")]
    [InlineData("actor_token_type", AccessToken, "invalid_request")]
    [InlineData("resource", "https://api.example.com/unknown", "invalid_target")]
    [InlineData("audience", "opaque", "invalid_target")]
    [InlineData("audience", "spa", "invalid_target")]
    [InlineData("scope", "notes.write", "invalid_scope")]
    [InlineData("scope", "opaque.read", "invalid_scope")]
    [InlineData("scope", "email", "invalid_scope")]
    public async Task Exchange_WhenAskedForMoreOrForSomethingElse_SaysWhich(string name, string value, string error)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal) { ["grant_type"] = Grant, ["subject_token"] = await SubjectAsync(), ["subject_token_type"] = AccessToken, ["resource"] = Orders, [name] = value };
        if (name == "audience")
        {
            fields.Remove("resource");
        }

        var (status, body) = await _node.PostAsync("/connect/token", "gateway", [.. fields.Where(field => field.Value.Length > 0).Select(field => (field.Key, field.Value))]);
        Assert.Equal((HttpStatusCode.BadRequest, error), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Exchange_ByAClientTheTokenIsNotFor_IsRefused()
    {
        var subject = await SubjectAsync();
        Assert.Equal("invalid_request", (string?)(await ExchangeAsync(subject, "stranger")).Body["error"]);

        // For orders it has a right, but not to a token that was never meant for orders.
        var (_, narrowed) = await ExchangeAsync(subject, target: ("resource", Notes));
        Assert.Equal("invalid_request", (string?)(await ExchangeAsync((string)narrowed["access_token"]!, "orders-api")).Body["error"]);

        // Its own token it may hand on, but not for an API of which that token holds no scope.
        Assert.Equal("invalid_target", (string?)(await ExchangeAsync((string)narrowed["access_token"]!)).Body["error"]);
    }

    [Fact]
    public async Task Exchange_WithSomebodyElsesActorToken_IsRefused()
    {
        var (_, body) = await ExchangeAsync(await SubjectAsync(), more: [("actor_token", await OwnTokenAsync("service", "orders.read")), ("actor_token_type", AccessToken)]);
        Assert.Equal("invalid_request", (string?)body["error"]);
    }

    [Fact]
    public async Task Exchange_ByAClientWithoutTheGrant_IsRefused()
    {
        Assert.Equal("unauthorized_client", (string?)(await ExchangeAsync(await SubjectAsync(), "service")).Body["error"]);
        var (status, body) = await _node.PostAsync("/connect/token", null, ("grant_type", Grant), ("client_id", "gateway"), ("client_secret", "not the secret at all"), ("subject_token", "x"), ("subject_token_type", AccessToken));
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
    }

    [Theory]
    [InlineData("""{"client_id":"x","token_endpoint_auth_method":"none","grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"token_exchange_audiences":["https://api.example.com/notes"]}""", "grant_types")]
    [InlineData("""{"client_id":"x","client_secret":"a secret of some length","grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"]}""", "token_exchange_audiences")]
    [InlineData("""{"client_id":"x","client_secret":"a secret of some length","grant_types":["client_credentials"],"token_exchange_audiences":["https://api.example.com/notes"]}""", "grant_types")]
    [InlineData("""{"client_id":"x","client_secret":"a secret of some length","grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"token_exchange_audiences":["https://api.example.com/none"]}""", "token_exchange_audiences")]
    public async Task Start_WhenAnExchangePolicyIsUnsound_NamesTheMember(string client, string member)
    {
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync($"[{client}]", s_resources));
        Assert.StartsWith($"CLIENTS_FILE: x: {member}: ", Assert.Single(failure.Message.Split('\n')), StringComparison.Ordinal);
    }

    private static JsonObject Exchanger(string id, string scope, string[] audiences, string[] subjectAudiences) => new()
    {
        ["client_id"] = id,
        ["client_secret"] = Node.Secret,
        ["grant_types"] = new JsonArray("client_credentials", Grant),
        ["scope"] = scope,
        ["token_exchange_audiences"] = new JsonArray([.. audiences.Select(audience => JsonValue.Create(audience))]),
        ["token_exchange_subject_audiences"] = new JsonArray([.. subjectAudiences.Select(audience => JsonValue.Create(audience))]),
    };

    private async Task<string> SubjectAsync() => (string)(await _node.TokensAsync(_browser, "spa", Scopes))["access_token"]!;

    private async Task<string> OwnTokenAsync(string client, string scope)
    {
        var (status, body) = await _node.PostAsync("/connect/token", client, ("grant_type", "client_credentials"), ("scope", scope));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return (string)body["access_token"]!;
    }

    private Task<(HttpStatusCode Status, JsonNode Body)> IntrospectAsync(string token) => _node.PostAsync("/connect/introspect", "gateway", ("token", token));

    /// <param name="target">The name and value of the parameter that names the API; null: orders as resource; an empty name: none.</param>
    private Task<(HttpStatusCode Status, JsonNode Body)> ExchangeAsync(string subject, string client = "gateway", (string Name, string Value)? target = null, (string Name, string Value)[]? more = null)
    {
        var named = target ?? ("resource", Orders);
        return _node.PostAsync(
            "/connect/token",
            client,
            [("grant_type", Grant), ("subject_token", subject), ("subject_token_type", AccessToken), .. named.Name.Length > 0 ? [named] : Array.Empty<(string, string)>(), .. more ?? []]);
    }
}
