// OpenID Connect Core §2 (sid) and OWASP ASVS 5.0 §7: sign-in sessions.
using System.Buffers.Text;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Identity.Accounts.Audit;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Sessions;

/// <summary>Begins, finds and ends sessions.</summary>
public sealed class SessionService(
    ISessionStore store,
    IAccountStore accounts,
    LifecycleEvents events,
    IFactorProofStore proofs,
    AuditTrail audit,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>The one authentication context class that one factor reaches.</summary>
    public const string SingleFactor = "urn:identity:acr:1fa";

    // Every page view would else be a write; single sign-on's idle limit is hours.
    private static readonly TimeSpan TouchEvery = TimeSpan.FromMinutes(1);

    // As many sessions in a row do not fail each for itself: it is the store that is away.
    private const int MostFailures = 5;

    // So that not every grant of a client is a write of its session besides.
    private static readonly TimeSpan AttachedLonger = TimeSpan.FromHours(1);

    // Each lost turn is somebody else's won one.
    private const int Turns = 10;

    /// <summary>
    /// A session for somebody who has just proved who they are, and the account as it is by then: the caller's own session if it is the
    /// same person's, else a new one with a new id. Null where the password or the roles were changed or the account disabled since
    /// <paramref name="account"/> was read.
    /// </summary>
    /// <param name="account">As it was read before its credentials were: what proved them may be worth nothing any more.</param>
    /// <param name="amr">RFC 8176.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="provedAt">When they proved it, where that was earlier and elsewhere (auth_time of another provider); null: now.</param>
    public async Task<(Session Session, Account Account)?> StartAsync(Account account, IReadOnlyList<string> amr, Caller caller, CancellationToken cancellationToken, DateTimeOffset? provedAt = null)
    {
        var now = timeProvider.GetUtcNow();
        var at = provedAt is { } earlier && earlier < now ? earlier : now;
        var session = await ContinueAsync(account, amr, caller, at, cancellationToken) ?? await CreateAsync(account, amr, caller, at, cancellationToken);

        // A change ends the sessions that it finds. It has not found this one if it was done before this one was stored, and then it shows here.
        var current = await accounts.FindAsync(account.Id, CancellationToken.None);
        // So with roles: whether a second factor is due was judged by those of before.
        var isSame = current?.SecurityStamp == account.SecurityStamp;
        if (current is { IsActive: true } && isSame && current.Roles.Order(StringComparer.Ordinal).SequenceEqual(account.Roles.Order(StringComparer.Ordinal), StringComparer.Ordinal))
        {
            return (session, current);
        }

        await EndAsync(session, current is not { IsActive: true } ? SessionEndReasons.Deactivated : isSame ? SessionEndReasons.Admin : SessionEndReasons.PasswordChanged, caller, CancellationToken.None);
        return null;
    }

    /// <summary>What tokens ask: neither ended nor expired, and its account is active.</summary>
    public ValueTask<Session?> FindLiveAsync(string id, CancellationToken cancellationToken) => store.FindLiveAsync(id, timeProvider.GetUtcNow(), cancellationToken);

    /// <summary>What the browser's cookie asks: live, within the limits of single sign-on, and noted as used.</summary>
    public async ValueTask<Session?> FindForBrowserAsync(string id, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        if (await FindLiveAsync(id, cancellationToken) is not { } session
            || session.SignInUntil <= now
            || session.LastSeenAt + options.Value.SessionIdleTimeout <= now)
        {
            return null;
        }

        if (now - session.LastSeenAt >= TouchEvery)
        {
            await store.TouchAsync(id, now, cancellationToken);
        }

        return session;
    }

    public Task<IReadOnlyList<Session>> ListAsync(Guid accountId, CancellationToken cancellationToken) =>
        store.ListLiveAsync(accountId, timeProvider.GetUtcNow(), cancellationToken);

    /// <summary>Where the person is signed in, to be shown to them: without what has run out but is not cleared away.</summary>
    public Task<IReadOnlyList<Session>> ListUsableAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        return store.ListUsableAsync(accountId, now - options.Value.SessionIdleTimeout, now, cancellationToken);
    }

    /// <summary>Notes that the client took part, and keeps the record until then or a little longer.</summary>
    public Task AttachClientAsync(string id, string clientId, bool isTold, DateTimeOffset until, CancellationToken cancellationToken) =>
        store.AttachClientAsync(id, clientId, isTold, until + AttachedLonger, cancellationToken);

    /// <summary>Ending a session again does nothing.</summary>
    public async Task EndAsync(string sessionId, string reason, Caller caller, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(sessionId, cancellationToken) is { } session)
        {
            await EndAsync(session, reason, caller, cancellationToken);
        }
    }

    /// <summary>Ends all sessions of the account.</summary>
    public Task EndAllAsync(Guid accountId, string reason, Caller caller, CancellationToken cancellationToken) => EndOthersAsync(accountId, exceptSessionId: null, reason, caller, cancellationToken);

    /// <summary>For a change of the account that makes its sessions untrue: they end in the transaction that changes it.</summary>
    public SessionEnding EndingWith(string reason, Caller caller) =>
        new(timeProvider.GetUtcNow(), session => events.SessionDestroyed(session, reason, caller), reason);

    /// <summary>Notes in the audit trail what a change ended.</summary>
    public async Task AuditEndedAsync(IReadOnlyList<Session> ended, string reason, Caller caller, CancellationToken cancellationToken)
    {
        foreach (var session in ended)
        {
            await audit.WriteAsync("sign_out", reason, session.AccountId, caller, session.Id, cancellationToken);
        }
    }

    /// <summary>Ends all sessions of the account but one, and forgets the browsers that need no second factor: whoever signs out everywhere trusts none of them.</summary>
    public async Task EndOthersAsync(Guid accountId, string? exceptSessionId, string reason, Caller caller, CancellationToken cancellationToken)
    {
        // Once begun it goes on when whoever asked hangs up. The session that asks goes last: where the store goes away in between, it can ask again.
        var others = (await ListAsync(accountId, cancellationToken)).Where(session => session.Id != exceptSessionId).OrderBy(session => session.Id == caller.SessionId);
        await proofs.ForgetAsync(accountId, id: null, CancellationToken.None);
        foreach (var session in others)
        {
            await EndAsync(session, reason, caller, CancellationToken.None);
        }
    }

    /// <summary>Ends sessions that ran out, with reason <c>expired</c>; how many. What failed with one of them is thrown when the others are through.</summary>
    public async Task<int> EndExpiredAsync(int limit, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var (ended, failures) = (0, 0);
        ExceptionDispatchInfo? failed = null;
        foreach (var session in await store.ListExpiredAsync(now, limit, cancellationToken))
        {
            try
            {
                ended += await store.EndExpiredAsync(session.Id, now, events.SessionDestroyed(session, SessionEndReasons.Expired, caller: null), cancellationToken) ? 1 : 0;
                failures = 0;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && ++failures < MostFailures)
            {
                // It is the oldest at every turn, and must not keep those after it.
                failed ??= ExceptionDispatchInfo.Capture(exception);
            }
        }

        failed?.Throw();
        return ended;
    }

    private async Task<Session?> ContinueAsync(Account account, IReadOnlyList<string> amr, Caller caller, DateTimeOffset provedAt, CancellationToken cancellationToken)
    {
        // Of several who go on with one session at once each has its turn: who came second would else leave a session of its own beside it.
        for (var attempt = 0; attempt < Turns; attempt++)
        {
            var (session, isOver) = await TryContinueAsync(account, amr, caller, provedAt, isAgain: attempt > 0, cancellationToken);
            if (session is not null || isOver)
            {
                return session;
            }
        }

        return null;
    }

    private async Task<(Session? Session, bool IsOver)> TryContinueAsync(Account account, IReadOnlyList<string> amr, Caller caller, DateTimeOffset provedAt, bool isAgain, CancellationToken cancellationToken)
    {
        // After a lost turn as it is stored: what is remembered of it may be of before the other's.
        if (caller.SessionId is null
            || await (isAgain ? store.FindAsync(caller.SessionId, cancellationToken) : FindLiveAsync(caller.SessionId, cancellationToken)) is not { EndedAt: null } session
            || session.AccountId != account.Id)
        {
            return (null, IsOver: true);
        }

        // Its cookie is bound to this moment: the one before must be worth nothing, however fast two sign-ins follow each other.
        var now = timeProvider.GetUtcNow();
        var soonest = session.AuthenticatedAt.AddMilliseconds(1);
        var at = provedAt > soonest ? provedAt : soonest;
        var until = now + options.Value.SessionLifetime;
        if (!await store.AuthenticateAgainAsync(session.Id, at, amr, AuthenticationContexts.Of(amr), until, cancellationToken))
        {
            return (null, IsOver: false);
        }

        if (at < now)
        {
            // Proved earlier, and used now.
            await store.TouchAsync(session.Id, now, cancellationToken);
        }

        return (session with { AuthenticatedAt = at, LastSeenAt = now > at ? now : at, Amr = amr, Acr = AuthenticationContexts.Of(amr), SignInUntil = until, ExpiresAt = until > session.ExpiresAt ? until : session.ExpiresAt }, IsOver: false);
    }

    private async Task<Session> CreateAsync(Account account, IReadOnlyList<string> amr, Caller caller, DateTimeOffset provedAt, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var until = now + options.Value.SessionLifetime;
        var session = new Session(
            Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)),
            account.Id,
            CreatedAt: now,
            AuthenticatedAt: provedAt,
            amr,
            AuthenticationContexts.Of(amr),
            SignInUntil: until,
            LastSeenAt: now,
            ExpiresAt: until,
            EndedAt: null,
            caller.ClientId is null ? [] : [caller.ClientId],
            caller.Ip,
            caller.UserAgent,
            caller.DeviceId);
        await store.CreateAsync(session, events.SessionCreated(session), cancellationToken);
        return session;
    }

    private async Task EndAsync(Session session, string reason, Caller caller, CancellationToken cancellationToken)
    {
        if (await store.EndAsync(session.Id, timeProvider.GetUtcNow(), events.SessionDestroyed(session, reason, caller), cancellationToken))
        {
            await AuditEndedAsync([session], reason, caller, CancellationToken.None);
        }
    }
}
