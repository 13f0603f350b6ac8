// OWASP ASVS 5.0 §6.3.7: people are told of every change of what lets them in, and can say that it was not them.
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Logging;
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
/// Tells people by mail of each change of their means of access, with a link that takes it back as far as that is safe: it works once,
/// for a week (<see cref="AccessRecovery"/>). Whatever changes such a means calls this after the change is stored.
/// </summary>
public sealed partial class AccessNotices(IAccessNoticeStore store, DeliveryQueue delivery, MailComposer mail, IOptions<AccountsOptions> options, TimeProvider timeProvider, ILogger<AccessNotices> logger)
{
    /// <summary>Long enough for somebody on holiday, short enough that an old mailbox is not a key for ever.</summary>
    public static readonly TimeSpan LinkLifetime = TimeSpan.FromDays(7);

    /// <summary>Path of the page behind the link.</summary>
    public const string PagePath = "/not-me";

    /// <summary>To the address that is in force.</summary>
    public Task TellAsync(Account account, AccessChange change) => TellAsync(account, change, account.Email, emailBefore: null, withLink: true);

    /// <param name="account">As it is now.</param>
    /// <param name="change">What happened.</param>
    /// <param name="detail">What fills the gap in its text, in the language it is written in.</param>
    public Task TellAsync(Account account, AccessChange change, Func<CultureInfo, string> detail) => TellAsync(account, change, account.Email, emailBefore: null, withLink: true, detail);

    /// <param name="account">As it is now.</param>
    /// <param name="change">What happened.</param>
    /// <param name="to">Who is told: the old address, where it is another one now.</param>
    /// <param name="emailBefore">The proven address that the link brings back.</param>
    /// <param name="withLink">False for an address that an administrator took out of force: its mailbox must not get the account back.</param>
    /// <param name="detail">What fills the gap in the text, where it has one.</param>
    public async Task TellAsync(Account account, AccessChange change, string to, string? emailBefore, bool withLink, Func<CultureInfo, string>? detail = null)
    {
        var link = withLink && options.Value.PublicUrl is { } url ? await MakeLinkAsync(url, account.Id, change, emailBefore) : null;
        var culture = Languages.Of(account);
        var (subject, text) = (AccountTexts.In(culture, $"Notice.{change}.Subject"), AccountTexts.In(culture, $"Notice.{change}.Text"));
        text = detail is null ? text : string.Format(culture, text, detail(culture));
        var button = link is null ? null : new MailLink(AccountTexts.In(culture, "Notice.NotMe"), AccountTexts.In(culture, "Notice.NotMe.Button"), link);
        delivery.PostNotice("email", mail.Compose(to, account, new MailContent(subject, text) { Link = button }, culture));
    }

    internal static string KeyOf(string secret) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    // The change is stored already: without its link the mail is still worth sending.
    private async Task<string?> MakeLinkAsync(string url, Guid accountId, AccessChange change, string? emailBefore)
    {
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        try
        {
            await store.AddAsync(new AccessNotice(KeyOf(secret), accountId, change, emailBefore, timeProvider.GetUtcNow() + LinkLifetime), CancellationToken.None);
            return $"{url}{PagePath}?ticket={secret}";
        }
        catch (Exception exception)
        {
            LogNoLink(exception);
            return null;
        }
    }

    [LoggerMessage(2720, LogLevel.Error, "A notice of a changed account goes without its link: the link could not be stored")]
    private partial void LogNoLink(Exception exception);
}
