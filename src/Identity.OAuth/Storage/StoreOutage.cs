// RFC 9110 §15.6.4: what passes by itself is told apart from a bug.
using System.Data.Common;
using Identity.Accounts.Data;
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.Storage;

/// <summary>Which exceptions of a store mean that it is away: 503 with Retry-After, and nothing is let through.</summary>
public static class StoreOutage
{
    public static bool Is(Exception exception) =>
        exception is DbException or StoreUnavailableException or TimeoutException or (IOException and not BadHttpRequestException) or InvalidOperationException { InnerException: DbException or TimeoutException }
        || exception?.InnerException is DbException;

    /// <summary>Seconds to wait, for Retry-After.</summary>
    public const string RetryAfter = "5";
}
