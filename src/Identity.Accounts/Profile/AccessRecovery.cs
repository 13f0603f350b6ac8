// OWASP ASVS 5.0 §6.3.7 and §7.4: "this wasn't me".
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Profile;

/// <summary>
/// What the link in a notice does: whoever holds the account now is out. Sessions end, the password is worth nothing, changes that wait
/// for a code are dropped, known devices are strangers, second factors and connections to other providers of the last week are gone, a proven address that was replaced is in force again, and an account that was to be erased lives. What follows is a reset by mail.
/// </summary>
public sealed class AccessRecovery(
    IAccessNoticeStore notices,
    IAccountStore accounts,
    ICredentialStore credentials,
    KnownDevices devices,
    IEnumerable<IGrantedAccess> grants,
    ILookupNormalizer normalizer,
    SessionService sessions,
    LifecycleEvents events,
    AuditTrail audit,
    TimeProvider timeProvider)
{
    private const int LongestTicket = 100;

    /// <summary>Whether the link still works; asking uses nothing up, so that programs that open the links of a mail do no harm.</summary>
    public async Task<bool> IsLiveAsync(string? ticket, CancellationToken cancellationToken) =>
        ticket is { Length: > 0 and <= LongestTicket } && await notices.FindAsync(AccessNotices.KeyOf(ticket), timeProvider.GetUtcNow(), cancellationToken) is not null;

    /// <summary>The address that a reset goes to; null where the link is unknown, used or expired. Of many at once one gets through.</summary>
    public async Task<string?> DisownAsync(string? ticket, Caller caller, CancellationToken cancellationToken)
    {
        // The address as it was when the link was still good: what an administrator makes of it meanwhile is not taken back.
        var inForce = ticket is { Length: > 0 and <= LongestTicket } && await notices.FindAsync(AccessNotices.KeyOf(ticket), timeProvider.GetUtcNow(), cancellationToken) is { } found
            ? (await accounts.FindAsync(found.AccountId, cancellationToken))?.NormalizedEmail
            : null;
        if (inForce is null
            || await notices.TryTakeAsync(AccessNotices.KeyOf(ticket!), timeProvider.GetUtcNow(), cancellationToken) is not { } notice)
        {
            return null;
        }

        // The link is used up: what it is for is done even if the caller hangs up.
        var (account, done) = await TakeBackAsync(notice, inForce, notice.EmailBefore is not null, caller);
        if (done == AccountWrite.EmailTaken)
        {
            // Somebody registered the old address meanwhile; all else still happens.
            (account, done) = await TakeBackAsync(notice, inForce, restores: false, caller);
        }

        return done == AccountWrite.Done ? account!.Email : null;
    }

    private async Task<(Account? Account, AccountWrite? Outcome)> TakeBackAsync(AccessNotice notice, string inForce, bool restores, Caller caller)
    {
        if (await accounts.FindAsync(notice.AccountId, CancellationToken.None) is not { } found)
        {
            return (null, AccountWrite.NotFound);
        }

        var revised = await accounts.ReviseAsync(
            found,
            async account =>
            {
                // Whoever is in there proves an address before it is in force; an administrator does not.
                restores &= account.NormalizedEmail == inForce || account.EmailVerified;
                var stored = await credentials.FindAsync(account.Id, CancellationToken.None);
                LifecycleEvent[] told = TakeBack(account, notice, restores)
                    ? [events.OfUser(EventTypes.UserUpdated, account), events.OfUser(EventTypes.UserReactivated, account)]
                    : [events.OfUser(EventTypes.UserUpdated, account)];
                var consequences = new AccountConsequences
                {
                    Password = stored?.PasswordHash is { } hash ? new PasswordReplacement(hash, null, timeProvider.GetUtcNow()) : null,
                    EndSessions = sessions.EndingWith(SessionEndReasons.Revoked, caller),
                };
                return new AccountRevision(told, consequences);
            },
            CancellationToken.None);
        if (revised.IsDone)
        {
            foreach (var grant in grants)
            {
                await grant.ForgetRecentAsync(found.Id, caller, CancellationToken.None);
            }

            await devices.ForgetAllAsync(found.Id, CancellationToken.None);
            await sessions.AuditEndedAsync(revised.Ended, SessionEndReasons.Revoked, caller, CancellationToken.None);
            await audit.WriteAsync("access_disowned", notice.Change.ToString(), found.Id, caller, sessionId: null, CancellationToken.None);
        }

        return (revised.Account, revised.Outcome);
    }

    /// <returns>The account was to be erased, and lives again.</returns>
    private bool TakeBack(Account account, AccessNotice notice, bool restores)
    {
        account.SecurityStamp = Guid.NewGuid().ToString("N");
        account.UpdatedAt = timeProvider.GetUtcNow();
        (account.PendingEmail, account.PendingPhoneNumber) = (null, null);
        if (notice.Change is AccessChange.PhoneChanged or AccessChange.PhoneChangeAsked)
        {
            // A number signs in where codes may: this one is the stranger's until it is proven again.
            account.PhoneNumberVerified = false;
        }

        if (restores && normalizer.NormalizeEmail(notice.EmailBefore) is { } normalized && normalized != account.NormalizedEmail)
        {
            (account.Email, account.NormalizedEmail, account.EmailVerified) = (notice.EmailBefore!, normalized, true);
        }

        // Only what this deletion switched off: what an administrator disabled before stays so.
        var lives = notice.Change == AccessChange.DeletionAsked && account.DeleteAfter is not null;
        if (lives)
        {
            (account.IsActive, account.DeleteAfter) = (true, null);
        }

        return lives;
    }
}
