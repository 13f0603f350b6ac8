// RFC 6749 §4.1.2.1 and §5.2: the error responses of the authorization and the token endpoint.
namespace Identity.OAuth;

/// <summary>An expected failure of a protocol request, as RFC 6749 §5.2 spells it.</summary>
/// <param name="Code">The <c>error</c> member, one of <see cref="OAuthErrors"/>.</param>
/// <param name="Description">
/// For the client's developer. Only the characters of RFC 6749 §5.2 (no CR, LF, TAB, quote or backslash)
/// and never a piece of the request.
/// </param>
/// <param name="Status">The HTTP status where the error is answered as JSON.</param>
public sealed record OAuthError(string Code, string Description, int Status = 400)
{
    /// <summary>More for the log; never sent, never a secret.</summary>
    public string? Detail { get; init; }

    /// <summary>The value of <c>WWW-Authenticate</c>, where the status is 401 or 403.</summary>
    public string? Challenge { get; init; }
}

/// <summary>The registered error codes that this server's own rules answer with, some of which OpenIddict's constants lack. Each names where it comes from.</summary>
public static class OAuthErrors
{
    // RFC 6749
    public const string InvalidRequest = "invalid_request";
    public const string InvalidClient = "invalid_client";
    public const string InvalidGrant = "invalid_grant";
    public const string UnauthorizedClient = "unauthorized_client";
    public const string UnsupportedResponseType = "unsupported_response_type";
    public const string InvalidScope = "invalid_scope";
    public const string AccessDenied = "access_denied";
    public const string ServerError = "server_error";
    public const string TemporarilyUnavailable = "temporarily_unavailable";
    // RFC 6750
    public const string InvalidToken = "invalid_token";
    public const string InsufficientScope = "insufficient_scope";
    // RFC 7009
    public const string UnsupportedTokenType = "unsupported_token_type";
    // RFC 8628
    public const string AuthorizationPending = "authorization_pending";
    public const string SlowDown = "slow_down";
    public const string ExpiredToken = "expired_token";
    // RFC 8707
    public const string InvalidTarget = "invalid_target";
    // RFC 9449
    public const string InvalidDPoPProof = "invalid_dpop_proof";
    public const string UseDPoPNonce = "use_dpop_nonce";
    // OpenID Connect Core §3.1.2.6
    public const string LoginRequired = "login_required";
    public const string ConsentRequired = "consent_required";
    public const string InteractionRequired = "interaction_required";
    public const string InvalidRequestObject = "invalid_request_object";
    public const string InvalidRequestUri = "invalid_request_uri";
    public const string RegistrationNotSupported = "registration_not_supported";
    // OpenID Connect Core: Unmet Authentication Requirements 1.0
    public const string UnmetAuthenticationRequirements = "unmet_authentication_requirements";
}
