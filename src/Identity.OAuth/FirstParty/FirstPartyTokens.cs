// RFC 6749 §6 and RFC 9700 §4.14 for the service's own sign-in routes: the same families, keys and rules as at the token endpoint.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.FirstParty;

/// <summary>What a first-party sign-in hands out.</summary>
/// <param name="AccessToken">HS256 where JWT_SECRET is set, else ES256 like all others.</param>
/// <param name="RefreshToken">Handle of the family.</param>
/// <param name="ExpiresIn">Life of the access token.</param>
/// <param name="RefreshExpiresIn">What is left of the family.</param>
/// <param name="SessionId"><c>sid</c>.</param>
/// <param name="Subject">The person.</param>
public sealed record FirstPartyTokens(string AccessToken, string RefreshToken, TimeSpan ExpiresIn, TimeSpan RefreshExpiresIn, string SessionId, string Subject);

/// <summary>Tokens for /api/identity, through its built-in client. It is first-party sign-in, not a grant: the token endpoint knows nothing of it.</summary>
public sealed class FirstPartyTokenIssuer(
    AccessTokenIssuer accessTokens,
    RefreshTokenHandle refreshTokens,
    RefreshIssuance refresh,
    RefreshTokenGrant refreshGrant,
    IRefreshFamilyStore families,
    ResourceCatalog resources,
    ISubjects subjects,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider)
{
    /// <summary><c>client_id</c> of the built-in client. It is in no store: no endpoint lets it in.</summary>
    public const string ClientId = "identity-api";

    private static readonly Client BuiltIn = new()
    {
        ClientId = ClientId,
        TokenEndpointAuthMethod = "none",
        GrantTypes = ["refresh_token"],
        Scopes = ["openid", "profile", "email", "phone", "offline_access", .. ResourceCatalog.ApiScopes],
    };

    /// <summary>Begins a family on a session that was just made.</summary>
    /// <exception cref="InvalidOperationException">The account is not active: nobody should have made a session for it.</exception>
    public async Task<FirstPartyTokens> IssueAsync(SessionInfo session, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var grant = new AuthorizationGrant
        {
            GrantId = Guid.CreateVersion7(now),
            ClientId = ClientId,
            Subject = session.Subject,
            SessionId = session.Id,
            Scopes = BuiltIn.Scopes,
            AuthTime = session.AuthTime,
            Acr = session.Acr,
            Amr = session.Amr,
            Compatibility = true,
        };
        var expiresAt = await refresh.BeginAsync(grant, cancellationToken);
        return await HandOutAsync(grant, RefreshIssuance.FirstGeneration, expiresAt, cancellationToken)
            ?? throw new InvalidOperationException("A session was made for an account that is not active.");
    }

    /// <summary>Rotates; null for a token that is unknown, used, expired, revoked, or another client's.</summary>
    public async Task<FirstPartyTokens?> RefreshAsync(string refreshToken, CancellationToken cancellationToken)
    {
        var parameters = RequestParameters.Read([new("refresh_token", [refreshToken])]);
        if (!parameters.TryGet(out var form, out _) || !(await refreshGrant.ProveAsync(form, BuiltIn, cancellationToken)).TryGet(out var proof, out _))
        {
            return null;
        }

        return await HandOutAsync(proof.Grant!, proof.RefreshGeneration!.Value, proof.RefreshExpiresAt!.Value, cancellationToken);
    }

    /// <summary>The session a refresh token hangs on, whether it is still good or not; null for anything we did not write.</summary>
    public async Task<string?> FindSessionAsync(string refreshToken, CancellationToken cancellationToken) =>
        refreshTokens.TryRead(refreshToken, out var id, out _) && await families.FindAsync(id, cancellationToken) is { ClientId: ClientId } family ? family.SessionId : null;

    private async Task<FirstPartyTokens?> HandOutAsync(AuthorizationGrant grant, int generation, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        if (await subjects.FindActiveAsync(grant.Subject, cancellationToken) is not { } person)
        {
            return null;
        }

        var target = new TokenTarget([options.Value.Issuer, resources.Api.Identifier], grant.Scopes, resources.Api);
        var access = await accessTokens.IssueAsync(
            new AccessTokenRequest(grant.GrantId, grant.Subject, ClientId, target, grant.SessionId, grant.AuthTime, grant.Acr, grant.Amr, person, Compatibility: true),
            cancellationToken);
        return new(access.Value, refreshTokens.Write(grant.GrantId, generation), access.Lifetime, expiresAt - timeProvider.GetUtcNow(), grant.SessionId, grant.Subject);
    }
}
