// NIST SP 800-63B-4 §3.1.1.2 and §4.2: changing and recovering passwords.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Profile;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Passwords;

/// <summary>Changes and resets passwords. Either ends every session: who knew the old one is out.</summary>
public sealed class PasswordService(
    AccountLookup lookup,
    IAccountStore accounts,
    ICredentialStore credentials,
    PasswordPolicy policy,
    PasswordHashing hashing,
    Lockout lockout,
    OneTimeCodeService codes,
    SessionService sessions,
    LifecycleEvents events,
    AuditTrail audit,
    AccessNotices notices,
    OwnerClaim claim,
    IRateLimiter limiter,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider)
{
    public async Task<PasswordChange> ChangeAsync(Guid accountId, string currentPassword, string newPassword, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(accountId, cancellationToken) is not { IsActive: true } account)
        {
            return new PasswordChange.WrongProof();
        }

        var problems = policy.FindProblems(newPassword, [account.Email, account.UserName, account.FirstName, account.LastName]);
        if (problems.Count > 0)
        {
            return new PasswordChange.Refused(problems);
        }

        // Twice, as a sign-in elsewhere may store the same password anew with more iterations meanwhile.
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var stored = await credentials.FindAsync(accountId, cancellationToken);
            var verified = await hashing.VerifyAsync(stored?.PasswordHash, currentPassword, cancellationToken);
            var current = await accounts.FindAsync(accountId, cancellationToken);
            if (current is not { IsActive: true } || await lockout.KeepsOutAsync(current, caller, cancellationToken) || verified == PasswordVerificationResult.Failed)
            {
                await lockout.CountAsync(current, caller, cancellationToken);
                await audit.WriteAsync("password_change", "wrong_password", accountId, caller, sessionId: null, cancellationToken);
                return new PasswordChange.WrongProof();
            }

            var hash = await hashing.HashAsync(newPassword, cancellationToken);
            if (await FinishAsync(current, hash, stored!.PasswordHash, "password_change", provenEmail: null, caller) == AccountWrite.Done)
            {
                return new PasswordChange.Changed();
            }
        }

        return new PasswordChange.WrongProof();
    }

    /// <summary>An administrator's: no proof is asked for, all sessions end, and the person is told. Null: no such account.</summary>
    public async Task<PasswordChange?> SetAsync(Guid accountId, string newPassword, Caller caller, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(accountId, cancellationToken) is not { } account)
        {
            return null;
        }

        var problems = policy.FindProblems(newPassword, [account.Email, account.UserName, account.FirstName, account.LastName]);
        if (problems.Count > 0)
        {
            return new PasswordChange.Refused(problems);
        }

        var hash = await hashing.HashAsync(newPassword, cancellationToken);
        return await FinishAsync(account, hash, provenHash: null, "password_set", provenEmail: null, caller, isOperators: true) == AccountWrite.Done ? new PasswordChange.Changed() : null;
    }

    /// <summary>Sends a code of purpose <c>password_reset</c> to the address if there is an account; null, or how long to wait.</summary>
    public async Task<TimeSpan?> ForgotAsync(string email, Caller caller, CancellationToken cancellationToken) =>
        await codes.GenerateAsync(new CodeRecipient(null, email, null), "email", OneTimeCodePurposes.PasswordReset, caller, cancellationToken) is GeneratedCode.RateLimited limited ? limited.RetryAfter : null;

    /// <summary>A new password that breaks a rule is refused before the code is looked at: it spends no guess.</summary>
    public async Task<PasswordChange> ResetAsync(string email, string code, string newPassword, Caller caller, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("password_reset", caller.From, options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        if (!lease.Allowed)
        {
            return new PasswordChange.RateLimited(lease.RetryAfter);
        }

        // Judged by what was typed alone: with the account's names in it the answer would tell whether there is one.
        var problems = policy.FindProblems(newPassword, [email]);
        if (problems.Count > 0)
        {
            return new PasswordChange.Refused(problems);
        }

        var account = await lookup.FindAsync(LoginKind.Email, email, cancellationToken);

        // A lock does not stop the owner of the mailbox, whoever made it, and nor do a stranger's guesses: they are counted by where they come from.
        // From everywhere together a code takes five, and an account is sent few codes.
        var name = account?.Id.ToString("N") ?? (AccountRules.Email(email) ?? email).ToUpperInvariant();
        var guesses = await limiter.AcquireAsync("reset_for:" + name, caller.From, options.Value.ResetGuessesPerAccount, TimeSpan.FromDays(1), cancellationToken);
        if (!guesses.Allowed)
        {
            return new PasswordChange.RateLimited(guesses.RetryAfter);
        }

        // What the new password replaces has to answer before the code is used up, which could not be brought again. For nobody's account it is asked as well.
        await credentials.FindAsync(account?.Id ?? Guid.Empty, cancellationToken);
        var open = account is { IsActive: true };
        var right = await codes.TryUseAsync(open ? account : null, OneTimeCodePurposes.PasswordReset, code, cancellationToken);
        if (!right)
        {
            await lockout.CountAsync(open ? account : null, cancellationToken);
            await audit.WriteAsync("password_reset", account is null ? "unknown_user" : "invalid_code", account?.Id, caller, sessionId: null, cancellationToken);
            return new PasswordChange.WrongProof();
        }

        // The code is used up, so from here on the caller's hanging up stops nothing; and a change at the same time gives way.
        var hash = await hashing.HashOwedAsync(newPassword);
        return await FinishAsync(account!, hash, provenHash: null, "password_reset", account!.NormalizedEmail, caller) == AccountWrite.Done
            ? new PasswordChange.Changed()
            : throw new InvalidOperationException("A code was used up, and its account is gone.");
    }

    /// <summary>
    /// The hash, the stamp, the end of every session and the events that tell of it are one transaction: whoever knew the old password
    /// is out from the moment the new one works.
    /// </summary>
    /// <param name="account">Whose.</param>
    /// <param name="hash">The new one.</param>
    /// <param name="provenHash">What the old password was proven against: where another was set meanwhile nothing is changed. Null: any gives way.</param>
    /// <param name="action">For the trail.</param>
    /// <param name="provenEmail">The address that the code came to.</param>
    /// <param name="caller">From where.</param>
    /// <param name="isOperators">An administrator sets it.</param>
    /// <returns>Done, NotFound, or null: another password was set meanwhile.</returns>
    private async Task<AccountWrite?> FinishAsync(Account account, string hash, string? provenHash, string action, string? provenEmail, Caller caller, bool isOperators = false)
    {
        var (before, takes) = (OwnerClaim.Before(account), false);
        if (account.NormalizedEmail == provenEmail)
        {
            await claim.ForgetAheadAsync(account, before);
        }

        var revised = await accounts.ReviseAsync(
            account,
            async current =>
            {
                var stored = (await credentials.FindAsync(current.Id, CancellationToken.None))?.PasswordHash;
                if (provenHash is not null && stored != provenHash)
                {
                    return null;
                }

                var now = timeProvider.GetUtcNow();
                (current.SecurityStamp, current.UpdatedAt) = (Guid.NewGuid().ToString("N"), now);

                // Whoever knew the old password may have asked for it, and needs no session to prove it.
                (current.PendingEmail, current.PendingPhoneNumber) = (null, null);

                // A reset code that came by mail also proves the address it came to; for the first time, and nothing that was set before is its owner's.
                var isReset = current.NormalizedEmail == provenEmail;
                var proves = !current.EmailVerified && isReset;
                before = OwnerClaim.Before(current);
                takes = isReset && OwnerClaim.Take(current);
                current.EmailVerified |= proves;
                var consequences = new AccountConsequences
                {
                    Password = new PasswordReplacement(stored, hash, now),
                    Unlocks = isReset,
                    ForgetsDevices = isReset,
                    VoidsNotices = isOperators,
                    EndSessions = sessions.EndingWith(SessionEndReasons.PasswordChanged, caller),
                    Notices = [notices.Write(current, AccessChange.PasswordChanged)],
                };
                return new AccountRevision(
                    proves
                        ? [events.OfUser(EventTypes.UserPasswordChanged, current), events.OfUser(EventTypes.UserEmailVerified, current)]
                        : [events.OfUser(EventTypes.UserPasswordChanged, current)],
                    consequences);
            },
            CancellationToken.None);
        if (revised.IsDone)
        {
            await sessions.AuditEndedAsync(revised.Ended, SessionEndReasons.PasswordChanged, caller, CancellationToken.None);
            await audit.WriteAsync(action, "success", account.Id, caller, sessionId: null, CancellationToken.None);
            if (takes)
            {
                await claim.ForgetRestAsync(account.Id, before, CancellationToken.None);
            }
        }

        return revised.Outcome is null or AccountWrite.Done or AccountWrite.NotFound ? revised.Outcome : throw new InvalidOperationException($"A password could not be stored: {revised.Outcome}.");
    }
}
