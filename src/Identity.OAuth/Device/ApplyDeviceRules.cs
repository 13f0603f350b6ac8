// RFC 8628 §3.1: follows OpenIddict's Device.ValidateScopePermissions at the device authorization endpoint.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Device;

/// <summary>Scopes and resources as at the authorize endpoint.</summary>
internal sealed class ApplyDeviceRules(AuthorizeRules rules, ClientStore clients) : IOpenIddictServerHandler<ValidateDeviceAuthorizationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateDeviceAuthorizationRequestContext>()
        .UseSingletonHandler<ApplyDeviceRules>()
        .SetOrder(OpenIddictServerHandlers.Device.ValidateScopePermissions.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ValidateDeviceAuthorizationRequestContext context)
    {
        var client = await clients.FindAsync(context.ClientId!, context.CancellationToken) ?? throw new InvalidOperationException("The client was authenticated and is gone.");
        if (!client.GrantTypes.Contains(OpenIddictConstants.GrantTypes.DeviceCode, StringComparer.Ordinal))
        {
            context.Reject(OAuthErrors.UnauthorizedClient, "The client is not registered for this grant type.");
            return;
        }

        var parameters = RequestParameters.Of(context.Request);
        if (!rules.FindScopes(client, parameters).TryGet(out var scopes, out var error))
        {
            context.Reject(error.Code, error.Description);
            return;
        }

        var resources = parameters.All("resource");
        if (await rules.CheckResourcesAsync(resources, scopes, context.CancellationToken) is { } wrong)
        {
            context.Reject(wrong.Code, wrong.Description);
            return;
        }

        new DeviceRequest(client.ClientId, scopes, resources).KeepIn(context.Transaction);
    }
}
