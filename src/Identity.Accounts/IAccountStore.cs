using Identity.Accounts.Credentials;
using Identity.Accounts.Events;

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

    /// <summary>A page of accounts in order of id, after <paramref name="after"/>; for admins and exports.</summary>
    Task<IReadOnlyList<Account>> ListAsync(Guid? after, int limit, CancellationToken cancellationToken);

    /// <summary>Adds the account and its first credentials as one: an acknowledged account can sign in.</summary>
    Task<AccountWrite> CreateAsync(Account account, AccountCredentials credentials, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken);

    /// <summary>
    /// Writes all members but the lockout's and LastLoginAt (which sign-ins write meanwhile), if the stored version is <paramref name="expectedVersion"/>,
    /// and raises the version by one (also in <paramref name="account"/>).
    /// </summary>
    Task<AccountWrite> UpdateAsync(Account account, long expectedVersion, IReadOnlyList<LifecycleEvent> events, CancellationToken cancellationToken);

    /// <summary>
    /// One atomic statement: counts a failure and, when it is the <paramref name="limit"/>th, locks until <paramref name="lockoutEnd"/>
    /// and starts counting anew. N parallel failures count as N; while it is locked none is counted. <paramref name="lockedOut"/> is written only if this failure locked.
    /// </summary>
    Task<FailedAttempt> CountFailureAsync(Guid id, int limit, DateTimeOffset lockoutEnd, DateTimeOffset now, LifecycleEvent lockedOut, CancellationToken cancellationToken);

    /// <summary>Notes a successful sign-in: failures back to 0, LastLoginAt. Does not change the version.</summary>
    Task RecordSignInAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken);

    Task<bool> AnyInRoleAsync(string role, CancellationToken cancellationToken);
}
