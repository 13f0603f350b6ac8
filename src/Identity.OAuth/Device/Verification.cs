// RFC 8628 §3.3: the end-user verification endpoint. The host's page asks; here its answer is put down, by one conditional UPDATE each.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlerFilters;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Device;

/// <summary>
/// Follows A:ExtractGetOrPostRequest: the code as people type it, whatever its case and spacing (§6.1). Nothing else of the request is for OpenIddict:
/// whose code it is stands in the code.
/// </summary>
internal sealed class ReadUserCode : IOpenIddictServerHandler<ExtractEndUserVerificationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ExtractEndUserVerificationRequestContext>()
        .UseSingletonHandler<ReadUserCode>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ExtractGetOrPostRequest<ExtractEndUserVerificationRequestContext>.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ExtractEndUserVerificationRequestContext context)
    {
        if (context.Request is { } request)
        {
            context.Request = new OpenIddictRequest { UserCode = UserCodes.Normalize(request.UserCode) };
        }

        return default;
    }
}

/// <summary>
/// Replaces UpdateReferenceDeviceCodeEntry, which overwrites the row as it was read. The device code comes to stand for what the person granted, if it still waits;
/// it does not live longer because of that.
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

/// <summary>
/// Replaces RejectDeviceCodeEntry and RejectUserCodeEntry, which turn down a code that somebody allowed at the same moment. Whoever has the user code's row answers.
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
