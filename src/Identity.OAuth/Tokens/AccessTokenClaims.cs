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

    /// <summary>Private claim of an exchanged token: the client that the person granted what it came from. Taken back from that one, it is gone.</summary>
    public const string GrantedTo = "granted_to";

    /// <summary>A token is exchanged for another, and that one again, so often at most (RFC 8693 sets no bound).</summary>
    public const int MaximumHops = 4;

    /// <summary>No access token lives longer, whatever a setting or a resource says: deny entries and old keys are kept this long.</summary>
    public static readonly TimeSpan MaximumLifetime = TimeSpan.FromDays(7);

    /// <summary>What tokens of /api/identity tell of the person.</summary>
    internal static readonly string[] FirstPartyClaims = ["email", "roles"];

    // What the token exchanged is bound to goes along: possession is still to be proven (RFC 8705 §3, RFC 9449 §7).
    private static readonly string[] SessionClaims = ["sid", "auth_time", "acr", "amr", "idp", "cnf"];

    /// <summary>How many exchanges led to the token of this <c>jti</c>: it is that of the token before, a dot, and a part of its own. Denying one denies all after it.</summary>
    public static int Hops(string jti)
    {
        ArgumentNullException.ThrowIfNull(jti);
        return jti.Count(character => character == '.') - 1;
    }

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
            ["jti"] = $"{issue.ExchangedFrom?.TokenId ?? issue.GrantId.ToString("N")}.{Base64UrlEncoder.Encode(RandomNumberGenerator.GetBytes(16))}",
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
            if (grant.IdentityProvider is { } provider)
            {
                claims["idp"] = provider;
            }

            var requested = ClaimsRequest.Parse(grant.ClaimsRequest).UserInfo.Keys.Where(name => ClaimsByScope.MayBeNamed(name, issue.Client.Scopes)).ToArray();
            if (requested.Length > 0 && audience.Contains(issuer, StringComparer.Ordinal))
            {
                claims[UserInfoClaims] = JsonSerializer.SerializeToNode(requested);
            }
        }

        if (issue.ExchangedFrom is { } subject)
        {
            foreach (var name in SessionClaims)
            {
                if (subject.Claims[name] is { } value)
                {
                    claims[name] = value.DeepClone();
                }
            }

            claims[GrantedTo] = subject.GrantedTo;
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
