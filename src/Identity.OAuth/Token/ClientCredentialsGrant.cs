// RFC 6749 §4.4: a client acting for itself. Costs no store write.
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;

namespace Identity.OAuth.Token;

/// <summary><c>grant_type=client_credentials</c>: confidential clients only.</summary>
public sealed class ClientCredentialsGrant(ResourceCatalog resources) : ITokenGrant
{
    public string GrantType => "client_credentials";

    public async Task<Outcome<GrantProof>> ProveAsync(RequestParameters parameters, Client client, CancellationToken cancellationToken)
    {
        if (client.IsPublic)
        {
            return new OAuthError(OAuthErrors.UnauthorizedClient, "A public client cannot act for itself.");
        }

        // RFC 6749 §3.3: without scope the server's default applies: what the client is registered for, people's scopes aside.
        var scopes = parameters.List("scope");
        if (scopes.Count == 0)
        {
            scopes = [.. client.Scopes.Where(scope => !ResourceCatalog.UserInfoScopes.Contains(scope, StringComparer.Ordinal))];
        }
        else if (scopes.Any(scope => !client.Scopes.Contains(scope, StringComparer.Ordinal) || ResourceCatalog.UserInfoScopes.Contains(scope, StringComparer.Ordinal)))
        {
            return new OAuthError(OAuthErrors.InvalidScope, "A scope is unknown or not open to this client.");
        }

        var requested = parameters.All("resource");
        if (await resources.CheckAsync(requested, [], scopes, cancellationToken) is { } error)
        {
            return error;
        }

        return (await resources.ResolveAsync(requested, scopes, cancellationToken)).TryGet(out var target, out error) ? new GrantProof(target) : error;
    }
}
