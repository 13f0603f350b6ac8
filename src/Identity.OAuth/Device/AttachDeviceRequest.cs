// RFC 8628 §3.2: precedes OpenIddict's handlers of device authorization, which leave both codes empty.
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Device;

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
