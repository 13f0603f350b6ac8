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

        var stored = await credentials.FindAsync(accountId, cancellationToken);
        var verified = await hashing.VerifyAsync(stored?.PasswordHash, currentPassword, cancellationToken);
        var current = await accounts.FindAsync(accountId, cancellationToken);
        if (current is null || lockout.IsLocked(current) || verified == PasswordVerificationResult.Failed)
        {
            await lockout.CountAsync(current, cancellationToken);
            await audit.WriteAsync("password_change", "wrong_password", accountId, caller, sessionId: null, cancellationToken);
            return new PasswordChange.WrongProof();
        }

        return await SetAsync(current, stored!.PasswordHash, newPassword, "password_change", caller, cancellationToken);
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

        var stored = await credentials.FindAsync(account!.Id, cancellationToken);
        return await SetAsync(account, stored?.PasswordHash, newPassword, "password_reset", caller, cancellationToken);
    }

    private async Task<PasswordChange> SetAsync(Account account, string? expectedHash, string newPassword, string action, Caller caller, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        if (!await credentials.TrySetPasswordAsync(account.Id, expectedHash, await hashing.HashAsync(newPassword, cancellationToken), now, cancellationToken))
        {
            // Of two changes at once one wins; the other proved itself with a password that is no longer the current one.
            return new PasswordChange.WrongProof();
        }

        for (var attempt = 0; attempt < 10; attempt++)
        {
            account.SecurityStamp = Guid.NewGuid().ToString("N");
            account.UpdatedAt = now;

            // A reset code that came by mail also proves the address.
            account.EmailVerified |= action == "password_reset";
            if (await accounts.UpdateAsync(account, account.Version, [events.OfUser(EventTypes.UserPasswordChanged, account)], cancellationToken) != AccountWrite.Conflict)
            {
                break;
            }

            account = await accounts.FindAsync(account.Id, cancellationToken) ?? account;
        }

        await sessions.EndAllAsync(account.Id, SessionEndReasons.PasswordChanged, caller, cancellationToken);
        await audit.WriteAsync(action, "success", account.Id, caller, sessionId: null, cancellationToken);
        delivery.Post("email", new PersonalMessage(account.Email, AccountTexts.Get("PasswordChangedSubject"), AccountTexts.Get("PasswordChangedMail")));
        return new PasswordChange.Changed();
    }
}
