// RFC 6749 §6 and RFC 9700 §4.14 for the service's own sign-in routes: further addresses of OpenIddict's token endpoint, with the same families, keys and rules.
using Identity.Accounts;
using Identity.OAuth.Authorize;
using Identity.OAuth.Refresh;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.FirstParty;

/// <summary>What the routes of /api/identity hand out. Their controllers prove who is there, sign in what this gives, and OpenIddict makes the tokens.</summary>
public sealed class FirstPartyTokens(
    FamilyBeginning families,
    RefreshTokenGrant refresh,
    RefreshTokenHandle handles,
    RefreshFamilies store,
    Subjects subjects,
    SignInSessions sessions,
    AccessTokenValidator accessTokens,
    ResourceCatalog resources,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>Begins a family on a session that was just made, and that ends after <paramref name="atMost"/> where that is given: so do the tokens.</summary>
    /// <param name="session">Stored.</param>
    /// <param name="account">The session's, as it was read after the session was stored.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="atMost">Null: the session sets no limit.</param>
    /// <exception cref="InvalidOperationException">The account is not active: nobody should have made a session for it.</exception>
    public async Task<TokenIssue> BeginAsync(SessionInfo session, Account account, CancellationToken cancellationToken, TimeSpan? atMost = null)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(account);
        var person = account.IsActive ? subjects.Of(account) : throw new InvalidOperationException("A session was made for an account that is not active.");
        var now = timeProvider.GetUtcNow();
        var grant = new AuthorizationGrant
        {
            GrantId = Guid.CreateVersion7(now),
            ClientId = FirstPartyClient.ClientId,
            Subject = session.Subject,
            SessionId = session.Id,
            Scopes = FirstPartyClient.Client.Scopes,
            AuthTime = session.AuthTime,
            Acr = session.Acr,
            Amr = session.Amr,
            IdentityProvider = await sessions.FindProviderAsync(session, cancellationToken),
            EndsAt = now + atMost,
            Compatibility = true,
        };
        var row = await families.NewAsync(grant, TimeSpan.Zero, session.Record, cancellationToken);
        await families.WriteAsync(row, cancellationToken);
        return new TokenIssue(FirstPartyClient.Client, Target(grant.Scopes), grant.GrantId)
        {
            Grant = grant,
            Person = person,
            RefreshGeneration = RefreshDue.FirstGeneration,
            RefreshExpiresAt = row.ExpiresAt!.Value,
            AtMost = atMost,
        };
    }

    /// <summary>Rotates; null for a token that is unknown, used, expired, revoked, or another client's.</summary>
    /// <param name="refreshToken">As it came.</param>
    /// <param name="beforeRotation">Looks up what the answer needs beside the tokens: what it throws leaves the token as it was.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<TokenIssue?> RefreshAsync(string refreshToken, Func<Account, CancellationToken, Task> beforeRotation, CancellationToken cancellationToken) =>
        (await refresh.ProveAsync(refreshToken, presented: null, [], [], FirstPartyClient.Client, isBound: false, cancellationToken, beforeRotation)).TryGet(out var issue, out _)
            ? issue with { Target = Target(issue.Grant!.Scopes) }
            : null;

    /// <summary>The session a refresh token hangs on, whether it is still good or not; null for anything we did not write.</summary>
    public async Task<string?> FindSessionAsync(string refreshToken, CancellationToken cancellationToken) =>
        handles.TryRead(refreshToken, out var id, out _) && await store.FindAsync(id, cancellationToken) is { ClientId: FirstPartyClient.ClientId } family ? family.SessionId : null;

    /// <summary>The live session of an access token that came from here, whether it has expired or not; null for any other.</summary>
    public async ValueTask<string?> FindSessionOfAccessTokenAsync(string accessToken, CancellationToken cancellationToken) =>
        await accessTokens.ValidateForEndingAsync(accessToken, cancellationToken) is { ClientId: FirstPartyClient.ClientId } token && token.Audience.Contains(resources.Api.Identifier, StringComparer.Ordinal)
            ? token.SessionId
            : null;

    private TokenTarget Target(IReadOnlyList<string> scopes) => new([options.Value.Issuer, resources.Api.Identifier], scopes, resources.Api);
}
