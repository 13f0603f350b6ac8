// RFC 6749 §3.2: replaces OpenIddict's ExtractPostRequest at the token endpoint. The routes of /api/identity carry JSON, which their controllers read; to OpenIddict
// each is a request of the built-in client by its own grant.
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.FirstParty;

/// <summary>The parameters of a token request.</summary>
internal sealed class ExtractTokenParameters : IOpenIddictServerHandler<ExtractTokenRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ExtractTokenRequestContext>()
        .UseSingletonHandler<ExtractTokenParameters>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ExtractPostRequest<ExtractTokenRequestContext>.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ExtractTokenRequestContext context)
    {
        var http = context.Transaction.GetHttpRequest()!;
        if (!FirstPartyClient.IsTokenRoute(http.Path))
        {
            context.Request = new OpenIddictRequest(await http.ReadFormAsync(context.CancellationToken));
            return;
        }

        if (!HttpMethods.IsPost(http.Method))
        {
            // Routing answers it, in the contract's form.
            context.SkipRequest();
            return;
        }

        context.Request = new OpenIddictRequest { ClientId = FirstPartyClient.ClientId, GrantType = FirstPartyClient.GrantType };
    }
}
