// OpenID Connect RP-Initiated Logout 1.0: what a sign-out request comes to.
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Requests;
using Identity.OAuth.Sessions;
using Microsoft.Extensions.Logging;

namespace Identity.OAuth.EndSession;

/// <summary>The next step of a sign-out.</summary>
public abstract record EndSessionOutcome
{
    private EndSessionOutcome()
    {
    }

    /// <summary>§2: whether the person wants this cannot be known, so they are asked. Where they then go, if anywhere.</summary>
    public sealed record Confirm(Client? Client, string? RedirectTo) : EndSessionOutcome;

    /// <summary>The session ends now, and the browser goes to a registered address.</summary>
    public sealed record Redirect(SessionInfo? Session, Client? Client, string RedirectTo) : EndSessionOutcome;

    /// <summary>The session ends now (if there is one), and a page says so.</summary>
    public sealed record SignedOut(SessionInfo? Session, Client? Client) : EndSessionOutcome;

    /// <summary>The request is wrong; nothing ends.</summary>
    public sealed record ErrorPage(OAuthError Error) : EndSessionOutcome;
}

/// <summary>Decides about sign-out requests.</summary>
public sealed class EndSessionEndpoint(ClientStore clients, IdTokenHintReader hints, ILoggerFactory loggers)
{
    // What a request says, once it is known to be right.
    private sealed record Sound(IdTokenHint? Hint, Client? Client, string? RedirectTo);

    /// <summary>Whether a client that there is asks, and for nothing that would be refused: for others nothing is kept.</summary>
    public async Task<bool> IsOfClientAsync(RequestParameters parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return (await ReadAsync(parameters, cancellationToken)).TryGet(out var sound, out _) && sound.Client is not null;
    }

    public async Task<EndSessionOutcome> HandleAsync(RequestParameters parameters, SessionInfo? session, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (!(await ReadAsync(parameters, cancellationToken)).TryGet(out var sound, out var error))
        {
            RefusalLog.Refused(loggers.CreateLogger("Identity.OAuth"), "EndSession", clients, parameters, error.Code, error.Detail ?? error.Description);
            return new EndSessionOutcome.ErrorPage(error);
        }

        var (hint, client, redirectTo) = sound;

        // A hint of the present session (or person) proves that the client is part of it. Anything less is asked about: a link must not sign people out.
        var proven = hint is not null && session is not null && (hint.SessionId is null ? hint.Subject == session.Subject : hint.SessionId == session.Id);
        if (session is not null && !proven)
        {
            return new EndSessionOutcome.Confirm(client, redirectTo);
        }

        // Nobody is signed in: with a client_id alone a redirect would be an open one, so it takes the hint.
        return redirectTo is not null && hint is not null
            ? new EndSessionOutcome.Redirect(session, client, redirectTo)
            : new EndSessionOutcome.SignedOut(session, client);
    }

    private async Task<Outcome<Sound>> ReadAsync(RequestParameters parameters, CancellationToken cancellationToken)
    {
        IdTokenHint? hint = null;
        if (parameters["id_token_hint"] is { } hintText)
        {
            hint = await hints.ReadAsync(hintText, cancellationToken);
            if (hint is null)
            {
                return Wrong("id_token_hint is not an ID token of this server.");
            }
        }

        var clientId = parameters["client_id"];
        if (hint is not null && clientId is not null && hint.ClientId != clientId)
        {
            return Wrong("id_token_hint was issued to another client.");
        }

        // As at authorize, one that the operator disabled is unknown: nobody is led to its addresses any more.
        var client = (hint?.ClientId ?? clientId) is { } id && await clients.FindAsync(id, cancellationToken) is { Disabled: false } known ? known : null;
        if (client is null && (hint is not null || clientId is not null))
        {
            return Wrong("The client is not known.");
        }

        if (parameters["post_logout_redirect_uri"] is not { } uri)
        {
            return new Sound(hint, client, RedirectTo: null);
        }

        // §3: only an exactly registered address, and only where the hint (or at least the client) is known.
        if (client is null)
        {
            return Wrong("post_logout_redirect_uri needs an id_token_hint or a client_id.");
        }

        if (!RedirectUriMatcher.Matches(client.PostLogoutRedirectUris, uri))
        {
            return Wrong("post_logout_redirect_uri is not registered for this client: it is compared character by character.") with
            {
                Detail = $"post_logout_redirect_uri is none of the client's, which are: {string.Join(", ", client.PostLogoutRedirectUris)}.",
            };
        }

        return new Sound(hint, client, parameters["state"] is { } state ? uri + (uri.Contains('?', StringComparison.Ordinal) ? '&' : '?') + "state=" + Uri.EscapeDataString(state) : uri);
    }

    private static OAuthError Wrong(string description) => new(OAuthErrors.InvalidRequest, description);
}
