// OpenID Connect Core §2 and §3.1.3.6: ID tokens.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Keys;
using Identity.OAuth.Sessions;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tokens;

/// <summary>Makes ID tokens. Claims of scopes go to userinfo; only the <c>claims</c> parameter brings more than the protocol's in here.</summary>
public sealed class IdTokenIssuer(KeyRing keys, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    /// <param name="accessToken">The access token that goes with it.</param>
    public async ValueTask<string> IssueAsync(Client client, AuthorizationGrant grant, Subject person, string accessToken, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var claims = new JsonObject
        {
            ["iss"] = options.Value.Issuer,
            ["sub"] = grant.Subject,
            ["aud"] = client.ClientId,
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + options.Value.IdTokenLifetime).ToUnixTimeSeconds(),
            ["auth_time"] = grant.AuthTime.ToUnixTimeSeconds(),
            ["acr"] = grant.Acr,
            ["amr"] = JsonSerializer.SerializeToNode(grant.Amr),
            ["sid"] = grant.SessionId,
            ["at_hash"] = Hash(accessToken),
        };
        if (grant.Nonce is not null)
        {
            claims["nonce"] = grant.Nonce;
        }

        foreach (var name in ClaimsRequest.Parse(grant.ClaimsRequest).IdToken.Keys)
        {
            if (ClaimsByScope.IsStandardClaim(name) && !claims.ContainsKey(name) && person.Claims[name] is { } value)
            {
                claims[name] = value.DeepClone();
            }
        }

        var key = await keys.GetSigningKeyAsync(client.IdTokenSignedResponseAlg, cancellationToken);
        return Handler.CreateToken(claims.ToJsonString(), key.Credentials, new Dictionary<string, object>(StringComparer.Ordinal) { [JwtHeaderParameterNames.Typ] = "JWT" });
    }

    // §3.1.3.6: the left half, by the hash of the signature's algorithm, which is SHA-256 for all that we sign with.
    private static string Hash(string token) => Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(token))[..16]);
}
