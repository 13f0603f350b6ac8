// RFC 6750 §2 and §3: where a bearer token may stand, and how a resource refuses. RFC 9728 §5.1: where to read more.
namespace Identity.OAuth.Tokens;

/// <summary>Reads bearer tokens and words the refusals.</summary>
public static class BearerToken
{
    /// <summary>The token, from the one place where it stands. No token at all is a 401 without an error code (§3.1).</summary>
    public static Outcome<string> Read(string? authorization, string? formToken)
    {
        if (authorization is null)
        {
            return formToken is not null ? formToken : new OAuthError(OAuthErrors.InvalidToken, "No access token was sent.", Status: 401) { Challenge = "Bearer" };
        }

        if (formToken is not null)
        {
            return Malformed("The access token is sent in two places.");
        }

        if (!authorization.StartsWith("Bearer", StringComparison.OrdinalIgnoreCase) || (authorization.Length > 6 && authorization[6] != ' '))
        {
            return new OAuthError(OAuthErrors.InvalidToken, "No bearer token was sent.", Status: 401) { Challenge = "Bearer" };
        }

        var token = authorization.Length > 7 ? authorization[7..].Trim() : "";
        return token.Length == 0 || token.Contains(' ', StringComparison.Ordinal) || token.Contains(',', StringComparison.Ordinal)
            ? Malformed("The Authorization header does not hold one access token.")
            : token;
    }

    public static OAuthError Invalid() =>
        new(OAuthErrors.InvalidToken, "The access token is expired, revoked, malformed, or not for this resource.", Status: 401) { Challenge = "Bearer error=\"invalid_token\"" };

    public static OAuthError Insufficient(string scope) =>
        new(OAuthErrors.InsufficientScope, "The access token lacks a scope.", Status: 403) { Challenge = $"Bearer error=\"insufficient_scope\", scope=\"{scope}\"" };

    private static OAuthError Malformed(string description) => new(OAuthErrors.InvalidRequest, description) { Challenge = "Bearer error=\"invalid_request\"" };
}
