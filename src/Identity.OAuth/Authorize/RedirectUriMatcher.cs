// RFC 9700 §4.1.3 and RFC 8252 §7.3: redirect URIs are compared character by character, loopback ports aside.
namespace Identity.OAuth.Authorize;

/// <summary>Whether a redirect_uri is a registered one.</summary>
public static class RedirectUriMatcher
{
    private static readonly string[] LoopbackPrefixes = ["http://127.0.0.1", "http://[::1]"];

    public static bool Matches(IReadOnlyList<string> registered, string requested)
    {
        foreach (var candidate in registered)
        {
            if (string.Equals(candidate, requested, StringComparison.Ordinal) || MatchesLoopback(candidate, requested))
            {
                return true;
            }
        }

        return false;
    }

    // RFC 8252 §7.3: any port on a loopback IP literal, everything else exact. localhost is a name, and not meant (§8.3).
    private static bool MatchesLoopback(string registered, string requested)
    {
        foreach (var prefix in LoopbackPrefixes)
        {
            if (registered.StartsWith(prefix, StringComparison.Ordinal) && requested.StartsWith(prefix, StringComparison.Ordinal))
            {
                return TrySkipPort(registered.AsSpan(prefix.Length), out var known) && TrySkipPort(requested.AsSpan(prefix.Length), out var asked) && known.SequenceEqual(asked);
            }
        }

        return false;
    }

    private static bool TrySkipPort(ReadOnlySpan<char> rest, out ReadOnlySpan<char> pathAndQuery)
    {
        pathAndQuery = rest;
        if (rest.Length > 0 && rest[0] == ':')
        {
            var digits = 1;
            while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
            {
                digits++;
            }

            if (digits is 1 or > 6 || int.Parse(rest[1..digits], System.Globalization.CultureInfo.InvariantCulture) is 0 or > 65535)
            {
                return false;
            }

            pathAndQuery = rest[digits..];
        }

        return pathAndQuery.Length == 0 || pathAndQuery[0] is '/' or '?';
    }
}
