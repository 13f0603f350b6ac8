// RFC 7515 §5.2: signatures of ours that were verified a while ago. Verifying ES256 is three times dearer than making it, and APIs ask about the same token again and again.
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Identity.OAuth.Tokens;

/// <summary>
/// Remembers, by its SHA-256 and not itself, that a token's signature is right. That is all it remembers: whether its key is still published (a <c>kid</c>
/// is the thumbprint of its key), whether it has expired and whether it was revoked is asked each time.
/// </summary>
public sealed class VerifiedSignatures
{
    private const int Most = 20_000;

    private readonly ConcurrentDictionary<Digest, bool> _known = new();

    public bool IsKnown(string token) => _known.ContainsKey(Of(token));

    /// <param name="token">Verified just now, under the key that its header names.</param>
    public void Add(string token)
    {
        if (_known.Count >= Most)
        {
            _known.Clear();
        }

        _known[Of(token)] = true;
    }

    // Of its UTF-16: two texts that differ in anything differ here.
    private static Digest Of(string token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(token.AsSpan()), hash);
        return MemoryMarshal.Read<Digest>(hash);
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Digest(ulong First, ulong Second, ulong Third, ulong Fourth);
}
