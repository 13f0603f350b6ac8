// OWASP ASVS 5.0 §6.3.5: the owner of an account is told of suspicious attempts.
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Profile;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Texts;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>
/// Tells the owner of an account by mail that it was locked, for how long, and how to unlock it at once. A few times a day at most: whoever
/// locks it again and again must not fill the mailbox. The mail has no secret in it. It is stored after the lock and before the answer: the lock itself
/// is one statement for any number of guesses at once, and which of them locks shows only then.
/// </summary>
public sealed class LockoutNotice(IAccessNoticeStore notices, MailComposer mail, IRateLimiter limiter, IOptions<AccountsOptions> options, TimeProvider timeProvider)
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
        var content = new MailContent(AccountTexts.In(culture, "Lockout.Subject"), AccountTexts.In(culture, "Lockout.Text", minutes)) { Link = link };
        var now = timeProvider.GetUtcNow();
        await notices.AddAsync(new Notice(Guid.CreateVersion7(now), account.Id, "AccountLocked", mail.Compose(account.Email, account, content, culture), now), cancellationToken);
    }
}
