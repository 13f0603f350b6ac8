using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;

namespace Identity.Accounts.SecondFactors;

/// <summary>Ways to prove a second factor, by the names that the API and the audit trail use.</summary>
public static class FactorKinds
{
    public const string Totp = "totp";
    public const string Passkey = "passkey";
    public const string RecoveryCode = "recovery_code";
    public const string Email = "email";
    public const string Sms = "sms";

    /// <summary>A yes of a device that brought a key (docs/decisions/0013-push-sign-in.md).</summary>
    public const string Push = "push";

    /// <summary>NIST SP 800-63B-4 §3.1.3: a mailbox or a number can be taken over without its owner. A recovery code stands in for whatever was lost.</summary>
    public static int Strength(string kind) => kind switch
    {
        Passkey or RecoveryCode => 3,
        Totp or Push => 2,
        Email or Sms => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Whether <see cref="SecondFactor.Data"/> is what proves the factor. It may live apart from the row, and never changes.</summary>
    internal static bool HasSecret(string kind) => kind is Totp or Passkey;

    /// <summary>What <see cref="SecondFactor.Data"/> of a push factor is where its devices may also sign in without the password.</summary>
    internal const string Alone = "alone";

    /// <summary>Whether the account's devices may sign in without the password.</summary>
    public static bool IsAlone(SecondFactor? factor) => factor is { Kind: Push, Data: Alone };
}

/// <summary>An enrolled factor.</summary>
/// <param name="Id">UUIDv7.</param>
/// <param name="AccountId">Whose it is.</param>
/// <param name="Kind">One of <see cref="FactorKinds"/>, recovery codes aside.</param>
/// <param name="Slot">There is one factor of a slot: an account has one authenticator, a passkey belongs to one account.</param>
/// <param name="Name">What its owner calls it; empty where its kind says all.</param>
/// <param name="Data">Encrypted or public, by its kind. Empty where a secret was lost: such a factor proves nothing.</param>
/// <param name="Counter">Only ever raised.</param>
/// <param name="CreatedAt">When it was enrolled.</param>
/// <param name="LastUsedAt">When it last proved somebody.</param>
public sealed record SecondFactor(Guid Id, Guid AccountId, string Kind, string Slot, string Name, string Data, long Counter, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt);

/// <summary>
/// Enrolled factors and recovery codes, which may live where credentials do. Single use is decided by atomic statements. Where a change is told of by
/// mail, the notice is written with it or not at all; null: nobody is told.
/// </summary>
public interface ISecondFactorStore
{
    /// <summary>Oldest first.</summary>
    Task<IReadOnlyList<SecondFactor>> ListAsync(Guid accountId, CancellationToken cancellationToken);

    Task<SecondFactor?> FindBySlotAsync(string slot, CancellationToken cancellationToken);

    /// <summary>False where the slot is taken; nothing is written then.</summary>
    Task<bool> AddAsync(SecondFactor factor, LifecycleEvent added, Notice? notice, CancellationToken cancellationToken);

    /// <summary>Notes a use, and raises the counter to <paramref name="counter"/>. False where it is there already or beyond: of two uses of one code one wins.</summary>
    Task<bool> TryRaiseAsync(Guid id, long counter, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Notes a use of a factor that counts nothing.</summary>
    Task TouchAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken);

    Task<bool> RenameAsync(Guid accountId, Guid id, string name, CancellationToken cancellationToken);

    /// <summary>False where it was that already, or there is no such factor: a secret is never changed.</summary>
    Task<bool> SetDataAsync(Guid accountId, Guid id, string data, Notice? notice, CancellationToken cancellationToken);

    /// <summary>True for the one caller that removed it.</summary>
    Task<bool> RemoveAsync(Guid accountId, Guid id, LifecycleEvent removed, Notice? notice, CancellationToken cancellationToken);

    /// <summary>In place of all that there are.</summary>
    Task ReplaceRecoveryCodesAsync(Guid accountId, IReadOnlyList<string> hashes, DateTimeOffset now, Notice? notice, CancellationToken cancellationToken);

    /// <summary>Those made at this time or later.</summary>
    Task RemoveRecoveryCodesAsync(Guid accountId, DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>Not used yet.</summary>
    Task<int> CountRecoveryCodesAsync(Guid accountId, CancellationToken cancellationToken);

    /// <summary>True for exactly one caller.</summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="hash">Of the code.</param>
    /// <param name="now">When it is used.</param>
    /// <param name="notice">Made of how many are left.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<bool> TryUseRecoveryCodeAsync(Guid accountId, string hash, DateTimeOffset now, Func<int, Notice>? notice, CancellationToken cancellationToken);
}

/// <summary>A browser that need not prove a second factor for a while.</summary>
public sealed record RememberedBrowser(Guid Id, Guid AccountId, string TokenHash, string SecurityStamp, DateTimeOffset CreatedAt, DateTimeOffset LastUsedAt, DateTimeOffset ExpiresAt, string? Ip, string? UserAgent);

/// <summary>What was proven lately, and what is remembered of it.</summary>
public interface IFactorProofStore
{
    /// <summary>True for exactly one caller.</summary>
    Task<bool> TrySpendAsync(Guid ticketId, DateTimeOffset expiresAt, CancellationToken cancellationToken);

    Task<bool> IsSpentAsync(Guid ticketId, CancellationToken cancellationToken);

    Task RecordProofAsync(string sessionId, int strength, DateTimeOffset at, CancellationToken cancellationToken);

    /// <summary>Whether something of this strength or more was proven in the session since then.</summary>
    Task<bool> HasProofAsync(string sessionId, int strength, DateTimeOffset since, CancellationToken cancellationToken);

    Task RememberAsync(RememberedBrowser browser, Notice? notice, CancellationToken cancellationToken);

    /// <summary>Notes the use of a remembered browser; false where it is not remembered, not for this account and stamp, or not any more.</summary>
    Task<bool> TryUseRememberedAsync(Guid accountId, string tokenHash, string securityStamp, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Live ones, newest first.</summary>
    Task<IReadOnlyList<RememberedBrowser>> ListRememberedAsync(Guid accountId, DateTimeOffset now, CancellationToken cancellationToken);

    /// <param name="accountId">Whose.</param>
    /// <param name="id">Null: all of them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many were forgotten.</returns>
    Task<int> ForgetAsync(Guid accountId, Guid? id, CancellationToken cancellationToken);
}
