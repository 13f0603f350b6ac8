// RFC 7662 §2.2: replaces OpenIddict's Introspection.ValidateTokenType and ValidateAuthorizedParty: who may see a token is told by the client's metadata.
using Identity.OAuth.Clients;
using Identity.OAuth.Requests;
using Identity.OAuth.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Introspection;

/// <summary>Whether the token is the caller's business: its own client's, and that of the APIs in its audience.</summary>
internal sealed class MaySee(ClientStore clients) : IOpenIddictServerHandler<ValidateIntrospectionRequestContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ValidateIntrospectionRequestContext>()
        .UseSingletonHandler<MaySee>()
        .SetOrder(OpenIddictServerHandlers.Introspection.ValidateAuthorizedParty.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(ValidateIntrospectionRequestContext context)
    {
        var client = await clients.FindAsync(context.ClientId!, context.CancellationToken);
        var principal = context.GenericTokenPrincipal!;
        var may = client is not null && (principal.HasTokenType(TokenTypeIdentifiers.RefreshToken)
            ? principal.HasPresenter(client.ClientId)
            : AccessToken.Of(context.Transaction) is { } token
                && (token.ClientId == client.ClientId
                    || client.Introspects.Contains("*", StringComparer.Ordinal)
                    || token.Audience.Any(audience => audience == client.ClientId || client.Introspects.Contains(audience, StringComparer.Ordinal))));
        if (!may)
        {
            RefusalDetail.Set(context.Transaction, "not for the caller");
            context.Reject(OAuthErrors.InvalidToken, "The token is not for the caller.");
        }
    }
}
