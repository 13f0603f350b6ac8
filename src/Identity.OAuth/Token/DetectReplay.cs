// RFC 6749 §4.1.2: precedes OpenIddict's Protection.ValidateTokenEntry, which revokes rows; the tokens that a used code led to are JWTs and have none.
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Token;

/// <summary>A code that comes a second time, from its own client: what the first redemption led to dies.</summary>
internal sealed class DetectReplay(IOpenIddictTokenManager tokens, ReplayedCodes replayed) : IOpenIddictServerHandler<ValidateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .UseScopedHandler<DetectReplay>()
        .SetOrder(Protection.ValidateTokenEntry.Descriptor.Order - 500)
        .Build();

    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (context.Principal?.HasTokenType(TokenTypeIdentifiers.Private.AuthorizationCode) == true
            && context.TokenId is { Length: > 0 } id
            && GrantClaim.Read(context.Principal) is { } grant
            && await tokens.FindByIdAsync(id, context.CancellationToken) is { } token
            && await tokens.HasStatusAsync(token, Statuses.Redeemed, context.CancellationToken))
        {
            await replayed.KillAsync(grant);
            context.Reject(OAuthErrors.InvalidToken, "The code was used before.");
        }
    }
}
