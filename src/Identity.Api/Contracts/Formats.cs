using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts.Registration;
using Identity.Api.Json;

namespace Identity.Api.Contracts;

/// <summary>What members of several bodies have in common.</summary>
internal static partial class Formats
{
    public const int LongestName = 100;

    /// <summary>Longer than any password that is accepted, short enough that hashing one costs nothing more.</summary>
    public const int LongestPassword = 1024;

    private const int MetadataBytes = 16 * 1024;

    public static string RequiredEmail(this JsonBody body, string name)
    {
        var before = body.Problems.Count;
        var email = body.Required(name, EmailAddress.MaximumLength);
        if (body.Problems.Count == before && !EmailAddress.IsWellFormed(email))
        {
            body.Problem($"{name} must be an email");
        }

        return email;
    }

    public static string? Email(this JsonBody body, string name) => body.Checked(name, EmailAddress.MaximumLength, EmailAddress.IsWellFormed, "must be an email");

    public static string? PhoneNumber(this JsonBody body, string name) =>
        body.Checked(name, 16, text => E164().IsMatch(text), "must be a phone number in E.164 form, such as +4915112345678");

    /// <summary>No '@', so that no user name can be taken for somebody's address.</summary>
    public static string? UserName(this JsonBody body, string name) =>
        body.Checked(name, 64, text => UserNames().IsMatch(text), "must be 3 to 64 letters, digits, dots, dashes or underscores");

    public static string? PersonName(this JsonBody body, string name) =>
        body.Checked(name, LongestName, text => !text.Any(char.IsControl), "must not contain control characters");

    public static JsonObject? Metadata(this JsonBody body, string name)
    {
        var metadata = body.Object(name);
        if (metadata is not null && Encoding.UTF8.GetByteCount(metadata.ToJsonString()) > MetadataBytes)
        {
            body.Problem($"{name} must not be larger than 16384 bytes");
        }

        return metadata;
    }

    private static string? Checked(this JsonBody body, string name, int longest, Func<string, bool> isRight, string otherwise)
    {
        var before = body.Problems.Count;
        var text = body.Text(name, longest);
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        if (body.Problems.Count == before && !isRight(text))
        {
            body.Problem($"{name} {otherwise}");
        }

        return text;
    }

    [GeneratedRegex(@"^\+[1-9][0-9]{6,14}$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex E164();

    [GeneratedRegex(@"^[\p{L}\p{Nd}._-]{3,64}$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex UserNames();
}
