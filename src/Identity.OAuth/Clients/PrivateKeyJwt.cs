// RFC 7523 §2.2 and §3, OpenID Connect Core §9, FAPI 2.0 §5.3.2.1: private_key_jwt.
using System.Runtime.CompilerServices;
using Identity.OAuth.Requests;
using Identity.OAuth.Storage;
using Microsoft.Extensions.Options;
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
public sealed class PrivateKeyJwt(ClientSignatures signatures, IReplayCache replays, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    private const int MaximumLength = 8 * 1024;

    /// <summary>The asymmetric algorithms an assertion may use; never none, never a shared secret.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

    /// <summary>Whom an assertion claims to be, before anything of it is believed; null if it is not a JWT that we would look at.</summary>
    public static string? UnverifiedSubject(string assertion) => SignedJwt.Read(assertion, MaximumLength)?.Text("sub");

    /// <summary>Whether the client signed it, for us, just now and never before. Proving it uses its <c>jti</c> up.</summary>
    public async ValueTask<bool> ProvesAsync(Client client, string assertion, CancellationToken cancellationToken)
    {
        if (SignedJwt.Read(assertion, MaximumLength) is not { } jwt || !HasSoundClaims(client, jwt, out var jti, out var expiresAt))
        {
            return false;
        }

        if (!Algorithms.Contains(jwt.Algorithm, StringComparer.Ordinal)
            || (client.TokenEndpointAuthSigningAlg is { } only && only != jwt.Algorithm)
            || jwt.IsCritical
            || !jwt.IsOfType("JWT", "client-authentication+jwt"))
        {
            return false;
        }

        // Last, so that an assertion that proves nothing cannot use up somebody's jti.
        return await signatures.VerifiesAsync(client, jwt, cancellationToken)
            && await replays.TryAddAsync("client_assertion", client.ClientId + "\n" + jti, expiresAt + options.Value.ClockSkew, cancellationToken);
    }

    private bool HasSoundClaims(Client client, SignedJwt jwt, out string jti, out DateTimeOffset expiresAt)
    {
        jti = jwt.Text("jti") ?? "";
        expiresAt = default;
        var now = timeProvider.GetUtcNow();
        var skew = options.Value.ClockSkew;
        if (jti.Length is 0 or > 500 || jwt.Text("iss") != client.ClientId || jwt.Text("sub") != client.ClientId)
        {
            return false;
        }

        // FAPI 2.0: the issuer as a single string and nothing else; an endpoint's address or a list lets another server replay it.
        if (jwt.Text("aud") != options.Value.Issuer)
        {
            return false;
        }

        if (!jwt.TryTime("exp", out var exp) || exp is null || exp <= now - skew || exp > now + TimeSpan.FromHours(1))
        {
            return false;
        }

        if (!jwt.TryTime("nbf", out var nbf) || nbf > now + skew || !jwt.TryTime("iat", out var iat) || iat > now + skew)
        {
            return false;
        }

        expiresAt = exp.Value;
        return true;
    }
}
