// RFC 6749 §4.1.3 and RFC 7636: the lines of the security catalogue under "Authorization code", at the engine.
using System.Security.Cryptography;
using System.Text;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using Identity.OAuth.UserInfo;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.Token;

public sealed class AuthorizationCodeGrantTests : IAsyncDisposable
{
    private readonly OAuthHost _host = new();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public void Pkce_OfRfc7636AppendixB_IsTheVector() =>
        Assert.Equal("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", OAuthHost.Challenge(OAuthHost.Verifier));

    [Fact]
    public async Task Redeem_WhenAllIsRight_GivesTokens()
    {
        var client = await _host.AddPublicClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        Assert.Equal("Bearer", (string)body["token_type"]!);
        Assert.Equal(3600, (long)body["expires_in"]!);
        Assert.Equal("openid offline_access", (string)body["scope"]!);
        Assert.NotNull(body["refresh_token"]);

        var idToken = OAuthHost.Payload((string)body["id_token"]!);
        Assert.Equal(OAuthHost.Issuer, (string)idToken["iss"]!);
        Assert.Equal(client.ClientId, (string)idToken["aud"]!);
        Assert.Equal(OAuthHost.Ada, (string)idToken["sub"]!);
        Assert.Equal("n-0S6_WzA2Mj", (string)idToken["nonce"]!);
        Assert.Equal(_host.Now.ToUnixTimeSeconds(), (long)idToken["iat"]!);
        Assert.Equal(Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes((string)body["access_token"]!)).AsSpan(0, 16).ToArray()), (string)idToken["at_hash"]!);
        Assert.Equal(["acr", "amr", "at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"], idToken.Select(claim => claim.Key).Order());
        Assert.Equal("RS256", (string)OAuthHost.Header((string)body["id_token"]!)["alg"]!);
        Assert.NotNull(await _host.ValidateAsync((string)body["access_token"]!));
    }

    [Theory]
    [InlineData("openid", false)]
    [InlineData("openid offline_access", true)]
    [InlineData("notes.read", true)]
    public async Task Redeem_WhenScopesAre_GivesARefreshTokenAccordingly(string scope, bool expected)
    {
        var client = await _host.AddPublicClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client, scope)));
        Assert.Equal(expected, body["refresh_token"] is not null);
        Assert.Equal(scope.Contains("openid", StringComparison.Ordinal), body["id_token"] is not null);
    }

    [Fact]
    public async Task Redeem_WhenReplayed_IsRefusedAndKillsTheFirstTokens()
    {
        var client = await _host.AddConfidentialClientAsync();
        var code = await _host.IssueCodeAsync(client);
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, code));
        var (access, refresh) = ((string)body["access_token"]!, (string)body["refresh_token"]!);
        Assert.True(await _host.IsActiveAsync(client, access));
        Assert.True(await _host.IsActiveAsync(client, refresh));

        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_grant");

        Assert.False(await _host.IsActiveAsync(client, access));
        Assert.False(await _host.IsActiveAsync(client, refresh));
        Assert.Equal(401, (await _host.Get<UserInfoEndpoint>().HandleAsync("Bearer " + access, null, OAuthHost.Cancel)).Error!.Status);
        await OAuthHost.FailAsync(_host.RefreshAsync(client, refresh), "invalid_grant");
    }

    [Fact]
    public async Task Redeem_WhenReplayedAfterTheCodeExpired_StillKillsTheFirstTokens()
    {
        var client = await _host.AddConfidentialClientAsync();
        var code = await _host.IssueCodeAsync(client);
        var access = (string)(await _host.SucceedAsync(_host.RedeemAsync(client, code)))["access_token"]!;
        _host.Time.Advance(TimeSpan.FromMinutes(5));
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_grant");
        Assert.False(await _host.IsActiveAsync(client, access));
    }

    [Fact]
    public async Task Redeem_WhenRacedFiftyWide_GivesExactlyOneSuccess()
    {
        var client = await _host.AddPublicClientAsync();
        var code = await _host.IssueCodeAsync(client);
        var outcomes = await OAuthHost.RaceAsync(() => _host.RedeemAsync(client, code));
        Assert.Single(outcomes, outcome => outcome.Error is null);
        Assert.All(outcomes.Where(outcome => outcome.Error is not null), outcome => Assert.Equal("invalid_grant", outcome.Error!.Code));
    }

    [Fact]
    public async Task Redeem_ByAnotherClient_IsRefusedAndKillsNothing()
    {
        var client = await _host.AddPublicClientAsync();
        var other = await _host.AddPublicClientAsync("other");
        var code = await _host.IssueCodeAsync(client);
        await OAuthHost.FailAsync(_host.RedeemAsync(other, code), "invalid_grant");
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, code));
        await OAuthHost.FailAsync(_host.RedeemAsync(other, code), "invalid_grant");
        Assert.NotNull(await _host.ValidateAsync((string)body["access_token"]!));
    }

    [Theory]
    [InlineData("https://app.example.com/cb/")]
    [InlineData("https://app.example.com/cb?x=1")]
    [InlineData("HTTPS://app.example.com/cb")]
    [InlineData("")]
    public async Task Redeem_WhenRedirectUriDiffers_IsRefused(string redirectUri)
    {
        var client = await _host.AddPublicClientAsync();
        var code = await _host.IssueCodeAsync(client);
        await OAuthHost.FailAsync(
            _host.TokenAsync(client, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirectUri), ("code_verifier", OAuthHost.Verifier)),
            "invalid_grant");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK")]
    [InlineData("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")]
    public async Task Redeem_WhenVerifierIsMissingOrWrong_IsInvalidGrant(string? verifier)
    {
        var client = await _host.AddPublicClientAsync();
        var code = await _host.IssueCodeAsync(client);
        await OAuthHost.FailAsync(
            _host.TokenAsync(client, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OAuthHost.Redirect), ("code_verifier", verifier)),
            "invalid_grant");
    }

    [Theory]
    [InlineData(42)]
    [InlineData(129)]
    public async Task Redeem_WhenVerifierHasTheWrongLength_IsInvalidGrantThoughItsHashFits(int length)
    {
        var client = await _host.AddPublicClientAsync();
        var verifier = new string('a', length);
        var code = await _host.IssueCodeAsync(client, change: grant => grant with { CodeChallenge = OAuthHost.Challenge(verifier) });
        await OAuthHost.FailAsync(
            _host.TokenAsync(client, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OAuthHost.Redirect), ("code_verifier", verifier)),
            "invalid_grant");
    }

    [Fact]
    public async Task Redeem_WhenAVerifierComesWithoutAChallenge_IsRefusedAsADowngrade()
    {
        var client = await _host.AddConfidentialClientAsync(more: ""","require_pkce":false""");
        var code = await _host.IssueCodeAsync(client, change: grant => grant with { CodeChallenge = null });
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_grant");
        await _host.SucceedAsync(_host.TokenAsync(client, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", OAuthHost.Redirect)));
    }

    [Fact]
    public async Task Redeem_WhenTheCodeExpired_IsRefused()
    {
        var client = await _host.AddPublicClientAsync();
        var code = await _host.IssueCodeAsync(client);
        _host.Time.Advance(TimeSpan.FromSeconds(60));
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_grant");
    }

    [Fact]
    public async Task Redeem_WhenTheSessionEnded_IsRefused()
    {
        var client = await _host.AddPublicClientAsync();
        string? sid = null;
        var code = await _host.IssueCodeAsync(client, change: grant => grant with { SessionId = sid = grant.SessionId });
        await ((ISessions)_host.Sessions).EndAsync(sid!, "logout", OAuthHost.Cancel);
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_grant");
    }

    [Fact]
    public async Task Redeem_WhenTheAccountIsDisabled_IsRefused()
    {
        var client = await _host.AddPublicClientAsync();
        var code = await _host.IssueCodeAsync(client);
        _host.Subjects.Disable(OAuthHost.Ada);
        await OAuthHost.FailAsync(_host.RedeemAsync(client, code), "invalid_grant");
    }

    [Fact]
    public async Task SingleUseValues_InSlotsOfAnotherKind_AreRefused()
    {
        var client = await _host.AddConfidentialClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        var code = await _host.IssueCodeAsync(client);
        foreach (var value in new[] { (string)body["refresh_token"]!, (string)body["access_token"]!, (string)body["id_token"]!, SecureValue.Create() })
        {
            await OAuthHost.FailAsync(_host.RedeemAsync(client, value), "invalid_grant");
        }

        foreach (var value in new[] { code, (string)body["access_token"]!, (string)body["id_token"]! })
        {
            await OAuthHost.FailAsync(_host.RefreshAsync(client, value), "invalid_grant");
        }

        foreach (var value in new[] { code, (string)body["id_token"]!, (string)body["refresh_token"]! })
        {
            Assert.Null(await _host.ValidateAsync(value, acceptCompatibility: true));
        }
    }
}
