// RFC 6749 §5.2: follows OpenIddict's ValidateClientCertificate, so that a client is told that a grant is not its own before what it sent with it is looked at.
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Clients;

/// <summary>Whether the authenticated client may use the grant it names.</summary>
internal sealed class GrantPermission(ClientStore clients) : IOpenIddictServerHandler<ProcessAuthenticationContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessAuthenticationContext>()
        .UseSingletonHandler<GrantPermission>()
        .SetOrder(OpenIddictServerHandlers.ValidateClientCertificate.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ProcessAuthenticationContext context)
    {
        if (context.EndpointType == OpenIddictServerEndpointType.Token
            && context.ClientId is { Length: > 0 } clientId
            && await clients.FindAsync(clientId, context.CancellationToken) is { } client
            && !client.GrantTypes.Contains(context.Request.GrantType, StringComparer.Ordinal))
        {
            context.Reject(OAuthErrors.UnauthorizedClient, "The client is not registered for this grant type.");
        }
    }
}
