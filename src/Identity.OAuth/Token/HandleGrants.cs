// RFC 6749 §3.2: follows OpenIddict's Exchange.AttachPrincipal. Every grant runs through the same phases, so none can forget a shared step.
using Identity.OAuth.Clients;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Requests;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Token;

/// <summary>Asks the grant that the request names.</summary>
internal sealed class HandleGrants(IEnumerable<ITokenGrant> grants, ClientStore clients) : IOpenIddictServerHandler<HandleTokenRequestContext>
{
    private readonly Dictionary<string, ITokenGrant> _grants = grants.ToDictionary(grant => grant.GrantType, StringComparer.Ordinal);

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<HandleTokenRequestContext>()
        .UseSingletonHandler<HandleGrants>()
        .SetOrder(Exchange.AttachPrincipal.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(HandleTokenRequestContext context)
    {
        // The routes of /api/identity are answered by their controllers, which prove who is there.
        if (context.Request.GrantType == FirstPartyClient.GrantType)
        {
            context.SkipRequest();
            return;
        }

        var grant = _grants[context.Request.GrantType!];
        var client = await clients.FindAsync(context.ClientId!, context.CancellationToken) ?? throw new InvalidOperationException("The client was authenticated and is gone.");
        if ((await grant.ProveAsync(context, client, context.CancellationToken)).TryGet(out var issue, out var error))
        {
            context.SignIn(issue.SignIn(context.Transaction));
            return;
        }

        RefusalDetail.Set(context.Transaction, error.Detail);
        context.Reject(error.Code, error.Description);
    }
}
