// NIST SP 800-63B-4 §3.2.2 (rate limiting): who may ask for codes, and try them, how often.
using Identity.Accounts.RateLimits;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes;

/// <summary>Counts codes that are asked for, and tries, against their limits. Null everywhere: one more may be; else how long until then.</summary>
public sealed class CodeLimits(CodeRecipients recipients, KnownDevices devices, IRateLimiter limiter, IOptions<AccountsOptions> options)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(15);

    /// <summary>One code, for whoever was named.</summary>
    internal async Task<TimeSpan?> CountAsync(CodeRecipient recipient, Account? account, string purpose, Caller caller, CancellationToken cancellationToken)
    {
        if (await CountByAddressAsync(caller, cancellationToken) is { } wait)
        {
            return wait;
        }

        // Only a sign-in that is half done, or a session, asks for these: apart from what anybody can ask for, and not at the cost of the code that sets a new password.
        if (account is not null && OneTimeCodePurposes.IsSecondFactor(purpose))
        {
            return await CountAsync("step_for:" + account.Id.ToString("N"), cancellationToken);
        }

        // Counted by account where there is one, so that naming it three ways does not triple the limit; by name where there is none.
        // Not by purpose: those are the callers' to make up, and each code is a message in somebody's inbox.
        var perAccount = await CountAsync("otp_for:" + (account?.Id.ToString("N") ?? recipients.Named(recipient)), cancellationToken);
        if (perAccount is null)
        {
            return null;
        }

        // Asked for unknown ones too: else the clock would tell who exists.
        var isKnown = await devices.IsKnownAsync(account?.Id ?? Guid.Empty, caller, cancellationToken);
        if (account is null || !(isKnown || caller.AccountId == account.Id))
        {
            return perAccount;
        }

        // Strangers may have asked for all of these: the account's own sessions and devices have as many more.
        return await CountAsync("otp_own:" + account.Id.ToString("N"), cancellationToken);
    }

    /// <summary>
    /// Whether a person may be sent codes for a change that they proved: counted apart from what anybody can ask for in their name.
    /// </summary>
    /// <param name="accountId">Whose.</param>
    /// <param name="codes">How many: all, or the change is not to be made.</param>
    /// <param name="caller">From where.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal async Task<TimeSpan?> CountChangeAsync(Guid accountId, int codes, Caller caller, CancellationToken cancellationToken)
    {
        for (var code = 0; code < codes; code++)
        {
            if ((await CountByAddressAsync(caller, cancellationToken) ?? await CountAsync("change_for:" + accountId.ToString("N"), cancellationToken)) is { } wait)
            {
                return wait;
            }
        }

        return null;
    }

    /// <summary>One try, right or wrong.</summary>
    internal async Task<TimeSpan?> CountTryAsync(Caller caller, CancellationToken cancellationToken) =>
        Wait(await limiter.AcquireAsync("otp_verify", caller.From, options.Value.SignInsPerAddress, TimeSpan.FromMinutes(1), cancellationToken));

    private async Task<TimeSpan?> CountByAddressAsync(Caller caller, CancellationToken cancellationToken) =>
        Wait(await limiter.AcquireAsync("otp", caller.From, options.Value.OneTimeCodesPerAddress, Window, cancellationToken));

    private async Task<TimeSpan?> CountAsync(string key, CancellationToken cancellationToken) =>
        Wait(await limiter.AcquireAsync(key, options.Value.OneTimeCodesPerAccount, Window, cancellationToken));

    private static TimeSpan? Wait(RateLimitLease lease) => lease.Allowed ? null : lease.RetryAfter;
}
