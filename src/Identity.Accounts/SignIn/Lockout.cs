// NIST SP 800-63B-4 §3.2.2: guesses are counted, in parallel too, and an account that is guessed at is locked for a while.
using Identity.Accounts.Events;
using Identity.Accounts.RateLimits;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>Counts failures by the store's one atomic statement.</summary>
public sealed class Lockout(IAccountStore accounts, LifecycleEvents events, IRateLimiter limiter, IOptions<AccountsOptions> options, TimeProvider timeProvider)
{
    public bool IsLocked(Account account) => account.LockoutEnd is { } end && end > timeProvider.GetUtcNow();

    /// <param name="account">Null for an unknown one, which is not counted, nor is a locked one: a write of the same weight keeps the clock from telling.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null where nothing was counted.</returns>
    public async Task<FailedAttempt?> CountAsync(Account? account, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        if (account is null || IsLocked(account))
        {
            // A read alone would be milliseconds faster than the commit that counting takes. Spread over rows, so that a flood does not queue at one.
            await limiter.AcquireAsync("refused:" + Random.Shared.Next(64), int.MaxValue, TimeSpan.FromDays(1), cancellationToken);
            return null;
        }

        return await accounts.CountFailureAsync(account.Id, options.Value.LockoutThreshold, now + options.Value.LockoutDuration, now, events.OfUser(EventTypes.UserLockedOut, account), cancellationToken);
    }
}
