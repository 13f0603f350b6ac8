// NIST SP 800-63B-4 §3.1.1 and §3.2.2, OWASP ASVS 5.0 §6.3: unknown, wrong, disabled, locked and passwordless look and last the same.
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Passwords;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>Signs in with a password.</summary>
public sealed class PasswordSignIn(
    AccountLookup lookup,
    IAccountStore accounts,
    ICredentialStore credentials,
    PasswordHashing hashing,
    Lockout lockout,
    KnownDevices devices,
    SecondFactorPolicy secondFactors,
    SessionService sessions,
    AuditTrail audit,
    IRateLimiter limiter,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider) : ISignIn
{
    public async Task<SignInAttempt> WithPasswordAsync(LoginKind kind, string login, string password, Caller caller, CancellationToken cancellationToken)
    {
        var lease = await limiter.AcquireAsync("sign_in", caller.From, options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken);
        if (!lease.Allowed)
        {
            return new SignInAttempt.RateLimited(lease.RetryAfter);
        }

        var account = await lookup.FindAsync(kind, login, cancellationToken);
        var stored = await credentials.FindAsync(account?.Id ?? Guid.Empty, cancellationToken);
        var verified = await hashing.VerifyAsync(stored?.PasswordHash, password, cancellationToken);

        // Read again: failures that were counted while this hash was computed may have locked the account.
        var current = await accounts.FindAsync(account?.Id ?? Guid.Empty, cancellationToken);
        var reason = current is null ? "unknown_user"
            : stored?.PasswordHash is null ? "no_password"
            : await lockout.KeepsOutAsync(current, caller, cancellationToken) ? "locked"
            : verified == PasswordVerificationResult.Failed ? "wrong_password"
            : !current.IsActive ? "disabled"
            : null;
        if (reason is not null)
        {
            await lockout.CountAsync(reason == "disabled" ? null : current, caller, cancellationToken);
            await audit.WriteAsync("sign_in", reason, current?.Id, caller, sessionId: null, cancellationToken);
            await lockout.SlowDownAsync(lookup.NameOf(login), caller, cancellationToken);
            return new SignInAttempt.Refused();
        }

        if (options.Value.RequireVerifiedEmail && !current!.EmailVerified)
        {
            await audit.WriteAsync("sign_in", "email_not_verified", current.Id, caller, sessionId: null, cancellationToken);
            return new SignInAttempt.EmailNotVerified(current);
        }

        var now = timeProvider.GetUtcNow();
        if (verified == PasswordVerificationResult.SuccessRehashNeeded)
        {
            // Somebody may have changed it meanwhile: theirs stays.
            await credentials.TrySetPasswordAsync(current!.Id, stored!.PasswordHash, await hashing.HashAsync(password, cancellationToken), stored.PasswordChangedAt ?? now, cancellationToken);
        }

        // Failures are not forgotten here: else whoever knows the password could begin anew after each wrong second factor.
        if (await secondFactors.FindDueAsync(account!, ["pwd"], channel: null, caller, cancellationToken) is { } half)
        {
            await audit.WriteAsync("sign_in", "second_factor_due", current!.Id, caller, sessionId: null, cancellationToken);
            return new SignInAttempt.SecondFactorDue(current, half);
        }

        await accounts.RecordSignInAsync(current!.Id, now, cancellationToken);
        if (await sessions.StartAsync(account!, ["pwd"], caller, cancellationToken) is not { } started)
        {
            await audit.WriteAsync("sign_in", "changed_meanwhile", current.Id, caller, sessionId: null, cancellationToken);
            return new SignInAttempt.Refused();
        }

        await devices.RememberAsync(current.Id, caller, cancellationToken);
        await audit.WriteAsync("sign_in", "success", current.Id, caller, started.Session.Id, cancellationToken);
        return new SignInAttempt.Succeeded(started.Account, started.Session);
    }
}
