// RFC 8628 §3.3: replaces OpenIddict's UpdateReferenceDeviceCodeEntry, which overwrites the row as it was read. The host's page asks; the yes is put down here.
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
/// The device code comes to stand for what the person granted, if it still waits, by one conditional UPDATE; it does not live longer because of that.
/// </summary>
internal sealed class ApproveDeviceCode(IOpenIddictTokenStore<OAuthToken> tokens, TimeProvider timeProvider) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .AddFilter<RequireEndUserVerificationRequest>()
        .UseScopedHandler<ApproveDeviceCode>()
        .SetOrder(UpdateReferenceDeviceCodeEntry.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (context.DeviceCodePrincipal is not { } principal)
        {
            return;
        }

        var approved = await ((TokenStore)tokens).TryApproveAsync(
            Guid.Parse(principal.GetTokenId()!),
            context.DeviceCode!,
            principal.GetClaim(Claims.Subject)!,
            Guid.Parse(principal.GetAuthorizationId()!),
            timeProvider.GetUtcNow(),
            context.CancellationToken);
        if (!approved)
        {
            context.Reject(OAuthErrors.InvalidRequest, "The code was answered already, or has expired.");
        }
    }
}
