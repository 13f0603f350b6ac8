// RFC 8705 §3 and §4, RFC 9449 §5 and §7: replaces OpenIddict's Protection.ValidateProofOfPossession, which knows certificates alone and throws for a token that is bound to a key.
using System.Text.Json.Nodes;
using Identity.OAuth.Requests;
using Identity.OAuth.Tokens;
using Microsoft.AspNetCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.DPoP;

/// <summary>Whoever sends a bound token holds what it is bound to. Not asked where a token is only asked about: introspection and revocation.</summary>
internal sealed class ProvePossession(Possession possession) : IOpenIddictServerHandler<ValidateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateTokenContext>()
        .AddFilter<OpenIddictServerHandlerFilters.RequireTokenProofOfPossessionValidationEnabled>()
        .UseSingletonHandler<ProvePossession>()
        .SetOrder(Protection.ValidateProofOfPossession.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (context.EndpointType == OpenIddictServerEndpointType.UserInfo)
        {
            await ProveToUserInfoAsync(context);
            return;
        }

        // A refresh token, or one to exchange. Before the grant looks for reuse: who does not hold the key changes nothing.
        if (context.Principal?.GetClaim(Claims.Confirmation) is { } text
            && !(Confirmation.Read(JsonNode.Parse(text)) is { } bound && bound.IsMetBy(context.Transaction.RemoteCertificate) && bound.IsMetBy(DPoPProof.Of(context.Transaction)?.Thumbprint)))
        {
            RefusalDetail.Set(context.Transaction, "token: not sent with the certificate or the key that it is bound to");
            context.Reject(OAuthErrors.InvalidToken, "The token is bound to a certificate or a key that it was not sent with.");
        }
    }

    private async ValueTask ProveToUserInfoAsync(ValidateTokenContext context)
    {
        if (AccessToken.Of(context.Principal) is not { } token)
        {
            return;
        }

        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        var byDPoP = PresentedToken.Read(http.Request.Headers.Authorization.ToString()) is { ByDPoP: true };
        if (await possession.FindProblemAsync(http, token, context.Token, byDPoP, context.CancellationToken) is { } problem)
        {
            context.Reject(problem.Code, problem.Description);
        }
    }
}
