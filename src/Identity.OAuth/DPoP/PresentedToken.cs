// RFC 6750 §2.1, RFC 9449 §7.1 and §7.2, RFC 8705 §3: an access token in the Authorization header, and whether its sender may use it.
using Identity.OAuth.Clients;
using Identity.OAuth.Tokens;
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.DPoP;

/// <summary>What the Authorization header holds.</summary>
/// <param name="ByDPoP">By the scheme DPoP, else Bearer; in any case of letters (RFC 9110 §11.1).</param>
/// <param name="Value">What follows it, unchecked; may be empty.</param>
public readonly record struct PresentedToken(bool ByDPoP, string Value)
{
    private const string Bearer = "Bearer";

    /// <summary>Null: no header, or one of another scheme.</summary>
    public static PresentedToken? Read(string authorization)
    {
        ArgumentNullException.ThrowIfNull(authorization);
        return IsBy(authorization, Bearer) ? new(ByDPoP: false, authorization[Bearer.Length..].Trim(' '))
            : IsBy(authorization, DPoPProof.Name) ? new(ByDPoP: true, authorization[DPoPProof.Name.Length..].Trim(' '))
            : null;
    }

    /// <summary>The challenge for a token that was sent by DPoP, or should have been.</summary>
    public static string Challenge(string parameters) => $"{DPoPProof.Name} {parameters}, algs=\"{string.Join(' ', DPoPProof.Algorithms)}\"";

    private static bool IsBy(string authorization, string scheme) =>
        authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) && (authorization.Length == scheme.Length || authorization[scheme.Length] == ' ');
}

/// <summary>Whether who sends a live access token holds what it is bound to.</summary>
public sealed class Possession(ProofCheck proofs)
{
    /// <summary>Null: they do. A proof is used up by being right.</summary>
    public async ValueTask<OAuthError?> FindProblemAsync(HttpContext http, AccessToken token, string value, bool byDPoP, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(http);
        ArgumentNullException.ThrowIfNull(token);
        var bound = token.BoundTo;
        if (bound?.Certificate is not null && !bound.IsMetBy(await ClientCertificate.OfAsync(http)))
        {
            return new OAuthError(OAuthErrors.InvalidToken, "The access token was not sent with the certificate that it is bound to.");
        }

        if (bound?.Key is null)
        {
            // §7.1: to be sent by DPoP it has to be bound to a key.
            return byDPoP ? new OAuthError(OAuthErrors.InvalidToken, "The access token is bound to no key: it is a Bearer token.") : null;
        }

        if (!byDPoP)
        {
            return new OAuthError(OAuthErrors.InvalidToken, "The access token is bound to a key: send it by the scheme DPoP with a proof.");
        }

        return (await proofs.CheckAsync(http, value, bound.Key, cancellationToken)).Error;
    }
}
