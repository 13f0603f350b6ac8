namespace Identity.Accounts.RateLimits;

/// <summary>Limits by where requests come from.</summary>
public static class AddressLimits
{
    private static readonly RateLimitLease s_free = new(Allowed: true, TimeSpan.Zero);

    /// <summary>Counts one attempt of an address; what has none (the queue, the command line) is not counted.</summary>
    /// <param name="limiter">Counts.</param>
    /// <param name="what">What is attempted: each has a count of its own.</param>
    /// <param name="from">The address, as it is counted.</param>
    /// <param name="limit">At most so many in one window.</param>
    /// <param name="window">How long that is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static Task<RateLimitLease> AcquireAsync(this IRateLimiter limiter, string what, CountedAddress? from, int limit, TimeSpan window, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(limiter);
        return from is { } address ? limiter.AcquireAsync($"{what}:{address}", limit, window, cancellationToken) : Task.FromResult(s_free);
    }
}
