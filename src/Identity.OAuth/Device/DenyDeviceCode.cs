// RFC 8628 §3.3: replaces OpenIddict's RejectDeviceCodeEntry and RejectUserCodeEntry, which turn down a code that somebody allowed at the same moment.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlerFilters;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Device;

/// <summary>
/// Whoever has the user code's row answers, by one conditional UPDATE.
/// </summary>
internal sealed class DenyDeviceCode(IOpenIddictTokenStore<OAuthToken> tokens) : IOpenIddictServerHandler<ProcessChallengeContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessChallengeContext>()
        .AddFilter<RequireEndUserVerificationRequest>()
        .UseScopedHandler<DenyDeviceCode>()
        .SetOrder(RejectDeviceCodeEntry.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ProcessChallengeContext context)
    {
        var store = (TokenStore)tokens;
        var userCode = context.Transaction.GetProperty<ProcessAuthenticationContext>(typeof(ProcessAuthenticationContext).FullName!)!.UserCodePrincipal!;
        if (!await store.TryMoveAsync(Guid.Parse(userCode.GetTokenId()!), Statuses.Valid, Statuses.Rejected, redeemedAt: null, context.CancellationToken))
        {
            context.Reject(OAuthErrors.InvalidRequest, "The code was answered already.");
            return;
        }

        await store.TryMoveAsync(Guid.Parse(userCode.GetClaim(Claims.Private.DeviceCodeId)!), Statuses.Inactive, Statuses.Rejected, redeemedAt: null, context.CancellationToken);
    }
}
