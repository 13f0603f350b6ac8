// RFC 8628 §6.1: follows OpenIddict's ExtractGetOrPostRequest at the end-user verification endpoint.
using Identity.OAuth.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Device;

/// <summary>
/// The code as people type it, whatever its case and spacing. Nothing else of the request is for OpenIddict: whose code it is stands in the code.
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
