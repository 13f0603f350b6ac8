// RFC 6749 §1.3 and §4.5: a way to ask for tokens. Adding one is one file, its registration, its flow in OAuthServer.cs and its name in ClientMetadata.
using Identity.OAuth.Clients;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Token;

/// <summary>A grant type. It only proves: OpenIddict has authenticated the client, seen that it may use the grant, and validated what it sent; tokens are made by others.</summary>
public interface ITokenGrant
{
    /// <summary><c>grant_type</c>.</summary>
    string GrantType { get; }

    Task<Outcome<TokenIssue>> ProveAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken);
}
