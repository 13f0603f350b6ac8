// RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9449 §10: replaces OpenIddict's Exchange.ValidateRedirectUri, ValidateCodeVerifier and ValidateProofKeyForCodeExchangeRequirement,
// which tell a missing verifier or redirect_uri as invalid_request (FAPI 2.0 wants invalid_grant) and take a verifier of any length.
using System.Security.Cryptography;
using System.Text;
using Identity.OAuth.Clients;
using Identity.OAuth.DPoP;
using Identity.OAuth.Requests;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Token;

/// <summary>What must come with a code.</summary>
internal sealed class CodeRules(ClientStore clients) : IOpenIddictServerHandler<ValidateTokenRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenRequestContext>()
        .UseSingletonHandler<CodeRules>()
        .SetOrder(Exchange.ValidateRedirectUri.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ValidateTokenRequestContext context)
    {
        if (!context.Request.IsAuthorizationCodeGrantType())
        {
            return;
        }

        // Identical to what the authorization request sent; absent only where that sent none.
        var grant = GrantClaim.Read(context.AuthorizationCodePrincipal);
        var client = await clients.FindAsync(context.ClientId!, context.CancellationToken);
        var redirectUri = context.Request.RedirectUri;
        var problem = grant is null || client is null ? "not a code of ours"
            : redirectUri != grant.RedirectUri && !(grant.RedirectUri is null && redirectUri is not null && client.RedirectUris.Contains(redirectUri, StringComparer.Ordinal)) ? "another redirect_uri"
            : !ProvesPkce(grant.CodeChallenge, context.Request.CodeVerifier) ? "wrong code_verifier"
            : grant.DPoPKey is { } key && DPoPProof.Of(context.Transaction)?.Thumbprint != key ? "another key than dpop_jkt, or no proof"
            : null;
        if (problem is not null)
        {
            RefusalDetail.Set(context.Transaction, "code: " + problem);
            context.Reject(OAuthErrors.InvalidGrant, "The code is not valid: unknown, used, expired, or not for this request.");
        }
    }

    /// <summary>RFC 7636 §4.6, S256 only. A verifier without a challenge is a downgrade (RFC 9700 §4.8.2).</summary>
    private static bool ProvesPkce(string? challenge, string? verifier)
    {
        if (challenge is null || verifier is null)
        {
            return challenge is null && verifier is null;
        }

        // §4.1: 43 to 128 unreserved characters.
        if (verifier.Length is < 43 or > 128 || !verifier.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '.' or '_' or '~'))
        {
            return false;
        }

        var computed = Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)));
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(computed), Encoding.ASCII.GetBytes(challenge));
    }
}
