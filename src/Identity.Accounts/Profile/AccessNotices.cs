// OWASP ASVS 5.0 §6.3.7: people are told of every change of what lets them in, and can say that it was not them.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Profile;

/// <summary>A change of what lets somebody into an account. Each has its texts: AccountTexts.resx, Notice.*.</summary>
public enum AccessChange
{
    PasswordChanged,
    /// <summary>A new address was named; the old one is in force until a code proves the new one.</summary>
    EmailChangeAsked,
    EmailChanged,
    /// <summary>By an administrator or a service.</summary>
    EmailReplaced,
    PhoneChangeAsked,
    PhoneChanged,
    PhoneRemoved,
    UserNameChanged,
    /// <summary>Somebody proved the address for the first time without the password that was set before: all of that is gone.</summary>
    AccountTakenOver,
    SecondFactorAdded,
    SecondFactorRemoved,
    PasskeyAdded,
    PasskeyRemoved,
    RecoveryCodesReplaced,
    RecoveryCodeUsed,
    /// <summary>Devices may sign in without the password.</summary>
    PushWithoutPasswordAllowed,
    PushWithoutPasswordForbidden,
    /// <summary>Another provider's word lets somebody in.</summary>
    ConnectionAdded,
    ConnectionRemoved,
    /// <summary>A device with a key of its own: it may approve sign-ins, and gets codes that sign in.</summary>
    DeviceKeyAdded,
    DeviceKeyRemoved,
    /// <summary>A browser that needs no second factor for a while.</summary>
    BrowserRemembered,
    /// <summary>By the person; the account is switched off until it is erased.</summary>
    DeletionAsked,
}

/// <summary>
/// Writes what people are told by mail of each change of their means of access, with a link that takes it back as far as that is safe: it works
/// once, for a week (<see cref="AccessRecovery"/>). Whatever changes such a means hands this to the store that writes the change, which writes both or neither.
/// </summary>
public sealed class AccessNotices(MailComposer mail, IOptions<AccountsOptions> options, TimeProvider timeProvider)
{
    /// <summary>Long enough for somebody on holiday, short enough that an old mailbox is not a key for ever.</summary>
    public static readonly TimeSpan LinkLifetime = TimeSpan.FromDays(7);

    /// <summary>Path of the page behind the link.</summary>
    public const string PagePath = "/not-me";

    /// <summary>To the address that is in force.</summary>
    public Notice Write(Account account, AccessChange change) => Write(account, change, account.Email, emailBefore: null, withLink: true);

    /// <param name="account">As it is with the change.</param>
    /// <param name="change">What happens.</param>
    /// <param name="detail">What fills the gap in its text, in the language it is written in.</param>
    public Notice Write(Account account, AccessChange change, Func<CultureInfo, string> detail) => Write(account, change, account.Email, emailBefore: null, withLink: true, detail);

    /// <param name="account">As it is with the change.</param>
    /// <param name="change">What happens.</param>
    /// <param name="to">Who is told: the old address, where it is another one now.</param>
    /// <param name="emailBefore">The proven address that the link brings back.</param>
    /// <param name="withLink">False for an address that an administrator took out of force: its mailbox must not get the account back.</param>
    /// <param name="detail">What fills the gap in the text, where it has one.</param>
    public Notice Write(Account account, AccessChange change, string to, string? emailBefore, bool withLink, Func<CultureInfo, string>? detail = null)
    {
        var now = timeProvider.GetUtcNow();
        var secret = withLink && options.Value.PublicUrl is not null ? Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)) : null;
        var culture = Languages.Of(account);
        var (subject, text) = (AccountTexts.In(culture, $"Notice.{change}.Subject"), AccountTexts.In(culture, $"Notice.{change}.Text"));
        text = detail is null ? text : string.Format(culture, text, detail(culture));
        var button = secret is null ? null : new MailLink(AccountTexts.In(culture, "Notice.NotMe"), AccountTexts.In(culture, "Notice.NotMe.Button"), $"{options.Value.PublicUrl}{PagePath}?ticket={secret}");
        return new Notice(
            Guid.CreateVersion7(now),
            account.Id,
            change.ToString(),
            mail.Compose(to, account, new MailContent(subject, text) { Link = button }, culture),
            now,
            secret is null ? null : new AccessNotice(KeyOf(secret), account.Id, change, emailBefore, now + LinkLifetime));
    }

    internal static string KeyOf(string secret) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
