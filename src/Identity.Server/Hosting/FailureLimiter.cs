// RFC 6749 §2.3.1 and RFC 9700 §4.15: guessing is bounded, by address, wherever clients bring their secrets. Success costs nothing, however much of it there is.
using System.Collections.Concurrent;
using Identity.Accounts.RateLimits;
using Identity.OAuth;
using Identity.OAuth.Clients;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore;
using Microsoft.Extensions.Options;
using OpenIddict.Server.AspNetCore;

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

    /// <summary>Long requests that are kept for one address at a time, an hour each. Of more nothing is kept: they go through as they came. Offices share addresses.</summary>
    public int LongRequestsPerAddress { get; set; } = 3_000;
}

/// <summary>
/// Counts refused requests of clients by address, at this node: a guesser that spreads over nodes gains a factor of their number. A request takes its
/// place before it is looked at and gives it back where it was no failure, so that no more are looked at than may fail, however many come at once;
/// what finds every place taken by requests under way waits for one, since they may all be right.
/// </summary>
public sealed class FailureLimiter(IOptions<RateLimitOptions> options, TimeProvider timeProvider)
{
    private static readonly TimeSpan Length = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<CountedAddress, Window> _windows = new();
    private long _swept = timeProvider.GetUtcNow().UtcTicks;

    /// <summary>Around such an endpoint: refuses who guessed too often, and counts who guesses.</summary>
    public async Task LimitAsync(HttpContext context, RequestDelegate next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);
        var window = Current(CountedAddress.Of(context.Connection.RemoteIpAddress) ?? default);
        if (!await window.TryEnterAsync())
        {
            await RefuseAsync(context, window.End - timeProvider.GetUtcNow());
            return;
        }

        var failed = false;
        try
        {
            await next(context);

            // A device that waits for its person guesses nothing, nor does a client that is told a nonce (RFC 9449 §8).
            // Nor does an application's own server with a code that somebody made up and took to its redirect_uri: for that it must not lose the endpoint.
            failed = context.Response.StatusCode is >= 400 and < 500
                && context.GetOpenIddictServerResponse()?.Error is not (OAuthErrors.AuthorizationPending or OAuthErrors.UseDPoPNonce)
                && !(context.Features.Get<OpenIddictServerAspNetCoreFeature>()?.Transaction is { } transaction && ConfidentialClient.WasProven(transaction));
        }
        finally
        {
            window.Leave(failed);
        }
    }

    public static Task RefuseAsync(HttpContext context, TimeSpan retryAfter)
    {
        context.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(retryAfter.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return ProtocolAnswers.WriteAsync(context, new OAuthError(OAuthErrors.TemporarilyUnavailable, "Too many refused requests from this address.", StatusCodes.Status429TooManyRequests));
    }

    private Window Current(CountedAddress address)
    {
        var now = timeProvider.GetUtcNow();
        var swept = Interlocked.Read(ref _swept);
        if (now.UtcTicks - swept > Length.Ticks && Interlocked.CompareExchange(ref _swept, now.UtcTicks, swept) == swept)
        {
            foreach (var (old, over) in _windows)
            {
                if (!over.Holds(now))
                {
                    _windows.TryRemove(KeyValuePair.Create(old, over));
                }
            }
        }

        if (_windows.TryGetValue(address, out var open) && open.Holds(now))
        {
            return open;
        }

        return _windows.AddOrUpdate(address, _ => new Window(options.Value.TokenFailuresPerAddress, now), (_, window) => window.Holds(now) ? window : new Window(options.Value.TokenFailuresPerAddress, now));
    }

    /// <summary>A minute of one address. Failed requests and those under way are never more than the limit.</summary>
    private sealed class Window(int limit, DateTimeOffset start)
    {
        private readonly Lock _lock = new();
        private readonly Queue<TaskCompletionSource<bool>> _waiting = new();
        private int _failed;
        private int _underWay;

        public DateTimeOffset End => start + Length;

        // A clock that was set back does not lengthen it.
        public bool Holds(DateTimeOffset now) => now >= start && now < End;

        /// <summary>False: as many failed as may.</summary>
        public Task<bool> TryEnterAsync()
        {
            lock (_lock)
            {
                if (_failed >= limit)
                {
                    return Task.FromResult(false);
                }

                if (_failed + _underWay < limit)
                {
                    _underWay++;
                    return Task.FromResult(true);
                }

                var place = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting.Enqueue(place);
                return place.Task;
            }
        }

        public void Leave(bool failed)
        {
            lock (_lock)
            {
                if (!failed && _waiting.TryDequeue(out var next))
                {
                    // The place goes on to whoever waits longest.
                    next.SetResult(true);
                    return;
                }

                _underWay--;
                _failed += failed ? 1 : 0;
                while (_failed >= limit && _waiting.TryDequeue(out var late))
                {
                    late.SetResult(false);
                }
            }
        }
    }
}
