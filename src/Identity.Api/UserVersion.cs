// RFC 9110 §8.8.3 (ETag) and §13.1.1 (If-Match): changes that do not overwrite each other.
using System.Globalization;
using Identity.Accounts;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Identity.Api;

/// <summary>The version of a user as an entity tag.</summary>
internal static class UserVersion
{
    public static string Tag(Account account) => string.Create(CultureInfo.InvariantCulture, $"\"{account.Version}\"");

    /// <summary>Whether a condition was sent; strong comparison, so a weak tag matches nothing; * matches whatever there is.</summary>
    public static bool TryReadIfMatch(HttpRequest request, Account account, out long? expectedVersion, out bool matches)
    {
        (expectedVersion, matches) = (null, true);
        var header = request.Headers.IfMatch;
        if (header.Count == 0)
        {
            return false;
        }

        if (!EntityTagHeaderValue.TryParseStrictList(header, out var tags))
        {
            matches = false;
            return true;
        }

        if (tags.Any(tag => tag.Equals(EntityTagHeaderValue.Any)))
        {
            return true;
        }

        matches = tags.Any(tag => !tag.IsWeak && tag.Tag.Equals(Tag(account), StringComparison.Ordinal));
        expectedVersion = account.Version;
        return true;
    }
}
