// NIST SP 800-63B-4 §3.1.1.2 and §4.2: changing and recovering passwords.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Delivery;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Sessions;
using Identity.Accounts.SignIn;
using Identity.Accounts.Texts;
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
    DeliveryQueue delivery,
    IRateLimiter limiter,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider) : IPasswords
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
            if (current is not { IsActive: true } || lockout.IsLocked(current) || verified == PasswordVerificationResult.Failed)
            {
                await lockout.CountAsync(current, cancellationToken);
                await audit.WriteAsync("password_change", "wrong_password", accountId, caller, sessionId: null, cancellationToken);
                return new PasswordChange.WrongProof();
            }

            var hash = await hashing.HashAsync(newPassword, cancellationToken);
            if (await credentials.TrySetPasswordAsync(accountId, stored!.PasswordHash, hash, timeProvider.GetUtcNow(), cancellationToken))
            {
                await FinishAsync(current, "password_change", caller);
                return new PasswordChange.Changed();
            }
        }

        return new PasswordChange.WrongProof();
    }

    public async Task<TimeSpan?> ForgotAsync(string email, Caller caller, CancellationToken cancellationToken) =>
        await codes.GenerateAsync(new CodeRecipient(null, email, null), "email", OneTimeCodePurposes.PasswordReset, caller, cancellationToken) is GeneratedCode.RateLimited limited ? limited.RetryAfter : null;

    public async Task<PasswordChange> ResetAsync(string email, string code, string newPassword, Caller caller, CancellationToken cancellationToken)
    {
        if (caller.Ip is not null)
        {
            var lease = await limiter.AcquireAsync("password_reset:" + caller.Ip, options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
            if (!lease.Allowed)
            {
                return new PasswordChange.RateLimited(lease.RetryAfter);
            }
        }

        // Judged by what was typed alone: with the account's names in it the answer would tell whether there is one.
        var problems = policy.FindProblems(newPassword, [email]);
        if (problems.Count > 0)
        {
            return new PasswordChange.Refused(problems);
        }

        var account = await lookup.FindAsync(LoginKind.Email, email, cancellationToken);
        var open = account is { IsActive: true } && !lockout.IsLocked(account);
        var proven = await codes.TryUseAsync(open ? account : null, OneTimeCodePurposes.PasswordReset, code, cancellationToken);
        if (!proven)
        {
            await lockout.CountAsync(open ? account : null, cancellationToken);
            await audit.WriteAsync("password_reset", account is null ? "unknown_user" : "invalid_code", account?.Id, caller, sessionId: null, cancellationToken);
            return new PasswordChange.WrongProof();
        }

        // The code is used up, so from here on the caller's hanging up stops nothing; and a change at the same time gives way.
        var hash = await hashing.HashAsync(newPassword, CancellationToken.None);
        for (var attempt = 0; attempt < 10; attempt++)
        {
            var stored = await credentials.FindAsync(account!.Id, CancellationToken.None);
            if (await credentials.TrySetPasswordAsync(account.Id, stored?.PasswordHash, hash, timeProvider.GetUtcNow(), CancellationToken.None))
            {
                await FinishAsync(account, "password_reset", caller);
                return new PasswordChange.Changed();
            }
        }

        throw new InvalidOperationException("A password could not be stored: it was changed by others ten times meanwhile.");
    }

    // The new password is stored, so none of this may be left out because the caller hung up.
    private async Task FinishAsync(Account account, string action, Caller caller)
    {
        var mailed = account.NormalizedEmail;
        var written = AccountWrite.Conflict;
        for (var attempt = 0; attempt < 20 && written == AccountWrite.Conflict; attempt++)
        {
            account = (attempt == 0 ? account : await accounts.FindAsync(account.Id, CancellationToken.None)) ?? account;
            account.SecurityStamp = Guid.NewGuid().ToString("N");
            account.UpdatedAt = timeProvider.GetUtcNow();

            // A reset code that came by mail also proves the address it came to.
            var proves = action == "password_reset" && !account.EmailVerified && account.NormalizedEmail == mailed;
            account.EmailVerified |= proves;
            LifecycleEvent[] told = proves
                ? [events.OfUser(EventTypes.UserPasswordChanged, account), events.OfUser(EventTypes.UserEmailVerified, account)]
                : [events.OfUser(EventTypes.UserPasswordChanged, account)];
            written = await accounts.UpdateAsync(account, account.Version, told, CancellationToken.None);
        }

        await sessions.EndAllAsync(account.Id, SessionEndReasons.PasswordChanged, caller, CancellationToken.None);
        await audit.WriteAsync(action, "success", account.Id, caller, sessionId: null, CancellationToken.None);
        delivery.Post("email", new PersonalMessage(account.Email, AccountTexts.Get("PasswordChangedSubject"), AccountTexts.Get("PasswordChangedMail")));
        if (written != AccountWrite.Done)
        {
            throw new InvalidOperationException($"A password was changed and its sessions ended, but the account could not be written: {written}.");
        }
    }
}
