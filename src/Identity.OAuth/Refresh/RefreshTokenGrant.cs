// RFC 6749 §6 and RFC 9700 §4.14: rotation with reuse detection, and a short window in which parallel tabs get the same successor.
using System.Text.Json;
using Identity.Accounts;
using Identity.Accounts.Sessions;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.DPoP;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Refresh;

/// <summary><c>grant_type=refresh_token</c>. Its token is a handle of our own: OpenIddict's, which are rows, have several winners in a race (docs/decisions/0008).</summary>
public sealed class RefreshTokenGrant(
    RefreshTokenHandle handles,
    RefreshFamilies families,
    IDenyList denyList,
    SignInSessions sessions,
    Subjects subjects,
    ResourceCatalog resources,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider,
    ILogger<RefreshTokenGrant> logger) : ITokenGrant
{
    // Whole seconds are what drivers know; 20 s is what any statement has.
    private static readonly TimeSpan s_shortestLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestLimit = TimeSpan.FromSeconds(20);

    public string GrantType => "refresh_token";

    public Task<Outcome<TokenIssue>> ProveAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        return ProveAsync(context.Request.RefreshToken!, PresentedFamily.Of(context.Transaction), [.. context.Request.GetScopes()], ResourceCatalog.Requested(context.Request), client, DPoPProof.IsIn(context.Transaction), cancellationToken);
    }

    /// <summary>The same for the routes of /api/identity, which have read the token themselves.</summary>
    /// <param name="token">The refresh token.</param>
    /// <param name="presented">Its family, where it was read already.</param>
    /// <param name="scopes">Asked for; empty: all that was granted.</param>
    /// <param name="requested">The resources asked for; empty: those granted.</param>
    /// <param name="client">Authenticated.</param>
    /// <param name="isBound">It came with a proof of the key that the new tokens are bound to (RFC 9449 §5).</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="beforeRotation">Looks up what else the answer needs, of the token's person: what it throws leaves the token as it was. Null: nothing.</param>
    public async Task<Outcome<TokenIssue>> ProveAsync(string token, PresentedFamily? presented, IReadOnlyList<string> scopes, IReadOnlyList<string> requested, Client client, bool isBound, CancellationToken cancellationToken, Func<Account, CancellationToken, Task>? beforeRotation = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        var now = timeProvider.GetUtcNow();
        if (!handles.TryRead(token, out var id, out var generation)
            || (presented ?? await families.FindPresentedAsync(id, now, cancellationToken)) is not ({ } family, var session, var account, var isDenied)
            || family.ClientId != client.ClientId)
        {
            return Invalid("unknown, or another client's");
        }

        if (family.RevokedAt is not null || family.ExpiresAt <= now)
        {
            return Invalid("revoked or expired");
        }

        if (isDenied)
        {
            return Invalid("the grant was denied");
        }

        if (session is null || account is null || subjects.Of(account) is not { } person || person.Id != family.Subject)
        {
            return Invalid("its session has ended");
        }

        // Before anything of the request is looked at: a stolen token betrays itself whatever it is sent with.
        if (generation != family.Generation && !IsInGrace(family, generation))
        {
            return await ReuseAsync(family);
        }

        // Before anything rotates: a lockout ends, and the token it met is then still good.
        if (subjects.IsStopped(account, session))
        {
            return Invalid("the account is locked");
        }

        // RFC 6749 §6: less may be asked for, never more. Checked before anything changes.
        // A scope that the operator took from the client since is gone from the grant too.
        var granted = family.Scopes.Where(scope => client.Scopes.Contains(scope, StringComparer.Ordinal)).ToArray();
        if (!RefreshDue.IsDue(client, granted))
        {
            // OpenID Connect Core §11: without offline_access a client has no refresh tokens, those from before neither.
            return Invalid("offline_access was taken from the client");
        }

        // What libraries send by themselves was left out of the grant where the client may not have it: they send it again with each refresh.
        var asked = scopes;
        scopes = [.. asked.Where(scope => !ResourceCatalog.IsOptional(scope) || granted.Contains(scope, StringComparer.Ordinal))];
        if ((asked.Count > 0 && scopes.Count == 0) || scopes.Any(scope => !granted.Contains(scope, StringComparer.Ordinal)))
        {
            return new OAuthError(OAuthErrors.InvalidScope, "A scope goes beyond what was granted.");
        }

        scopes = scopes.Count > 0 ? scopes : granted;
        if (await resources.CheckAsync(requested, family.Resources, scopes, cancellationToken) is { } error)
        {
            return error;
        }

        if (!(await resources.ResolveAsync(requested.Count > 0 ? requested : family.Resources, scopes, isBound, cancellationToken)).TryGet(out var target, out error))
        {
            return error;
        }

        var grant = JsonSerializer.Deserialize<AuthorizationGrant>(family.Details)! with { Scopes = granted };
        if (grant.DPoPKey is not null && !isBound)
        {
            // RFC 9449 §5: of a client that authenticates another key will do, but what began with bound tokens does not go on with others.
            return new OAuthError(OAuthErrors.InvalidDPoPProof, "The tokens of this grant are bound to a key: send the request with a DPoP proof.");
        }

        // A store that is away now costs a 503. After the rotation it would cost the session, of whoever comes again later than the window.
        if (beforeRotation is not null)
        {
            await beforeRotation(account, cancellationToken);
        }

        // A client registered without rotation keeps its token; only confidential ones may (RFC 9700 §4.14.2).
        if (generation == family.Generation && (client.RotateRefreshTokens || client.IsPublic))
        {
            // Counted from here: what was read before may have taken long.
            if (await families.TryRotateAsync(id, generation, timeProvider.GetUtcNow(), cancellationToken, RotationLimit(options.Value.RefreshGrace)))
            {
                return Proof(generation + 1);
            }

            // Somebody was faster, or killed it: look again.
            if (await families.FindAsync(id, cancellationToken) is not { RevokedAt: null } current)
            {
                return Invalid("revoked meanwhile");
            }

            family = current;
            if (!IsInGrace(family, generation))
            {
                return await ReuseAsync(family);
            }
        }

        return Proof(family.Generation);

        TokenIssue Proof(int successor) => new(client, target, id)
        {
            Grant = grant,
            Person = person,
            RefreshGeneration = successor,
            RefreshExpiresAt = family.ExpiresAt,
            AtMost = grant.EndsAt - now,
            IsRefresh = true,
        };
    }

    /// <summary>
    /// How long a rotation waits for a database server. One whose answer does not come may have been done, so whoever is told 503 must come again, after
    /// <see cref="StoreOutage.Wait"/>, while the token of before still gets the same successor: else they look like a thief. Three seconds of the window
    /// remain: one in which a driver waits for the end of what it called off, and two for the way.
    /// </summary>
    /// <returns>Null without a window: nobody who comes again is inside, and waiting is the better chance.</returns>
    internal static TimeSpan? RotationLimit(TimeSpan grace)
    {
        if (grace <= TimeSpan.Zero)
        {
            return null;
        }

        var limit = TimeSpan.FromSeconds(Math.Floor((grace - StoreOutage.Wait).TotalSeconds) - 3);
        return limit < s_shortestLimit ? s_shortestLimit : limit > s_longestLimit ? s_longestLimit : limit;
    }

    // The one before the valid generation, for a while: a tab that asked at the same time, or whose answer was lost, gets the same successor.
    // Counted from the rotation, so reuse does not renew the window.
    // By the clock of now, not of when the request came: it may have waited. A window of no length has nobody inside, whatever the clocks of two nodes say.
    private bool IsInGrace(RefreshFamily family, int generation) =>
        generation == family.Generation - 1 && options.Value.RefreshGrace > TimeSpan.Zero && timeProvider.GetUtcNow() < family.RotatedAt + options.Value.RefreshGrace;

    // Two hold the token, and which of them is the thief cannot be told: the family, its access tokens and its session die. The session first: its one
    // transaction takes all of them along, and a family that was revoked alone would let a repeat go no further than that. Whoever sent it may hang up meanwhile.
    private async Task<Outcome<TokenIssue>> ReuseAsync(RefreshFamily family)
    {
        logger.RefreshTokenReused(family.ClientId, family.Id, family.SessionId);
        await sessions.EndAsync(family.SessionId, SessionEndReasons.RefreshReuse, CancellationToken.None);
        var now = timeProvider.GetUtcNow();
        await families.RevokeAsync(family.Id, now, CancellationToken.None);
        await denyList.DenyAsync(family.Id.ToString("N"), now + AccessTokenClaims.MaximumLifetime, CancellationToken.None);
        return Invalid("reused; its family was revoked");
    }

    private static OAuthError Invalid(string detail) =>
        new(OAuthErrors.InvalidGrant, "The refresh token is not valid: unknown, used, expired or revoked.") { Detail = "refresh_token: " + detail };
}
