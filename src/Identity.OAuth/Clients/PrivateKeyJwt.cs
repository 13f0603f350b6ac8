// RFC 7523 §2.2 and §3, OpenID Connect Core §9, FAPI 2.0 §5.3.2.1: private_key_jwt.
using System.Runtime.CompilerServices;
using System.Text.Json;
using Identity.OAuth.Requests;
using Identity.OAuth.Storage;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Clients;

/// <summary>The public keys of a client, by value or from its <c>jwks_uri</c>.</summary>
public interface IClientKeySource
{
    /// <summary>The keys; none where they cannot be had.</summary>
    /// <param name="refresh">Ask the client again: none of the cached keys can be meant. Anybody can cause it, so an implementation limits how often it does.</param>
    ValueTask<IReadOnlyList<JsonWebKey>> FindAsync(Client client, bool refresh, CancellationToken cancellationToken);
}

/// <summary>Keys by value only. The host replaces it with one that also fetches <c>jwks_uri</c> under its guard.</summary>
public sealed class RegisteredClientKeys : IClientKeySource
{
    // A client record is immutable, so its keys are parsed once per record and go with it.
    private readonly ConditionalWeakTable<Client, IReadOnlyList<JsonWebKey>> _parsed = [];

    public ValueTask<IReadOnlyList<JsonWebKey>> FindAsync(Client client, bool refresh, CancellationToken cancellationToken) =>
        new(client.Jwks is null ? [] : _parsed.GetValue(client, static registered => [.. new JsonWebKeySet(registered.Jwks!).Keys]));
}

/// <summary>A client proves itself with an assertion it signed.</summary>
public sealed class PrivateKeyJwt(IClientKeySource keys, IReplayCache replays, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = StrictJws.MaximumLength };

    /// <summary>The asymmetric algorithms an assertion may use; never none, never a shared secret.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

    /// <summary>Whom an assertion claims to be, before anything of it is believed; null if it is not a JWT that we would look at.</summary>
    public static string? UnverifiedSubject(string assertion) =>
        StrictJws.TryRead(assertion, out _, out var payload) ? StrictJws.Text(payload, "sub") : null;

    /// <summary>Whether the client signed it, for us, just now and never before. Proving it uses its <c>jti</c> up.</summary>
    public async ValueTask<bool> ProvesAsync(Client client, string assertion, CancellationToken cancellationToken)
    {
        if (!StrictJws.TryRead(assertion, out var header, out var payload) || !HasSoundClaims(client, payload, out var jti, out var expiresAt))
        {
            return false;
        }

        var algorithm = StrictJws.Text(header, "alg");
        if (algorithm is null || !Algorithms.Contains(algorithm, StringComparer.Ordinal)
            || (client.TokenEndpointAuthSigningAlg is { } only && only != algorithm)
            || header.TryGetProperty("crit", out _)
            || (StrictJws.Text(header, "typ") is { } typ && !typ.Equals("JWT", StringComparison.OrdinalIgnoreCase) && !typ.Equals("client-authentication+jwt", StringComparison.OrdinalIgnoreCase)))
        {
            return false;
        }

        var kid = StrictJws.Text(header, "kid");
        var proven = await VerifiesAsync(client, assertion, algorithm, kid, refresh: false, cancellationToken);
        if (proven is null && client.JwksUri is not null)
        {
            // OpenID Connect Core §10.1.1: the client rotated its keys since we last looked.
            proven = await VerifiesAsync(client, assertion, algorithm, kid, refresh: true, cancellationToken);
        }

        // Last, so that an assertion that proves nothing cannot use up somebody's jti.
        return proven == true && await replays.TryAddAsync("client_assertion", client.ClientId + "\n" + jti, expiresAt + options.Value.ClockSkew, cancellationToken);
    }

    /// <summary>Null where no key of the client can be the one that is meant.</summary>
    private async ValueTask<bool?> VerifiesAsync(Client client, string assertion, string algorithm, string? kid, bool refresh, CancellationToken cancellationToken)
    {
        // jku, x5u, x5c and jwk headers are never looked at: keys come from the registration alone.
        bool? proven = null;
        foreach (var key in await keys.FindAsync(client, refresh, cancellationToken))
        {
            if ((kid is not null && key.Kid is not null && key.Kid != kid) || (key.Alg is { Length: > 0 } registered && registered != algorithm) || key.Use is "enc" || key.Kty == "oct")
            {
                continue;
            }

            var result = await Handler.ValidateTokenAsync(assertion, new TokenValidationParameters
            {
                IssuerSigningKey = key,
                ValidAlgorithms = [algorithm],
                TryAllIssuerSigningKeys = true,
                ValidateIssuer = false,
                ValidateAudience = false,
                ValidateLifetime = false,
                RequireSignedTokens = true,
            });
            if (result.IsValid)
            {
                return true;
            }

            proven = kid is null ? null : false;
        }

        return proven;
    }

    private bool HasSoundClaims(Client client, JsonElement payload, out string jti, out DateTimeOffset expiresAt)
    {
        jti = StrictJws.Text(payload, "jti") ?? "";
        expiresAt = default;
        var now = timeProvider.GetUtcNow();
        var skew = options.Value.ClockSkew;
        if (jti.Length is 0 or > 500 || StrictJws.Text(payload, "iss") != client.ClientId || StrictJws.Text(payload, "sub") != client.ClientId)
        {
            return false;
        }

        // FAPI 2.0: the issuer as a single string and nothing else; an endpoint's address or a list lets another server replay it.
        if (StrictJws.Text(payload, "aud") != options.Value.Issuer)
        {
            return false;
        }

        if (!StrictJws.TryTime(payload, "exp", out var exp) || exp is null || exp <= now - skew || exp > now + TimeSpan.FromHours(1))
        {
            return false;
        }

        if (!StrictJws.TryTime(payload, "nbf", out var nbf) || nbf > now + skew || !StrictJws.TryTime(payload, "iat", out var iat) || iat > now + skew)
        {
            return false;
        }

        expiresAt = exp.Value;
        return true;
    }
}
