// RFC 9449 §4.2 and §4.3: a proof that its sender holds a key, read by itself: what it has to be whatever request it came with.
using System.Text.Json;
using Identity.OAuth.Requests;
using Microsoft.Extensions.Primitives;
using OpenIddict.Server;

namespace Identity.OAuth.DPoP;

/// <summary>A proof whose signature is right.</summary>
/// <param name="Thumbprint">RFC 7638 thumbprint of the key, as in <c>jkt</c>.</param>
/// <param name="Id"><c>jti</c>.</param>
/// <param name="IssuedAt"><c>iat</c>.</param>
/// <param name="Method"><c>htm</c>.</param>
/// <param name="Address"><c>htu</c>.</param>
/// <param name="AccessTokenHash"><c>ath</c>; null: it names no token.</param>
/// <param name="Nonce"><c>nonce</c>; null: none.</param>
public sealed record DPoPProof(string Thumbprint, string Id, DateTimeOffset IssuedAt, string Method, string Address, string? AccessTokenHash, string? Nonce)
{
    /// <summary>The header that it comes in, and the scheme of the tokens that it goes with.</summary>
    public const string Name = "DPoP";

    /// <summary>Characters. No honest one comes near.</summary>
    private const int MaximumLength = 8 * 1024;

    /// <summary><c>dpop_signing_alg_values_supported</c>: asymmetric ones, never none, and not PKCS #1 v1.5 (FAPI 2.0 §5.4.1): keys of proofs are made by software, none of which needs it.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"];

    /// <summary>The proof that a token or pushed request came with; null: none, and the tokens are whoever's holds them.</summary>
    public static DPoPProof? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<DPoPProof>(typeof(DPoPProof).FullName!);

    public static bool IsIn(OpenIddictServerTransaction transaction) => Of(transaction) is not null;

    internal void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(DPoPProof).FullName!, this);

    public static Outcome<DPoPProof> Read(StringValues header)
    {
        if (header is not [{ Length: > 0 } value])
        {
            return Invalid("Exactly one DPoP header with one proof is expected.");
        }

        if (SignedJwt.Read(value, MaximumLength) is not { } jwt)
        {
            return Invalid("The DPoP proof is not a signed JWT.");
        }

        // A URI in the header (jku, x5u) is never looked at; what is critical and not known is refused (RFC 7515 §4.1.11).
        if (!jwt.Header.TryGetProperty("typ", out _) || !jwt.IsOfType("dpop+jwt") || jwt.IsCritical)
        {
            return Invalid("The DPoP proof is not of typ dpop+jwt, or has a critical header.");
        }

        if (jwt.Algorithm is not { } algorithm || !Algorithms.Contains(algorithm, StringComparer.Ordinal) || !jwt.Header.TryGetProperty("jwk", out var jwk))
        {
            return Invalid("The DPoP proof names no algorithm of dpop_signing_alg_values_supported, or no key.");
        }

        var end = value.LastIndexOf('.');
        if (ProofKey.Verify(jwk, algorithm, value[..end], value[(end + 1)..]) is not { } thumbprint)
        {
            return Invalid("The DPoP proof is not signed by its own public key, or that key is private, weak, or not for its algorithm.");
        }

        if (jwt.Text("jti") is not { Length: > 0 and <= 500 } id
            || jwt.Text("htm") is not { } method
            || jwt.Text("htu") is not { } address
            || !jwt.TryTime("iat", out var issuedAt) || issuedAt is null
            || !IsTextOrAbsent(jwt.Payload, "ath") || !IsTextOrAbsent(jwt.Payload, "nonce"))
        {
            return Invalid("The DPoP proof lacks one of jti, htm, htu and iat, or a claim of it is malformed.");
        }

        return new DPoPProof(thumbprint, id, issuedAt.Value, method, address, jwt.Text("ath"), jwt.Text("nonce"));
    }

    internal static OAuthError Invalid(string description) => new(OAuthErrors.InvalidDPoPProof, description, Status: 400);

    private static bool IsTextOrAbsent(JsonElement claims, string name) => !claims.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.String;
}
