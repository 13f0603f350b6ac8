// OpenID Connect Core §2, §3.1.3.6 and §5.4: what goes into an ID token.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Authorize;
using Identity.OAuth.Token;

namespace Identity.OAuth.Tokens;

/// <summary>The claims of ID tokens: the protocol's, those of the granted scopes (unless the client wants the protocol's alone), and those asked for by name.</summary>
public static class IdTokenClaims
{
    /// <param name="nonce">As sent; null: none, or this is a refresh.</param>
    /// <param name="accessTokenHash">at_hash, made by OpenIddict.</param>
    public static JsonObject Of(TokenIssue issue, string issuer, DateTimeOffset now, TimeSpan lifetime, string? nonce, string? accessTokenHash)
    {
        ArgumentNullException.ThrowIfNull(issue);
        var grant = issue.Grant!;
        var claims = new JsonObject
        {
            ["iss"] = issuer,
            ["sub"] = grant.Subject,
            ["aud"] = issue.Client.ClientId,
            ["azp"] = issue.Client.ClientId,
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + lifetime).ToUnixTimeSeconds(),
            ["auth_time"] = grant.AuthTime.ToUnixTimeSeconds(),
            ["acr"] = grant.Acr,
            ["amr"] = JsonSerializer.SerializeToNode(grant.Amr),
        };

        // Back-Channel Logout 1.0 §2.1, Front-Channel Logout 1.0 §3: what a sign-out is told by. Who wants little, and is told of none, has no use for it.
        if (issue.Client.IdTokenClaims || issue.Client.IsToldOfSignOuts)
        {
            claims["sid"] = grant.SessionId;
        }

        if (grant.IdentityProvider is { } provider)
        {
            claims["idp"] = provider;
        }

        if (accessTokenHash is not null)
        {
            claims["at_hash"] = accessTokenHash;
        }

        if (nonce is not null)
        {
            claims["nonce"] = nonce;
        }

        IEnumerable<string> asked = ClaimsRequest.Parse(grant.ClaimsRequest).IdToken.Keys.Where(name => ClaimsByScope.MayBeNamed(name, issue.Client.Scopes));
        foreach (var name in issue.Client.IdTokenClaims ? asked.Concat(grant.Scopes.SelectMany(ClaimsByScope.Of)) : asked)
        {
            if (ClaimsByScope.IsStandardClaim(name) && !claims.ContainsKey(name) && issue.Person?.Claims[name] is { } value)
            {
                claims[name] = value.DeepClone();
            }
        }

        return claims;
    }
}
