// OpenID Connect Core §2 and §5.1: the engine's view of people and sessions, over the accounts side.
using Identity.Accounts;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Identity.OAuth.Sessions;

namespace Identity.Server.Hosting;

/// <summary>People as claims.</summary>
public sealed class AccountSubjects(IAccountStore accounts, TimeProvider timeProvider) : ISubjects
{
    public async ValueTask<Subject?> FindActiveAsync(string subject, CancellationToken cancellationToken)
    {
        if (!Guid.TryParseExact(subject, "D", out var id) || await accounts.FindAsync(id, cancellationToken) is not { IsActive: true } account)
        {
            return null;
        }

        return new Subject(subject, ProfileClaims.Of(account)) { IsLockedOut = account.LockoutEnd > timeProvider.GetUtcNow() };
    }
}

/// <summary>Sessions as tokens tell of them.</summary>
public sealed class AccountSessions(SessionService sessions) : ISessions
{
    private static readonly Caller Engine = new(Ip: null, UserAgent: null, ActorId: "oauth");

    public static SessionInfo Info(Session session) => new(session.Id, session.AccountId.ToString("D"), session.AuthenticatedAt, session.Acr, session.Amr);

    public async ValueTask<SessionInfo?> FindLiveAsync(string sessionId, CancellationToken cancellationToken) =>
        await sessions.FindLiveAsync(sessionId, cancellationToken) is { } session ? Info(session) : null;

    public Task AttachAsync(string sessionId, string clientId, DateTimeOffset until, CancellationToken cancellationToken) =>
        sessions.AttachClientAsync(sessionId, clientId, until, cancellationToken);

    public Task EndAsync(string sessionId, string reason, CancellationToken cancellationToken) => sessions.EndAsync(sessionId, reason, Engine, cancellationToken);
}
