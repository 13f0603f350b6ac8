// RFC 9126 §2.1: follows OpenIddict's Authentication.ValidatePushedAuthentication.
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>Our rules in OpenIddict's validation of pushed requests.</summary>
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
