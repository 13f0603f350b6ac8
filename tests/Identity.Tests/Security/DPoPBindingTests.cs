// RFC 9449 §5, §5.2, §6 and §10, RFC 9728 §2, FAPI 2.0 Security Profile: what is bound to a key, and who may then use it.
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Identity.Tests.Security;

/// <summary>Codes, access tokens and refresh tokens of clients that hold keys.</summary>
public sealed class DPoPBindingTests(DPoPWorld world) : IClassFixture<DPoPWorld>
{
    private const string Token = "/connect/token";

    private static string Bound(string token) => (string)Node.Payload(token)["cnf"]!["jkt"]!;

    [Theory]
    [InlineData("app")]
    [InlineData("web")]
    [InlineData("bound-app")]
    [InlineData("bound-web")]
    public async Task CodeFlow_WithAProof_GivesTokensOfItsKey(string client)
    {
        var tokens = await world.BoundTokensAsync(client);
        Assert.Equal("DPoP", tokens.Text("token_type"));
        Assert.Equal(world.Key.Thumbprint, Bound(tokens.Text("access_token")));
        Assert.Null(Node.Payload(tokens.Text("id_token"))["cnf"]);
        var info = await world.GetAsync("/connect/userinfo", "DPoP", tokens.Text("access_token"), world.Proof("GET", "/connect/userinfo", tokens.Text("access_token")));
        Assert.Equal(HttpStatusCode.OK, info.Status);
    }

    [Fact]
    public async Task CodeFlow_WithoutAProof_GivesBearerTokensAsEver()
    {
        using var browser = await world.Node.SignedInAsync();
        var tokens = await world.RedeemAsync(null, await world.Node.CodeAsync(browser, "app"));
        Assert.Equal("Bearer", tokens.Text("token_type"));
        Assert.Null(Node.Payload(tokens.Text("access_token"))["cnf"]);
    }

