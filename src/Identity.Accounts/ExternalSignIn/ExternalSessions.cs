// OpenID Connect Back-Channel Logout 1.0 §2.7, SAML 2.0 Profiles §4.4: a sign-out there ends what came from it here.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>Where a session of ours came from.</summary>
/// <param name="Provider">The provider's name in the settings: <c>idp</c>.</param>
/// <param name="SignOutState">What a sign-out at the provider needs; protected by whoever made it.</param>
public sealed record SessionOrigin(string Provider, string? SignOutState);

/// <summary>Which sessions came from which of a provider's.</summary>
public sealed class ExternalSessions
{
    private readonly StoreDatabase _database;
    private readonly SessionService _sessions;
    private readonly TimeProvider _timeProvider;

    internal ExternalSessions(StoreDatabase database, SessionService sessions, TimeProvider timeProvider) => (_database, _sessions, _timeProvider) = (database, sessions, timeProvider);

    /// <param name="session">Ours.</param>
    /// <param name="person">Whose it is there.</param>
    /// <param name="endsAt">When it ends at the latest; null: as any other.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task SaveAsync(Session session, ExternalPerson person, DateTimeOffset? endsAt, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            // The same session may be signed in to again, through another provider, and by several at once, of whom neither would see the other's row.
            await _database.Dialect.LockAsync(context, "external-session:" + session.Id, token);
            await context.Set<ExternalSessionRow>().Where(r => r.SessionId == session.Id).ExecuteDeleteAsync(token);
            context.Add(new ExternalSessionRow
            {
                SessionId = session.Id,
                Provider = person.Subject.Provider,
                SubjectKey = person.Subject.Key,
                UpstreamKey = person.UpstreamSession is null ? null : Text.Hash(person.UpstreamSession),
                SignOutState = person.SignOutState,
                EndsAt = endsAt,
                ExpiresAt = session.ExpiresAt,
            });
            return await context.SaveChangesAsync(token);
        },
        cancellationToken);

    /// <summary>Null: the session began here.</summary>
    public async Task<SessionOrigin?> FindAsync(string sessionId, CancellationToken cancellationToken)
    {
        var row = await _database.ReadAsync((context, token) => context.Set<ExternalSessionRow>().FirstOrDefaultAsync(r => r.SessionId == sessionId, token), cancellationToken);
        return row is null ? null : new SessionOrigin(row.Provider, row.SignOutState);
    }

    /// <summary>The session that came of the provider's for this person and has time left; null: there is none.</summary>
    /// <param name="subject">Whose.</param>
    /// <param name="upstreamSession">As it was saved.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<string?> FindAsync(ExternalSubject subject, string upstreamSession, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(subject);
        var (provider, subjectKey, upstreamKey, now) = (subject.Provider, subject.Key, Text.Hash(upstreamSession), _timeProvider.GetUtcNow());
        return _database.ReadAsync(
            (context, token) => context.Set<ExternalSessionRow>()
                .Where(r => r.Provider == provider && r.UpstreamKey == upstreamKey && r.SubjectKey == subjectKey && r.EndsAt > now)
                .OrderByDescending(r => r.EndsAt).Select(r => (string?)r.SessionId).FirstOrDefaultAsync(token),
            cancellationToken);
    }

    /// <summary>Ends sessions whose provider's token gave them so long and no longer; how many.</summary>
    public async Task<int> EndDueAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken)
    {
        var ids = await _database.ReadAsync((context, token) => context.Set<ExternalSessionRow>().Where(r => r.EndsAt != null && r.EndsAt <= now).OrderBy(r => r.EndsAt).Select(r => r.SessionId).Take(limit).ToListAsync(token), cancellationToken);
        foreach (var id in ids)
        {
            await _sessions.EndAsync(id, SessionEndReasons.Expired, new Caller(Ip: null, UserAgent: null), cancellationToken);
            await _database.WriteAsync((context, token) => context.Set<ExternalSessionRow>().Where(r => r.SessionId == id).ExecuteUpdateAsync(set => set.SetProperty(r => r.EndsAt, (DateTimeOffset?)null), token), cancellationToken);
        }

        return ids.Count;
    }

    /// <summary>
    /// Ends what came from the provider's session, or, where none is named, all that the person has from the provider; how many. Where both are named, a session of the
    /// person's that came without its name there ends too: it cannot be told from the one that is meant.
    /// </summary>
    /// <param name="provider">Only its own: a provider ends nobody else's sessions.</param>
    /// <param name="subject">Null: told by the session alone.</param>
    /// <param name="upstreamSession">Null: all of the person's.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<int> EndAsync(string provider, ExternalSubject? subject, string? upstreamSession, Caller caller, CancellationToken cancellationToken)
    {
        if (subject is null && upstreamSession is null)
        {
            return 0;
        }

        var (subjectKey, upstreamKey) = (subject?.Key, upstreamSession is null ? null : Text.Hash(upstreamSession));
        var ids = await _database.ReadAsync(
            (context, token) => context.Set<ExternalSessionRow>()
                .Where(r => r.Provider == provider && (subjectKey == null || r.SubjectKey == subjectKey) && (upstreamKey == null || r.UpstreamKey == upstreamKey || (subjectKey != null && r.UpstreamKey == null)))
                .Select(r => r.SessionId).ToListAsync(token),
            cancellationToken);
        foreach (var id in ids)
        {
            await _sessions.EndAsync(id, SessionEndReasons.Logout, caller, cancellationToken);
        }

        return ids.Count;
    }
}
