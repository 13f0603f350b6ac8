// RFC 6749 §1.5 and §10.4, RFC 9700 §4.14: a refresh token is a handle of one row, authenticated with a key that is not in the database.
using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.Refresh;

/// <summary>Writes and reads refresh handles: base64url(family id, generation, HMAC-SHA256).</summary>
public sealed class RefreshTokenHandle(IOptions<OAuthOptions> options)
{
    private const int BodyLength = 16 + 4;
    private const int Length = BodyLength + 32;

    // Part of what is authenticated, so that no other value made with the key can stand for a refresh token.
    private static ReadOnlySpan<byte> Kind => "refresh_token.v1"u8;

    public string Write(Guid familyId, int generation)
    {
        Span<byte> bytes = stackalloc byte[Length];
        familyId.TryWriteBytes(bytes, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(bytes[16..], generation);
        Tag(bytes[..BodyLength], bytes[BodyLength..]);
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>False for anything this server did not write.</summary>
    public bool TryRead(string? token, out Guid familyId, out int generation)
    {
        familyId = default;
        generation = 0;
        Span<byte> bytes = stackalloc byte[Length + 2];
        if (token is not { Length: 70 } || Base64Url.DecodeFromChars(token, bytes, out _, out var written) != OperationStatus.Done || written != Length)
        {
            return false;
        }

        Span<byte> tag = stackalloc byte[32];
        Tag(bytes[..BodyLength], tag);
        if (!CryptographicOperations.FixedTimeEquals(tag, bytes[BodyLength..Length]))
        {
            return false;
        }

        familyId = new Guid(bytes[..16], bigEndian: true);
        generation = BinaryPrimitives.ReadInt32BigEndian(bytes[16..]);
        return true;
    }

    private void Tag(ReadOnlySpan<byte> body, Span<byte> tag)
    {
        Span<byte> input = stackalloc byte[Kind.Length + BodyLength];
        Kind.CopyTo(input);
        body.CopyTo(input[Kind.Length..]);
        HMACSHA256.HashData(options.Value.RefreshTokenKey, input, tag);
    }
}
