// RFC 6749 §1.3 and §4.5: a way to ask for tokens. Adding one is one file and one registration.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;

namespace Identity.OAuth.Token;

/// <summary>What a grant proved.</summary>
/// <param name="Target">Whom the access token is for, and its scopes.</param>
/// <param name="Grant">What a person granted; null where the client acts for itself.</param>
/// <param name="RefreshGeneration">Generation of the refresh token to hand out; null: none.</param>
/// <param name="IsRefresh">The grant is older than this request.</param>
/// <param name="RefreshExpiresAt">End of the refresh family, where the grant is a refresh.</param>
public sealed record GrantProof(
    TokenTarget Target,
    AuthorizationGrant? Grant = null,
    int? RefreshGeneration = null,
    bool IsRefresh = false,
    DateTimeOffset? RefreshExpiresAt = null);

/// <summary>A grant type. It only proves: the client is authenticated and may use it, and issuing is not its business.</summary>
public interface ITokenGrant
{
    /// <summary><c>grant_type</c>.</summary>
    string GrantType { get; }

    Task<Outcome<GrantProof>> ProveAsync(RequestParameters parameters, Client client, CancellationToken cancellationToken);
}
