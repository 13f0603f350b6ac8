// FAPI 2.0 Security Profile §5.3.2.1, RFC 6749 §4.1.3 and §6, RFC 7523, RFC 7636: the modules that are about the token endpoint, and who may ask there.
using System.Net;
using System.Text.Json.Nodes;

namespace Identity.Tests.Conformance;

public abstract partial class Fapi2Modules
{
    [Fact]
    public async Task EnsureClientIdInTokenEndpoint_WhenItIsTheOtherClients_IsRefused()
    {
        using var one = Client();
        using var two = one.Other();
        var code = await CodeAsync(one);
        (await one.TokenAsync([.. one.CodeGrant(code), ("client_id", two.ClientId)], assertion: two.Assertion())).IsError("invalid_client", "invalid_grant");
        code = await CodeAsync(one);
        (await one.TokenAsync([.. one.CodeGrant(code), ("client_id", two.ClientId)])).IsError("invalid_client", "invalid_grant");
    }

    // What the module says of TLS is for the proxy in front to keep.
    [Fact]
    public async Task EnsureHolderOfKeyRequired_WhenThereIsNoProof_IsRefused()
    {
        using var client = Client();
        (await client.TokenAsync(client.CodeGrant(await CodeAsync(client)), proof: "")).IsError("invalid_request", "invalid_grant", "invalid_dpop_proof");
    }

    [Fact]
    public async Task EnsureAuthorizationCodeIsBoundToClient_WhenTheOtherRedeemsIt_IsRefused()
    {
        using var one = Client();
        using var two = one.Other();
        var code = await CodeAsync(one);
        (await two.TokenAsync(one.CodeGrant(code))).IsError("invalid_grant");
    }

