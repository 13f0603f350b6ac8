// RFC 6750 and RFC 9068 at a resource server: what an API checks of an access token, on Microsoft.IdentityModel.
// Where Microsoft.AspNetCore.Authentication.JwtBearer is at hand, AddJwtBearer with the same TokenValidationParameters does it.
using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Samples.AspNetCoreApi;

/// <summary>Where tokens come from and whom they must be for.</summary>
public sealed class AccessTokenOptions : AuthenticationSchemeOptions
{
    /// <summary>The issuer; its discovery document names the keys.</summary>
    public string Issuer { get; set; } = "";

    /// <summary>This API's resource identifier. A token for another API is worth nothing here.</summary>
    public string Audience { get; set; } = "";

    /// <summary>The algorithms this API's tokens are signed with. Never take them from the token.</summary>
    public IReadOnlyList<string> Algorithms { get; set; } = ["ES256"];

    /// <summary>Finds and caches the issuer's keys; asks again when an unknown kid arrives.</summary>
    public IConfigurationManager<OpenIdConnectConfiguration>? Configuration { get; set; }
}

/// <summary>Accepts <c>Authorization: Bearer</c> with a valid access token.</summary>
public sealed class AccessTokenHandler(IOptionsMonitor<AccessTokenOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AccessTokenOptions>(options, logger, encoder)
{
    private static readonly JsonWebTokenHandler Tokens = new() { MapInboundClaims = false };

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return AuthenticateResult.NoResult();
        }

        var result = await Validate(header[7..].Trim());
        if (!result.IsValid && result.Exception is SecurityTokenSignatureKeyNotFoundException)
        {
            // A key published since the document was last read.
            Options.Configuration!.RequestRefresh();
            result = await Validate(header[7..].Trim());
        }

        return result.IsValid
            ? AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(result.ClaimsIdentity), Scheme.Name))
            : AuthenticateResult.Fail("invalid_token");
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        Response.Headers.WWWAuthenticate = Request.Headers.Authorization.Count == 0 ? "Bearer" : "Bearer error=\"invalid_token\"";
        return Task.CompletedTask;
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status403Forbidden;
        Response.Headers.WWWAuthenticate = "Bearer error=\"insufficient_scope\"";
        return Task.CompletedTask;
    }

    private async Task<TokenValidationResult> Validate(string token)
    {
        var configuration = await Options.Configuration!.GetConfigurationAsync(Context.RequestAborted);
        return await Tokens.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = Options.Issuer,
            ValidAudience = Options.Audience,
            ValidTypes = ["at+jwt"],
            ValidAlgorithms = Options.Algorithms,
            IssuerSigningKeys = configuration.SigningKeys,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            ClockSkew = TimeSpan.FromSeconds(30),
            NameClaimType = "sub",
            RoleClaimType = "roles",
        });
    }
}
