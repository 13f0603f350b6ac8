// RFC 9110 §8.4: content codings of what is sent to us.
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.Requests;

/// <summary>How a body was packed. None is unpacked here: a few bytes could become any number.</summary>
public static class BodyCoding
{
    /// <summary>Whether the body is not what it is said to be before something is undone. <c>identity</c> is no coding, and some clients name it.</summary>
    public static bool IsCompressed(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.Headers.ContentEncoding
            .SelectMany(value => (value ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            .Any(coding => !coding.Equals("identity", StringComparison.OrdinalIgnoreCase));
    }
}
