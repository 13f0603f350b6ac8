// RFC 8628 §3.1 and §3.2: the device authorization endpoint. OpenIddict authenticates the client and makes both codes; what may be asked for is by the rules of the
// authorize endpoint, and the answer tells how often to ask.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Device;

/// <summary>Follows Device.ValidateScopePermissions: scopes and resources as at the authorize endpoint.</summary>
internal sealed class ApplyDeviceRules(AuthorizeRules rules, ClientStore clients) : IOpenIddictServerHandler<ValidateDeviceAuthorizationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateDeviceAuthorizationRequestContext>()
        .UseSingletonHandler<ApplyDeviceRules>()
        .SetOrder(OpenIddictServerHandlers.Device.ValidateScopePermissions.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ValidateDeviceAuthorizationRequestContext context)
    {
        var client = await clients.FindAsync(context.ClientId!, context.CancellationToken) ?? throw new InvalidOperationException("The client was authenticated and is gone.");
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

/// <summary>Puts what was asked for into both codes.</summary>
internal sealed class AttachDeviceRequest : IOpenIddictServerHandler<HandleDeviceAuthorizationRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<HandleDeviceAuthorizationRequestContext>()
        .UseSingletonHandler<AttachDeviceRequest>()
        .SetOrder(int.MinValue + 100_000)
        .Build();

    public ValueTask HandleAsync(HandleDeviceAuthorizationRequestContext context)
    {
        context.Principal = DeviceRequest.Kept(context.Transaction)?.Principal();
        return default;
    }
}

/// <summary>RFC 8628 §3.2 <c>interval</c>, which OpenIddict leaves to the default; follows AttachSignInParameters.</summary>
internal sealed class TellInterval(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .UseSingletonHandler<TellInterval>()
        .SetOrder(AttachSignInParameters.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (context.EndpointType == OpenIddictServerEndpointType.DeviceAuthorization)
        {
            context.Response["interval"] = (long)options.Value.DevicePollInterval.TotalSeconds;

            // OpenIddict counts from a moment that it has cut to the second.
            context.Response.ExpiresIn = (long)options.Value.DeviceCodeLifetime.TotalSeconds;
        }

        return default;
    }
}
