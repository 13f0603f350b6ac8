// The wire contract's recipients: an account, an address or a number, which need not be in force yet.
namespace Identity.Accounts.OneTimeCodes;

/// <summary>Whose code it is, and of which of their addresses and numbers: the ones in force, or those that wait for a code.</summary>
public sealed class CodeRecipients(AccountLookup lookup, AccountRules rules, IAccountStore accounts)
{
    /// <summary>By what is in force; for a verification also by the address or number that waits for one: the asking person's own, where several wait for the same.</summary>
    /// <param name="recipient">Who was named.</param>
    /// <param name="purpose">What the code is for.</param>
    /// <param name="asking">The account of who asks; null: nobody's that is known.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task<Account?> FindAsync(CodeRecipient recipient, string purpose, Guid? asking, CancellationToken cancellationToken)
    {
        var account = await lookup.FindAsync(recipient, cancellationToken);
        if (account is not null || purpose != OneTimeCodePurposes.Verification || recipient.AccountId is not null)
        {
            return account;
        }

        var (email, phone) = (AccountRules.Email(recipient.Email), rules.PhoneNumber(recipient.PhoneNumber));
        if (asking is { } id && await accounts.FindAsync(id, cancellationToken) is { } own && (Waits(own.PendingEmail, email) || (phone is not null && own.PendingPhoneNumber == phone)))
        {
            return own;
        }

        return email is null && phone is null ? null : await accounts.FindByPendingAsync(email, phone, cancellationToken);
    }

    /// <summary>What was named, in one form for all its spellings.</summary>
    internal string Named(CodeRecipient recipient) =>
        recipient.AccountId?.ToString("N")
        ?? (AccountRules.Email(recipient.Email) ?? recipient.Email?.Trim())?.ToUpperInvariant()
        ?? rules.PhoneNumber(recipient.PhoneNumber)
        ?? recipient.PhoneNumber?.Trim()
        ?? "";

    /// <summary>
    /// What is wrong with an address or number that nobody can have; null: nothing. To say so tells of nobody; to answer as if a code were sent would hide a mistake, such as a
    /// national number without DEFAULT_REGION.
    /// </summary>
    internal string? Unreadable(CodeRecipient recipient) =>
        recipient.Email is not null && AccountRules.Email(recipient.Email) is null ? "email " + AccountRules.EmailRule
        : recipient.PhoneNumber is not null && rules.PhoneNumber(recipient.PhoneNumber) is null ? "phoneNumber " + AccountRules.PhoneNumberRule
        : null;

    /// <summary>A verification is of the address or number that waits for it, unless the one in force was named.</summary>
    internal string StoredChannel(CodeRecipient recipient, Account? account, string channel, string purpose) =>
        account is null || purpose != OneTimeCodePurposes.Verification ? channel
        : channel == "email" && account.PendingEmail is { } email && (recipient.AccountId is not null || Waits(email, AccountRules.Email(recipient.Email))) ? OneTimeCodePurposes.NewEmail
        : channel == "sms" && account.PendingPhoneNumber is { } phone && (recipient.AccountId is not null || rules.PhoneNumber(recipient.PhoneNumber) == phone) ? OneTimeCodePurposes.NewPhone
        : channel;

    private static bool Waits(string? pending, string? named) => pending is not null && named is not null && AccountRules.IsSameMailbox(pending, named);

    /// <summary>An account may wait for a new address and a new number at once: a code that was not said to be of one is tried for each.</summary>
    internal static IEnumerable<string> WaitingChannels(CodeRecipient recipient, Account account)
    {
        if (account.PendingEmail is not null && recipient.PhoneNumber is null)
        {
            yield return OneTimeCodePurposes.NewEmail;
        }

        if (account.PendingPhoneNumber is not null && recipient.Email is null)
        {
            yield return OneTimeCodePurposes.NewPhone;
        }
    }
}
