using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;

namespace Identity.Accounts;

/// <summary>What a write to the accounts came to.</summary>
public enum AccountWrite
{
    Done,
    EmailTaken,
    UserNameTaken,
    PhoneNumberTaken,
    /// <summary>The version expected is not the one stored (412 for an If-Match, else read again).</summary>
    Conflict,
    NotFound,
    /// <summary>The password hash expected is not the one stored: somebody else set it meanwhile.</summary>
    PasswordConflict,
    /// <summary>A role that is to be given does not exist.</summary>
    UnknownRole,
    /// <summary>Nobody active would have the role admin any more.</summary>
    LastAdmin,
    /// <summary>The metadata would be over its limit.</summary>
    MetadataTooLarge,
    /// <summary>The "this wasn't me" link that this is done by was used already.</summary>
    NoticeUsed,
}

/// <summary>What must become true with a change of an account, or not at all.</summary>
public sealed record AccountConsequences
{
    /// <summary>A new password; null: it stays.</summary>
    public PasswordReplacement? Password { get; init; }

    /// <summary>A lock ends, and failures are counted anew.</summary>
    public bool Unlocks { get; init; }

    /// <summary>Devices that the account is known by are strangers from now on.</summary>
    public bool ForgetsDevices { get; init; }

    /// <summary>The "this wasn't me" links that were sent so far are worth nothing from now on.</summary>
    public bool VoidsNotices { get; init; }

    /// <summary>
    /// The "this wasn't me" link that this is done by: it is used up, by one of many, and with it those of notices that were sent after it, which went to whoever
    /// made the changes that it disowns. Null: by none.
    /// </summary>
    public AccessNotice? DisownedBy { get; init; }

    /// <summary>Merged into the account's metadata at top level, null removes; null: it stays.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>Roles that the account did not have before: they must exist, and go on to until this is written.</summary>
    public IReadOnlyList<string> GivenRoles { get; init; } = [];

    /// <summary>What its owner is told of it by mail, with links that are written after those of before are void.</summary>
    public IReadOnlyList<Notice> Notices { get; init; } = [];

    /// <summary>Ends every live session of the account with its refresh families, and tells of each; null: they live on.</summary>
    public SessionEnding? EndSessions { get; init; }
}

/// <summary>A password that takes the place of another.</summary>
/// <param name="ExpectedHash">What has to be stored now; null: none.</param>
/// <param name="Hash">What is stored then; null: none.</param>
/// <param name="At">When it was chosen.</param>
public sealed record PasswordReplacement(string? ExpectedHash, string? Hash, DateTimeOffset At);

/// <summary>How sessions end with a change.</summary>
/// <param name="At">When.</param>
/// <param name="Destroyed">The <c>session.destroyed</c> of one.</param>
/// <param name="Reason">Why; the devices that go with them are told by it.</param>
public sealed record SessionEnding(DateTimeOffset At, Func<Session, LifecycleEvent> Destroyed, string Reason = SessionEndReasons.Revoked);

/// <summary>What a change with consequences came to.</summary>
/// <param name="Outcome">Unless Done, nothing at all was written.</param>
/// <param name="Ended">The sessions that it ended.</param>
public sealed record AccountUpdate(AccountWrite Outcome, IReadOnlyList<Session> Ended);

/// <summary>Which accounts an administrator looks for; all of what is set.</summary>
/// <param name="Search">A piece of the address, user name, phone number, first or last name; case does not count.</param>
/// <param name="Role">Have this role.</param>
/// <param name="IsActive">Are active, or are not.</param>
public sealed record AccountFilter(string? Search, string? Role, bool? IsActive)
{
    /// <summary>Were made after this.</summary>
    public DateTimeOffset? CreatedAfter { get; init; }

    /// <summary>What <see cref="Search"/> looks in, and the piece itself, folded alike.</summary>
    public static string Fold(params ReadOnlySpan<string?> parts) =>
        Text.Cut(string.Join('\n', parts).ToNormalForm(NormalizationForm.FormKC).ToUpperInvariant(), Longest);

    /// <summary>What is kept of an account to search in.</summary>
    public static string Fold(Account account) => Fold(account.Email, account.UserName, account.PhoneNumber, account.FirstName, account.LastName);

    internal const int Longest = 1200;
}

/// <summary>What one more failed sign-in led to.</summary>
/// <param name="FailedCount">Failures since the last success, this one included.</param>
/// <param name="LockedNow">True for exactly the one caller whose failure locked the account.</param>
/// <param name="LockoutEnd">Until when it is locked, if it is.</param>
public sealed record FailedAttempt(int FailedCount, bool LockedNow, DateTimeOffset? LockoutEnd);

/// <summary>Accounts. Every write takes the events that tell of it and keeps them in the same transaction.</summary>
public interface IAccountStore
{
    Task<Account?> FindAsync(Guid id, CancellationToken cancellationToken);

    Task<Account?> FindByEmailAsync(string normalizedEmail, CancellationToken cancellationToken);

    Task<Account?> FindByUserNameAsync(string normalizedUserName, CancellationToken cancellationToken);

    Task<Account?> FindByPhoneNumberAsync(string phoneNumber, CancellationToken cancellationToken);

    /// <summary>The account that last asked for this address, or else this number, and has not proven it.</summary>
    Task<Account?> FindByPendingAsync(string? email, string? phoneNumber, CancellationToken cancellationToken);

    /// <summary>A page of accounts in order of id, after <paramref name="after"/>; for admins and exports.</summary>
    Task<IReadOnlyList<Account>> ListAsync(Guid? after, int limit, CancellationToken cancellationToken);

    /// <summary>As above, of those that the filter lets through.</summary>
    Task<IReadOnlyList<Account>> SearchAsync(AccountFilter filter, Guid? after, int limit, CancellationToken cancellationToken);

    /// <summary>Adds the account, its first credentials and what it brings as metadata as one: an acknowledged account can sign in, and one that is refused is none.</summary>
    Task<AccountWrite> CreateAsync(Account account, AccountCredentials credentials, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken, JsonObject? brought = null);

    /// <summary>
    /// Writes all members but the lockout's and LastLoginAt (which sign-ins write meanwhile), if the stored version is <paramref name="expectedVersion"/>,
    /// and raises the version by one (also in <paramref name="account"/>).
    /// </summary>
    Task<AccountWrite> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken);

    /// <summary>
    /// As above, and in the same transaction what follows from it. A session that is being made meanwhile is either ended, or made after
    /// the change and able to see it.
    /// </summary>
    Task<AccountUpdate> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, AccountConsequences consequences, CancellationToken cancellationToken);

    /// <summary>
    /// One atomic statement: counts a failure and, when it is the <paramref name="limit"/>th, locks until <paramref name="lockoutEnd"/>
    /// and starts counting anew. N parallel failures count as N; while it is locked none is counted. <paramref name="lockedOut"/> is written only if this failure locked.
    /// </summary>
    Task<FailedAttempt> CountFailureAsync(Guid id, int limit, DateTimeOffset lockoutEnd, DateTimeOffset now, LifecycleEvent lockedOut, CancellationToken cancellationToken);

    /// <summary>Locks until <paramref name="lockoutEnd"/>, or no longer where it is null or past; failures back to 0. Does not change the version. False: no such account.</summary>
    Task<bool> SetLockoutAsync(Guid id, DateTimeOffset? lockoutEnd, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken);

    /// <summary>Notes a successful sign-in: failures back to 0, LastLoginAt. Does not change the version.</summary>
    Task RecordSignInAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken);

    Task<bool> AnyInRoleAsync(string role, CancellationToken cancellationToken);
}
