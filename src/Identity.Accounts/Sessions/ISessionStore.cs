using Identity.Accounts.Events;

namespace Identity.Accounts.Sessions;

/// <summary>Why a session ended, as <c>session.destroyed</c> tells it.</summary>
public static class SessionEndReasons
{
    public const string Logout = "logout";
    public const string Revoked = "revoked";
    public const string Expired = "expired";
    public const string RefreshReuse = "refresh_reuse";
    public const string Deactivated = "deactivated";
    public const string PasswordChanged = "password_changed";
    public const string Admin = "admin";
}

/// <summary>A sign-in session: one per sign-in by API, one per browser and person by page.</summary>
/// <param name="Id"><c>sid</c>: 128 random bits, base64url. Not a credential: it is in tokens. The cookie carries it encrypted and signed.</param>
/// <param name="AccountId">Whose it is.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="AuthenticatedAt">When the person last proved who they are (auth_time): later than CreatedAt after prompt=login, max_age or a step-up. No two sign-ins of a session share a millisecond.</param>
/// <param name="Amr">RFC 8176 method references.</param>
/// <param name="Acr">Authentication context class.</param>
/// <param name="SignInUntil">Absolute end of single sign-on with it: the cookie is worth nothing after.</param>
/// <param name="LastSeenAt">Last use of the cookie; single sign-on ends when idle too long.</param>
/// <param name="ExpiresAt">End of the record: never before the last refresh family that hangs on it.</param>
/// <param name="EndedAt">When it was ended; null: it was not.</param>
/// <param name="ClientIds">The clients that took part.</param>
/// <param name="Ip">Where the sign-in came from.</param>
/// <param name="UserAgent">At most 400 characters.</param>
/// <param name="DeviceId">What the caller said of its device.</param>
public sealed record Session(
    string Id,
    Guid AccountId,
    DateTimeOffset CreatedAt,
    DateTimeOffset AuthenticatedAt,
    IReadOnlyList<string> Amr,
    string Acr,
    DateTimeOffset SignInUntil,
    DateTimeOffset LastSeenAt,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? EndedAt,
    IReadOnlyList<string> ClientIds,
    string? Ip,
    string? UserAgent,
    string? DeviceId)
{
    /// <summary>Until when its account is locked, as <see cref="ISessionStore.FindLiveAsync"/> found it; null: it is not, or that was not looked at.</summary>
    public DateTimeOffset? LockedUntil { get; init; }

    /// <summary>Those of the clients that are sent a logout token when it ends.</summary>
    public IReadOnlyList<string> ToldClientIds { get; init; } = [];

    /// <summary>Whether the record says already that the client took part, and lasts until then: neither is ever taken back.</summary>
    public bool IsKeptFor(string clientId, bool isTold, DateTimeOffset until) =>
        ExpiresAt >= until && ClientIds.Contains(clientId, StringComparer.Ordinal) && (!isTold || ToldClientIds.Contains(clientId, StringComparer.Ordinal));
}

/// <summary>Sessions. Ending one kills, in the same transaction, the refresh families that hang on it.</summary>
public interface ISessionStore
{
    Task CreateAsync(Session session, LifecycleEvent created, CancellationToken cancellationToken);

    /// <summary>Ended and expired ones too; null if unknown. Seen by every node as it is within a second.</summary>
    ValueTask<Session?> FindAsync(string id, CancellationToken cancellationToken);

    /// <summary>
    /// The session if it has neither ended nor expired and its account is active: one read, as of now at every node; with Redis it may be
    /// remembered for a second, and nodes tell each other of changes (docs/decisions/0020-session-cache.md).
    /// </summary>
    ValueTask<Session?> FindLiveAsync(string id, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>The account's sessions that have not ended or expired, newest first.</summary>
    Task<IReadOnlyList<Session>> ListLiveAsync(Guid accountId, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// Of those the ones that still open anything, as people are shown them: seen after <paramref name="seenAfter"/> by a cookie that still
    /// counts, or with a refresh family that is alive.
    /// </summary>
    Task<IReadOnlyList<Session>> ListUsableAsync(Guid accountId, DateTimeOffset seenAfter, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// The person of a live session has proved again who they are: it goes on with new AuthenticatedAt, LastSeenAt (both <paramref name="at"/>),
    /// Amr and Acr, and lasts at least until <paramref name="until"/>. False, and nothing done, where it has ended, expired, is unknown, or
    /// was authenticated at <paramref name="at"/> or later.
    /// </summary>
    Task<bool> AuthenticateAgainAsync(string id, DateTimeOffset at, IReadOnlyList<string> amr, string acr, DateTimeOffset until, CancellationToken cancellationToken);

    Task TouchAsync(string id, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Adds the client once, and raises ExpiresAt to <paramref name="until"/> if that is later; with <paramref name="isTold"/> the client is told when the session ends.</summary>
    Task AttachClientAsync(string id, string clientId, bool isTold, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>
    /// Ends the session if it is live, revokes its refresh families, and writes <paramref name="destroyed"/>, all in one transaction.
    /// True for the one caller that ended it.
    /// </summary>
    Task<bool> EndAsync(string id, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken);

    /// <summary>As <see cref="EndAsync"/>, if it has expired: one that a client prolonged since it was listed goes on.</summary>
    Task<bool> EndExpiredAsync(string id, DateTimeOffset now, LifecycleEvent destroyed, CancellationToken cancellationToken);

    /// <summary>Sessions past ExpiresAt that nobody ended, for the clean-up to end with reason <c>expired</c>.</summary>
    Task<IReadOnlyList<Session>> ListExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken);
}
