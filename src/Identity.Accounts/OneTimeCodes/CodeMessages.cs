using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>The message that carries a code, by mail, text message or push, in the person's language.</summary>
public sealed class CodeMessages(MailComposer mail, IOptions<AccountsOptions> options)
{
    internal PersonalMessage Write(Guid id, string to, Account account, string channel, string purpose, string code, DateTimeOffset expiresAt, Caller caller)
    {
        var minutes = (int)Math.Ceiling(options.Value.OneTimeCodeLifetime.TotalMinutes);
        var culture = Languages.Of(account);
        var name = purpose switch
        {
            OneTimeCodePurposes.Verification => "Code.Verification",
            OneTimeCodePurposes.Login => "Code.Login",
            _ when OneTimeCodePurposes.IsSecondFactor(purpose) => "Code.Login",
            OneTimeCodePurposes.PasswordReset => "Code.Reset",
            _ => "Code.Other",
        };
        var message = channel switch
        {
            "email" => mail.Compose(
                to,
                account,
                new MailContent(AccountTexts.In(culture, "Code.Subject", mail.BrandName), AccountTexts.In(culture, name + ".Lead"))
                {
                    Code = code,
                    AfterCode = AccountTexts.In(culture, "Code.Works", minutes) + "\n" + AccountTexts.In(culture, name + ".Beware"),
                    App = caller.ClientName,
                },
                culture,
                id),
            "push" => new(to, AccountTexts.In(culture, "Code.Title"), AccountTexts.In(culture, name + ".Short", code, minutes), Id: id, OpensAccount: purpose == OneTimeCodePurposes.Login),

            // An SMS has no subject: who it is from stands before it.
            _ => new(to, null, mail.BrandName + ": " + AccountTexts.In(culture, name + ".Short", code, minutes), Id: id),
        };
        return message with { ExpiresAt = expiresAt };
    }
}
