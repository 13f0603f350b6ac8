// NIST SP 800-63B-4 §3.2.2: guesses are counted, in parallel too, and an account that is guessed at is locked for a while.
using Identity.Accounts.Events;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>Counts failures by the store's one atomic statement.</summary>
public sealed class Lockout(IAccountStore accounts, LifecycleEvents events, KnownDevices devices, LockoutNotice notice, IRateLimiter limiter, IOptions<AccountsOptions> options, TimeProvider timeProvider)
{
    private const int WrongPerAccount = 3;
    private const int WrongPerAddress = 30;

    // Of another node's clock.
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(1);

    public bool IsLocked(Account account) => account.LockoutEnd is { } end && end > timeProvider.GetUtcNow();

    /// <summary>Locked for longer than guesses lock: somebody decided it, and it holds for everybody and whatever they bring.</summary>
    public bool IsDecided(Account account) => IsDecided(account.LockoutEnd);

    /// <summary>
    /// Whether a lock keeps a session from anything new. Of those that guesses made only one whose person has not shown since then that they are the
    /// owner, which a known device and a passkey let them; a provider's word was guessed by nobody, and tells a time of its own.
    /// </summary>
    /// <param name="lockoutEnd">The account's.</param>
    /// <param name="session">Live.</param>
    public bool Stops(DateTimeOffset? lockoutEnd, Session session)
    {
        ArgumentNullException.ThrowIfNull(session);
        return lockoutEnd is { } end && end > timeProvider.GetUtcNow()
            && (IsDecided(end) || (session.AuthenticatedAt <= end - options.Value.LockoutDuration && !session.Amr.Contains(ExternalSignInService.Federated, StringComparer.Ordinal)));
    }

    private bool IsDecided(DateTimeOffset? lockoutEnd) => lockoutEnd is { } end && end > timeProvider.GetUtcNow() + options.Value.LockoutDuration + Skew;

    /// <summary>Locked, and not for this device: a lock made by a stranger is not the owner's.</summary>
    public async Task<bool> KeepsOutAsync(Account account, Caller caller, CancellationToken cancellationToken) =>
        IsDecided(account) || (IsLocked(account) && !await devices.IsKnownAsync(account.Id, caller, cancellationToken));

    /// <summary>As below; what a known device gets wrong is counted against the device.</summary>
    public async Task<FailedAttempt?> CountAsync(Account? account, Caller caller, CancellationToken cancellationToken) =>
        await devices.TryCountFailureAsync(account?.Id ?? Guid.Empty, caller, cancellationToken) ? null : await CountAsync(account, cancellationToken);

    /// <summary>
    /// Makes guessing slow before it locks: whoever has been wrong a few times waits for the next refusal, whatever was guessed at.
    /// What is right is never late.
    /// </summary>
    /// <param name="name">What was typed, in its one form, and not whose it is: counted by account, a spelling that is slowed down with another would tell that there is one.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task SlowDownAsync(string name, Caller caller, CancellationToken cancellationToken)
    {
        if (options.Value.WrongPasswordDelay == TimeSpan.Zero)
        {
            return;
        }

        var slow = !(await limiter.AcquireAsync("wrong_for:" + name, WrongPerAccount, TimeSpan.FromMinutes(1), cancellationToken)).Allowed;
        slow |= !(await limiter.AcquireAsync("wrong", caller.From, WrongPerAddress, TimeSpan.FromMinutes(1), cancellationToken)).Allowed;
        if (slow)
        {
            await Task.Delay(options.Value.WrongPasswordDelay, timeProvider, cancellationToken);
        }
    }

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

        var counted = await accounts.CountFailureAsync(account.Id, options.Value.LockoutThreshold, now + options.Value.LockoutDuration, now, events.OfUser(EventTypes.UserLockedOut, account), cancellationToken);
        if (counted.LockedNow)
        {
            await notice.TellAsync(account, CancellationToken.None);
        }

        return counted;
    }
}
