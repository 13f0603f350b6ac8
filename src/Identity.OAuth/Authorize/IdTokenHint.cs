// OpenID Connect Core §3.1.2.1 and RP-Initiated Logout 1.0 §2: an ID token that we once issued, given back to say who is meant.
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Authorize;

/// <summary>What a hint says.</summary>
public sealed record IdTokenHint(string Subject, string ClientId, string? SessionId);

/// <summary>Reads hints. An expired one is accepted, as the specs ask; one that we did not sign never.</summary>
public sealed class IdTokenHintReader(KeyRing keys, IOptions<OAuthOptions> options)
{
    private const int MaximumLength = 16 * 1024;
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = MaximumLength };

    /// <summary>Null: not an ID token of ours (alg none, a foreign key, an access token).</summary>
    public async ValueTask<IdTokenHint?> ReadAsync(string value, CancellationToken cancellationToken)
    {
        if (value.Length > MaximumLength)
        {
            return null;
        }

        JsonWebToken jwt;
        try
        {
            jwt = new JsonWebToken(value);
        }
        catch (Exception exception) when (exception is ArgumentException or SecurityTokenException or JsonException)
        {
            return null;
        }

        if (jwt.TryGetHeaderValue<object>("crit", out _) || await keys.FindAsync(jwt.Kid, cancellationToken) is not { } key)
        {
            return null;
        }

        var result = await Handler.ValidateTokenAsync(jwt, new TokenValidationParameters
        {
            ValidIssuer = options.Value.Issuer,
            IssuerSigningKey = key.Key,
            ValidAlgorithms = [key.Algorithm],
            ValidTypes = ["JWT"],
            ValidateAudience = false,
            ValidateLifetime = false,
            RequireSignedTokens = true,
        });
        if (!result.IsValid)
        {
            return null;
        }

        // An access token with typ JWT has a client_id; an ID token has none.
        var claims = JsonNode.Parse(Base64UrlEncoder.Decode(jwt.EncodedPayload))!.AsObject();
        return claims["client_id"] is null && claims["sub"] is JsonValue subject && claims["aud"] is JsonValue audience
            ? new IdTokenHint((string)subject!, (string)audience!, (string?)claims["sid"])
            : null;
    }
}
