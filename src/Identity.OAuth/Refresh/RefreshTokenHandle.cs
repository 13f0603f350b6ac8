// RFC 6749 §1.5 and §10.4, RFC 8705 §4, RFC 9449 §5, RFC 9700 §4.14: a refresh token is a handle of one row, authenticated with a key that is not in the database.
using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.Refresh;

/// <summary>Writes and reads refresh handles: base64url(family id, generation, perhaps the thumbprint of a certificate, or of a key and a mark, HMAC-SHA256).</summary>
public sealed class RefreshTokenHandle(IOptions<OAuthOptions> options)
{
    private const int BodyLength = 16 + 4;
    private const int HashLength = 32;
    private const int Longest = BodyLength + HashLength + 1 + HashLength;

    /// <summary>Follows the thumbprint of a key, and makes the handle longer than with a certificate's.</summary>
    private const byte OfKey = 1;

    // Part of what is authenticated, so that no other value made with the key can stand for a refresh token.
    private static ReadOnlySpan<byte> Kind => "refresh_token.v1"u8;

    /// <param name="familyId">The family.</param>
    /// <param name="generation">Which of its tokens it is.</param>
    /// <param name="boundTo">The certificate, or the key, that its holder has to have; null: whoever holds it may use it.</param>
    public string Write(Guid familyId, int generation, Confirmation? boundTo = null)
    {
        Span<byte> bytes = stackalloc byte[Longest];
        familyId.TryWriteBytes(bytes, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(bytes[16..], generation);
        var length = BodyLength;
        if (boundTo is not null && (boundTo.Key ?? boundTo.Certificate) is { } thumbprint)
        {
            length += Base64Url.DecodeFromChars(thumbprint, bytes[length..]);
            if (boundTo.Key is not null)
            {
                bytes[length++] = OfKey;
            }
        }

        Tag(bytes[..length], bytes[length..]);
        return Base64Url.EncodeToString(bytes[..(length + HashLength)]);
    }

    /// <summary>False for anything this server did not write.</summary>
    public bool TryRead(string? token, out Guid familyId, out int generation) => TryRead(token, out familyId, out generation, out _);

    /// <inheritdoc cref="TryRead(string?, out Guid, out int)"/>
    public bool TryRead(string? token, out Guid familyId, out int generation, out Confirmation? boundTo)
    {
        familyId = default;
        generation = 0;
        boundTo = null;
        var length = token?.Length switch { 70 => BodyLength, 112 => BodyLength + HashLength, 114 => BodyLength + HashLength + 1, _ => 0 };
        Span<byte> bytes = stackalloc byte[Longest + 2];
        if (length == 0 || Base64Url.DecodeFromChars(token, bytes, out _, out var written) != OperationStatus.Done || written != length + HashLength)
        {
            return false;
        }

        Span<byte> tag = stackalloc byte[HashLength];
        Tag(bytes[..length], tag);
        if (!CryptographicOperations.FixedTimeEquals(tag, bytes.Slice(length, HashLength)))
        {
            return false;
        }

        familyId = new Guid(bytes[..16], bigEndian: true);
        generation = BinaryPrimitives.ReadInt32BigEndian(bytes[16..]);
        if (length > BodyLength)
        {
            var thumbprint = Base64Url.EncodeToString(bytes.Slice(BodyLength, HashLength));
            boundTo = length == BodyLength + HashLength ? new(thumbprint, Key: null) : new(Certificate: null, thumbprint);
        }

        return true;
    }

    private void Tag(ReadOnlySpan<byte> body, Span<byte> tag)
    {
        Span<byte> input = stackalloc byte[Kind.Length + body.Length];
        Kind.CopyTo(input);
        body.CopyTo(input[Kind.Length..]);
        HMACSHA256.HashData(options.Value.RefreshTokenKey, input, tag);
    }
}
