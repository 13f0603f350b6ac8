// Tokens of /api/identity: the same families and rules as at the token endpoint, HS256 only where JWT_SECRET is set.
using System.Text;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Sessions;
using Identity.OAuth.UserInfo;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.FirstParty;

public sealed class FirstPartyTokenIssuerTests : IAsyncDisposable
{
    private const string JwtSecret = "0123456789abcdef0123456789abcdef";

    private readonly OAuthHost _host = new();
    private readonly OAuthHost _legacy = new(options =>
    {
        options.CompatibilitySecret = Encoding.UTF8.GetBytes(JwtSecret);
        options.AccessTokenLifetime = TimeSpan.FromMinutes(15);
        options.RefreshTokenLifetime = TimeSpan.FromDays(30);
    });

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _legacy.DisposeAsync();
    }

    [Fact]
    public async Task Issue_WithoutASecret_SignsLikeAllOthers()
    {
        var session = _host.Sessions.Start(OAuthHost.Ada);
        var tokens = await Issuer(_host).IssueAsync(session, OAuthHost.Cancel);
        Assert.Equal("ES256", (string)OAuthHost.Header(tokens.AccessToken)["alg"]!);
        Assert.Equal("at+jwt", (string)OAuthHost.Header(tokens.AccessToken)["typ"]!);
        Assert.Equal((TimeSpan.FromHours(1), TimeSpan.FromDays(7)), (tokens.ExpiresIn, tokens.RefreshExpiresIn));
        Assert.Equal((session.Id, OAuthHost.Ada), (tokens.SessionId, tokens.Subject));
        Assert.NotNull(await _host.ValidateAsync(tokens.AccessToken));
    }

    [Fact]
    public async Task Issue_WithASecret_IsReadByAStockValidatorThatKnowsIt()
    {
        var tokens = await Issuer(_legacy).IssueAsync(_legacy.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        var result = await new JsonWebTokenHandler { MapInboundClaims = false }.ValidateTokenAsync(tokens.AccessToken, new TokenValidationParameters
        {
            ValidIssuer = OAuthHost.Issuer,
            ValidAudience = OAuthHost.Issuer + "/api/identity",
            IssuerSigningKey = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(JwtSecret)),
            ValidTypes = ["JWT"],
            ValidAlgorithms = ["HS256"],
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        var claims = OAuthHost.Payload(tokens.AccessToken);
        foreach (var name in new[] { "sub", "email", "roles", "sid", "jti", "client_id", "scope", "iss", "aud", "iat", "exp" })
        {
            Assert.NotNull(claims[name]);
        }

        Assert.Equal("identity-api", (string)claims["client_id"]!);
        Assert.Equal("ada@example.com", (string)claims["email"]!);
        Assert.Equal("""["admin","author"]""", claims["roles"]!.ToJsonString());
        Assert.Equal(900, (long)claims["exp"]! - (long)claims["iat"]!);
        Assert.Equal((TimeSpan.FromMinutes(15), TimeSpan.FromDays(30)), (tokens.ExpiresIn, tokens.RefreshExpiresIn));
    }

    [Fact]
    public async Task CompatibilityToken_AtUserinfo_IsRefused()
    {
        var tokens = await Issuer(_legacy).IssueAsync(_legacy.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        Assert.Equal(401, (await _legacy.Get<UserInfoEndpoint>().HandleAsync("Bearer " + tokens.AccessToken, null, OAuthHost.Cancel)).Error!.Status);
        Assert.NotNull(await _legacy.ValidateAsync(tokens.AccessToken, acceptCompatibility: true));
    }

    [Fact]
    public async Task Refresh_WhenDone_RotatesAndTellsWhatIsLeft()
    {
        var first = await Issuer(_legacy).IssueAsync(_legacy.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        _legacy.Time.Advance(TimeSpan.FromDays(10));
        var second = await Issuer(_legacy).RefreshAsync(first.RefreshToken, OAuthHost.Cancel);
        Assert.NotNull(second);
        Assert.NotEqual(first.RefreshToken, second.RefreshToken);
        Assert.Equal(TimeSpan.FromDays(20), second.RefreshExpiresIn);
        Assert.Equal(first.SessionId, second.SessionId);
        Assert.NotNull(await _legacy.ValidateAsync(second.AccessToken, acceptCompatibility: true));
    }

    [Fact]
    public async Task Refresh_WhenReusedAfterTheGrace_EndsTheSession()
    {
        var first = await Issuer(_host).IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        var second = await Issuer(_host).RefreshAsync(first.RefreshToken, OAuthHost.Cancel);
        _host.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Null(await Issuer(_host).RefreshAsync(first.RefreshToken, OAuthHost.Cancel));
        Assert.Null(await Issuer(_host).RefreshAsync(second!.RefreshToken, OAuthHost.Cancel));
        Assert.Null(await _host.ValidateAsync(second.AccessToken));
        Assert.Equal("refresh_reuse", _host.Sessions.Ended[first.SessionId]);
    }

    [Fact]
    public async Task Refresh_RacedFiftyWide_GivesAllTheSameSuccessor()
    {
        var first = await Issuer(_host).IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        var outcomes = await OAuthHost.RaceAsync(() => Issuer(_host).RefreshAsync(first.RefreshToken, OAuthHost.Cancel));
        Assert.Single(outcomes.Select(tokens => tokens!.RefreshToken).Distinct());
    }

    [Fact]
    public async Task Refresh_WhenAccountSessionOrTokenIsBad_IsNull()
    {
        var issuer = Issuer(_host);
        var one = await issuer.IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        await _host.Get<ISessions>().EndAsync(one.SessionId, "logout", OAuthHost.Cancel);
        Assert.Null(await issuer.RefreshAsync(one.RefreshToken, OAuthHost.Cancel));
        Assert.Equal(one.SessionId, await issuer.FindSessionAsync(one.RefreshToken, OAuthHost.Cancel));

        var two = await issuer.IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        _host.Subjects.Disable(OAuthHost.Ada);
        Assert.Null(await issuer.RefreshAsync(two.RefreshToken, OAuthHost.Cancel));
        foreach (var nonsense in new[] { "", "x", new string('A', 70), new string('~', 70), "a\0b", new string('x', 100_000) })
        {
            Assert.Null(await issuer.RefreshAsync(nonsense, OAuthHost.Cancel));
            Assert.Null(await issuer.FindSessionAsync(nonsense, OAuthHost.Cancel));
        }
    }

    [Fact]
    public async Task Tokens_OfTheStandardEndpoints_AreOfAnotherFamily()
    {
        var client = await _host.AddPublicClientAsync();
        var body = await _host.SucceedAsync(_host.RedeemAsync(client, await _host.IssueCodeAsync(client)));
        Assert.Null(await Issuer(_host).RefreshAsync((string)body["refresh_token"]!, OAuthHost.Cancel));
        Assert.Null(await Issuer(_host).FindSessionAsync((string)body["refresh_token"]!, OAuthHost.Cancel));
        var mine = await Issuer(_host).IssueAsync(_host.Sessions.Start(OAuthHost.Ada), OAuthHost.Cancel);
        await OAuthHost.FailAsync(_host.RefreshAsync(client, mine.RefreshToken), "invalid_grant");
        await _host.SucceedAsync(_host.RefreshAsync(client, (string)body["refresh_token"]!));
    }

    private static FirstPartyTokenIssuer Issuer(OAuthHost host) => host.Get<FirstPartyTokenIssuer>();
}
