// OpenID Connect Core §2 (sid, auth_time, acr, amr) and §5.1: the protocol's view of a sign-in session and of the person behind it.
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;

namespace Identity.OAuth.Sessions;

/// <summary>A live sign-in session as tokens tell of it.</summary>
/// <param name="Id"><c>sid</c>.</param>
/// <param name="Subject"><c>sub</c>.</param>
/// <param name="AuthTime">When the person last proved who they are.</param>
/// <param name="Acr">The authentication context class reached.</param>
/// <param name="Amr">RFC 8176 method references: pwd, otp, …</param>
public sealed record SessionInfo(string Id, string Subject, DateTimeOffset AuthTime, string Acr, IReadOnlyList<string> Amr)
{
    /// <summary>Its record as the request read it; null: it was made up from elsewhere.</summary>
    public Session? Record { get; init; }

    public static SessionInfo Of(Session session)
    {
        ArgumentNullException.ThrowIfNull(session);
        return new(session.Id, session.AccountId.ToString("D"), session.AuthenticatedAt, session.Acr, session.Amr) { Record = session };
    }
}

/// <summary>Sign-in sessions by <c>sid</c>.</summary>
public sealed class SignInSessions(SessionService sessions, ExternalSessions external)
{
    private static readonly Caller Engine = new(Ip: null, UserAgent: null, ActorId: "oauth");

    /// <summary>Null where the session has ended, has expired, or its account is disabled: what hangs on it is then dead.</summary>
    public async ValueTask<SessionInfo?> FindLiveAsync(string sessionId, CancellationToken cancellationToken) =>
        await sessions.FindLiveAsync(sessionId, cancellationToken) is { } session ? SessionInfo.Of(session) : null;

    /// <summary><c>idp</c>: the provider that the session came from; null: the person signed in here.</summary>
    public async ValueTask<string?> FindProviderAsync(SessionInfo session, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(session);
        return session.Amr.Contains(ExternalSignInService.Federated, StringComparer.Ordinal) ? (await external.FindAsync(session.Id, cancellationToken))?.Provider : null;
    }

    /// <summary>Notes that a client took part in the session, and keeps its record until <paramref name="until"/> at least.</summary>
    /// <param name="isTold">It is sent a logout token when the session ends.</param>
    /// <param name="known">Its record as the request read it: nothing is written where it says all of that already.</param>
    public Task AttachAsync(string sessionId, string clientId, bool isTold, DateTimeOffset until, CancellationToken cancellationToken, Session? known = null) =>
        known?.Id == sessionId && known.IsKeptFor(clientId, isTold, until) ? Task.CompletedTask : sessions.AttachClientAsync(sessionId, clientId, isTold, until, cancellationToken);

    /// <summary>
    /// Ends the session with its cookie, refresh families and access tokens, and writes <c>session.destroyed</c>, in one transaction.
    /// Ending it again does nothing.
    /// </summary>
    /// <param name="reason">logout, revoked, expired, refresh_reuse, deactivated, password_changed or admin.</param>
    public Task EndAsync(string sessionId, string reason, CancellationToken cancellationToken) => sessions.EndAsync(sessionId, reason, Engine, cancellationToken);
}

/// <summary>A person as claims.</summary>
/// <param name="Id"><c>sub</c>.</param>
/// <param name="Claims">
/// OpenID Connect Core §5.1 claims by name, typed as there, plus roles, groups and entitlements (RFC 9068 §2.2.3.1).
/// What is unset is left out, never empty or null.
/// </param>
public sealed record Subject(string Id, JsonObject Claims)
{
    /// <summary>
    /// Locked, whoever asks. What was handed out goes on; what a session is given anew <see cref="Subjects.IsStopped"/> says.
    /// </summary>
    public bool IsLockedOut { get; init; }

    /// <summary>What the claims were made of: read once a request.</summary>
    public Account? Account { get; init; }
}

/// <summary>People by <c>sub</c>.</summary>
public sealed class Subjects(IAccountStore accounts, Lockout lockout)
{
    /// <summary>Whether a lock keeps new tokens from a session, by code, device and refresh alike.</summary>
    public bool IsStopped(Account account, Session session)
    {
        ArgumentNullException.ThrowIfNull(account);
        return lockout.Stops(account.LockoutEnd, session);
    }

    /// <summary>Null for an unknown or disabled account.</summary>
    /// <param name="subject"><c>sub</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="known">The account, active, where the request has read it already.</param>
    public async ValueTask<Subject?> FindActiveAsync(string subject, CancellationToken cancellationToken, Account? known = null) =>
        known is not null ? Of(known)
        : Guid.TryParseExact(subject, "D", out var id) && await accounts.FindAsync(id, cancellationToken) is { IsActive: true } account ? Of(account)
        : null;

    /// <summary>The same of an account that was read already, and is active.</summary>
    public Subject Of(Account account)
    {
        ArgumentNullException.ThrowIfNull(account);

        // Grafana, Argo CD, GitLab and Kubernetes call the same thing groups.
        var claims = ProfileClaims.Of(account);
        if (claims["roles"] is { } roles)
        {
            claims["groups"] = roles.DeepClone();
        }

        return new Subject(account.Id.ToString("D"), claims) { IsLockedOut = lockout.IsLocked(account), Account = account };
    }
}
