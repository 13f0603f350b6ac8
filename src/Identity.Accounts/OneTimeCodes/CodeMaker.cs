// NIST SP 800-63B-4 §3.1.3: six digits, five minutes, one at a time for an account and purpose.
using System.Globalization;
using System.Security.Cryptography;
using Identity.Accounts.Audit;
using Identity.Accounts.Delivery;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>A code that is stored, and not sent yet.</summary>
/// <param name="Id"><c>otpId</c>.</param>
/// <param name="MaskedDestination">Where it goes, for the answer.</param>
/// <param name="ExpiresAt">Until when it works.</param>
/// <param name="Message">What carries it; null: nobody gets it, and the answer does not tell.</param>
internal sealed record MadeCode(Guid Id, string MaskedDestination, DateTimeOffset ExpiresAt, PersonalMessage? Message);

/// <summary>Makes a code and words its message; for nobody, too, with the same work. Whether it may be asked for was counted before, and who sends it does so after.</summary>
public sealed class CodeMaker(
    CodeRecipients recipients,
    CodeBinding binding,
    MaskedDestination masked,
    CodeMessages messages,
    IOneTimeCodeStore store,
    DeliveryQueue delivery,
    AuditTrail audit,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>The channel asked for, or what fits the recipient; null: this server has none such.</summary>
    internal string? Channel(CodeRecipient recipient, string? asked)
    {
        var channel = asked ?? (recipient.PhoneNumber is not null ? "sms" : "email");
        return delivery.Has(channel) ? channel : null;
    }

    /// <param name="recipient">Who was named.</param>
    /// <param name="account">Whose that is; null: nobody's.</param>
    /// <param name="channel">How it goes.</param>
    /// <param name="purpose">What it is for.</param>
    /// <param name="caller">From where it was asked for.</param>
    /// <param name="byService">A service of the operator's asks, which is shown where the code went whoever it named.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task<MadeCode> MakeAsync(CodeRecipient recipient, Account? account, string channel, string purpose, Caller caller, bool byService, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var expiresAt = now + options.Value.OneTimeCodeLifetime;
        var code = RandomNumberGenerator.GetInt32(1_000_000).ToString("D6", CultureInfo.InvariantCulture);
        var kept = recipients.StoredChannel(recipient, account, channel, purpose);
        var storedPurpose = OneTimeCodePurposes.Stored(purpose, kept);
        var destination = CodeBinding.Destination(account, kept);
        await store.ReplaceAsync(new OneTimeCode(id, account?.Id, kept, storedPurpose, binding.Hash(id, account?.Id, kept, destination, storedPurpose, code), now, expiresAt), cancellationToken);
        await audit.WriteAsync("otp_generate", account is null ? "unknown_user" : destination is null ? "no_destination" : "success", account?.Id, caller, sessionId: null, cancellationToken);

        var usable = account is { IsActive: true } && destination is not null && CodeBinding.MayServe(purpose, channel) && (purpose != OneTimeCodePurposes.Login || binding.MaySignIn(account, channel));
        var isInside = byService || (account is not null && caller.AccountId == account.Id);
        return new(id, masked.Of(recipient, channel, destination, isInside), expiresAt, usable ? messages.Write(id, destination!, account!, channel, purpose, code, expiresAt, caller) : null);
    }
}
