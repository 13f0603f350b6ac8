// RFC 9110 §15.6.4: what passes by itself is told apart from a bug.
using System.Data.Common;
using Identity.Accounts.Data;
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.Storage;

/// <summary>Which exceptions of a store mean that it is away: 503 with Retry-After, and nothing is let through.</summary>
public static class StoreOutage
{
    public static bool Is(Exception exception) =>
        exception is StoreUnavailableException or TimeoutException or (IOException and not BadHttpRequestException) or InvalidOperationException { InnerException: TimeoutException } || IsOfDatabase(exception);

    // However deep: EF Core wraps what its own exceptions wrap already.
    private static bool IsOfDatabase(Exception? exception) => exception is not null && (exception is DbException || IsOfDatabase(exception.InnerException));

    /// <summary>Seconds to wait, for Retry-After.</summary>
    public const string RetryAfter = "5";
}
