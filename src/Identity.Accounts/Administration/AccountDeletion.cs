// GDPR Art. 17, OWASP ASVS 5.0 §7.5.1: deleting an account needs more than a session.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Passwords;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Administration;

/// <summary>What asking for a deletion came to.</summary>
public enum DeletionRequest
{
    Done,
    NotFound,

    /// <summary>The version expected is not the one stored.</summary>
    Conflict,

    /// <summary>Counts towards the lockout.</summary>
    WrongPassword,

    /// <summary>Neither a password nor a sign-in of the last minutes.</summary>
    ProofRequired,

    /// <summary>Nobody active would have the role admin any more.</summary>
    LastAdmin,
}

/// <summary>
/// A person's own request: the account is disabled at once, with all its sessions, and erased after the grace. Until then its address
/// and names stay taken, nobody signs in to it, and an administrator can give it back, or for a week the link in the mail that tells of it.
/// </summary>
public sealed class AccountDeletion(
    IAccountStore accounts,
    ICredentialStore credentials,
    PasswordHashing hashing,
    Lockout lockout,
    SessionService sessions,
    LifecycleEvents events,
    AuditTrail audit,
    AccessNotices notices,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>How long a sign-in is a proof.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(10);

    /// <param name="id">Who.</param>
    /// <param name="sessionId">The session it is asked from.</param>
    /// <param name="currentPassword">Null: the session's sign-in has to be fresh.</param>
    /// <param name="expectedVersion">Null: whatever is stored.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<DeletionRequest> RequestAsync(Guid id, string sessionId, string? currentPassword, long? expectedVersion, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(id, cancellationToken) is not { IsActive: true } account)
        {
            return DeletionRequest.NotFound;
        }

        if (currentPassword is not null)
        {
            var stored = await credentials.FindAsync(id, cancellationToken);
            var verified = await hashing.VerifyAsync(stored?.PasswordHash, currentPassword, cancellationToken);
            var current = await accounts.FindAsync(id, cancellationToken);
            if (current is not { IsActive: true } || await lockout.KeepsOutAsync(current, caller, cancellationToken) || verified == PasswordVerificationResult.Failed)
            {
                await lockout.CountAsync(current, caller, cancellationToken);
                await audit.WriteAsync("delete_request", "wrong_password", id, caller, sessionId, cancellationToken);
                return DeletionRequest.WrongPassword;
            }

            account = current;
        }
        else if (await sessions.FindLiveAsync(sessionId, cancellationToken) is not { } session || session.AccountId != id || session.AuthenticatedAt + Fresh <= timeProvider.GetUtcNow())
        {
            return DeletionRequest.ProofRequired;
        }

        for (var attempt = 0; attempt < 20; attempt++)
        {
            if (expectedVersion is { } expected && expected != account.Version)
            {
                return DeletionRequest.Conflict;
            }

            var now = timeProvider.GetUtcNow();
            (account.IsActive, account.DeleteAfter, account.UpdatedAt, account.SecurityStamp) = (false, now + options.Value.DeletionGrace, now, Guid.NewGuid().ToString("N"));
            LifecycleEvent[] told = [events.OfUser(EventTypes.UserUpdated, account), events.OfUser(EventTypes.UserDeactivated, account)];
            var until = account.DeleteAfter.Value;
            var consequences = new AccountConsequences
            {
                EndSessions = sessions.EndingWith(SessionEndReasons.Deactivated, caller),
                Notices = [notices.Write(account, AccessChange.DeletionAsked, culture => until.ToString("d", culture))],
            };
            var (written, ended) = await accounts.UpdateAsync(account, account.Version, told, consequences, CancellationToken.None);
            if (written == AccountWrite.Done)
            {
                await audit.WriteAsync("delete_request", "success", id, caller, sessionId, CancellationToken.None);
                await sessions.AuditEndedAsync(ended, SessionEndReasons.Deactivated, caller, CancellationToken.None);
                return DeletionRequest.Done;
            }

            if (written == AccountWrite.LastAdmin)
            {
                await audit.WriteAsync("delete_request", "last_admin", id, caller, sessionId, CancellationToken.None);
                return DeletionRequest.LastAdmin;
            }

            if (await accounts.FindAsync(id, CancellationToken.None) is not { IsActive: true } changed)
            {
                return DeletionRequest.NotFound;
            }

            account = changed;
        }

        return DeletionRequest.Conflict;
    }
}
