// OpenID Connect Back-Channel Logout 1.0: the modules of its plan.
using System.Net;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>The plan <c>oidcc-backchannel-rp-initiated-logout-certification-test-plan</c>.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class BackChannelLogoutModuleTests(ConformanceWorld world)
{
    [Fact]
    public void OidccBackchannelLogoutDiscoveryEndpointVerification_WhenRead_AnnouncesBoth()
    {
        Assert.True((bool?)world.Metadata["backchannel_logout_supported"]);
        Assert.True((bool?)world.Metadata["backchannel_logout_session_supported"]);
    }

    [Fact]
    public async Task OidccBackchannelRpInitiatedLogout_WhenThePersonSignsOut_SendsASoundTokenAndGoesBack()
    {
        using var client = new RelyingParty(world);
        var (tokens, _) = await client.SignInAsync();
        using var answer = await client.Browser.GetAsync($"/connect/endsession?id_token_hint={tokens.IdToken}&post_logout_redirect_uri={Uri.EscapeDataString(client.PostLogoutRedirectUri!)}&state=abc");
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal(client.PostLogoutRedirectUri + "?state=abc", answer.Headers.Location!.OriginalString);
        Assert.Equal("login_required", (await client.AuthorizeAsync(("prompt", "none"))).Parameters["error"]);

        // Other modules sign out too: theirs are somebody else's.
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        string token;
        do
        {
            token = await world.LogoutTokens.NextAsync();
        }
        while ((string?)RunningServer.Payload(token)["sid"] != (string?)tokens.Claims["sid"]);

        Assert.Equal("logout+jwt", (string?)RunningServer.Header(token)["typ"]);
        var keys = new JsonWebKeySet(await world.Http.GetStringAsync(new Uri((string)world.Metadata["jwks_uri"]!)));
        var verified = await new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = world.Issuer,
            ValidAudience = client.ClientId,
            ValidAlgorithms = ["RS256"],
            ValidTypes = ["logout+jwt"],
            IssuerSigningKeys = keys.Keys,
            TryAllIssuerSigningKeys = false,
        });
        Assert.True(verified.IsValid, verified.Exception?.Message);
        var claims = RunningServer.Payload(token);
        Assert.Equal(["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"], claims.Select(claim => claim.Key).Order(StringComparer.Ordinal));
        Assert.Equal((string?)tokens.Claims["sub"], (string?)claims["sub"]);
        Assert.Equal("""{"http://schemas.openid.net/event/backchannel-logout":{}}""", claims["events"]!.ToJsonString());
        Assert.InRange((long)claims["iat"]!, world.Clock.GetUtcNow().AddMinutes(-1).ToUnixTimeSeconds(), world.Clock.GetUtcNow().ToUnixTimeSeconds());
        Assert.NotEmpty((string)claims["jti"]!);
    }
}
