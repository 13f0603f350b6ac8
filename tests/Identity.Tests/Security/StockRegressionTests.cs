// What a stock OpenIddict 7.8 does and this server must not (RFC 9700 §2.1.1, §4.14; RFC 6749 §4.1.2, §5.1; RFC 7009 §2.1; RFC 7523 §3): a test for each, so that an update that undoes a handler of ours is seen.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

public sealed class StockRegressionTests(RunningServer server)
{
    private static readonly string s_clients = new JsonArray(new JsonObject
    {
        ["client_id"] = "spa",
        ["token_endpoint_auth_method"] = "none",
        ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["scope"] = "openid email offline_access",
    }).ToJsonString();

    [Fact]
    public async Task Refresh_WhenRacedWithoutAWindow_HasOneWinnerAndNoSecondSuccessor()
    {
        await using var strict = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["OAuth:RefreshGrace"] = "00:00:00" });
        using var node = new AddressedNode(strict.Url);
        using var browser = await node.SignedInAsync();
        var token = (string)(await node.TokensAsync(browser))["refresh_token"]!;
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => node.RefreshAsync(token)));
        var winner = Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);

        // The others were reuse: the family is dead, the winner's successor with it.
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync((string)winner.Body["refresh_token"]!)).Body["error"]);
    }

    [Fact]
    public async Task Revocation_WhenRacedWithRefresh_IsNeverLost()
    {
        for (var round = 0; round < 5; round++)
        {
            using var browser = await server.SignedInAsync();
            var token = (string)(await server.TokensAsync(browser))["refresh_token"]!;
            var refreshing = Enumerable.Range(0, 25).Select(_ => server.RefreshAsync(token)).ToArray();
            var (revoked, _) = await server.PostAsync("/connect/revoke", client: null, ("client_id", "spa"), ("token", token));
            Assert.Equal(HttpStatusCode.OK, revoked);
            foreach (var (status, body) in await Task.WhenAll(refreshing))
            {
                if (status == HttpStatusCode.OK)
                {
                    Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)body["refresh_token"]!)).Body["error"]);
                    Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)body["access_token"]!));
                }
            }
        }
    }

    [Fact]
    public async Task UsedCode_WhenAnotherClientSendsIt_LeavesTheOwnersTokensAlive()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser);
        var (_, tokens) = await server.RedeemAsync(code);
        Assert.Equal("invalid_grant", (string?)(await server.RedeemAsync(code, "other")).Body["error"]);
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync((string)tokens["access_token"]!));
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync((string)tokens["refresh_token"]!)).Status);
    }

    [Fact]
    public async Task Assertion_WhenReplayedOrNotYetValid_IsRefused()
    {
        Assert.Equal(HttpStatusCode.OK, (await AssertAsync(Assertion())).Status);
        var assertion = Assertion();
        Assert.Equal(HttpStatusCode.OK, (await AssertAsync(assertion)).Status);
        Assert.Equal("invalid_client", (string?)(await AssertAsync(assertion)).Body["error"]);
        Assert.Equal("invalid_client", (string?)(await AssertAsync(Assertion(notBefore: TimeSpan.FromMinutes(5)))).Body["error"]);
    }

    [Fact]
    public async Task UserInfo_WhenTheTokenIsInTheQueryOrForAnotherApi_IsRefused()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser))["access_token"]!;
        using var inQuery = await server.Http.GetAsync(new Uri(server.Address, "/connect/userinfo?access_token=" + token));
        Assert.Equal(HttpStatusCode.BadRequest, inQuery.StatusCode);
        var foreign = (string)(await server.TokensAsync(browser, scope: "openid offline_access notes.read", changes: [("resource", RunningServer.Notes)]))["access_token"]!;
        Assert.Equal(RunningServer.Notes, (string?)RunningServer.Payload(foreign)["aud"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(foreign));
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(await server.ServiceTokenAsync("reports.read")));
        Assert.Equal(HttpStatusCode.Forbidden, await server.UserInfoAsync((string)(await server.TokensAsync(browser, scope: "profile"))["access_token"]!));
    }

    [Fact]
    public async Task Introspection_WhenAskedByGet_ReadsNoSecretFromTheAddress()
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, $"/connect/introspect?client_id=notes-api&client_secret={Node.Secret}&token={await server.ServiceTokenAsync("notes.read")}"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Equal(["POST"], answer.Content.Headers.Allow);
    }

    [Fact]
    public async Task Metadata_WhenAskedUnderAnotherHost_NamesTheSameAddresses()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/.well-known/openid-configuration"));
        request.Headers.Host = "evil.example";
        using var answer = await server.Http.SendAsync(request);
        Assert.DoesNotContain("evil.example", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(await server.Http.GetStringAsync(request.RequestUri), await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Parameter_WhenSentTwice_IsRefusedAndNotDropped()
    {
        var (status, body) = await server.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"), ("scope", "reports.read"), ("scope", "notes.read"));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task IdTokenHint_WhenForged_IsNotIgnored()
    {
        using var browser = await server.SignedInAsync();
        var hint = (string)(await server.TokensAsync(browser))["id_token"]!;
        var forged = hint[..hint.LastIndexOf('.')] + "." + Base64UrlEncoder.Encode(new byte[256]);
        using var answer = await browser.GetAsync(server.AuthorizeUrl(changes: [("prompt", "none"), ("id_token_hint", forged)]));
        Assert.Equal("invalid_request", RunningServer.Query(answer.Headers.Location)["error"]);
    }

    [Fact]
    public async Task RefreshToken_WhenRevoked_TakesItsAccessTokensAlong()
    {
        using var browser = await server.SignedInAsync();
        var tokens = await server.TokensAsync(browser);
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync((string)tokens["access_token"]!));
        await server.PostAsync("/connect/revoke", client: null, ("client_id", "spa"), ("token", (string)tokens["refresh_token"]!));
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));
    }

    [Fact]
    public async Task CodeVerifier_WhenACodeIsRedeemed_IsInNoLog()
    {
        using var browser = await server.SignedInAsync();
        await server.TokensAsync(browser);
        Assert.Equal("invalid_grant", (string?)(await server.RedeemAsync("unknown")).Body["error"]);
        Assert.Contains("refused a request", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(Node.Verifier, server.Output, StringComparison.Ordinal);
    }

    private string Assertion(TimeSpan notBefore = default)
    {
        var now = DateTimeOffset.UtcNow;
        var claims = new JsonObject
        {
            ["iss"] = "web-jwt",
            ["sub"] = "web-jwt",
            ["aud"] = server.Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["nbf"] = (now + notBefore).ToUnixTimeSeconds(),
            ["exp"] = (now + notBefore + TimeSpan.FromMinutes(1)).ToUnixTimeSeconds(),
        };
        return new JsonWebTokenHandler().CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(server.ClientKey) { KeyId = "client-key" }, "ES256"));
    }

    private async Task<(HttpStatusCode Status, JsonNode Body)> AssertAsync(string assertion) =>
        await server.PostAsync("/connect/revoke", client: null, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("token", "unknown"));
}
