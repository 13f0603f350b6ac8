// RFC 6749 §10.10: values that cannot be guessed, and how they are kept.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Identity.OAuth.Tokens;

/// <summary>Random values and their hashes.</summary>
public static class SecureValue
{
    /// <summary>256 random bits, base64url: 43 characters.</summary>
    public static string Create() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>SHA-256, base64url: the form in which single-use values and reference tokens are stored.</summary>
    public static string Hash(string value)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(value), hash);
        return Base64Url.EncodeToString(hash);
    }
}
