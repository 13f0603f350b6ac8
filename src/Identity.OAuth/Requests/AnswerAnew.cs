// The Fetch Standard (CORS), RFC 9110 §12.5.5 (Vary), Content Security Policy Level 3: what a failure answers is read by the same browsers as what it stands in for.
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.Requests;

/// <summary>Drops what was begun of an answer, to tell a failure instead.</summary>
public static class AnswerAnew
{
    private static readonly string[] s_kept =
    [
        "Vary", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy",
    ];

    /// <summary>Status, body and headers go; those stay that say who may read the answer, and what a browser may do with it.</summary>
    public static void StartOver(this HttpResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var kept = response.Headers.Where(header => s_kept.Contains(header.Key, StringComparer.OrdinalIgnoreCase) || header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase)).ToArray();
        response.Clear();
        foreach (var (name, value) in kept)
        {
            response.Headers[name] = value;
        }
    }
}
