// RFC 9068 §2.2: what goes into an access token. Reference tokens (RFC 7662) carry the same claims, kept here.
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Authorize;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Token;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tokens;

/// <summary>The claims of access tokens.</summary>
public static class AccessTokenClaims
{
    /// <summary>Private claim: the names of the claims asked for at userinfo, so that userinfo needs no look-up of the grant.</summary>
    public const string UserInfoClaims = "userinfo_claims";

    /// <summary>No access token lives longer, whatever a setting or a resource says: deny entries and old keys are kept this long.</summary>
    public static readonly TimeSpan MaximumLifetime = TimeSpan.FromDays(1);

    private static readonly string[] FirstPartyClaims = ["email", "roles"];

    /// <summary>How long the token lives: the server's, or shorter or longer as its API says, never beyond what it was made from.</summary>
    public static TimeSpan Lifetime(TokenIssue issue, OAuthOptions options)
    {
        ArgumentNullException.ThrowIfNull(issue);
        ArgumentNullException.ThrowIfNull(options);
        var lifetime = issue.Client.ClientId == FirstPartyClient.ClientId ? options.AccessTokenLifetime : issue.Target.Format.AccessTokenLifetime ?? options.AccessTokenLifetime;
        return issue.AtMost is { } most && most < lifetime ? most : lifetime;
    }

    public static JsonObject Of(TokenIssue issue, string issuer, DateTimeOffset now, TimeSpan lifetime)
    {
        ArgumentNullException.ThrowIfNull(issue);
        var audience = issue.Target.Audience;
        var claims = new JsonObject
        {
            ["iss"] = issuer,
            ["sub"] = issue.SubjectId,
            ["aud"] = audience.Count == 1 ? audience[0] : new JsonArray([.. audience.Select(value => JsonValue.Create(value))]),
            ["client_id"] = issue.Client.ClientId,
            ["jti"] = $"{issue.GrantId:N}.{Base64UrlEncoder.Encode(RandomNumberGenerator.GetBytes(16))}",
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + lifetime).ToUnixTimeSeconds(),
        };
        if (issue.Target.Scopes.Count > 0)
        {
            claims["scope"] = string.Join(' ', issue.Target.Scopes);
        }

        if (issue.Grant is { } grant)
        {
            claims["sid"] = grant.SessionId;
            claims["auth_time"] = grant.AuthTime.ToUnixTimeSeconds();
            claims["acr"] = grant.Acr;
            claims["amr"] = JsonSerializer.SerializeToNode(grant.Amr);
            var requested = ClaimsRequest.Parse(grant.ClaimsRequest).UserInfo.Keys.Where(ClaimsByScope.IsStandardClaim).ToArray();
            if (requested.Length > 0 && audience.Contains(issuer, StringComparer.Ordinal))
            {
                claims[UserInfoClaims] = JsonSerializer.SerializeToNode(requested);
            }
        }

        if (issue.Actor is not null)
        {
            claims["act"] = issue.Actor.DeepClone();
        }

        foreach (var name in issue.Client.ClientId == FirstPartyClient.ClientId ? FirstPartyClaims : issue.Target.Format.AccessTokenClaims)
        {
            // A person's claim never replaces one of the protocol's.
            if (issue.Person?.Claims[name] is { } value && !claims.ContainsKey(name))
            {
                claims[name] = value.DeepClone();
            }
        }

        return claims;
    }
}
