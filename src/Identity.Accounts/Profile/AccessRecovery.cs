// OWASP ASVS 5.0 §6.3.7 and §7.4: "this wasn't me".
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Profile;

/// <summary>
/// What the link in a notice does: whoever holds the account now is out. Sessions end, the password is worth nothing, changes that wait
/// for a code are dropped, known devices are strangers, second factors and connections to other providers of the last week are gone. Of what this and later notices
/// tell, a proven address that was replaced is in force again, a new number is unproven, and an account that was to be erased lives. What follows is a reset by mail.
/// </summary>
public sealed class AccessRecovery(
    IAccessNoticeStore notices,
    IAccountStore accounts,
    ICredentialStore credentials,
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
        if (ticket is not { Length: > 0 and <= LongestTicket }
            || await notices.FindAsync(AccessNotices.KeyOf(ticket), timeProvider.GetUtcNow(), cancellationToken) is not { } notice
            || await accounts.FindAsync(notice.AccountId, cancellationToken) is not { } found)
        {
            return null;
        }

        // First, and again when the link is used up: what a crash in between leaves undone is not asked for by this link any more.
        await ForgetRecentAsync(found.Id, caller);
        var (account, done) = await TakeBackAsync(notice, found.NormalizedEmail, mayRestore: true, caller);
        if (done == AccountWrite.EmailTaken)
        {
            // Somebody registered the old address meanwhile; all else still happens.
            (account, done) = await TakeBackAsync(notice, found.NormalizedEmail, mayRestore: false, caller);
        }

        return done == AccountWrite.Done ? account!.Email : null;
    }

    /// <param name="notice">Whose link it is.</param>
    /// <param name="inForce">The address as it was when the link was still good: what an administrator makes of it meanwhile is not taken back.</param>
    /// <param name="mayRestore">An address that was replaced may come back.</param>
    /// <param name="caller">From where.</param>
    private async Task<(Account? Account, AccountWrite? Outcome)> TakeBackAsync(AccessNotice notice, string inForce, bool mayRestore, Caller caller)
    {
        if (await accounts.FindAsync(notice.AccountId, CancellationToken.None) is not { } found)
        {
            return (null, AccountWrite.NotFound);
        }

        var revised = await accounts.ReviseAsync(
            found,
            async account =>
            {
                // Whoever did what this link tells of did what came after it as well: also what other links tell of.
                var disowned = await notices.ListSinceAsync(notice, CancellationToken.None);

                // Whoever is in there proves an address before it is in force; an administrator does not.
                mayRestore &= account.NormalizedEmail == inForce || account.EmailVerified;
                var stored = await credentials.FindAsync(account.Id, CancellationToken.None);
                LifecycleEvent[] told = TakeBack(account, disowned, mayRestore)
                    ? [events.OfUser(EventTypes.UserUpdated, account), events.OfUser(EventTypes.UserReactivated, account)]
                    : [events.OfUser(EventTypes.UserUpdated, account)];
                var consequences = new AccountConsequences
                {
                    DisownedBy = notice,
                    Password = stored?.PasswordHash is { } hash ? new PasswordReplacement(hash, null, timeProvider.GetUtcNow()) : null,
                    ForgetsDevices = true,
                    EndSessions = sessions.EndingWith(SessionEndReasons.Revoked, caller),
                };
                return new AccountRevision(told, consequences);
            },
            CancellationToken.None);
        if (revised.IsDone)
        {
            await ForgetRecentAsync(found.Id, caller);
            await sessions.AuditEndedAsync(revised.Ended, SessionEndReasons.Revoked, caller, CancellationToken.None);
            await audit.WriteAsync("access_disowned", notice.Change.ToString(), found.Id, caller, sessionId: null, CancellationToken.None);
        }

        return (revised.Account, revised.Outcome);
    }

    private async Task ForgetRecentAsync(Guid accountId, Caller caller)
    {
        foreach (var grant in grants)
        {
            await grant.ForgetRecentAsync(accountId, caller, CancellationToken.None);
        }
    }

    /// <returns>The account was to be erased, and lives again.</returns>
    private bool TakeBack(Account account, IReadOnlyList<AccessNotice> disowned, bool mayRestore)
    {
        account.SecurityStamp = Guid.NewGuid().ToString("N");
        account.UpdatedAt = timeProvider.GetUtcNow();
        (account.PendingEmail, account.PendingPhoneNumber) = (null, null);
        if (disowned.Any(notice => notice.Change is AccessChange.PhoneChanged or AccessChange.PhoneChangeAsked))
        {
            // A number signs in where codes may: this one is the stranger's until it is proven again.
            account.PhoneNumberVerified = false;
        }

        if (mayRestore && disowned.FirstOrDefault(notice => notice.EmailBefore is not null) is { EmailBefore: { } before } && before != account.Email)
        {
            (account.Email, account.NormalizedEmail, account.EmailVerified) = (before, normalizer.NormalizeEmail(before), true);
        }

        // Only what these deletions switched off: what an administrator disabled before stays so.
        var lives = disowned.Any(notice => notice.Change == AccessChange.DeletionAsked) && account.DeleteAfter is not null;
        if (lives)
        {
            (account.IsActive, account.DeleteAfter) = (true, null);
        }

        return lives;
    }
}
