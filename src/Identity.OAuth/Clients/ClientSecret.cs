// RFC 6749 §2.3.1: how a client's secret is kept and compared.
using System.Security.Cryptography;
using System.Text;

namespace Identity.OAuth.Clients;

/// <summary>A shared secret, kept as SHA-256: it is machine-made, so a slow hash would add cost and no safety.</summary>
public static class ClientSecret
{
    /// <summary>The form in which a secret is kept: lower-case hex SHA-256.</summary>
    public static string Hash(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    /// <summary>Whether the secret is one of those whose hashes are kept (more than one while a secret is being replaced). All are compared, whichever fits.</summary>
    public static bool IsOneOf(string secret, IReadOnlyList<string> hashes)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> known = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(secret), hash);
        var proven = false;
        foreach (var stored in hashes)
        {
            proven |= Convert.FromHexString(stored, known, out _, out var written) == System.Buffers.OperationStatus.Done
                & written == known.Length
                & CryptographicOperations.FixedTimeEquals(hash, known);
        }

        return proven;
    }
}
