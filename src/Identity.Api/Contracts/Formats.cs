using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Registration;
using Identity.Api.Json;

namespace Identity.Api.Contracts;

/// <summary>What members of several bodies have in common.</summary>
internal static class Formats
{
    public const int LongestName = 100;

    /// <summary>Longer than any password that is accepted, short enough that hashing one costs nothing more.</summary>
    public const int LongestPassword = 1024;

    private const string NoEmail = "must be an email";

    private const int MetadataBytes = 16 * 1024;

    // Longer than an address is: what copying put around one is dropped, not counted.
    private const int LongestEmail = EmailAddress.MaximumLength + 64;

    public static string RequiredEmail(this JsonBody body, string name)
    {
        var before = body.Problems.Count;
        var email = body.Required(name, LongestEmail);
        return body.Problems.Count == before ? body.Normal(name, email, AccountRules.Email(email), NoEmail) : email;
    }

    public static string? Email(this JsonBody body, string name) => body.Checked(name, LongestEmail, AccountRules.Email, NoEmail);

    public static string? PhoneNumber(this JsonBody body, string name) => body.Checked(name, 64, body.Rules.PhoneNumber, "must be a phone number in E.164 form, such as +4915112345678");

    public static string? UserName(this JsonBody body, string name) => body.Checked(name, 64, AccountRules.UserName, "must be 3 to 64 letters, digits, dots, dashes or underscores");

    public static string? PersonName(this JsonBody body, string name) =>
        body.Checked(name, LongestName, text => text.Any(char.IsControl) ? null : text, "must not contain control characters");

    public static JsonObject? Metadata(this JsonBody body, string name)
    {
        var metadata = body.Object(name);
        if (metadata is not null && Encoding.UTF8.GetByteCount(metadata.ToJsonString()) > MetadataBytes)
        {
            body.Problem($"{name} must not be larger than 16384 bytes");
        }

        return metadata;
    }

    /// <summary>The one form of what was sent; a problem where it has none.</summary>
    private static string? Checked(this JsonBody body, string name, int longest, Func<string, string?> normalize, string otherwise)
    {
        var before = body.Problems.Count;
        var text = body.Text(name, longest);
        return string.IsNullOrEmpty(text) ? null : body.Problems.Count == before ? body.Normal(name, text, normalize(text), otherwise) : text;
    }

    private static string Normal(this JsonBody body, string name, string text, string? normal, string otherwise)
    {
        if (normal is null)
        {
            body.Problem($"{name} {otherwise}");
        }

        return normal ?? text;
    }
}
