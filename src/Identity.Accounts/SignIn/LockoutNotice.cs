// OWASP ASVS 5.0 §6.3.5: the owner of an account is told of suspicious attempts.
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>
/// Tells the owner of an account by mail that it was locked, for how long, and how to unlock it at once. A few times a day at most: whoever
/// locks it again and again must not fill the mailbox. The mail has no secret in it.
/// </summary>
public sealed class LockoutNotice(DeliveryQueue delivery, MailComposer mail, IRateLimiter limiter, IOptions<AccountsOptions> options)
{
    private const int MailsPerDay = 3;

    public async Task TellAsync(Account account, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(account);
        if (!account.IsActive || !(await limiter.AcquireAsync("lockout_mail:" + account.Id.ToString("N"), MailsPerDay, TimeSpan.FromDays(1), cancellationToken)).Allowed)
        {
            return;
        }

        var culture = Languages.Of(account);
        var minutes = (int)Math.Ceiling(options.Value.LockoutDuration.TotalMinutes);
        var link = options.Value.PublicUrl is { } url ? new MailLink(AccountTexts.In(culture, "Lockout.Lead"), AccountTexts.In(culture, "Lockout.Button"), url + "/forgot-password") : null;
        delivery.PostNotice("email", mail.Compose(account.Email, account, new MailContent(AccountTexts.In(culture, "Lockout.Subject"), AccountTexts.In(culture, "Lockout.Text", minutes)) { Link = link }, culture));
    }
}
