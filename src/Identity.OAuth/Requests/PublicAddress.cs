// RFC 8414 §2 and RFC 9700 §2.6: follows OpenIddict's ResolveRequestUri, which believes the Host header. Addresses are those of PUBLIC_URL, whoever asks under whatever name.
using Microsoft.AspNetCore;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.AspNetCore.OpenIddictServerAspNetCoreHandlers;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

/// <summary>What the server is called.</summary>
internal sealed class PublicAddress(IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ProcessRequestContext>
{
    private readonly Uri _base = new(options.Value.Issuer + "/");

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessRequestContext>()
        .UseSingletonHandler<PublicAddress>()
        .SetOrder(ResolveRequestUri.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ProcessRequestContext context)
    {
        var request = context.Transaction.GetHttpRequest()!;
        context.BaseUri = _base;

        // What follows the issuer decides which endpoint it is; the query is read from the request itself.
        context.RequestUri = new Uri(_base, request.Path.HasValue ? "." + request.Path.ToUriComponent() : "");
        return default;
    }
}
