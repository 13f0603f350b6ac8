// RFC 9110 §15.6.4: what passes by itself is told apart from a bug.
using System.Data.Common;
using Identity.Accounts.Data;
using Identity.Accounts.Passwords;
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.Storage;

/// <summary>Which exceptions mean that a store is away, or that this node has too much to do: 503 with Retry-After, and nothing is let through.</summary>
public static class StoreOutage
{
    public static bool Is(Exception exception) =>
        IsBusy(exception) || exception is StoreUnavailableException or TimeoutException or (IOException and not BadHttpRequestException) or InvalidOperationException { InnerException: TimeoutException } || IsFullPool(exception) || IsOfDatabase(exception);

    /// <summary>Nothing is broken: no log has an error line of it.</summary>
    public static bool IsBusy(Exception exception) => exception is HashingBusyException;

    // However deep: EF Core wraps what its own exceptions wrap already.
    private static bool IsOfDatabase(Exception? exception) => exception is not null && (exception is DbException || IsOfDatabase(exception.InnerException));

    // SqlClient's pool, all of whose connections wait for a server that hangs, tells it by no other kind of exception than a misuse; in English, the one language of
    // its texts that is published with us (Directory.Build.props).
    private static bool IsFullPool(Exception exception) =>
        exception is InvalidOperationException { InnerException: null, Source: "Microsoft.Data.SqlClient" } && exception.Message.StartsWith("Timeout ", StringComparison.Ordinal);

    /// <summary>After which whoever was told 503 may come again.</summary>
    public static readonly TimeSpan Wait = TimeSpan.FromSeconds(5);

    /// <summary>The same for Retry-After.</summary>
    public const string RetryAfter = "5";
}
