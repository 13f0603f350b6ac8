using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Registration;
using Identity.Api.Json;

namespace Identity.Api.Contracts;

/// <summary>What members of several bodies have in common.</summary>
internal static class Formats
{
    /// <summary>Longer than any password that is accepted, short enough that hashing one costs nothing more.</summary>
    public const int LongestPassword = 1024;

    // Longer than an address is: what copying put around one is dropped, not counted.
    private const int LongestEmail = EmailAddress.MaximumLength + 64;

    public static string RequiredEmail(this JsonBody body, string name)
    {
        var before = body.Problems.Count;
        var email = body.Required(name, LongestEmail);
        return body.Problems.Count == before ? body.Normal(name, email, AccountRules.Email(email), AccountRules.EmailRule) : email;
    }

    public static string? Email(this JsonBody body, string name) => body.Checked(name, LongestEmail, AccountRules.Email, AccountRules.EmailRule);

    public static string? PhoneNumber(this JsonBody body, string name) => body.Checked(name, AccountRules.LongestWrittenPhoneNumber, body.Rules.PhoneNumber, AccountRules.PhoneNumberRule);

    public static string? UserName(this JsonBody body, string name) => body.Checked(name, 64, AccountRules.UserName, AccountRules.UserNameRule);

    /// <summary>As a person chooses one: not what could be somebody's phone number.</summary>
    public static string? ChosenUserName(this JsonBody body, string name)
    {
        var before = body.Problems.Count;
        var userName = body.UserName(name);
        if (userName is not null && body.Problems.Count == before && body.Rules.IsPhoneNumber(userName))
        {
            body.Problem($"{name} {AccountRules.UserNameIsNumberRule}");
        }

        return userName;
    }

    public static string? PersonName(this JsonBody body, string name) =>
        body.Checked(name, AccountRules.LongestPersonName, AccountRules.PersonName, AccountRules.PersonNameRule);

    public static JsonObject? Metadata(this JsonBody body, string name)
    {
        var metadata = body.Object(name);
        if (metadata is not null && !AccountRules.FitsMetadata(metadata))
        {
            body.Problem($"{name} {AccountRules.MetadataRule}");
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
