// RFC 7517 §4, RFC 7518 §3 and §6, RFC 7638: the public key that a proof brings along. Not by Microsoft.IdentityModel, which keeps what it makes of every key: here anybody may bring any number of them.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.OAuth.Requests;

namespace Identity.OAuth.DPoP;

/// <summary>Verifies signatures by keys that come with them.</summary>
internal static class ProofKey
{
    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    // Bytes. An exponent as long as the modulus would make each proof a hundred times dearer to verify than to send.
    private const int LongestExponent = 8;

    /// <summary>The thumbprint of the key, if the signature is by it; null: it is not, or the key is private, shared, weak, or not for the algorithm.</summary>
    /// <param name="jwk">The key, as the header names it.</param>
    /// <param name="algorithm">One of those that are announced.</param>
    /// <param name="input">What was signed.</param>
    /// <param name="signature">base64url.</param>
    public static string? Verify(JsonElement jwk, string algorithm, string input, string signature)
    {
        if (jwk.ValueKind != JsonValueKind.Object || PrivateMembers.Any(member => jwk.TryGetProperty(member, out _)))
        {
            return null;
        }

        try
        {
            var (bytes, tag) = (Encoding.ASCII.GetBytes(input), Base64Url.DecodeFromChars(signature));
            return (SignedJwt.Text(jwk, "kty"), algorithm[..2]) switch
            {
                ("EC", "ES") => VerifyEc(jwk, algorithm, bytes, tag),
                ("RSA", "PS") => VerifyRsa(jwk, algorithm, bytes, tag),
                _ => null,
            };
        }
        catch (Exception exception) when (exception is FormatException or CryptographicException or ArgumentException)
        {
            // A point off its curve, a modulus that is none, a value that is not base64url.
            return null;
        }
    }

    private static string? VerifyEc(JsonElement jwk, string algorithm, byte[] input, byte[] signature)
    {
        // RFC 7518 §3.4: the algorithm says which curve.
        (ECCurve Curve, string Name, int Length)? named = algorithm switch
        {
            "ES256" => (ECCurve.NamedCurves.nistP256, "P-256", 32),
            "ES384" => (ECCurve.NamedCurves.nistP384, "P-384", 48),
            "ES512" => (ECCurve.NamedCurves.nistP521, "P-521", 66),
            _ => null,
        };
        var (x, y) = (Bytes(jwk, "x"), Bytes(jwk, "y"));
        if (named is not var (curve, name, length) || SignedJwt.Text(jwk, "crv") != name || x.Length != length || y.Length != length)
        {
            return null;
        }

        using var key = ECDsa.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = x, Y = y } });
        return key.VerifyData(input, signature, Digest(algorithm), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)
            ? Thumbprint($$"""{"crv":"{{name}}","kty":"EC","x":"{{Base64Url.EncodeToString(x)}}","y":"{{Base64Url.EncodeToString(y)}}"}""")
            : null;
    }

    private static string? VerifyRsa(JsonElement jwk, string algorithm, byte[] input, byte[] signature)
    {
        var (n, e) = (Bytes(jwk, "n"), Bytes(jwk, "e"));
        if (e.Length > LongestExponent)
        {
            return null;
        }

        using var key = RSA.Create(new RSAParameters { Modulus = n, Exponent = e });
        return key.KeySize is >= 2048 and <= 8192 && key.VerifyData(input, signature, Digest(algorithm), RSASignaturePadding.Pss)
            ? Thumbprint($$"""{"e":"{{Base64Url.EncodeToString(e)}}","kty":"RSA","n":"{{Base64Url.EncodeToString(n)}}"}""")
            : null;
    }

    private static HashAlgorithmName Digest(string algorithm) => algorithm[2..] switch { "256" => HashAlgorithmName.SHA256, "384" => HashAlgorithmName.SHA384, _ => HashAlgorithmName.SHA512 };

    private static byte[] Bytes(JsonElement jwk, string member) => Base64Url.DecodeFromChars(SignedJwt.Text(jwk, member) ?? "");

    // RFC 7638 §3.1: the required members in this order, whatever else the key came with. Of the bytes, so that a key has one.
    private static string Thumbprint(string members) => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(members)));
}
