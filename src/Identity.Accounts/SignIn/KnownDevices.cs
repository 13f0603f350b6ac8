// NIST SP 800-63B-4 §3.2.2 and the OWASP cheat sheet on device cookies: a lock keeps out strangers, not the owner's own devices.
using Identity.Accounts.Profile;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.SignIn;

/// <summary>
/// Remembers what an account has signed in with: a browser's mark, or what an app calls its device. Its wrong passwords are counted by
/// themselves, and as many as lock an account make it a stranger: guessing the name of a device buys those few guesses, once.
/// </summary>
public sealed class KnownDevices(IKnownDeviceStore store, IOptions<AccountsOptions> options, TimeProvider timeProvider)
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(400);

    public Task<bool> IsKnownAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) =>
        Key(caller) is { } key ? store.IsKnownAsync(accountId, key, timeProvider.GetUtcNow(), cancellationToken) : Task.FromResult(false);

    public Task RememberAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) =>
        Key(caller) is { } key ? store.RememberAsync(accountId, key, timeProvider.GetUtcNow() + Lifetime, cancellationToken) : Task.CompletedTask;

    /// <summary>False where the failure is to be counted against the account.</summary>
    public Task<bool> TryCountFailureAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) =>
        Key(caller) is { } key ? store.TryCountFailureAsync(accountId, key, options.Value.LockoutThreshold, timeProvider.GetUtcNow(), cancellationToken) : Task.FromResult(false);

    public Task ForgetAllAsync(Guid accountId, CancellationToken cancellationToken) => store.ForgetAllAsync(accountId, cancellationToken);

    private static string? Key(Caller caller) =>
        caller.BrowserMark is { } mark ? AccessNotices.KeyOf("browser:" + mark)
        : caller.DeviceId is { } device ? AccessNotices.KeyOf("device:" + device)
        : null;
}
