// RFC 6749 §3.1 and §4.1, RFC 9207, OpenID Connect Core §3.1.2: behind OpenIddict's validation, this alone decides the next step.
using Identity.Accounts.SecondFactors;
using Identity.Accounts.SignIn;
using Identity.OAuth.Consents;
using Identity.OAuth.Sessions;

namespace Identity.OAuth.Authorize;

/// <summary>Looks at a sound request as a whole each time it comes by, and says what is next: sign in, consent, or the answer.</summary>
public sealed class AuthorizeDecision(ConsentService consents, SignInSessions sessions, AuthenticationContexts contexts, SecondFactorPolicy secondFactors, Lockout lockout, TimeProvider timeProvider)
{
    /// <summary>
    /// RFC 9700 §4.11.2: with an error or prompt=none a person would pass through us, unseen, to a client nobody here ever chose.
    /// The operator vouches for clients that need no consent, and people for those they once allowed.
    /// </summary>
    public async Task<bool> IsTrustedAsync(string clientId, Visitor visitor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        return visitor.Interaction is not null || await consents.IsKnownAsync(clientId, visitor.Session?.Subject, cancellationToken);
    }

    public async Task<AuthorizeOutcome> DecideAsync(AuthorizeRequest request, Visitor input, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(input);
        if (input.Interaction is { Denied: true })
        {
            return Refuse(OAuthErrors.AccessDenied, "The person said no.");
        }

        // 1. Is the right person signed in, and recently enough?
        var now = timeProvider.GetUtcNow();
        var startedAt = input.Interaction?.StartedAt ?? now;
        var silent = request.Asks("none");
        if (silent && !await IsTrustedAsync(request.Client.ClientId, input, cancellationToken))
        {
            return new AuthorizeOutcome.ErrorPage(new OAuthError(OAuthErrors.InteractionRequired, "This application has to show a page first."));
        }

        // A sign-in because of this request is what was asked for, whichever of the two forms it was.
        if (request.Asks("create") && !(input.Interaction is not null && input.Session?.AuthTime >= input.Interaction.StartedAt))
        {
            return new AuthorizeOutcome.Register(request.Client, startedAt);
        }

        // While strangers guess at the account, its owner says once that it is they; by a known device or a passkey they can.
        if (input.Session is not { } session || !IsSignedIn(request, session, input.Interaction, now) || (session.Record is { } record && lockout.Stops(record.LockedUntil, record)))
        {
            return silent
                ? Refuse(OAuthErrors.LoginRequired, "Nobody is signed in, or not the one asked for, or not recently enough.")
                : new AuthorizeOutcome.SignIn(request.Client, request.LoginHint, startedAt);
        }

        if (request.Subject is not null && request.Subject != session.Subject)
        {
            // Signed in because of this request, and still somebody else: the client is told, or the two would go round for ever.
            return Refuse(OAuthErrors.LoginRequired, "Somebody else is signed in.");
        }

        // 2. Have they proved enough?
        if (await FindStepUpAsync(request, session, input.Interaction, silent, startedAt, cancellationToken) is { } stepUp)
        {
            return stepUp;
        }

        // 3. Did they allow it?
        var need = await consents.FindNeedAsync(request, session.Subject, input.Interaction, cancellationToken);
        if (need is not null)
        {
            return silent
                ? Refuse(OAuthErrors.ConsentRequired, "The person has not allowed this yet.")
                : new AuthorizeOutcome.Consent(request.Client, request.ScopesToAllow, need, request.Resources, startedAt);
        }

        // 4. The answer.
        return new AuthorizeOutcome.Grant(Granted(request, session, await sessions.FindProviderAsync(session, cancellationToken), now));
    }

    // What the operator asks of a client and an essential acr must be met (OpenID Connect Core §5.5.1.1), by a factor that is added on the way if need be; acr_values are wishes, for accounts that can.
    private async Task<AuthorizeOutcome?> FindStepUpAsync(AuthorizeRequest request, SessionInfo session, Interaction? interaction, bool silent, DateTimeOffset startedAt, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> required = secondFactors.RequiredBy(request.Client.ClientId) is { } acr ? [acr] : [];

        // Somebody who proved more because of this request, by another way than wished, is not asked again.
        var asked = session.Acr != AuthenticationContexts.SingleFactor && interaction is not null && session.AuthTime >= interaction.StartedAt;
        var wishes = asked ? [] : request.AcrValues.Count > 0 ? request.AcrValues : request.Client.DefaultAcrValues;
        foreach (var (wanted, isEssential) in new[] { (required, true), (request.EssentialAcr, true), (wishes, false) })
        {
            switch (await contexts.DecideAsync(Guid.ParseExact(session.Subject, "D"), session.Acr, wanted, cancellationToken))
            {
                case StepUp.Possible when !silent:
                    return new AuthorizeOutcome.StepUp(request.Client, startedAt);
                case StepUp.Possible when isEssential:
                    return Refuse(OAuthErrors.LoginRequired, "The person has to prove more than they have.");
                case StepUp.Enrollable when isEssential && !silent:
                    return new AuthorizeOutcome.Enrol(request.Client, !wanted.Contains(AuthenticationContexts.MultiFactor, StringComparer.Ordinal), startedAt);
                case StepUp.Enrollable when isEssential:
                    // Not unmet_authentication_requirements: with a page it can be met, and the client may ask again for one.
                    return Refuse(OAuthErrors.InteractionRequired, "The person has to add a second factor first.");
                case StepUp.Unreachable when isEssential:
                    return Refuse(OAuthErrors.UnmetAuthenticationRequirements, "The authentication context asked for cannot be reached.");
                default:
                    break;
            }
        }

        return null;
    }

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

    private static AuthorizationGrant Granted(AuthorizeRequest request, SessionInfo session, string? provider, DateTimeOffset now) => new()
    {
        GrantId = Guid.CreateVersion7(now),
        ClientId = request.Client.ClientId,
        Subject = session.Subject,
        SessionId = session.Id,
        Scopes = request.Scopes,
        Resources = request.Resources,
        RedirectUri = request.RedirectUri,
        CodeChallenge = request.CodeChallenge,
        DPoPKey = request.DPoPKey,
        Nonce = request.Nonce,
        AuthTime = session.AuthTime,
        Acr = session.Acr,
        Amr = session.Amr,
        IdentityProvider = provider,
        AuthTimeRequested = request.MaxAge is not null || request.Client.RequireAuthTime,
        ClaimsRequest = request.ClaimsParameter,
    };

    private static AuthorizeOutcome.Refuse Refuse(string code, string description) => new(new OAuthError(code, description));
}
