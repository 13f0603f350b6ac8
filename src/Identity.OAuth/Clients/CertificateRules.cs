// RFC 8705 §2 and §3.4, RFC 9449 §5.2: replaces OpenIddict's ValidateClientCertificate, which validates any certificate of any client, also one that only binds tokens,
// lets the certificate choose the method, and finds a client of an authority by the host names of its redirect URIs.
using Identity.OAuth.DPoP;
using Identity.OAuth.Requests;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Clients;

/// <summary>A client registered for a certificate has shown it; one whose tokens are bound has sent what they are bound to (§3.4, RFC 9449 §5.2).</summary>
internal sealed class CertificateRules(ClientStore clients, CertificateProof proof) : IOpenIddictServerHandler<ProcessAuthenticationContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessAuthenticationContext>()
        .UseSingletonHandler<CertificateRules>()
        .SetOrder(OpenIddictServerHandlers.ValidateClientCertificate.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ProcessAuthenticationContext context)
    {
        if (context.EndpointType is OpenIddictServerEndpointType.Authorization or OpenIddictServerEndpointType.UserInfo or OpenIddictServerEndpointType.EndUserVerification or OpenIddictServerEndpointType.EndSession
            || context.ClientId is not { Length: > 0 } clientId
            || await clients.FindAsync(clientId, context.CancellationToken) is not { } client)
        {
            return;
        }

        var certificate = context.Transaction.RemoteCertificate;
        if (client.ProvesItselfByCertificate && (certificate is null || !await proof.ProvesAsync(client, certificate, context.CancellationToken)))
        {
            RefusalDetail.Set(context.Transaction, certificate is null ? "client: no certificate" : "client: the certificate is not the client's, of no trusted authority, or not in force");
            context.Reject(OAuthErrors.InvalidClient, "Client authentication failed.");
        }
        else if (client.CertificateBoundAccessTokens && certificate is null && context.EndpointType == OpenIddictServerEndpointType.Token)
        {
            context.Reject(OAuthErrors.InvalidRequest, "This client's tokens are bound to its certificate: send the request with it, to the address in mtls_endpoint_aliases where there is one.");
        }
        else if (client.DPoPBoundAccessTokens && context.EndpointType == OpenIddictServerEndpointType.Token && !RequireProof.IsSent(context))
        {
            context.Reject(OAuthErrors.InvalidDPoPProof, "This client's tokens are bound to a key: send the request with a DPoP proof.");
        }
    }
}
