// RFC 9110 §8.4: content codings of what is sent to us.
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Identity.OAuth.Requests;

/// <summary>How a body was packed. None is unpacked here: a few bytes could become any number.</summary>
public static class BodyCoding
{
    private static readonly HashSet<string> Compressions = new(StringComparer.OrdinalIgnoreCase) { "gzip", "x-gzip", "deflate", "br", "zstd", "dcb", "dcz", "compress", "x-compress" };

    /// <summary>
    /// Whether there may be a body, and it is said to be compressed. What is no compression counts for nothing: clients name <c>identity</c>, or <c>utf-8</c> in the
    /// place of a charset, and some send the header with every request, body or none.
    /// </summary>
    public static bool IsCompressed(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Headers.ContentEncoding.Count > 0
            && request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != false
            && request.Headers.ContentEncoding.SelectMany(value => (value ?? "").Split(',', StringSplitOptions.TrimEntries)).Any(Compressions.Contains);
    }
}
