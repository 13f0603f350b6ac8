// RFC 9068: JWT access tokens. RFC 7662: reference tokens carry the same claims, kept here.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tokens;

/// <summary>What goes into an access token, whoever it is for.</summary>
/// <param name="GrantId">Prefix of the <c>jti</c>: one deny entry on it kills all access tokens of a grant.</param>
/// <param name="Subject"><c>sub</c>: the person, or the client itself.</param>
/// <param name="ClientId"><c>client_id</c>.</param>
/// <param name="Target">Audience, scopes and format.</param>
/// <param name="SessionId"><c>sid</c>; null for a client's own token.</param>
/// <param name="AuthTime">RFC 9068 §2.2.1; null for a client's own token.</param>
/// <param name="Acr">As above.</param>
/// <param name="Amr">As above.</param>
/// <param name="Person">The person's claims, from which the API's <c>access_token_claims</c> are taken.</param>
/// <param name="RequestedUserInfo">Claims asked for by name at userinfo (OpenID Connect Core §5.5); the token carries their names there.</param>
/// <param name="Compatibility">Issued by /api/identity: HS256 where JWT_SECRET is set, and always with email and roles.</param>
public sealed record AccessTokenRequest(
    Guid GrantId,
    string Subject,
    string ClientId,
    TokenTarget Target,
    string? SessionId = null,
    DateTimeOffset? AuthTime = null,
    string? Acr = null,
    IReadOnlyList<string>? Amr = null,
    Subject? Person = null,
    IReadOnlyCollection<string>? RequestedUserInfo = null,
    bool Compatibility = false);

/// <summary>An access token as it is handed out.</summary>
public sealed record IssuedAccessToken(string Value, TimeSpan Lifetime, IReadOnlyList<string> Scopes);

/// <summary>Makes access tokens.</summary>
public sealed class AccessTokenIssuer(KeyRing keys, IReferenceTokenStore references, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    /// <summary>Private claim: the names of the claims asked for at userinfo, so that userinfo needs no look-up of the grant.</summary>
    public const string UserInfoClaims = "userinfo_claims";

    /// <summary>No access token lives longer, whatever a setting or a resource says: deny entries and old keys are kept this long.</summary>
    public static readonly TimeSpan MaximumLifetime = TimeSpan.FromDays(1);

    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };
    private static readonly string[] CompatibilityClaims = ["email", "roles"];

    public async ValueTask<IssuedAccessToken> IssueAsync(AccessTokenRequest request, CancellationToken cancellationToken)
    {
        var settings = options.Value;
        var now = timeProvider.GetUtcNow();
        var format = request.Target.Format;
        var lifetime = request.Compatibility ? settings.AccessTokenLifetime : format.AccessTokenLifetime ?? settings.AccessTokenLifetime;
        var claims = Claims(request, settings.Issuer, now, lifetime);
        if (request.Compatibility && settings.CompatibilitySecret is { } secret)
        {
            var credentials = new SigningCredentials(new SymmetricSecurityKey(secret), SecurityAlgorithms.HmacSha256);
            return new(Handler.CreateToken(claims.ToJsonString(), credentials), lifetime, request.Target.Scopes);
        }

        if (format.AccessTokenFormat == "reference" && !request.Compatibility)
        {
            var value = SecureValue.Create();
            await references.SaveAsync(new ReferenceToken(SecureValue.Hash(value), claims.ToJsonString(), now + lifetime), cancellationToken);
            return new(value, lifetime, request.Target.Scopes);
        }

        var key = await keys.GetSigningKeyAsync(format.AccessTokenSignedResponseAlg, cancellationToken);
        var header = new Dictionary<string, object>(StringComparer.Ordinal) { [JwtHeaderParameterNames.Typ] = format.AccessTokenTyp };
        return new(Handler.CreateToken(claims.ToJsonString(), key.Credentials, header), lifetime, request.Target.Scopes);
    }

    private static JsonObject Claims(AccessTokenRequest request, string issuer, DateTimeOffset now, TimeSpan lifetime)
    {
        var audience = request.Target.Audience;
        var claims = new JsonObject
        {
            ["iss"] = issuer,
            ["sub"] = request.Subject,
            ["aud"] = audience.Count == 1 ? audience[0] : new JsonArray([.. audience.Select(value => JsonValue.Create(value))]),
            ["client_id"] = request.ClientId,
            ["jti"] = $"{request.GrantId:N}.{Base64UrlEncoder.Encode(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16))}",
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + lifetime).ToUnixTimeSeconds(),
        };
        if (request.Target.Scopes.Count > 0)
        {
            claims["scope"] = string.Join(' ', request.Target.Scopes);
        }

        if (request.SessionId is not null)
        {
            claims["sid"] = request.SessionId;
        }

        if (request.AuthTime is { } authTime)
        {
            claims["auth_time"] = authTime.ToUnixTimeSeconds();
            claims["acr"] = request.Acr;
            claims["amr"] = JsonSerializer.SerializeToNode(request.Amr ?? []);
        }

        if (request.RequestedUserInfo is { Count: > 0 } requested && audience.Contains(issuer, StringComparer.Ordinal))
        {
            claims[UserInfoClaims] = JsonSerializer.SerializeToNode(requested.Where(ClaimsByScope.IsStandardClaim));
        }

        foreach (var name in request.Compatibility ? CompatibilityClaims : request.Target.Format.AccessTokenClaims)
        {
            // A person's claim never replaces one of the protocol's.
            if (request.Person?.Claims[name] is { } value && !claims.ContainsKey(name))
            {
                claims[name] = value.DeepClone();
            }
        }

        return claims;
    }
}
