// RFC 6750 §3.1: replaces OpenIddict's ProcessChallengeErrorResponse at userinfo, which answers the challenge without a body.
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Diagnostics;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.UserInfo;

/// <summary>
/// A script of another origin reads no challenge, so the error stands in the body too, and ProcessJsonResponse writes it. Nobody without a token gets either.
/// </summary>
internal sealed class TellRefusal : IOpenIddictServerHandler<ApplyUserInfoResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyUserInfoResponseContext>()
        .UseSingletonHandler<TellRefusal>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ProcessChallengeErrorResponse<ApplyUserInfoResponseContext>.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(ApplyUserInfoResponseContext context)
    {
        if (context.Error == OpenIddictConstants.Errors.MissingToken)
        {
            // Nor the page that the host shows for a status without a body.
            context.Transaction.GetHttpRequest()!.HttpContext.Features.Get<IStatusCodePagesFeature>()?.Enabled = false;
            context.HandleRequest();
        }
        else if (!string.IsNullOrEmpty(context.Error))
        {
            // These are the challenge's.
            context.Response.RemoveParameter("resource_metadata");
            context.Response.Scope = null;
        }

        return default;
    }
}
