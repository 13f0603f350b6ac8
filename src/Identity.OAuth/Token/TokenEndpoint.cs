// RFC 6749 §3.2 and §5: the token endpoint. Every grant runs through the same phases, so none can forget a shared step.
using System.Text.Json.Nodes;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Clients.ClientAuthentication;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;

namespace Identity.OAuth.Token;

/// <summary>A request to the token endpoint, as the host read it.</summary>
/// <param name="Parameters">The form.</param>
/// <param name="Authorization">The <c>Authorization</c> header, if there was one.</param>
public sealed record TokenRequest(RequestParameters Parameters, string? Authorization);

/// <summary>A successful answer (RFC 6749 §5.1), ready to be written.</summary>
/// <param name="Body">The JSON object.</param>
/// <param name="ClientId">For logs and metrics.</param>
public sealed record TokenResponse(JsonObject Body, string ClientId);

/// <summary>Turns grants into tokens.</summary>
public sealed class TokenEndpoint(
    IEnumerable<ITokenGrant> grants,
    ClientAuthenticator authenticator,
    AccessTokenIssuer accessTokens,
    IdTokenIssuer idTokens,
    RefreshTokenHandle refreshTokens,
    ISubjects subjects,
    TimeProvider timeProvider)
{
    private readonly Dictionary<string, ITokenGrant> _grants = grants.ToDictionary(grant => grant.GrantType, StringComparer.Ordinal);

    /// <summary>The grants that are registered, for discovery.</summary>
    public IReadOnlyCollection<string> GrantTypes => _grants.Keys;

    public async Task<Outcome<TokenResponse>> HandleAsync(TokenRequest request, CancellationToken cancellationToken)
    {
        // 1. Find the grant.
        if (request.Parameters["grant_type"] is not { } grantType)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "grant_type is missing.");
        }

        // 2. Authenticate the client. Before an unknown grant is told of: who is nobody learns nothing.
        if (!(await authenticator.AuthenticateAsync(request.Parameters, request.Authorization, cancellationToken)).TryGet(out var client, out var error))
        {
            return error;
        }

        if (!_grants.TryGetValue(grantType, out var grant))
        {
            return new OAuthError(OAuthErrors.UnsupportedGrantType, "This grant type does not exist here.");
        }

        // 3. May this client use it?
        if (!client.GrantTypes.Contains(grantType, StringComparer.Ordinal))
        {
            return new OAuthError(OAuthErrors.UnauthorizedClient, "The client is not registered for this grant type.");
        }

        // 4. Prove.
        if (!(await grant.ProveAsync(request.Parameters, client, cancellationToken)).TryGet(out var proof, out error))
        {
            return error;
        }

        // 5. Issue.
        return await IssueAsync(client, proof, cancellationToken);
    }

    private async Task<Outcome<TokenResponse>> IssueAsync(Client client, GrantProof proof, CancellationToken cancellationToken)
    {
        var grant = proof.Grant;
        Subject? person = null;
        if (grant is not null && (person = await subjects.FindActiveAsync(grant.Subject, cancellationToken)) is null)
        {
            return new OAuthError(OAuthErrors.InvalidGrant, "The grant is no longer valid.") { Detail = "The account is unknown or disabled." };
        }

        var access = await accessTokens.IssueAsync(
            grant is null
                ? new AccessTokenRequest(Guid.CreateVersion7(timeProvider.GetUtcNow()), client.ClientId, client.ClientId, proof.Target)
                : new AccessTokenRequest(grant.GrantId, grant.Subject, client.ClientId, proof.Target, grant.SessionId, grant.AuthTime, grant.Acr, grant.Amr, person, [.. ClaimsRequest.Parse(grant.ClaimsRequest).UserInfo.Keys]),
            cancellationToken);
        var body = new JsonObject
        {
            ["access_token"] = access.Value,
            ["token_type"] = "Bearer",
            ["expires_in"] = (long)access.Lifetime.TotalSeconds,
        };
        if (access.Scopes.Count > 0)
        {
            body["scope"] = string.Join(' ', access.Scopes);
        }

        if (proof.RefreshGeneration is { } generation)
        {
            body["refresh_token"] = refreshTokens.Write(grant!.GrantId, generation);
        }

        // OpenID Connect Core §12.2: a refresh may bring an ID token; its nonce belongs to the authentication and is not repeated.
        if (grant is not null && grant.Scopes.Contains("openid", StringComparer.Ordinal))
        {
            body["id_token"] = await idTokens.IssueAsync(client, proof.IsRefresh ? grant with { Nonce = null } : grant, person!, access.Value, cancellationToken);
        }

        return new TokenResponse(body, client.ClientId);
    }
}
