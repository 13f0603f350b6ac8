// NIST SP 800-63B-4 §3.1.3 (out-of-band) and the wire contract's one-time codes.
namespace Identity.Accounts.OneTimeCodes;

/// <summary>A one-time code at rest.</summary>
/// <param name="Id"><c>otpId</c>.</param>
/// <param name="AccountId">Whom it is for; null for an unknown user, whose answer must look the same.</param>
/// <param name="Channel">email, sms or push; <c>email_new</c> and <c>sms_new</c> for an address or number that waits for it.</param>
/// <param name="Purpose">verification, login, password_reset, transaction, …</param>
/// <param name="CodeHash">Keyed hash of the code and all that it is bound to (<see cref="CodeBinding"/>): the code itself is never stored.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="ExpiresAt">5 minutes later.</param>
public sealed record OneTimeCode(
    Guid Id,
    Guid? AccountId,
    string Channel,
    string Purpose,
    byte[] CodeHash,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt);

/// <summary>One-time codes. Guesses and the single success are counted by atomic statements.</summary>
public interface IOneTimeCodeStore
{
    /// <summary>Saves the code; older ones of the same account and purpose are dead from then on.</summary>
    Task ReplaceAsync(OneTimeCode code, CancellationToken cancellationToken);

    Task<OneTimeCode?> FindAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>The newest code of this account and purpose.</summary>
    Task<OneTimeCode?> FindLatestAsync(Guid accountId, string purpose, CancellationToken cancellationToken);

    /// <summary>
    /// Spends one of <paramref name="maxGuesses"/> guesses, then uses the code up if the hash matches.
    /// True for exactly one caller; false for wrong, expired, used, replaced and exhausted alike.
    /// </summary>
    Task<bool> TryUseAsync(Guid id, byte[] codeHash, int maxGuesses, DateTimeOffset now, CancellationToken cancellationToken);
}