    [Fact]
    public async Task AttemptReuseAuthorizationCodeAfterOneSecond_WhenACodeComesTwice_IsRefusedAndItsTokenDies()
    {
        using var client = Client();
        var tokens = await client.SignInAsync();
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.TokenAsync(client.CodeGrant(tokens.Code))).IsError("invalid_grant");
        Assert.InRange((int)(await client.ResourceAsync(tokens.AccessToken)).Status, 400, 499);
    }

    [Fact]
    public async Task EnsureTokenEndpointFailsWithExpiredAuthCode_WhenAMinuteHasPassed_IsRefused()
    {
        using var client = Client();
        var code = await CodeAsync(client);
        world.Clock.Advance(TimeSpan.FromSeconds(62));
        (await client.TokenAsync(client.CodeGrant(code))).IsError("invalid_grant");
    }

    [Fact]
    public async Task EnsureSignedClientAssertionWithRS256Fails_WhenTheKeyIsForAnother_IsRefused()
    {
        using var client = Client();
        (await client.TokenAsync(client.CodeGrant(await CodeAsync(client)), assertion: client.Assertion(by: "RS256"))).IsError("invalid_client");
    }

    [Fact]
    public async Task EnsureClientAssertionInTokenEndpoint_WhenThereIsNone_IsRefused()
    {
        using var client = Client();
        (await client.TokenAsync([.. client.CodeGrant(await CodeAsync(client)), ("client_id", client.ClientId)], assertion: "")).IsError("invalid_client", "invalid_request");
    }

    [Fact]
    public async Task EnsureClientAssertionWithExpIs5MinutesInPastFails_WhenExpired_IsRefused() => await ExpectAssertionRefusedAsync(claims => claims["exp"] = world.Clock.GetUtcNow().ToUnixTimeSeconds() - 300);

    [Fact]
    public async Task EnsureClientAssertionWithWrongAudFails_WhenForSomebodyElse_IsRefused() => await ExpectAssertionRefusedAsync(claims => claims["aud"] = "https://fapidev-rs.authlete.net/api/userinfo");

    [Fact]
    public async Task EnsureClientAssertionWithNoSubFails_WhenItNamesNobody_IsRefused() => await ExpectAssertionRefusedAsync(claims => claims.Remove("sub"));

    [Fact]
    public async Task EnsurePkceCodeVerifierRequired_WhenThereIsNone_IsRefused()
    {
        using var client = Client();
        var grant = client.CodeGrant(await CodeAsync(client));
        (await client.TokenAsync([.. grant.Where(field => field.Name != "code_verifier")])).IsError("invalid_grant");
    }

    [Fact]
    public async Task IncorrectPkceCodeVerifierRejected_WhenItIsAnother_IsRefused()
    {
        using var client = Client();
        var grant = client.CodeGrant(await CodeAsync(client));
        (await client.TokenAsync([.. grant.Where(field => field.Name != "code_verifier"), ("code_verifier", Letters(128))])).IsError("invalid_grant");
    }

    // FAPI 2.0 §5.3.2.1: no rotation; the one that was given stays good. The key is a new one each time, and belongs to the new token alone.
    [Fact]
    public async Task RefreshToken_WhenTwoClientsHaveOne_EachIsGoodForItsOwnWithProofAndKey()
    {
        using var one = Client();
        using var two = one.Other();
        var first = await RefreshAsync(one, Fapi2Client.Scope);
        (string Name, string Value)[] grant = [("grant_type", "refresh_token"), ("refresh_token", first.RefreshToken!), ("scope", Fapi2Client.Scope)];
        (await one.TokenAsync(grant, assertion: "")).IsError("invalid_request", "invalid_grant", "invalid_client");
        (await one.TokenAsync([.. grant, ("client_id", one.ClientId)], assertion: "")).IsError("invalid_request", "invalid_grant", "invalid_client");
        (await one.TokenAsync(grant, proof: "")).IsError("invalid_request", "invalid_grant", "invalid_dpop_proof");

        var second = await RefreshAsync(two, scope: null);
        Assert.Equal(HttpStatusCode.OK, (await two.ResourceAsync(second.AccessToken)).Status);
        using var fresh = Client();
        Assert.InRange((int)(await fresh.ResourceAsync(second.AccessToken)).Status, 400, 499);
        (await one.TokenAsync([("grant_type", "refresh_token"), ("refresh_token", second.RefreshToken!)])).IsError("invalid_grant");
    }

    private async Task<BoundTokens> RefreshAsync(Fapi2Client client, string? scope)
    {
        var request = client.Request(("prompt", "consent"));
        var answer = await client.GoAsync(await client.PushSoundAsync(request));
        Assert.Equal(["sign-in", "consent"], answer.Pages);
        var tokens = await client.RedeemAsync(answer, request);
        (string Name, string Value)[] grant = [("grant_type", "refresh_token"), ("refresh_token", tokens.RefreshToken!), .. scope is null ? [] : new[] { ("scope", scope) }];
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        client.HoldsKey = Fapi2Client.OtherKey;
        var body = await client.TokenAsync(grant);
        // OpenID Connect Core §12.2: without the nonce.
        var refreshed = await client.TokensAsync(body, tokens.Code, client.Request(("nonce", null)));
        Assert.Equal(tokens.RefreshToken, refreshed.RefreshToken);
        Assert.NotEqual(tokens.AccessToken, refreshed.AccessToken);
        Assert.Equal(HttpStatusCode.OK, (await client.ResourceAsync(refreshed.AccessToken)).Status);
        foreach (var claim in (string[])["iss", "sub", "aud", "azp", "auth_time"])
        {
            Assert.Equal(tokens.IdToken[claim]!.ToJsonString(), refreshed.IdToken[claim]!.ToJsonString());
        }

        Assert.True((long)refreshed.IdToken["iat"]! > (long)tokens.IdToken["iat"]!);
        return refreshed;
    }

    private async Task<string> CodeAsync(Fapi2Client client)
    {
        var (answer, request) = await client.AuthorizeAsync();
        return client.Code(answer, request);
    }

    private async Task ExpectAssertionRefusedAsync(Action<JsonObject> claims)
    {
        using var client = Client();
        (await client.TokenAsync(client.CodeGrant(await CodeAsync(client)), assertion: client.Assertion(claims))).IsError("invalid_client", "invalid_request");
    }
}
