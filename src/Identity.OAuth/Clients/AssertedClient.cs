// RFC 7523 §2.2: replaces OpenIddict's ValidateClientAssertionIssuer, which answers invalid_grant where a client names another than it proved to be.
using Identity.OAuth.Requests;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Clients;

/// <summary>The client of the request is the one that its assertion proves; a client_id beside it must be the same. OpenIddict takes an assertion whose type is not said.</summary>
internal sealed class AssertedClient : IOpenIddictServerHandler<ProcessAuthenticationContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessAuthenticationContext>()
        .AddFilter<OpenIddictServerHandlerFilters.RequireClientAssertionPrincipal>()
        .UseSingletonHandler<AssertedClient>()
        .SetOrder(OpenIddictServerHandlers.ValidateClientAssertionIssuer.Descriptor.Order)
        .Build();

    public ValueTask HandleAsync(ProcessAuthenticationContext context)
    {
        if (context.ClientAssertionType != OpenIddictConstants.ClientAssertionTypes.JwtBearer)
        {
            Refuse(context, "client: client_assertion_type is not jwt-bearer");
            return default;
        }

        // PrivateKeyJwt has seen that iss and sub are one.
        var proven = context.ClientAssertionPrincipal!.GetClaim(OpenIddictConstants.Claims.Subject);
        if (string.IsNullOrEmpty(context.ClientId))
        {
            context.Request?.ClientId = proven;
        }
        else if (!string.Equals(context.ClientId, proven, StringComparison.Ordinal))
        {
            Refuse(context, "client: client_id is not the assertion's subject");
        }

        return default;
    }

    private static void Refuse(ProcessAuthenticationContext context, string detail)
    {
        RefusalDetail.Set(context.Transaction, detail);
        context.Reject(OAuthErrors.InvalidClient, "Client authentication failed.");
    }
}
