// RFC 6749 §3.1 and §4.1, RFC 9207, OpenID Connect Core §3.1.2: the authorization endpoint, which alone decides the next step.
using System.Text.Json;
using Identity.OAuth.Consents;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.Authorize;

/// <summary>Looks at a request as a whole each time it comes by, and says what is next: sign in, consent, or the answer.</summary>
public sealed class AuthorizeEndpoint(
    AuthorizeValidation validation,
    ConsentService consents,
    ISubjects subjects,
    ISessions sessions,
    ISingleUseStore codes,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider)
{
    public async Task<AuthorizeOutcome> HandleAsync(AuthorizeInput input, CancellationToken cancellationToken)
    {
        var (request, error, target) = await validation.ValidateAsync(input.Parameters, cancellationToken);
        if (request is null)
        {
            return target is null || !await IsTrustedAsync(input, cancellationToken) ? new AuthorizeOutcome.ErrorPage(error!) : Respond(target, error!);
        }

        if (input.Interaction is { Denied: true })
        {
            return Respond(request.Redirect, new OAuthError(OAuthErrors.AccessDenied, "The person said no."));
        }

        // 1. Is the right person signed in, and recently enough?
        var now = timeProvider.GetUtcNow();
        var startedAt = input.Interaction?.StartedAt ?? now;
        var silent = request.Asks("none");
        if (silent && !await IsTrustedAsync(input, cancellationToken))
        {
            return new AuthorizeOutcome.ErrorPage(new OAuthError(OAuthErrors.InteractionRequired, "This application has to show a page first."));
        }

        if (input.Session is not { } session || !IsSignedIn(request, session, input.Interaction, now))
        {
            return silent
                ? Respond(request.Redirect, new OAuthError(OAuthErrors.LoginRequired, "Nobody is signed in, or not the one asked for, or not recently enough."))
                : new AuthorizeOutcome.SignIn(request.Client, request.LoginHint, startedAt);
        }

        if (request.Subject is not null && request.Subject != session.Subject)
        {
            // Signed in because of this request, and still somebody else: the client is told, or the two would go round for ever.
            return Respond(request.Redirect, new OAuthError(OAuthErrors.LoginRequired, "Somebody else is signed in."));
        }

        if (await subjects.FindActiveAsync(session.Subject, cancellationToken) is null)
        {
            return silent
                ? Respond(request.Redirect, new OAuthError(OAuthErrors.LoginRequired, "Nobody is signed in."))
                : new AuthorizeOutcome.SignIn(request.Client, request.LoginHint, startedAt);
        }

        // 2. Did they allow it?
        var need = await consents.FindNeedAsync(request, session.Subject, input.Interaction, cancellationToken);
        if (need is not null)
        {
            return silent
                ? Respond(request.Redirect, new OAuthError(OAuthErrors.ConsentRequired, "The person has not allowed this yet."))
                : new AuthorizeOutcome.Consent(request.Client, request.Scopes, need, request.Resources, startedAt);
        }

        // 3. The answer.
        return await IssueCodeAsync(request, session, now, cancellationToken);
    }

    // RFC 9700 §4.11.2: with an error or prompt=none a person would pass through us, unseen, to a client nobody here ever chose.
    // The operator vouches for clients that need no consent, and people for those they once allowed.
    private async Task<bool> IsTrustedAsync(AuthorizeInput input, CancellationToken cancellationToken) =>
        input.Interaction is not null || await consents.IsKnownAsync(input.Parameters["client_id"]!, input.Session?.Subject, cancellationToken);

    private static bool IsSignedIn(AuthorizeRequest request, SessionInfo session, Interaction? interaction, DateTimeOffset now)
    {
        // A sign-in because of this request meets whatever it asked: that is why there was one.
        if (interaction is not null && session.AuthTime >= interaction.StartedAt)
        {
            return true;
        }

        if (request.Asks("login") || request.Asks("select_account"))
        {
            return false;
        }

        if (request.MaxAge is { } maxAge && now - session.AuthTime >= TimeSpan.FromSeconds(maxAge) && (maxAge == 0 || now - session.AuthTime > TimeSpan.FromSeconds(maxAge)))
        {
            return false;
        }

        return request.Subject is null || request.Subject == session.Subject;
    }

    private async Task<AuthorizeOutcome> IssueCodeAsync(AuthorizeRequest request, SessionInfo session, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var code = SecureValue.Create();
        var grant = new AuthorizationGrant
        {
            GrantId = Guid.CreateVersion7(now),
            ClientId = request.Client.ClientId,
            Subject = session.Subject,
            SessionId = session.Id,
            Scopes = request.Scopes,
            Resources = request.Resources,
            RedirectUri = request.RedirectUri,
            CodeChallenge = request.CodeChallenge,
            Nonce = request.Nonce,
            AuthTime = session.AuthTime,
            Acr = session.Acr,
            Amr = session.Amr,
            AuthTimeRequested = request.MaxAge is not null || request.Client.RequireAuthTime,
            ClaimsRequest = request.ClaimsParameter,
        };
        await codes.SaveAsync(
            new SingleUseEntry(
                SingleUseKinds.AuthorizationCode,
                SecureValue.Hash(code),
                request.Client.ClientId,
                JsonSerializer.Serialize(grant),
                ExpiresAt: now + options.Value.CodeLifetime,
                KeepUntil: now + options.Value.RefreshTokenLifetime),
            cancellationToken);

        // Without a refresh family the session's record still has to outlive the access token: with it the token would die too early.
        await sessions.AttachAsync(session.Id, request.Client.ClientId, now + options.Value.CodeLifetime + options.Value.AccessTokenLifetime, cancellationToken);
        return Respond(request.Redirect, [new("code", code)], null);
    }

    private AuthorizeOutcome.Respond Respond(RedirectTarget target, OAuthError error) =>
        Respond(target, [new("error", error.Code), new("error_description", error.Description)], error);

    private AuthorizeOutcome.Respond Respond(RedirectTarget target, List<KeyValuePair<string, string>> parameters, OAuthError? error)
    {
        if (target.State is not null)
        {
            parameters.Add(new("state", target.State));
        }

        // RFC 9207 §2: on success and on error.
        parameters.Add(new("iss", options.Value.Issuer));
        return new(target, parameters, error);
    }
}
