// RFC 6749 §4.1.2.1, RFC 9126 §2.1: our rules in OpenIddict's validation of authorization and of pushed requests.
using Identity.OAuth.Requests;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>Follows Authentication.ValidateAuthentication, which has put a pushed request in the place of its reference.</summary>
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
            context.Reject(result.Error!.Code, result.Error.Description);
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

/// <summary>Follows Authentication.ValidatePushedAuthentication.</summary>
internal sealed class ApplyPushedRules(AuthorizeRules rules) : IOpenIddictServerHandler<ValidatePushedAuthorizationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidatePushedAuthorizationRequestContext>()
        .UseSingletonHandler<ApplyPushedRules>()
        .SetOrder(Authentication.ValidatePushedAuthentication.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ValidatePushedAuthorizationRequestContext context)
    {
        var parameters = RequestParameters.Of(context.Request);
        if (parameters["redirect_uri"] is null)
        {
            context.Reject(OAuthErrors.InvalidRequest, "redirect_uri is missing.");
            return;
        }

        var result = await rules.ValidateAsync(parameters, context.CancellationToken);
        if (result.Request is null)
        {
            context.Reject(result.Error!.Code, result.Error.Description);
        }
        else if (result.Request.Client.RequireSignedRequestObject && RequestObject.Of(context.Transaction) is null)
        {
            context.Reject(OAuthErrors.InvalidRequest, "This client signs its requests: push a request object.");
        }
    }
}