    [Theory]
    [InlineData("bound-app")]
    [InlineData("bound-web")]
    public async Task BoundClient_WithoutAProof_GetsNothingAndLosesNothing(string client)
    {
        using var browser = await world.Node.SignedInAsync();
        var code = await world.Node.CodeAsync(browser, client);
        var refused = await world.RedeemAsync(null, code, client);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (refused.Status, refused.Error));
        var tokens = await world.RedeemAsync(world.Proof("POST", Token), code, client);
        Assert.Equal(HttpStatusCode.OK, tokens.Status);
        refused = await world.RefreshAsync(null, tokens.Text("refresh_token"), client);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (refused.Status, refused.Error));
        Assert.Equal(HttpStatusCode.OK, (await world.RefreshAsync(world.Proof("POST", Token), tokens.Text("refresh_token"), client)).Status);
    }

    public static TheoryData<string> Bindings => ["dpop_jkt at authorize", "dpop_jkt pushed", "proof pushed", "both pushed"];

    [Theory]
    [MemberData(nameof(Bindings))]
    public async Task Code_WhenBoundToAKey_IsRedeemedWithThatAlone(string binding)
    {
        using var browser = await world.Node.SignedInAsync();
        string code;
        if (binding == "dpop_jkt at authorize")
        {
            code = await world.Node.CodeAsync(browser, "app", changes: ("dpop_jkt", world.Key.Thumbprint));
        }
        else
        {
            var pushed = await world.PushAsync(binding == "dpop_jkt pushed" ? [] : [world.Proof("POST", "/connect/par")], key: binding == "proof pushed" ? null : world.Key.Thumbprint);
            Assert.Equal(HttpStatusCode.Created, pushed.Status);
            using var answer = await browser.GetAsync("/connect/authorize?client_id=app&request_uri=" + Uri.EscapeDataString(pushed.Text("request_uri")));
            code = Node.Query(answer.Headers.Location)["code"];
        }

        foreach (var proof in (string?[])[null, world.Proof("POST", Token, key: world.OtherKey)])
        {
            var refused = await world.RedeemAsync(proof, code);
            Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (refused.Status, refused.Error));
        }

        // Nor was it used up, or its client's tokens harmed.
        var tokens = await world.RedeemAsync(world.Proof("POST", Token), code);
        Assert.True(tokens.Status == HttpStatusCode.OK, tokens.Body.ToJsonString());
        Assert.Equal(world.Key.Thumbprint, Bound(tokens.Text("access_token")));
    }

    [Fact]
    public async Task Push_WhenItsProofIsOfAnotherKeyThanItNames_IsRefused()
    {
        var answer = await world.PushAsync([world.Proof("POST", "/connect/par")], key: world.OtherKey.Thumbprint);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (answer.Status, answer.Error));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("0123456789012345678901234567890123456789012=")]
    [InlineData("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I!")]
    public async Task Request_WhenItsKeyIsNone_IsRefused(string key)
    {
        var pushed = await world.PushAsync([], key: key);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (pushed.Status, pushed.Error));
        using var browser = await world.Node.SignedInAsync();
        using var answer = await browser.GetAsync(world.Node.AuthorizeUrl("app", changes: ("dpop_jkt", key)));
        Assert.Equal("invalid_request", Node.Query(answer.Headers.Location)["error"]);
    }

    [Fact]
    public async Task RefreshToken_OfAPublicClient_NeedsItsKeyAndIsNotLostToOthers()
    {
        var first = (await world.BoundTokensAsync()).Text("refresh_token");
        foreach (var proof in (string?[])[null, world.Proof("POST", Token, key: world.OtherKey)])
        {
            var refused = await world.RefreshAsync(proof, first);
            Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (refused.Status, refused.Error));
        }

        var next = await world.RefreshAsync(world.Proof("POST", Token), first);
        Assert.True(next.Status == HttpStatusCode.OK, next.Body.ToJsonString());
        Assert.Equal("DPoP", next.Text("token_type"));
        Assert.Equal(world.Key.Thumbprint, Bound(next.Text("access_token")));

        // The successor is bound as well; used again by its holder, the older one ends the family.
        Assert.Equal("invalid_grant", (await world.RefreshAsync(world.Proof("POST", Token, key: world.OtherKey), next.Text("refresh_token"))).Error);
        Assert.Equal("invalid_grant", (await world.RefreshAsync(world.Proof("POST", Token), first)).Error);
        Assert.Equal("invalid_grant", (await world.RefreshAsync(world.Proof("POST", Token), next.Text("refresh_token"))).Error);
    }

    [Fact]
    public async Task RefreshToken_OfAClientThatAuthenticates_IsUsedWithANewKey()
    {
        var first = await world.BoundTokensAsync("bound-web");
        var next = await world.RefreshAsync(world.Proof("POST", Token, key: world.OtherKey), first.Text("refresh_token"), "bound-web");
        Assert.True(next.Status == HttpStatusCode.OK, next.Body.ToJsonString());
        Assert.Equal(world.OtherKey.Thumbprint, Bound(next.Text("access_token")));
    }

    [Fact]
    public async Task RefreshToken_OfAGrantThatBeganWithAKey_GivesNoBearerTokens()
    {
        var first = await world.BoundTokensAsync("web", ("dpop_jkt", world.Key.Thumbprint));
        var refused = await world.RefreshAsync(null, first.Text("refresh_token"), "web");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (refused.Status, refused.Error));
        Assert.Equal(HttpStatusCode.OK, (await world.RefreshAsync(world.Proof("POST", Token), first.Text("refresh_token"), "web")).Status);
    }

    [Fact]
    public async Task RefreshToken_OfAPublicClientWithoutAKey_IsBoundFromTheFirstProofOn()
    {
        using var browser = await world.Node.SignedInAsync();
        var first = await world.RedeemAsync(null, await world.Node.CodeAsync(browser, "app"));
        var bound = await world.RefreshAsync(world.Proof("POST", Token), first.Text("refresh_token"));
        Assert.Equal("DPoP", bound.Text("token_type"));
        Assert.Equal("invalid_grant", (await world.RefreshAsync(null, bound.Text("refresh_token"))).Error);
    }

    [Fact]
    public async Task DeviceCode_WithAProof_GivesTokensOfItsKey()
    {
        using var browser = await world.Node.SignedInAsync();
        var asked = await world.PostAsync("/connect/device", [], ("client_id", "app"), ("scope", "openid offline_access"));
        using var allowed = await browser.SubmitAsync(new Uri(asked.Text("verification_uri_complete")).PathAndQuery, [], "Allow");
        var tokens = await world.TokenAsync(world.Proof("POST", Token), "app", ("grant_type", DPoPWorld.Grant + "device_code"), ("device_code", asked.Text("device_code")));
        Assert.True(tokens.Status == HttpStatusCode.OK, tokens.Body.ToJsonString());
        Assert.Equal(("DPoP", world.Key.Thumbprint), (tokens.Text("token_type"), Bound(tokens.Text("access_token"))));
        Assert.Equal("invalid_grant", (await world.RefreshAsync(null, tokens.Text("refresh_token"))).Error);
    }

    private Task<DPoPAnswer> ExchangeAsync(string? proof, string subject) =>
        world.TokenAsync(proof, "exchanger", ("grant_type", DPoPWorld.Grant + "token-exchange"), ("subject_token", subject), ("subject_token_type", DPoPWorld.AccessTokenType));

    [Fact]
    public async Task BoundToken_WhenExchanged_NeedsItsKeyAndStaysBound()
    {
        var subject = (await world.ServiceAsync(world.Proof("POST", Token), "notes.read")).Text("access_token");
        foreach (var proof in (string?[])[null, world.Proof("POST", Token, key: world.OtherKey)])
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await ExchangeAsync(proof, subject)).Status);
        }

        var exchanged = await ExchangeAsync(world.Proof("POST", Token), subject);
        Assert.True(exchanged.Status == HttpStatusCode.OK, exchanged.Body.ToJsonString());
        Assert.Equal(("DPoP", world.Key.Thumbprint), (exchanged.Text("token_type"), Bound(exchanged.Text("access_token"))));
    }

    [Fact]
    public async Task UnboundToken_WhenExchangedWithAProof_IsBoundToItsKey()
    {
        var subject = (await world.ServiceAsync(null, "notes.read")).Text("access_token");
        var exchanged = await ExchangeAsync(world.Proof("POST", Token), subject);
        Assert.Equal(("DPoP", world.Key.Thumbprint), (exchanged.Text("token_type"), Bound(exchanged.Text("access_token"))));
        Assert.Equal("Bearer", (await ExchangeAsync(null, subject)).Text("token_type"));
    }

    [Theory]
    [InlineData("reports.read")]
    [InlineData("opaque.read")]
    public async Task BoundToken_WhenIntrospected_TellsItsKey(string scope)
    {
        var token = (await world.ServiceAsync(world.Proof("POST", Token), scope)).Text("access_token");
        var seen = await world.PostAsync("/connect/introspect", [], ("client_id", "introspector"), ("client_secret", Node.Secret), ("token", token));
        Assert.True((bool)seen.Body["active"]!);
        Assert.Equal("DPoP", seen.Text("token_type"));
        Assert.Equal($$"""{"jkt":"{{world.Key.Thumbprint}}"}""", seen.Body["cnf"]!.ToJsonString());
        var unbound = await world.PostAsync("/connect/introspect", [], ("client_id", "introspector"), ("client_secret", Node.Secret), ("token", (await world.ServiceAsync(null, scope)).Text("access_token")));
        Assert.Equal("Bearer", unbound.Text("token_type"));
    }

    [Fact]
    public async Task BoundToken_WhenRevoked_NeedsNoProof()
    {
        var tokens = await world.BoundTokensAsync();
        Assert.Equal(HttpStatusCode.OK, (await world.PostAsync("/connect/revoke", [], ("client_id", "app"), ("token", tokens.Text("refresh_token")))).Status);
        Assert.Equal("invalid_grant", (await world.RefreshAsync(world.Proof("POST", Token), tokens.Text("refresh_token"))).Error);
    }

    [Fact]
    public async Task ResourceThatTakesBoundTokensAlone_GetsNoOthersAndNothingIsLost()
    {
        var refused = await world.ServiceAsync(null, "vault.read");
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (refused.Status, refused.Error));
        Assert.Equal("DPoP", (await world.ServiceAsync(world.Proof("POST", Token), "vault.read")).Text("token_type"));

        using var browser = await world.Node.SignedInAsync();
        var code = await world.Node.CodeAsync(browser, "web", "openid offline_access vault.read");
        Assert.Equal("invalid_dpop_proof", (await world.RedeemAsync(null, code, "web")).Error);
        var tokens = await world.RedeemAsync(world.Proof("POST", Token), code, "web");
        Assert.True(tokens.Status == HttpStatusCode.OK, tokens.Body.ToJsonString());
        Assert.Equal("invalid_dpop_proof", (await world.RefreshAsync(null, tokens.Text("refresh_token"), "web")).Error);
        Assert.Equal(HttpStatusCode.OK, (await world.RefreshAsync(world.Proof("POST", Token), tokens.Text("refresh_token"), "web")).Status);
    }

    [Fact]
    public async Task Login_WithSomethingInTheHeader_IsAsWithout()
    {
        var (_, email) = await world.Node.RegisterAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Node.Address, "/api/identity/login")) { Content = JsonContent.Create(new { email, password = Node.Password }) };
        request.Headers.TryAddWithoutValidation("DPoP", "x");
        using var answer = await world.Node.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var token = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["accessToken"]!;
        Assert.Null(Node.Payload(token)["cnf"]);
        Assert.Equal(HttpStatusCode.OK, (await world.GetAsync("/api/identity/users/me", "Bearer", token)).Status);
    }

    [Fact]
    public async Task WrongSecret_BesideAWrongProof_IsToldFirst()
    {
        var answer = await world.PostAsync(Token, ["x"], ("client_id", "service"), ("client_secret", "another secret of more than 32 characters"), ("grant_type", "client_credentials"));
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (answer.Status, answer.Error));
    }

    [Fact]
    public async Task Metadata_OfOurOwnResources_NamesTheAlgorithms()
    {
        foreach (var path in (string[])["", "/api/identity"])
        {
            var document = JsonNode.Parse(await world.Node.Http.GetStringAsync(new Uri(world.Node.Address, "/.well-known/oauth-protected-resource" + path)))!;
            Assert.Contains("ES256", document["dpop_signing_alg_values_supported"]!.AsArray().Select(value => (string)value!));
        }
    }

    [Fact]
    public async Task Script_OfTheClientsOrigin_MaySendProofsAndReadNonces()
    {
        using var preflight = new HttpRequestMessage(HttpMethod.Options, new Uri(world.Node.Address, "/connect/userinfo"));
        preflight.Headers.Add("Origin", "http://127.0.0.1:4711");
        preflight.Headers.Add("Access-Control-Request-Method", "GET");
        using var allowed = await world.Node.Http.SendAsync(preflight);
        Assert.Contains("DPoP", allowed.Headers.GetValues("Access-Control-Allow-Headers").Single(), StringComparison.Ordinal);

        var token = (await world.BoundTokensAsync()).Text("access_token");
        foreach (var (origin, may) in new[] { ("http://127.0.0.1:4711", true), ("https://tv.example.com", false) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Node.Address, "/connect/userinfo"));
            request.Headers.Authorization = new AuthenticationHeaderValue("DPoP", token);
            request.Headers.Add("DPoP", world.Proof("GET", "/connect/userinfo", token));
            request.Headers.Add("Origin", origin);
            using var answer = await world.Node.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(may, answer.Headers.Contains("Access-Control-Allow-Origin"));
            Assert.Equal(may ? "WWW-Authenticate, DPoP-Nonce, Retry-After" : null, answer.Headers.TryGetValues("Access-Control-Expose-Headers", out var exposed) ? exposed.Single() : null);
        }
    }
}
