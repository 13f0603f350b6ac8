// RFC 9449 §5, §10 and §10.1: follows GrantPermission in OpenIddict's authentication, which knows of no proofs: what tokens, and the code of a pushed request, are bound to.
using Identity.OAuth.Clients;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.DPoP;

/// <summary>Checks the proof of a token or pushed request, once the client is known and may do what it asks for.</summary>
internal sealed class ReadProof(ProofCheck proofs, ClientStore clients) : IOpenIddictServerHandler<ProcessAuthenticationContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessAuthenticationContext>()
        .AddFilter<RequireProof>()
        .UseSingletonHandler<ReadProof>()
        .SetOrder(GrantPermission.Descriptor.Order + 100)
        .Build();

    public async ValueTask HandleAsync(ProcessAuthenticationContext context)
    {
        if (context.ClientId is not { Length: > 0 } clientId || await clients.FindAsync(clientId, context.CancellationToken) is not { } client)
        {
            return;
        }

        if (client.CertificateBoundAccessTokens)
        {
            Reject(context, new OAuthError(OAuthErrors.InvalidRequest, "This client's tokens are bound to its certificate: send no DPoP proof."));
            return;
        }

        if (!(await proofs.CheckAsync(context.Transaction.GetHttpRequest()!.HttpContext, accessToken: null, key: null, context.CancellationToken)).TryGet(out var proof, out var error))
        {
            Reject(context, error);
            return;
        }

        proof.KeepIn(context.Transaction);
        if (context.EndpointType == OpenIddictServerEndpointType.PushedAuthorization)
        {
            // §10.1: as if dpop_jkt had been sent; both may be, and then they are one.
            if ((string?)context.Request["dpop_jkt"] is { Length: > 0 } asked && asked != proof.Thumbprint)
            {
                Reject(context, DPoPProof.Invalid("dpop_jkt is of another key than the DPoP proof's."));
                return;
            }

            context.Request["dpop_jkt"] = proof.Thumbprint;
        }
    }

    private static void Reject(ProcessAuthenticationContext context, OAuthError error)
    {
        RefusalDetail.Set(context.Transaction, "dpop: " + error.Description);
        context.Reject(error.Code, error.Description);
    }
}

/// <summary>A token or pushed request with a proof. The routes of /api/identity take none: their tokens are of a session.</summary>
internal sealed class RequireProof : IOpenIddictServerHandlerFilter<ProcessAuthenticationContext>
{
    public ValueTask<bool> IsActiveAsync(ProcessAuthenticationContext context) => new(IsSent(context) && !FirstPartyClient.IsTokenRoute(context.Transaction.GetHttpRequest()!.Path));

    /// <summary>Whether there is such a header, good or bad.</summary>
    public static bool IsSent(ProcessAuthenticationContext context) =>
        context.EndpointType is OpenIddictServerEndpointType.Token or OpenIddictServerEndpointType.PushedAuthorization
        && context.Transaction.GetHttpRequest() is { } http && http.Headers.ContainsKey(DPoPProof.Name);
}
