using System.Net;

namespace Identity.Tests.Security;

/// <summary>What happens to authorization codes (RFC 6749 §4.1.3, RFC 7636, RFC 9700 §4.5).</summary>
public sealed class AuthorizationCodeTests(RunningServer server)
{
    [Fact]
    public async Task Code_WhenReplayed_IsRefusedAndTheFirstTokensDie()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser);
        var (_, first) = await server.RedeemAsync(code);
        var access = (string)first["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync(access));

        var (status, body) = await server.RedeemAsync(code);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string?)body["error"]));
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(access));
        var (_, refreshed) = await server.RefreshAsync((string)first["refresh_token"]!);
        Assert.Equal("invalid_grant", (string?)refreshed["error"]);
        var (_, seen) = await server.PostAsync("/connect/introspect", "notes-api", ("token", access));
        Assert.Equal("{\"active\":false}", seen.ToJsonString());
    }

    [Fact]
    public async Task Code_WhenRedeemedFiftyTimesAtOnce_WorksOnce()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser);
        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.RedeemAsync(code)));
        Assert.Single(results, result => result.Status == HttpStatusCode.OK);
        Assert.All(results.Where(result => result.Status != HttpStatusCode.OK), result => Assert.Equal("invalid_grant", (string?)result.Body["error"]));
    }

    [Fact]
    public async Task Code_WhenAnotherClientRedeemsIt_IsRefusedAndStaysGood()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser);
        var (_, stolen) = await server.RedeemAsync(code, "other");
        Assert.Equal("invalid_grant", (string?)stolen["error"]);
        var (status, _) = await server.RedeemAsync(code);
        Assert.Equal(HttpStatusCode.OK, status);
    }

    [Theory]
    [InlineData("redirect_uri", "http://127.0.0.1:4712/callback")]
    [InlineData("redirect_uri", "")]
    [InlineData("code_verifier", "")]
    [InlineData("code_verifier", "wrong-verifier-of-the-right-length-0123456789abc")]
    [InlineData("code_verifier", "short")]
    [InlineData("code", "nonsense")]
    public async Task Code_WhenTheProofIsNotTheRequests_IsRefused(string name, string value)
    {
        using var browser = await server.SignedInAsync();
        var (status, body) = await server.RedeemAsync(await server.CodeAsync(browser), "spa", (name, value));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Code_WhenAVerifierComesWithoutAChallenge_IsRefused()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser, "no-pkce", changes: [("code_challenge", null), ("code_challenge_method", null)]);
        var (_, downgraded) = await server.PostAsync("/connect/token", "no-pkce", ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", RunningServer.RedirectUri), ("code_verifier", RunningServer.Verifier));
        Assert.Equal("invalid_grant", (string?)downgraded["error"]);
        var (status, _) = await server.PostAsync("/connect/token", "no-pkce", ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", RunningServer.RedirectUri));
        Assert.Equal(HttpStatusCode.OK, status);
    }

    [Fact]
    public async Task Values_WhenFedIntoAnotherSlot_AreRefused()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser);
        var tokens = await server.TokensAsync(browser);
        foreach (var value in (string[])[(string)tokens["refresh_token"]!, (string)tokens["access_token"]!, (string)tokens["id_token"]!])
        {
            Assert.Equal("invalid_grant", (string?)(await server.RedeemAsync(value)).Body["error"]);
        }

        foreach (var value in (string[])[code, (string)tokens["access_token"]!, (string)tokens["id_token"]!])
        {
            Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(value)).Body["error"]);
        }

        foreach (var value in (string[])[code, (string)tokens["refresh_token"]!, (string)tokens["id_token"]!])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(value));
        }
    }
}
