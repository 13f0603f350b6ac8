// RFC 5480 (SubjectPublicKeyInfo of elliptic curves), SEC 1 §2.3.3 (uncompressed points), FIPS 186-5 (ECDSA).
using System.Security.Cryptography;

namespace Identity.Accounts.Devices;

/// <summary>The P-256 public key of a device, in the forms that Android (SubjectPublicKeyInfo) and iOS (uncompressed point) give out.</summary>
public static class DevicePublicKey
{
    private const int PointLength = 65;

    // SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING }: always the same for this curve.
    private static readonly byte[] s_prefix = Convert.FromHexString("3059301306072A8648CE3D020106082A8648CE3D030107034200");

    /// <summary>The key as SubjectPublicKeyInfo; null where it is none of P-256.</summary>
    public static byte[]? Parse(string text)
    {
        var bytes = Decode(text);
        if (bytes is { Length: PointLength } && bytes[0] == 4)
        {
            bytes = [.. s_prefix, .. bytes];
        }

        if (bytes is null || bytes.Length != s_prefix.Length + PointLength || !bytes.AsSpan().StartsWith(s_prefix))
        {
            return null;
        }

        try
        {
            // Refuses points that are not on the curve.
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(bytes, out _);
            return bytes;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Whether the signature is the key's over the text, by ECDSA with SHA-256: as 64 bytes (JOSE, IEEE P1363) or as DER.</summary>
    public static bool Verifies(byte[] publicKey, ReadOnlySpan<byte> message, string signature)
    {
        if (Decode(signature) is not { Length: > 0 and <= 80 } bytes)
        {
            return false;
        }

        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(publicKey, out _);
        try
        {
            return key.VerifyData(message, bytes, HashAlgorithmName.SHA256, bytes.Length == 64 ? DSASignatureFormat.IeeeP1363FixedFieldConcatenation : DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Base64 or base64url, with or without padding.</summary>
    private static byte[]? Decode(string text)
    {
        var plain = text.Trim().TrimEnd('=').Replace('-', '+').Replace('_', '/');
        var bytes = new byte[(plain.Length / 4 * 3) + 3];
        return plain.Length is > 0 and <= 400 && Convert.TryFromBase64String(plain.PadRight((plain.Length + 3) / 4 * 4, '='), bytes, out var length) ? bytes[..length] : null;
    }
}
