// RFC 8693: token exchange. OpenIddict reads both tokens (ValidateSubjectToken, ValidateActorToken) and makes the issued one; whose token may be exchanged, by
// whom, and for what, it leaves to its host.
using System.Security.Claims;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.DPoP;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Logging;
using OpenIddict.Abstractions;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Token;

/// <summary>
/// An access token of ours for another API, never wider than it: a part of its scopes, the rest of its life at most, the same subject and
/// session, no refresh token. It is made for the exchanging client, and dies with the token it came from. Without an actor token that is
/// impersonation (only <c>client_id</c> tells who uses it), with one delegation (<c>act</c>).
/// </summary>
/// <remarks>RFC 8693 §2.2.2: a token that cannot be used, or not by this client, is <c>invalid_request</c>; an API out of reach <c>invalid_target</c>.</remarks>
public sealed class TokenExchangeGrant(ResourceCatalog resources, Subjects subjects, SignInSessions sessions, ClientStore clients, OpenAmExchange openAm, TimeProvider timeProvider, ILogger<TokenExchangeGrant> logger) : ITokenGrant
{
    public string GrantType => OpenIddictConstants.GrantTypes.TokenExchange;

    public async Task<Outcome<TokenIssue>> ProveAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(client);
        if (context.SubjectTokenPrincipal!.HasTokenType(OpenAmExchange.TokenType))
        {
            return await ProveOpenAmAsync(context, client, cancellationToken);
        }

        var subject = AccessToken.Of(context.SubjectTokenPrincipal) ?? throw new InvalidOperationException("The subject token was validated and is gone.");
        if (!IsFor(subject, client))
        {
            // The confused deputy: a token that leaked to an API it was not meant for is worth nothing there.
            return Unacceptable("subject_token: neither issued to the client nor for it");
        }

        if (AccessTokenClaims.Hops(subject.TokenId) >= AccessTokenClaims.MaximumHops)
        {
            return Unacceptable("subject_token: exchanged too often");
        }

        var actor = AccessToken.Of(context.ActorTokenPrincipal);
        if (actor is not null && actor.ClientId != client.ClientId)
        {
            return Unacceptable("actor_token: another client's");
        }

        var person = subject.SessionId is null ? null : await subjects.FindActiveAsync(subject.Subject, cancellationToken, subject.Person);
        if (subject.SessionId is null ? await clients.FindAsync(subject.Subject, cancellationToken) is not { Disabled: false } : person is null || await IsStoppedAsync(person, subject.SessionId, cancellationToken))
        {
            return Unacceptable("subject_token: its subject is unknown, disabled or locked");
        }

        var now = timeProvider.GetUtcNow();
        var rest = (actor is not null && actor.ExpiresAt < subject.ExpiresAt ? actor.ExpiresAt : subject.ExpiresAt) - now;
        if (rest < TimeSpan.FromSeconds(1))
        {
            return Unacceptable("it expires this second");
        }

        if (!(await FindTargetAsync(context, client, subject.Scopes, cancellationToken)).TryGet(out var target, out var error))
        {
            return error;
        }

