// RFC 6749 §2.3.1: follows OpenIddict's ExtractBasicAuthenticationCredentials at the token endpoint.
using Microsoft.AspNetCore;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.FirstParty;

/// <summary>A header on the routes of /api/identity is the caller's access token, or nothing of a client's.</summary>
internal sealed class FirstPartyHasNoCredentials : IOpenIddictServerHandler<ExtractTokenRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ExtractTokenRequestContext>()
        .UseSingletonHandler<FirstPartyHasNoCredentials>()
        .SetOrder(OpenIddictServerAspNetCoreHandlers.ExtractBasicAuthenticationCredentials<ExtractTokenRequestContext>.Descriptor.Order + 500)
        .Build();

    public ValueTask HandleAsync(ExtractTokenRequestContext context)
    {
        if (context.Request is { GrantType: FirstPartyClient.GrantType } request && FirstPartyClient.IsTokenRoute(context.Transaction.GetHttpRequest()!.Path))
        {
            request.ClientId = FirstPartyClient.ClientId;
            request.ClientSecret = null;
        }

        return default;
    }
}
