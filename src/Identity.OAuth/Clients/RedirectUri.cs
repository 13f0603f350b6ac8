// RFC 9700 §2.1, RFC 8252 §7, Front-Channel Logout 1.0 §2: which addresses of a client a browser may be sent to.
namespace Identity.OAuth.Clients;

/// <summary>Checks addresses when a client is registered. How they are compared afterwards: <see cref="Authorize.RedirectUriMatcher"/>.</summary>
public static class RedirectUri
{
    private static readonly string[] LoopbackPrefixes = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

    /// <summary>RFC 9700 §2.1 and RFC 8252 §7: what may be redirected to; null: this may.</summary>
    public static string? FindProblem(string value)
    {
        if (value.Any(character => character is <= '\x20' or > '\x7e' or '\\'))
        {
            return "expected visible ASCII without space and backslash; write other characters percent-encoded";
        }

        if (!Uri.TryCreate(value, UriKind.Absolute, out var uri) || !value.Contains(':', StringComparison.Ordinal))
        {
            return "expected an absolute URI";
        }

        if (value.Contains('#', StringComparison.Ordinal))
        {
            return "a fragment is not allowed (RFC 6749 section 3.1.2)";
        }

        if (uri.UserInfo.Length > 0 || value.Contains('*', StringComparison.Ordinal))
        {
            return "user names and wildcards are not allowed";
        }

        return uri.Scheme switch
        {
            // Written out, and not as a parser completes or normalises it: what is registered is compared character by character.
            "https" => value.StartsWith("https://", StringComparison.Ordinal) && uri.Host.Length > 0 ? null : "expected an address that begins with https:// and a host",
            "http" => LoopbackPrefixes.Any(prefix => IsAt(value, prefix)) ? null : "http is allowed only for loopback addresses (RFC 8252 section 7.3)",
            // RFC 8252 §7.1: a domain name under the app's control, reversed. That keeps javascript:, data: and the like out.
            _ => uri.Scheme.Contains('.', StringComparison.Ordinal) && !uri.Scheme.StartsWith('.') && !uri.Scheme.EndsWith('.')
                ? null
                : "expected https, or a private-use scheme like com.example.app",
        };
    }

    /// <summary>Front-Channel Logout 1.0 §2: which of its addresses a client may be signed out at in a browser; null: this one.</summary>
    public static string? FindFrontChannelProblem(string value, IReadOnlyList<string> redirects) =>
        FindProblem(value) is not null || !value.StartsWith("http", StringComparison.Ordinal) || value.StartsWith("http://[", StringComparison.Ordinal) ? "expected an https address without a fragment (http on 127.0.0.1 or localhost)"
        : redirects.Any(redirect => FindProblem(redirect) is null && Origin(redirect) == Origin(value)) ? null
        : "expected the scheme, host and port of one of redirect_uris";

    private static string Origin(string address) => new Uri(address).GetLeftPart(UriPartial.Authority);

    private static bool IsAt(string value, string prefix) =>
        value.StartsWith(prefix, StringComparison.Ordinal) && (value.Length == prefix.Length || value[prefix.Length] is ':' or '/' or '?');
}
