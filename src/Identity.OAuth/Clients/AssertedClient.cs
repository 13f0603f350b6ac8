// RFC 7521 §4.2: replaces OpenIddict's ValidateClientAssertionIssuer, which answers invalid_grant where a client names another than it proved to be.
using Identity.OAuth.Requests;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Clients;

/// <summary>The client of the request is the one that its assertion proves; a client_id beside it must be the same.</summary>
internal sealed class AssertedClient : IOpenIddictServerHandler<ProcessAuthenticationContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessAuthenticationContext>()
        .AddFilter<OpenIddictServerHandlerFilters.RequireClientAssertionPrincipal>()
        .UseSingletonHandler<AssertedClient>()
        .SetOrder(OpenIddictServerHandlers.ValidateClientAssertionIssuer.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(ProcessAuthenticationContext context)
    {
        // PrivateKeyJwt has seen that iss and sub are one.
        var proven = context.ClientAssertionPrincipal!.GetClaim(OpenIddictConstants.Claims.Subject);
        if (string.IsNullOrEmpty(context.ClientId))
        {
            context.Request?.ClientId = proven;
        }
        else if (!string.Equals(context.ClientId, proven, StringComparison.Ordinal))
        {
            RefusalDetail.Set(context.Transaction, "client: client_id is not the assertion's subject");
            context.Reject(OAuthErrors.InvalidClient, "Client authentication failed.");
        }

        return default;
    }
}
