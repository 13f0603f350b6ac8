// RFC 8628 §3.2: follows OpenIddict's AttachSignInParameters.
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Device;

/// <summary>RFC 8628 §3.2 <c>interval</c>, which OpenIddict leaves to the default.</summary>
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
