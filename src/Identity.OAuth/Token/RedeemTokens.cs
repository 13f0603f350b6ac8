// RFC 6749 §4.1.2 and §10.5: replaces OpenIddict's RedeemTokenEntry. The one who loses the race for a code replays it: what the winner got dies.
using System.Security.Claims;
using Identity.OAuth.Authorize;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Token;

/// <summary>Uses up what the request came with: a code, a device code, a user code, a pushed request.</summary>
internal sealed class RedeemTokens(IOpenIddictTokenManager tokens, ReplayedCodes replayed) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .AddFilter<RequirePresentedToken>()
        .UseScopedHandler<RedeemTokens>()
        .SetOrder(OpenIddictServerHandlers.RedeemTokenEntry.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ProcessSignInContext context)
    {
        var principal = RequirePresentedToken.Presented(context)!;
        var id = principal.GetTokenId()!;
        if (await tokens.FindByIdAsync(id, context.CancellationToken) is { } token && await tokens.TryRedeemAsync(token, context.CancellationToken))
        {
            return;
        }

        // A device code never went through a browser, and devices repeat what they send: the winner keeps what it got.
        if (!context.Request.IsDeviceCodeGrantType() && GrantClaim.Read(principal) is { } grant)
        {
            await replayed.KillAsync(grant);
        }

        context.Reject(
            context.EndpointType switch
            {
                OpenIddictServerEndpointType.Token => OAuthErrors.InvalidGrant,
                OpenIddictServerEndpointType.Authorization => OAuthErrors.InvalidRequestUri,
                _ => OAuthErrors.InvalidRequest,
            },
            "This was used before.");
    }
}

/// <summary>The request came with something that is used up by it.</summary>
internal sealed class RequirePresentedToken : IOpenIddictServerHandlerFilter<ProcessSignInContext>
{
    public ValueTask<bool> IsActiveAsync(ProcessSignInContext context) => new(Presented(context)?.GetTokenId() is { Length: > 0 });

    public static ClaimsPrincipal? Presented(ProcessSignInContext context)
    {
        var authentication = context.Transaction.GetProperty<ProcessAuthenticationContext>(typeof(ProcessAuthenticationContext).FullName!);
        return context.EndpointType switch
        {
            OpenIddictServerEndpointType.Authorization => authentication?.RequestTokenPrincipal,
            OpenIddictServerEndpointType.EndUserVerification => authentication?.UserCodePrincipal,
            OpenIddictServerEndpointType.Token when context.Request.IsAuthorizationCodeGrantType() => authentication?.AuthorizationCodePrincipal,
            OpenIddictServerEndpointType.Token when context.Request.IsDeviceCodeGrantType() => authentication?.DeviceCodePrincipal,
            _ => null,
        };
    }
}

/// <summary>What follows from a code that comes a second time.</summary>
public sealed class ReplayedCodes(RefreshFamilies families, IDenyList denyList, IOptions<OAuthOptions> options, TimeProvider timeProvider, ILogger<ReplayedCodes> logger)
{
    /// <summary>RFC 6749 §4.1.2: what the first redemption led to dies, and what a redemption still under way may yet hand out.</summary>
    /// <remarks>Whoever sent it may hang up meanwhile, and one of the two stores may be away: the other half is done, and the repeat does both again.</remarks>
    public async Task KillAsync(AuthorizationGrant grant)
    {
        ArgumentNullException.ThrowIfNull(grant);
        var now = timeProvider.GetUtcNow();
        logger.CodeReplayed(grant.ClientId, grant.GrantId);
        try
        {
            await denyList.DenyAsync(grant.GrantId.ToString("N"), now + options.Value.RefreshTokenLifetime + AccessTokenClaims.MaximumLifetime, CancellationToken.None);
        }
        finally
        {
            await families.RevokeAsync(grant.GrantId, now, CancellationToken.None);
        }
    }
}
