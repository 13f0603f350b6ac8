// RFC 6749 §2.3, RFC 8705 §2: follows OpenIddict's ValidateClientType, which takes any enabled method from any client.
using Identity.OAuth.FirstParty;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Clients;

/// <summary>
/// A client with a secret may send it by Basic or in the form, whichever its library prefers; one registered for private_key_jwt or a certificate
/// never falls back to a secret. The built-in client exists on the routes of /api/identity alone, and no other does there.
/// </summary>
internal sealed class AuthenticationRules(ClientStore clients) : IOpenIddictServerHandler<ProcessAuthenticationContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessAuthenticationContext>()
        .UseSingletonHandler<AuthenticationRules>()
        .SetOrder(OpenIddictServerHandlers.ValidateClientType.Descriptor.Order - 500)
        .Build();

    public async ValueTask HandleAsync(ProcessAuthenticationContext context)
    {
        if (context.EndpointType is OpenIddictServerEndpointType.UserInfo or OpenIddictServerEndpointType.EndUserVerification or OpenIddictServerEndpointType.EndSession
            || context.ClientId is not { Length: > 0 } clientId)
        {
            return;
        }

        var isFirstPartyRoute = context.EndpointType == OpenIddictServerEndpointType.Token
            && FirstPartyClient.IsTokenRoute(context.Transaction.GetHttpRequest()!.Path);
        if ((clientId == FirstPartyClient.ClientId) != isFirstPartyRoute)
        {
            Refuse(context, "the built-in client, or a route of its own");
            return;
        }

        if (context.EndpointType == OpenIddictServerEndpointType.Authorization || await clients.FindAsync(clientId, context.CancellationToken) is not { } client)
        {
            return;
        }

        var used = context.ClientAssertion is { Length: > 0 } ? "private_key_jwt" : context.ClientSecret is { Length: > 0 } ? "client_secret" : null;
        var fits = client.TokenEndpointAuthMethod switch
        {
            "client_secret_basic" or "client_secret_post" => used == "client_secret",
            "private_key_jwt" => used == "private_key_jwt",
            "tls_client_auth" or "self_signed_tls_client_auth" => used is null && context.Transaction.RemoteCertificate is not null,
            _ => used is null,
        };
        if (!fits)
        {
            Refuse(context, $"the client is registered for {client.TokenEndpointAuthMethod}, and used {used ?? "none"}", client.IsPublic
                ? "Client authentication failed: a public client (token_endpoint_auth_method none) sends no secret."
                : $"Client authentication failed: this client authenticates by {client.TokenEndpointAuthMethod}.");
        }
        else if (client.IsPublic && context.EndpointType == OpenIddictServerEndpointType.Introspection)
        {
            Refuse(context, "a public client cannot introspect");
        }
        else
        {
            ConfidentialClient.Mark(context.Transaction, client);
        }
    }

    private static void Refuse(ProcessAuthenticationContext context, string detail, string description = "Client authentication failed.")
    {
        RefusalDetail.Set(context.Transaction, "client: " + detail);
        context.Reject(OAuthErrors.InvalidClient, description);
    }
}
