// RFC 6749 §4.1.2.1: follows OpenIddict's Authentication.ValidateAuthentication, which has put a pushed request in the place of its reference.
using Identity.OAuth.Requests;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>Our rules in OpenIddict's validation of authorization requests.</summary>
internal sealed class ApplyAuthorizeRules(AuthorizeRules rules) : IOpenIddictServerHandler<ValidateAuthorizationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateAuthorizationRequestContext>()
        .UseSingletonHandler<ApplyAuthorizeRules>()
        .SetOrder(Authentication.ValidateAuthentication.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ValidateAuthorizationRequestContext context)
    {
        var result = await rules.ValidateAsync(RequestParameters.Of(context.Request), context.CancellationToken);
        if (result.Request is null)
        {
            RefusalDetail.Set(context.Transaction, result.Error!.Detail);
            context.Reject(result.Error.Code, result.Error.Description);
            return;
        }

        if (result.Request.Client.RequirePushedAuthorizationRequests && context.RequestTokenPrincipal is null)
        {
            context.Reject(OAuthErrors.InvalidRequest, "This client pushes its requests: ask by request_uri.");
            return;
        }

        // A pushed request was held to it when it was pushed.
        if (result.Request.Client.RequireSignedRequestObject && context.RequestTokenPrincipal is null && RequestObject.Of(context.Transaction) is null)
        {
            context.Reject(OAuthErrors.InvalidRequest, "This client signs its requests: ask by request.");
            return;
        }

        result.Request.KeepIn(context.Transaction);
    }
}
