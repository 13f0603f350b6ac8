// RFC 6750 (Bearer), RFC 9068 §4 (validation), RFC 8705 §3 and RFC 9449 §7 (bound tokens), RFC 9728 §5.1 (where to get a token): authentication at /api/identity.
using System.Security.Claims;
using System.Text.Encodings.Web;
using Identity.Api.Failures;
using Identity.OAuth;
using Identity.OAuth.DPoP;
using Identity.OAuth.Resources;
using Identity.OAuth.Tokens;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Api.Authentication;

/// <summary>
/// Lets in live access tokens whose audience is this API: those of /api/identity/login (HS256 under JWT_SECRET too) and those of the
/// standard endpoints that were asked for it. A token for another API is worth nothing here.
/// </summary>
internal sealed class AccessTokenHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory loggers,
    UrlEncoder encoder,
    AccessTokenValidator validator,
    Possession possession,
    ResourceCatalog resources) : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    public const string SchemeName = "Identity.Api";

    private Presented _presented;

    // What is wrong with how a live token was sent.
    private OAuthError? _problem;

    private bool _isForDPoP;

    private enum Presented
    {
        Nothing,
        BadToken,
        TwoTokens,
    }

    /// <summary>RFC 6750 §3 and RFC 9728 §5.1.</summary>
    /// <param name="resources">Knows where our metadata is.</param>
    /// <param name="byDPoP">The token came by the scheme DPoP (RFC 9449 §7.1), or should have.</param>
    /// <param name="error">RFC 6750 §3.1; null: no token was sent.</param>
    /// <param name="scope">What is missing.</param>
    public static string Challenge(ResourceCatalog resources, bool byDPoP, string? error = null, string? scope = null)
    {
        var parameters = $"resource_metadata=\"{ResourceCatalog.MetadataAddress(resources.Api.Identifier)}\"";
        parameters += error is null ? "" : $", error=\"{error}\"";
        parameters += scope is null ? "" : $", scope=\"{scope}\"";
        return byDPoP ? PresentedToken.Challenge(parameters) : "Bearer " + parameters;
    }

    /// <summary>RFC 6750 §2: whoever sends a token by two ways, or two of them, has not said which counts.</summary>
    public static bool IsSentTwice(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var headers = request.Headers.Authorization;
        return headers.Count > 1 || (request.Query.ContainsKey("access_token") && PresentedToken.Read(headers.ToString()) is not null);
    }

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // A host's only scheme is its default and is asked at every request: elsewhere a token is not ours to read.
        if (!Request.Path.StartsWithSegments(IdentityApiExtensions.Prefix, StringComparison.OrdinalIgnoreCase))
        {
            return AuthenticateResult.NoResult();
        }

        if (IsSentTwice(Request))
        {
            _presented = Presented.TwoTokens;
            return AuthenticateResult.Fail("More than one Authorization header, or a token in the query beside it.");
        }

        if (PresentedToken.Read(Request.Headers.Authorization.ToString()) is not var (byDPoP, value))
        {
            return AuthenticateResult.NoResult();
        }

        (_presented, _isForDPoP) = (Presented.BadToken, byDPoP);
        if (value.Length == 0 || await validator.ValidateAsync(value, acceptCompatibility: true, Context.RequestAborted) is not { } token)
        {
            return AuthenticateResult.Fail("Not a live access token of ours.");
        }

        if (!token.Audience.Contains(resources.Api.Identifier, StringComparer.Ordinal))
        {
            return AuthenticateResult.Fail("Its audience is another.");
        }

        _problem = await possession.FindProblemAsync(Context, token, value, byDPoP, Context.RequestAborted);
        if (_problem is not null)
        {
            _isForDPoP = token.BoundTo?.Key is not null;
            return AuthenticateResult.Fail(_problem.Description);
        }

        Context.Features.Set(new CallerToken(token));
        var identity = new ClaimsIdentity([new Claim("sub", token.Subject), new Claim("client_id", token.ClientId)], SchemeName, "sub", "roles");
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName));
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        await HandleAuthenticateOnceSafeAsync();
        var failure = _presented switch
        {
            Presented.Nothing => Failure.OfStatus(StatusCodes.Status401Unauthorized),
            Presented.TwoTokens => new Failure(StatusCodes.Status400BadRequest, ErrorCodes.InvalidRequest, "The access token is sent more than once."),
            _ => new Failure(StatusCodes.Status401Unauthorized, ErrorCodes.InvalidToken, _problem?.Description ?? "The access token is not valid here: malformed, expired, revoked, or for another service."),
        };
        Response.Headers.WWWAuthenticate = Challenge(resources, _isForDPoP, _presented == Presented.Nothing ? null : _problem?.Code ?? failure.ErrorCode);
        await failure.WriteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) => Failure.OfStatus(StatusCodes.Status403Forbidden).WriteAsync(Context);
}
