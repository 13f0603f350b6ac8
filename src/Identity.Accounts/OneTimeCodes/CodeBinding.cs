// NIST SP 800-63B-4 §3.1.3: a code is bound to account, channel, destination and purpose.
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>What a code is bound to, and what it may be used for.</summary>
public sealed class CodeBinding(IOptions<AccountsOptions> options)
{
    // Keyed, so that a leaked table of six digit codes is not a table of codes.
    // The destination is part of it: a code that was sent to one address proves nothing about another that the account has by now.
    internal byte[] Hash(Guid id, Guid? accountId, string? channel, string? destination, string purpose, string code) =>
        HMACSHA256.HashData(options.Value.OneTimeCodeKey, Encoding.UTF8.GetBytes($"otp.v2|{id:N}|{accountId:N}|{channel}|{destination?.ToUpperInvariant()}|{purpose}|{code}"));

    /// <summary>What is stored of a code if these are its digits, for this account as it is now; as much work where none is stored.</summary>
    /// <param name="stored">The code that is tried.</param>
    /// <param name="account">Whose it is.</param>
    /// <param name="purpose">What it is tried for, by its exact name: not every store tells capitals apart.</param>
    /// <param name="code">The digits.</param>
    internal byte[] Hash(OneTimeCode? stored, Account? account, string purpose, string code) =>
        Hash(stored?.Id ?? Guid.Empty, stored?.AccountId, stored?.Channel, Destination(account, stored?.Channel), purpose, code);

    // Push goes to all of an account's devices, whichever those are by then.
    internal static string? Destination(Account? account, string? channel) => channel switch
    {
        "email" => account?.Email,
        "push" => account?.Id.ToString("N"),
        OneTimeCodePurposes.NewEmail => account?.PendingEmail,
        OneTimeCodePurposes.NewPhone => account?.PendingPhoneNumber,
        _ => account?.PhoneNumber,
    };

    // A new password is the mailbox's to set: a number or a device may be somebody else's. A second factor is the one that it was sent to.
    internal static bool MayServe(string purpose, string channel) =>
        purpose == OneTimeCodePurposes.PasswordReset ? channel == "email"
        : !OneTimeCodePurposes.IsSecondFactor(purpose) || purpose == OneTimeCodePurposes.SecondFactor(channel);

    // An address proves itself by its code, and what others set before is dropped then. A number must be known to be the person's own.
    internal bool MaySignIn(Account account, string channel) =>
        options.Value.AllowCodeSignIn
        && (channel == "email" || ((channel == "push" || account.PhoneNumberVerified) && (account.EmailVerified || !options.Value.RequireVerifiedEmail)));
}
