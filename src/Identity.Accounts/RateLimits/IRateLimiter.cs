namespace Identity.Accounts.RateLimits;

/// <summary>An answer of the limiter.</summary>
/// <param name="Allowed">Whether the attempt may go on.</param>
/// <param name="RetryAfter">How long until the next one may, where it may not.</param>
public sealed record RateLimitLease(bool Allowed, TimeSpan RetryAfter);

/// <summary>Counts attempts over all nodes by one atomic statement; where the store cannot answer, it throws: nothing fails open.</summary>
public interface IRateLimiter
{
    /// <summary>Counts one attempt under <paramref name="key"/> in the current fixed window; never more than <paramref name="limit"/> are allowed in one.</summary>
    Task<RateLimitLease> AcquireAsync(string key, int limit, TimeSpan window, CancellationToken cancellationToken);
}
