// RFC 7009 §2.1: replaces OpenIddict's Revocation.ValidateTokenType, ValidateAuthorizedParty and RevokeToken: a refresh token takes its access tokens along, and
// only its own client ends a token. A store that fails throws: a revocation is never acknowledged that did not happen.
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Revocation;

/// <summary>Kills tokens for the client they belong to. Another client's stays alive, and nothing is told of it.</summary>
internal sealed class RevokeTokens(RefreshFamilies families, IDenyList denyList, TimeProvider timeProvider) : IOpenIddictServerHandler<HandleRevocationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<HandleRevocationRequestContext>()
        .UseSingletonHandler<RevokeTokens>()
        .SetOrder(OpenIddictServerHandlers.Revocation.RevokeToken.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(HandleRevocationRequestContext context)
    {
        var principal = context.GenericTokenPrincipal!;
        if (!principal.HasPresenter(context.Request.ClientId!))
        {
            return;
        }

        // Not ended by whoever hangs up: half of it would be nothing for long, as the deny list forgets and a family does not.
        if (AccessToken.Of(context.Transaction) is { } token)
        {
            await denyList.DenyAsync(token.TokenId, token.ExpiresAt, CancellationToken.None);
        }
        else if (Guid.TryParse(principal.GetClaim("family"), out var family))
        {
            var now = timeProvider.GetUtcNow();
            await denyList.DenyAsync(family.ToString("N"), now + AccessTokenClaims.MaximumLifetime, CancellationToken.None);
            await families.RevokeAsync(family, now, CancellationToken.None);
        }
    }
}
