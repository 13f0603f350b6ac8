// RFC 6749 §2.3.1: client_secret_basic, client_secret_post, and none for public clients.
using System.Security.Cryptography;
using System.Text;

namespace Identity.OAuth.Clients.ClientAuthentication;

/// <summary>A shared secret, kept as SHA-256: it is machine-made, so a slow hash would add cost and no safety.</summary>
public sealed class ClientSecret(string name) : IClientAuthenticationMethod
{
    public string Name => name;

    /// <summary>The form in which a secret is kept: lower-case hex SHA-256.</summary>
    public static string Hash(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    public ValueTask<bool> ProvesAsync(Client client, ClientCredentials credentials, CancellationToken cancellationToken)
    {
        if (credentials.Secret is not { Length: > 0 } secret)
        {
            return new(false);
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> known = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(secret), hash);
        var proven = false;
        foreach (var stored in client.SecretHashes)
        {
            // All are compared, whichever fits.
            proven |= Convert.FromHexString(stored, known, out _, out var written) == System.Buffers.OperationStatus.Done
                & written == known.Length
                & CryptographicOperations.FixedTimeEquals(hash, known);
        }

        return new(proven);
    }
}

/// <summary><c>none</c>: a public client says who it is and proves nothing.</summary>
public sealed class NoAuthentication : IClientAuthenticationMethod
{
    public string Name => "none";

    public ValueTask<bool> ProvesAsync(Client client, ClientCredentials credentials, CancellationToken cancellationToken) => new(true);
}
