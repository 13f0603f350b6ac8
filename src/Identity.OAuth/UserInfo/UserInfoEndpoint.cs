// OpenID Connect Core §5.3 and RFC 6750 §3: userinfo.
using System.Text.Json.Nodes;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.UserInfo;

/// <summary>Claims about the person an access token stands for: those of its scopes, and those asked for by name.</summary>
public sealed class UserInfoEndpoint(AccessTokenValidator accessTokens, ISubjects subjects, IOptions<OAuthOptions> options)
{
    /// <param name="authorization">The Authorization header; null: none.</param>
    /// <param name="formToken"><c>access_token</c> of a form body (RFC 6750 §2.2); null: none. A query is never read.</param>
    public async Task<Outcome<JsonObject>> HandleAsync(string? authorization, string? formToken, CancellationToken cancellationToken)
    {
        if (!BearerToken.Read(authorization, formToken).TryGet(out var value, out var error))
        {
            return error;
        }

        if (await accessTokens.ValidateAsync(value, acceptCompatibility: false, cancellationToken) is not { } token
            || !token.Audience.Contains(options.Value.Issuer, StringComparer.Ordinal)
            || await subjects.FindActiveAsync(token.Subject, cancellationToken) is not { } person)
        {
            return BearerToken.Invalid();
        }

        if (!token.Scopes.Contains("openid", StringComparer.Ordinal))
        {
            return BearerToken.Insufficient("openid");
        }

        var claims = new JsonObject { ["sub"] = token.Subject };
        foreach (var name in token.Scopes.SelectMany(ClaimsByScope.Of).Concat(token.UserInfoClaims))
        {
            if (ClaimsByScope.IsStandardClaim(name) && !claims.ContainsKey(name) && person.Claims[name] is { } claim)
            {
                claims[name] = claim.DeepClone();
            }
        }

        return claims;
    }
}
