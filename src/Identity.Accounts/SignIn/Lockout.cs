// NIST SP 800-63B-4 §3.2.2: guesses are counted, in parallel too, and an account that is guessed at is locked for a while.
using Identity.Accounts.Events;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>Counts failures by the store's one atomic statement.</summary>
public sealed class Lockout(IAccountStore accounts, LifecycleEvents events, IOptions<AccountsOptions> options, TimeProvider timeProvider)
{
    private static readonly Account Nobody = new() { Id = Guid.Empty, Email = "", NormalizedEmail = "" };

    public bool IsLocked(Account account) => account.LockoutEnd is { } end && end > timeProvider.GetUtcNow();

    /// <param name="account">Null for an unknown one: the store is asked all the same, so that it takes as long.</param>
    public async Task CountAsync(Account? account, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var whose = account ?? Nobody;
        await accounts.CountFailureAsync(whose.Id, options.Value.LockoutThreshold, now + options.Value.LockoutDuration, now, events.OfUser(EventTypes.UserLockedOut, whose), cancellationToken);
    }
}
