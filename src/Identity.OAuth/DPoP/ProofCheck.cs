// RFC 9449 §4.3, §8, §9 and §11.1: whether a proof was made for this very request, just now, and never sent before.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Identity.OAuth.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.DPoP;

/// <summary>Checks the proof of a request, at the protocol's endpoints and at our own APIs.</summary>
public sealed class ProofCheck(ServerNonces nonces, IReplayCache replays, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    /// <summary>How old a proof may be, besides <c>OAuth:ClockSkew</c>. Its <c>jti</c> is remembered as long.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(1);

    private const string NonceHeader = "DPoP-Nonce";

    /// <summary>The proof; it is used up by being right. A nonce that the sender has to know is put into the answer's header.</summary>
    /// <param name="http">The request.</param>
    /// <param name="accessToken">The access token that it came with (§7); null: none, at the token endpoint and for pushed requests.</param>
    /// <param name="key">Thumbprint of the key that it has to be of; null: any.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async ValueTask<Outcome<DPoPProof>> CheckAsync(HttpContext http, string? accessToken, string? key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(http);
        if (!DPoPProof.Read(http.Request.Headers[DPoPProof.Name]).TryGet(out var proof, out var error))
        {
            return error;
        }

        if (proof.Method != http.Request.Method || !IsFor(proof.Address, http.Request.Path))
        {
            return DPoPProof.Invalid("The DPoP proof is for another method or address.");
        }

        var now = timeProvider.GetUtcNow();
        var skew = options.Value.ClockSkew;
        if (proof.IssuedAt > now + skew || proof.IssuedAt < now - Life - skew)
        {
            return DPoPProof.Invalid("The DPoP proof was not made just now: its iat is too far from this server's clock.");
        }

        if (accessToken is not null && proof.AccessTokenHash != Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(accessToken))))
        {
            return DPoPProof.Invalid("The DPoP proof is for another access token: ath is missing or wrong.");
        }

        if (key is not null && key != proof.Thumbprint)
        {
            return new OAuthError(OAuthErrors.InvalidToken, "The access token is bound to another key than the DPoP proof's.");
        }

        if (nonces.AreRequired && proof.Nonce != nonces.Current)
        {
            // §8.2: one that is about to end is taken, and its successor told.
            http.Response.Headers[NonceHeader] = nonces.Current;
            if (!nonces.IsTaken(proof.Nonce))
            {
                return new OAuthError(OAuthErrors.UseDPoPNonce, "The DPoP proof needs the nonce of the DPoP-Nonce header.");
            }
        }

        // Last, so that a proof that proves nothing uses up nobody's jti.
        return await replays.TryAddAsync("dpop_proof", proof.Thumbprint + "\n" + proof.Id, proof.IssuedAt + Life + skew, cancellationToken)
            ? proof
            : DPoPProof.Invalid("The DPoP proof was sent before.");
    }

    // §4.3: query and fragment aside, after normalisation. By PUBLIC_URL, or the address of clients with certificates: the Host header is whatever its sender likes.
    private bool IsFor(string address, PathString path) =>
        Uri.TryCreate(address, UriKind.Absolute, out var named)
        && named.UserInfo.Length == 0
        && new[] { options.Value.Issuer, options.Value.CertificateAddress }.Any(known => known is not null && Same(named, new Uri(known + path.ToUriComponent())));

    private static bool Same(Uri one, Uri other) => one.GetComponents(Compared, UriFormat.UriEscaped) == other.GetComponents(Compared, UriFormat.UriEscaped);

    private const UriComponents Compared = UriComponents.SchemeAndServer | UriComponents.Path;
}
