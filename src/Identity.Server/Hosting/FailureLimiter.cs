// RFC 6749 §2.3.1 and RFC 9700 §4.15: guessing is bounded, by address, wherever clients bring their secrets. Success costs nothing, however much of it there is.
using System.Threading.RateLimiting;
using Identity.OAuth;
using Identity.OAuth.Requests;
using Identity.Server.Endpoints;
using Microsoft.AspNetCore;
using Microsoft.Extensions.Options;

namespace Identity.Server.Hosting;

/// <summary>Section <c>RateLimits</c> of the settings.</summary>
public sealed class RateLimitOptions
{
    public const string Section = "RateLimits";

    /// <summary>Refused requests of clients per address and minute, at all their endpoints together; more are answered with 429 until the minute is over.</summary>
    public int TokenFailuresPerAddress { get; set; } = 3_000;

    /// <summary>User codes of devices (RFC 8628 §5.1) that one person may look up in 15 minutes, right ones counted; each device that is let in takes three.</summary>
    public int UserCodesPerAccount { get; set; } = 30;

    /// <summary>User codes looked up from one address in 15 minutes. Offices share addresses.</summary>
    public int UserCodesPerAddress { get; set; } = 600;
}

/// <summary>Counts refused requests of clients by address, at this node: a guesser that spreads over nodes gains a factor of their number.</summary>
public sealed class FailureLimiter(IOptions<RateLimitOptions> options) : IDisposable
{
    private readonly PartitionedRateLimiter<string> _failures = PartitionedRateLimiter.Create<string, string>(address => RateLimitPartition.GetFixedWindowLimiter(
        address,
        _ => new FixedWindowRateLimiterOptions { PermitLimit = options.Value.TokenFailuresPerAddress, Window = TimeSpan.FromMinutes(1), QueueLimit = 0 }));

    public bool MayTry(HttpContext context, out TimeSpan retryAfter)
    {
        retryAfter = TimeSpan.Zero;
        using var lease = _failures.AttemptAcquire(Address(context), permitCount: 0);
        return lease.IsAcquired || (lease.TryGetMetadata(MetadataName.RetryAfter, out retryAfter) && false);
    }

    public void Count(HttpContext context) => _failures.AttemptAcquire(Address(context)).Dispose();

    public void Dispose() => _failures.Dispose();

    /// <summary>Around such an endpoint: refuses who guessed too often, and counts who guesses.</summary>
    public async Task LimitAsync(HttpContext context, RequestDelegate next)
    {
        ArgumentNullException.ThrowIfNull(next);
        if (!MayTry(context, out var wait))
        {
            await RefuseAsync(context, wait);
            return;
        }

        await next(context);
        // A device that waits for its person guesses nothing.
        if (context.Response.StatusCode is >= 400 and < 500 && context.GetOpenIddictServerResponse()?.Error != OAuthErrors.AuthorizationPending)
        {
            Count(context);
        }
    }

    public static Task RefuseAsync(HttpContext context, TimeSpan retryAfter)
    {
        context.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(retryAfter.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return ProtocolAnswers.WriteAsync(context, new OAuthError(OAuthErrors.TemporarilyUnavailable, "Too many refused requests from this address.", StatusCodes.Status429TooManyRequests));
    }

    private static string Address(HttpContext context) => context.Connection.RemoteIpAddress?.ToString() ?? "";
}
