using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Api;

/// <summary>A server with JWT_SECRET.</summary>
public sealed class SecretServer() : ApiServer(new() { ["JWT_SECRET"] = Secret })
{
    public const string Secret = "canary-jwt-secret-of-more-than-32-bytes";
}

/// <summary>JWT_SECRET signs access tokens of these routes and nothing else; what it signed is good at these routes and introspection and nowhere else.</summary>
public sealed class CompatibilitySecretTests(SecretServer server) : IClassFixture<SecretServer>
{
    [Fact]
    public async Task Login_WhenTheSecretIsSet_SignsHs256ThatAnyHmacVerifies()
    {
        var (person, tokens) = await server.SignedInAsync();
        var parts = tokens.Access.Split('.');
        Assert.Equal("HS256", (string)Part(parts[0])["alg"]!);
        Assert.Equal(parts[2], KnownAnswerTests.Hs256(Encoding.UTF8.GetBytes(SecretServer.Secret), parts[0] + "." + parts[1]));
        Assert.Equal(person.Id, (string)Part(parts[1])["sub"]!);
        Assert.Equal(person.Email, (string)Part(parts[1])["email"]!);
    }

    [Fact]
    public async Task OwnRoutesAndIntrospection_WhenHs256_AcceptIt()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
        Assert.True(await server.IsActiveAtIntrospectionAsync(tokens.Access));
        (await server.PostAsync("logout", body: null, tokens.Access)).AssertOk();
        Assert.False(await server.IsActiveAtIntrospectionAsync(tokens.Access));
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
    }

    [Fact]
    public async Task UserInfo_WhenHs256_RefusesIt()
    {
        var (_, tokens) = await server.SignedInAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.GetAsync("/connect/userinfo", tokens.Access)).Status);
    }

    [Theory]
    [InlineData("{\"jkt\":\"x\"}")]
    [InlineData("{\"x5t#S256\":\"x\"}")]
    [InlineData("{\"x5t#S256\":7}")]
    [InlineData("{}")]
    [InlineData("\"x\"")]
    [InlineData("null")]
    public async Task OwnRoutes_WhenHs256IsBoundToWhatNobodyShows_RefuseIt(string confirmation)
    {
        var (person, tokens) = await server.SignedInAsync();
        var claims = Part(tokens.Access.Split('.')[1]).AsObject();
        claims["cnf"] = JsonNode.Parse(confirmation);
        (await server.GetAsync($"users/{person.Id}", Forge(claims))).AssertFailure(401, "invalid_token");
    }

    [Fact]
    public async Task TokenEndpoint_WhenHs256IsAClientAssertion_RefusesIt()
    {
        var (_, tokens) = await server.SignedInAsync();
        foreach (var assertion in (string[])[tokens.Access, Forge(new() { ["iss"] = "reader", ["sub"] = "reader", ["aud"] = ApiServer.Issuer, ["jti"] = "1", ["exp"] = Later() })])
        {
            var answer = await server.FormAsync(
                "/connect/token", client: null, ("grant_type", "client_credentials"), ("scope", "identity.users.read"), ("client_id", "reader"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion));
            Assert.InRange((int)answer.Status, 400, 401);
            Assert.Equal("invalid_client", answer.Value("error"));
        }
    }

    [Theory]
    [InlineData("authorization_code", "code")]
    [InlineData("refresh_token", "refresh_token")]
    public async Task TokenEndpoint_WhenHs256IsAGrant_RefusesIt(string grantType, string parameter)
    {
        var (_, tokens) = await server.SignedInAsync();
        var answer = await server.FormAsync("/connect/token", "web", ("grant_type", grantType), (parameter, tokens.Access), ("redirect_uri", "https://client.example/cb"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal("invalid_grant", answer.Value("error"));
    }

    [Fact]
    public async Task Authorize_WhenHs256IsAnIdTokenHint_RefusesIt()
    {
        var (person, tokens) = await server.SignedInAsync();
        var forged = Forge(new() { ["iss"] = ApiServer.Issuer, ["sub"] = person.Id, ["aud"] = "web", ["iat"] = 1, ["exp"] = Later(), ["sid"] = tokens.SessionId });
        foreach (var hint in (string[])[tokens.Access, forged])
        {
            var answer = await server.GetAsync(
                "/connect/authorize?client_id=web&response_type=code&scope=openid&redirect_uri=https%3A%2F%2Fclient.example%2Fcb&state=s&nonce=n&prompt=none"
                + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&id_token_hint=" + hint);
            Assert.True(answer.Headers.TryGetValue("Location", out var location), answer.Text);
            Assert.Contains("error=invalid_request", location, StringComparison.Ordinal);
            Assert.DoesNotContain("code=", location, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task EndSession_WhenHs256IsAnIdTokenHint_EndsNothing()
    {
        var (person, tokens) = await server.SignedInAsync();
        var forged = Forge(new() { ["iss"] = ApiServer.Issuer, ["sub"] = person.Id, ["aud"] = "web", ["iat"] = 1, ["exp"] = Later(), ["sid"] = tokens.SessionId });
        foreach (var hint in (string[])[tokens.Access, forged])
        {
            await server.GetAsync("/connect/endsession?client_id=web&id_token_hint=" + hint);
            (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
        }
    }

    [Fact]
    public async Task AnotherResource_WhenHs256_FindsNoKeyForIt()
    {
        var (_, tokens) = await server.SignedInAsync();
        var discovery = await server.GetAsync("/.well-known/openid-configuration");
        Assert.DoesNotContain("HS256", discovery.Text, StringComparison.Ordinal);
        var jwks = await server.GetAsync("/connect/jwks");
        Assert.All(jwks.Json["keys"]!.AsArray(), key => Assert.NotEqual("oct", (string)key!["kty"]!));
        Assert.DoesNotContain("https://orders.example/api", Part(tokens.Access.Split('.')[1])["aud"]!.ToJsonString(), StringComparison.Ordinal);
    }

    // Old resource servers know the secret and see the sessions of those who call them: none of them makes a token for another API of that, nor one that never ends.
    [Theory]
    [InlineData("aud", "\"https://orders.example/api\"")]
    [InlineData("scope", "\"openid orders.write\"")]
    [InlineData("exp", "1924992000")]
    [InlineData("jti", "\"x\"")]
    public async Task Introspection_WhenWhoKnowsTheSecretForgesATokenForMore_RefusesIt(string name, string value)
    {
        var (_, tokens) = await server.SignedInAsync();
        var claims = Part(tokens.Access.Split('.')[1]).AsObject();
        Assert.True(await server.IsActiveAtIntrospectionAsync(Forge(claims.DeepClone().AsObject())));
        claims[name] = JsonNode.Parse(value);
        Assert.False(await server.IsActiveAtIntrospectionAsync(Forge(claims)));
    }

    [Fact]
    public async Task Introspection_OfAForgedToken_TellsOfThePersonAndTheSignInWhatIsTrue()
    {
        var (person, tokens) = await server.SignedInAsync();
        var genuine = (await server.FormAsync("/connect/introspect", "orders", ("token", tokens.Access))).Json;
        var claims = Part(tokens.Access.Split('.')[1]).AsObject();
        (claims["roles"], claims["email"], claims["acr"], claims["amr"], claims["auth_time"], claims["entitlements"]) = (new JsonArray("admin"), "somebody@example.com", "phr", new JsonArray("hwk"), 1, new JsonArray("all"));
        var told = (await server.FormAsync("/connect/introspect", "orders", ("token", Forge(claims)))).Json;
        Assert.Equal(person.Email, (string)told["email"]!);
        foreach (var name in (string[])["roles", "acr", "amr", "auth_time", "entitlements", "sub", "sid", "scope", "aud"])
        {
            Assert.Equal(genuine[name]?.ToJsonString(), told[name]?.ToJsonString());
        }
    }

    [Fact]
    public async Task OwnRoutes_WhenWhoKnowsTheSecretForgesAClientsToken_RefuseIt()
    {
        // Old resource servers know JWT_SECRET. It lets them check tokens; it must not let them make themselves a service or somebody else.
        var person = await server.RegisterAsync();
        var (stranger, tokens) = await server.SignedInAsync();
        var adminId = (string)(await server.PostAsync("login", new { email = ApiServer.AdminEmail, password = ApiServer.Password })).Json["user"]!["id"]!;
        JsonObject Claims(string sub, string client) => new()
        {
            ["iss"] = ApiServer.Issuer,
            ["sub"] = sub,
            ["aud"] = ApiServer.ApiAudience,
            ["client_id"] = client,
            ["jti"] = $"{Guid.NewGuid():N}.x",
            ["scope"] = "identity.users.read identity.users.write",
            ["iat"] = 1,
            ["exp"] = Later(),
        };
        var asAdmin = Claims(adminId, "identity-api");
        asAdmin["sid"] = tokens.SessionId;
        var otherClient = Claims(stranger.Id, "web");
        otherClient["sid"] = tokens.SessionId;
        foreach (var claims in (JsonObject[])[Claims("writer", "writer"), Claims(adminId, "identity-api"), asAdmin, otherClient])
        {
            foreach (var typ in (string[])["JWT", "at+jwt"])
            {
                var forged = Forge(claims, typ);
                (await server.GetAsync($"users/{person.Id}", forged)).AssertFailure(401, "invalid_token");
                Assert.False(await server.IsActiveAtIntrospectionAsync(forged));
            }
        }
    }

    [Fact]
    public async Task OwnRoutes_WhenHs256IsKeyedWithAPublicKey_RefuseIt()
    {
        var (person, tokens) = await server.SignedInAsync();
        var payload = Part(tokens.Access.Split('.')[1]);
        var jwks = await server.GetAsync("/connect/jwks");
        foreach (var key in jwks.Json["keys"]!.AsArray())
        {
            foreach (var secret in (string[])[key!.ToJsonString(), (string?)key["x"] ?? (string)key["n"]!])
            {
                var header = new JsonObject { ["alg"] = "HS256", ["typ"] = "at+jwt", ["kid"] = (string)key["kid"]! };
                (await server.GetAsync($"users/{person.Id}", Forge(payload, header, Encoding.UTF8.GetBytes(secret)))).AssertFailure(401, "invalid_token");
            }
        }
    }

    [Fact]
    public async Task StandardTokens_WhenTheSecretIsSet_AreEs256AsBefore()
    {
        var token = await server.ServiceTokenAsync("reader", "identity.users.read");
        var header = Part(token.Split('.')[0]);
        Assert.Equal("ES256", (string)header["alg"]!);
        Assert.Equal("at+jwt", (string)header["typ"]!);
    }

    private static long Later() => new DateTimeOffset(2031, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();

    private static JsonObject Part(string part) => JsonNode.Parse(Base64UrlEncoder.Decode(part))!.AsObject();

    private static string Forge(JsonObject claims, string typ = "JWT") => Forge(claims, new JsonObject { ["alg"] = "HS256", ["typ"] = typ }, Encoding.UTF8.GetBytes(SecretServer.Secret));

    private static string Forge(JsonObject claims, JsonObject header, byte[] key)
    {
        var signed = Base64UrlEncoder.Encode(header.ToJsonString()) + "." + Base64UrlEncoder.Encode(claims.ToJsonString());
        return signed + "." + KnownAnswerTests.Hs256(key, signed);
    }
}

public sealed class WithoutSecretTests(ApiServer server)
{
    [Fact]
    public async Task Login_WhenThereIsNoSecret_IssuesEs256AtJwt()
    {
        var (_, tokens) = await server.SignedInAsync();
        var header = JsonNode.Parse(Base64UrlEncoder.Decode(tokens.Access.Split('.')[0]))!;
        Assert.Equal("ES256", (string)header["alg"]!);
        Assert.Equal("at+jwt", (string)header["typ"]!);
    }
}

public sealed class SecretStartTests
{
    [Fact]
    public async Task Start_WhenTheSecretIsUnder32Bytes_StopsAndNamesTheSettingWithoutItsValue()
    {
        await using var server = new ApiServer(new() { ["JWT_SECRET"] = "short-canary" });
        var exception = await Record.ExceptionAsync(async () => await server.InitializeAsync());
        Assert.NotNull(exception);
        Assert.DoesNotContain("short-canary", exception.ToString(), StringComparison.Ordinal);
    }
}
