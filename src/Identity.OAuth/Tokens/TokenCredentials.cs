// RFC 9068 §2.1, OpenID Connect Core §3.1.3.7, RFC 7518: follows OpenIddict's Protection.AttachSecurityCredentials, which signs everything with its first key
// and writes a row for every token. Here the API or the client chooses the algorithm, and a JWT costs no row.
using Identity.OAuth.DPoP;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Keys;
using Identity.OAuth.Refresh;
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>The key of each token, and whether it has a row.</summary>
internal sealed class TokenCredentials(KeyRing keys, RefreshTokenHandle handles, IOptions<OAuthOptions> options) : IOpenIddictServerHandler<GenerateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<GenerateTokenContext>()
        .UseSingletonHandler<TokenCredentials>()
        .SetOrder(Protection.AttachSecurityCredentials.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(GenerateTokenContext context)
    {
        switch (context.TokenType)
        {
            case TokenTypeIdentifiers.AccessToken when TokenIssue.Of(context.Transaction) is { } issue:
                context.CreateTokenEntry = context.PersistTokenPayload = context.IsReferenceToken = false;
                context.SigningCredentials = issue.Client.ClientId == FirstPartyClient.ClientId && options.Value.CompatibilitySecret is { } secret
                    ? new SigningCredentials(new SymmetricSecurityKey(secret), SecurityAlgorithms.HmacSha256)
                    : (await keys.GetSigningKeyAsync(issue.Target.Format.AccessTokenSignedResponseAlg, context.CancellationToken)).Credentials;
                break;
            case TokenTypeIdentifiers.IdentityToken when TokenIssue.Of(context.Transaction) is { } issue:
                context.CreateTokenEntry = context.PersistTokenPayload = context.IsReferenceToken = false;
                context.SigningCredentials = (await keys.GetSigningKeyAsync(issue.Client.IdTokenSignedResponseAlg, context.CancellationToken)).Credentials;
                break;
            case TokenTypeIdentifiers.RefreshToken when TokenIssue.Of(context.Transaction) is { RefreshGeneration: { } generation } issue:
                // What OpenIddict finds in Token it does not make.
                context.CreateTokenEntry = context.PersistTokenPayload = context.IsReferenceToken = false;

                // RFC 8705 §4, RFC 9449 §5: a public client proves itself by nothing else. OpenIddict has attached the certificate for public clients only.
                var key = issue.Client.IsPublic ? DPoPProof.Of(context.Transaction)?.Thumbprint : null;
                context.Token = handles.Write(issue.GrantId, generation, key is null ? TokenClaims.CertificateOf(context, issue) : new Confirmation(Certificate: null, key));
                break;
            default:
                context.SigningCredentials = (await keys.GetSigningKeyAsync(SecurityAlgorithms.EcdsaSha256, context.CancellationToken)).Credentials;
                break;
        }
    }
}