        logger.TokenExchanged(client.ClientId, subject.ClientId, target.Audience, actor is null ? "impersonation" : "delegation");
        return new TokenIssue(client, target, subject.GrantId)
        {
            ExchangedFrom = subject,
            Person = person,
            Actor = Acting(subject, actor),
            AtMost = rest,
        };
    }

    // What the API may be told comes first: nobody is signed in for a request that leads nowhere.
    private async Task<Outcome<TokenIssue>> ProveOpenAmAsync(HandleTokenRequestContext context, Client client, CancellationToken cancellationToken)
    {
        if (context.ActorTokenPrincipal is not null)
        {
            return Unacceptable("actor_token: with a session token of OpenAM");
        }

        if (!(await FindTargetAsync(context, client, client.Scopes, cancellationToken)).TryGet(out var target, out var error)
            || !(await openAm.SignInAsync((string)((ClaimsIdentity)context.SubjectTokenPrincipal!.Identity!).BootstrapContext!, client, context.Transaction, cancellationToken)).TryGet(out var signedIn, out error))
        {
            return error;
        }

        return await openAm.IssueAsync(signedIn.Session, signedIn.Lifetime, client, target, cancellationToken);
    }

    /// <summary>Issued to the client, or meant for it: its <c>aud</c> holds the client itself, or an API that the client's metadata says it serves.</summary>
    private static bool IsFor(AccessToken subject, Client client) =>
        subject.ClientId == client.ClientId
        || subject.Audience.Any(audience => audience == client.ClientId || client.TokenExchangeSubjectAudiences.Contains(audience, StringComparer.Ordinal));

    // §4.1: the outermost is who acts now, those before are inside. One who exchanges without an actor token does not wash them off.
    private static JsonObject? Acting(AccessToken subject, AccessToken? actor)
    {
        var before = subject.Claims["act"] as JsonObject;
        if (actor is null)
        {
            return before?.DeepClone().AsObject();
        }

        var acting = new JsonObject { ["sub"] = actor.Subject };
        if (before is not null)
        {
            acting["act"] = before.DeepClone();
        }

        return acting;
    }

    private async ValueTask<Outcome<TokenTarget>> FindTargetAsync(HandleTokenRequestContext context, Client client, IReadOnlyList<string> held, CancellationToken cancellationToken)
    {
        var request = context.Request;
        string[] named = [.. ResourceCatalog.Requested(request), .. request.GetAudiences().OfType<string>()];
        if (named.Length == 0)
        {
            if (client.TokenExchangeAudiences is not [var only])
            {
                return new OAuthError(OAuthErrors.InvalidRequest, "Name the API with resource or audience: this client may exchange for several.");
            }

            named = [only];
        }

        var known = await resources.ListAsync(cancellationToken);
        if (named.Any(name => !client.TokenExchangeAudiences.Contains(name, StringComparer.Ordinal) || !known.Any(resource => resource.Identifier == name)))
        {
            return new OAuthError(OAuthErrors.InvalidTarget, "This client may not exchange tokens for that API, or it is not known here.");
        }

        // What both the token holds and the client may have. A refresh token is never part of it.
        string[] open = [.. held.Where(scope => scope != "offline_access" && client.Scopes.Contains(scope, StringComparer.Ordinal))];
        IReadOnlyList<string> asked = request.GetScopes();
        if (asked.Any(scope => !open.Contains(scope, StringComparer.Ordinal)))
        {
            return new OAuthError(OAuthErrors.InvalidScope, "A scope goes beyond the subject token, or is not open to this client.");
        }

        if (!(await resources.ResolveAsync(named, asked.Count > 0 ? asked : open, DPoPProof.IsIn(context.Transaction), cancellationToken)).TryGet(out var target, out var error))
        {
            return error;
        }

        // An API without scopes decides by the subject alone; one with scopes is reached by one of them and not otherwise.
        return known.Any(resource => target.Audience.Contains(resource.Identifier, StringComparer.Ordinal)
            && resource.ScopesSupported.Count > 0
            && !resource.ScopesSupported.Any(scope => target.Scopes.Contains(scope, StringComparer.Ordinal)))
            ? new OAuthError(OAuthErrors.InvalidTarget, "The subject token holds no scope of that API that is open to this client.")
            : target;
    }

    // Somebody's wrong guesses do not stop a session that was there before, here as little as at a refresh.
    private async Task<bool> IsStoppedAsync(Subject person, string sessionId, CancellationToken cancellationToken) =>
        person.IsLockedOut && (await sessions.FindLiveAsync(sessionId, cancellationToken) is not { Record: { } session } || subjects.IsStopped(person.Account!, session));

    private static OAuthError Unacceptable(string detail) =>
        new(OAuthErrors.InvalidRequest, "The subject token or the actor token is not valid, or not acceptable from this client.") { Detail = "exchange: " + detail };
}
