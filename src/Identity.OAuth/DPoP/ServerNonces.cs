// RFC 9449 §8 and §9: nonces that the server hands out, so that no proof can be made in advance.
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.DPoP;

/// <summary>
/// One for everybody, another each two minutes: an HMAC of the time under a key from the master key. Nothing is kept, and every node takes what any
/// of them gave. What makes a proof single is its <c>jti</c>.
/// </summary>
public sealed class ServerNonces(IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(2);

    // Part of what is authenticated, so that no other value made with the key can stand for a nonce.
    private static ReadOnlySpan<byte> Kind => "dpop_nonce.v1"u8;

    /// <summary>Whether proofs need one (<c>OAuth:RequireDPoPNonce</c>).</summary>
    public bool AreRequired => options.Value.RequireDPoPNonce;

    public string Current => Of(Step);

    /// <summary>This one, the one before, or the next: another node's clock may be a little ahead.</summary>
    public bool IsTaken(string? nonce) => nonce is not null && (Same(nonce, Step) | Same(nonce, Step - 1) | Same(nonce, Step + 1));

    private long Step => timeProvider.GetUtcNow().UtcTicks / Period.Ticks;

    private bool Same(string nonce, long step) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(nonce), Encoding.UTF8.GetBytes(Of(step)));

    private string Of(long step)
    {
        Span<byte> input = stackalloc byte[Kind.Length + sizeof(long)];
        Kind.CopyTo(input);
        BinaryPrimitives.WriteInt64BigEndian(input[Kind.Length..], step);
        return Base64Url.EncodeToString(HMACSHA256.HashData(options.Value.DPoPNonceKey, input));
    }
}
