// RFC 9110 §10.2.3 (Retry-After).
using System.Net.Http.Headers;

namespace Identity.Accounts.Delivery.Push;

/// <summary>What the senders' HTTP has in common.</summary>
internal static class PushHttp
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);

    private const int LongestAnswer = 16 * 1024;

    public static HttpClient Client() => new(new SocketsHttpHandler
    {
        // A redirect would carry messages and credentials to somebody the operator did not name.
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(30),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(10),
        KeepAlivePingDelay = TimeSpan.FromMinutes(1),
        EnableMultipleHttp2Connections = true,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        MaxResponseHeadersLength = 32,
    })
    { Timeout = System.Threading.Timeout.InfiniteTimeSpan };

    /// <summary>The answer's body, as far as one is worth reading: it may be endless.</summary>
    public static async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[LongestAnswer];
        return buffer[..await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken)];
    }

    public static TimeSpan RetryAfter(HttpResponseHeaders headers, DateTimeOffset now)
    {
        var wait = headers.RetryAfter?.Delta ?? (headers.RetryAfter?.Date is { } date ? date - now : TimeSpan.Zero);
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait > TimeSpan.FromHours(1) ? TimeSpan.FromHours(1) : wait;
    }

    /// <summary>A provider's word as it may stand in logs and metrics: a word, or nothing of it.</summary>
    public static string Word(string? reason, int status) =>
        reason is { Length: > 0 and <= 48 } && reason.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? reason : FormattableString.Invariant($"status_{status}");
}
