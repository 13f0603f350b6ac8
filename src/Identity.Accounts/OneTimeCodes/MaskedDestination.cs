// OWASP ASVS 5.0 §6.3.8 (account enumeration): the answer to a request for a code has the same shape whether or not there is an account.
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>Where a code went, as whoever asked for it is shown.</summary>
public sealed class MaskedDestination(CodeRecipients recipients, AccountRules rules, IOptions<AccountsOptions> options)
{
    /// <summary>The same shape for an unknown recipient: from what was named, or made up from it by a keyed hash, always alike.</summary>
    /// <param name="recipient">Who was named.</param>
    /// <param name="channel">How the code was to go.</param>
    /// <param name="destination">Where to; null: nowhere.</param>
    /// <param name="isInside">Whoever asked is the person, or a service of the operator's.</param>
    internal string Of(CodeRecipient recipient, string channel, string? destination, bool isInside)
    {
        // How many devices there are, and whether any, is nobody's business; nor is a number or address that whoever asks did not name.
        var isNamed = recipient.AccountId is not null || channel != "email" == (recipient.PhoneNumber is not null);
        if (channel == "push" || !(isNamed || isInside))
        {
            return "***";
        }

        if (channel == "email" && (AccountRules.Email(recipient.Email) ?? recipient.Email?.Trim() ?? destination) is { } email)
        {
            // What cannot be an address is nobody's, and tells nothing.
            var at = email.LastIndexOf('@');
            return at > 0 && at + 1 < email.Length && !char.IsSurrogate(email[0]) && !char.IsSurrogate(email[at + 1]) ? $"{email[0]}***@{email[at + 1]}***{email[Math.Max(at + 2, email.LastIndexOf('.'))..]}" : "***";
        }

        if (channel != "email" && (rules.PhoneNumber(recipient.PhoneNumber) ?? recipient.PhoneNumber ?? destination) is { Length: > 4 } phone)
        {
            return string.Concat(phone.AsSpan(0, Math.Min(3, phone.Length - 4)), "*****", phone.AsSpan(phone.Length - 2));
        }

        var hash = HMACSHA256.HashData(options.Value.OneTimeCodeKey, Encoding.UTF8.GetBytes("mask|" + channel + "|" + recipients.Named(recipient)));
        return channel == "email"
            ? $"{(char)('a' + (hash[0] % 26))}***@{(char)('a' + (hash[1] % 26))}***.com"
            : $"+{10 + (hash[0] % 89)}*****{hash[1] % 100:D2}";
    }
}
