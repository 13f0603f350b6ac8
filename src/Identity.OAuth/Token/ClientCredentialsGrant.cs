// RFC 6749 §4.4: a client acting for itself. Costs no store write.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.DPoP;
using Identity.OAuth.Resources;
using OpenIddict.Abstractions;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Token;

/// <summary><c>grant_type=client_credentials</c>: confidential clients only (OpenIddict refuses the others).</summary>
public sealed class ClientCredentialsGrant(ResourceCatalog resources, TimeProvider timeProvider) : ITokenGrant
{
    public string GrantType => OpenIddictConstants.GrantTypes.ClientCredentials;

    public async Task<Outcome<TokenIssue>> ProveAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken)
    {
        // RFC 6749 §3.3: without scope the client's default applies: what it is registered for, people's scopes aside. The answer tells it.
        IReadOnlyList<string> scopes = context.Request.GetScopes();
        if (scopes.Count == 0)
        {
            scopes = [.. client.Scopes.Where(scope => !ResourceCatalog.UserInfoScopes.Contains(scope, StringComparer.Ordinal))];
        }
        else
        {
            // People's scopes are left out where a client sends them by default; any other that is not its own is an error.
            scopes = [.. scopes.Where(scope => !ResourceCatalog.IsOptional(scope))];
            if (scopes.Any(scope => !client.Scopes.Contains(scope, StringComparer.Ordinal) || ResourceCatalog.UserInfoScopes.Contains(scope, StringComparer.Ordinal)))
            {
                return AuthorizeRules.ForeignScopes(client);
            }
        }

        var requested = ResourceCatalog.Requested(context.Request);
        if (await resources.CheckAsync(requested, [], scopes, cancellationToken) is { } error)
        {
            return error;
        }

        return (await resources.ResolveAsync(requested, scopes, DPoPProof.IsIn(context.Transaction), cancellationToken)).TryGet(out var target, out error)
            ? new TokenIssue(client, target, Guid.CreateVersion7(timeProvider.GetUtcNow()))
            : error;
    }
}
