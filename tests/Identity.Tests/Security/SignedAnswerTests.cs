// Security catalogue: authorize, where the answer is signed. JWT Secured Authorization Response Mode for OAuth 2.0 (JARM), FAPI 2.0 Message Signing §5.4.
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Answers of the authorize endpoint that we signed, as their clients read them.</summary>
public sealed partial class SignedAnswerTests(RequestWorld world) : IClassFixture<RequestWorld>
{
    [Theory]
    [InlineData("jwt", "app", "RS256")]
    [InlineData("query.jwt", "app", "RS256")]
    [InlineData("query.jwt", "web", "PS256")]
    [InlineData("fragment.jwt", "app", "RS256")]
    [InlineData("form_post.jwt", "app", "RS256")]
    public async Task Answer_WhenSignedOnesAreAsked_IsOneJwtForThisClient(string mode, string client, string algorithm)
    {
        using var browser = await world.Node.SignedInAsync();
        using var answer = await browser.GetAsync(Url(client, mode));
        var claims = await ReadAsync(answer, mode, client, algorithm);
        Assert.Equal(["aud", "code", "exp", "iss", "state"], claims.Select(claim => claim.Key).Order(StringComparer.Ordinal));
        Assert.Equal("s1", (string?)claims["state"]);
        Assert.InRange((long)claims["exp"]! - world.Time.GetUtcNow().ToUnixTimeSeconds(), 60, 600);
        if (client == "app")
        {
            Assert.Equal(HttpStatusCode.OK, (await world.Node.RedeemAsync((string)claims["code"]!, client, ("redirect_uri", RequestWorld.RedirectUri))).Status);
        }
    }

    [Theory]
    [InlineData("jwt", "response_type", "token", "unsupported_response_type")]
    [InlineData("query.jwt", "prompt", "none", "login_required")]
    [InlineData("form_post.jwt", "scope", "nothing.of.ours", "invalid_scope")]
    [InlineData("form_post.jwt", "prompt", "none", "login_required")]
    [InlineData("fragment.jwt", "request", "e30.e30.", "invalid_request_object")]
    public async Task Refusal_WhenSignedAnswersAreAsked_IsSignedToo(string mode, string name, string value, string error)
    {
        using var browser = new Browser(world.Node.Address);
        using var answer = await browser.GetAsync(Url("app", mode, (name, value)));
        var claims = await ReadAsync(answer, mode, "app", "RS256");
        Assert.Equal((error, "s1", world.Issuer), ((string?)claims["error"], (string?)claims["state"], (string?)claims["iss"]));
        Assert.DoesNotContain("code", claims.Select(claim => claim.Key));
    }

    [Fact]
    public async Task Refusal_WhenTheRedirectUriIsNotTheClients_GoesNowhere()
    {
        using var browser = new Browser(world.Node.Address);
        using var answer = await browser.GetAsync(Url("app", "jwt", ("redirect_uri", "https://evil.example/")));
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
    }

    // FAPI 2.0 Message Signing: the request signed and pushed, the answer signed.
    [Fact]
    public async Task Answer_WhenTheRequestWasSignedAndPushed_IsSigned()
    {
        using var browser = await world.Node.SignedInAsync();
        foreach (var mode in (string[])["jwt", "query.jwt", "form_post.jwt"])
        {
            var (_, body) = await world.Node.PostAsync("/connect/par", client: null, ("client_id", "strict"), ("request", world.Sign("strict", claims => claims["response_mode"] = mode)));
            using var answer = await browser.GetAsync($"/connect/authorize?client_id=strict&request_uri={Uri.EscapeDataString((string)body["request_uri"]!)}");
            var claims = await ReadAsync(answer, mode, "strict", "ES256");
            Assert.Equal("inside", (string?)claims["state"]);
            Assert.NotNull(claims["code"]);
        }
    }

    private string Url(string client, string mode, params (string Name, string? Value)[] changes) =>
        world.Node.AuthorizeUrl(client, "openid email", [("redirect_uri", RequestWorld.RedirectUri), ("response_mode", mode), .. changes]);

    // As JARM §2.4 has a client do it.
    private async Task<JsonObject> ReadAsync(HttpResponseMessage answer, string mode, string client, string algorithm)
    {
        string response;
        if (mode == "form_post.jwt")
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var page = await answer.Content.ReadAsStringAsync();
            response = Assert.Single(Response().Matches(page)).Groups["value"].Value;
            Assert.DoesNotContain("name=\"code\"", page, StringComparison.Ordinal);
            Assert.DoesNotContain("name=\"state\"", page, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(HttpStatusCode.Found, answer.StatusCode);
            Assert.StartsWith(RequestWorld.RedirectUri + (mode == "fragment.jwt" ? "#" : "?") + "response=", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
            response = answer.Headers.Location.OriginalString[(answer.Headers.Location.OriginalString.IndexOf('=', StringComparison.Ordinal) + 1)..];
        }

        Assert.DoesNotContain('&', response);
        var keys = new JsonWebKeySet(await world.Node.Http.GetStringAsync(new Uri(world.Node.Address, "/connect/jwks")));
        var result = await new JsonWebTokenHandler { MapInboundClaims = false }.ValidateTokenAsync(response, new TokenValidationParameters
        {
            ValidIssuer = world.Issuer,
            ValidAudience = client,
            IssuerSigningKeys = keys.GetSigningKeys(),
            ValidAlgorithms = [algorithm],
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        return Node.Payload(response);
    }

    [GeneratedRegex("name=\"response\"[^>]*value=\"(?<value>[^\"]+)\"", RegexOptions.ExplicitCapture)]
    private static partial Regex Response();
}
