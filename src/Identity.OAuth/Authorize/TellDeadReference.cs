// RFC 9101 §7, RFC 9126 §2.2: precedes WordErrors, since OpenIddict tells a reference that stands for nothing as it tells any other token: invalid_token, which RFC 6749 §4.1.2.1 does not know.
using Identity.OAuth.Requests;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Authorize;

/// <summary>A pushed request that expired, was used, or never was.</summary>
internal sealed class TellDeadReference : IOpenIddictServerHandler<ApplyAuthorizationResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyAuthorizationResponseContext>()
        .UseSingletonHandler<TellDeadReference>()
        .SetOrder(WordErrors<ApplyAuthorizationResponseContext>.Descriptor.Order - 500)
        .Build();

    public ValueTask HandleAsync(ApplyAuthorizationResponseContext context)
    {
        if (context.Response.Error == OAuthErrors.InvalidToken && RequestObjects.IsPushed(context.Request?.RequestUri))
        {
            RefusalDetail.Set(context.Transaction, "request_uri: " + context.Response.ErrorDescription);
            context.Response.Error = OAuthErrors.InvalidRequestUri;
            context.Response.ErrorDescription = "The request_uri stands for nothing: expired, used before, or never given.";
        }

        return default;
    }
}
