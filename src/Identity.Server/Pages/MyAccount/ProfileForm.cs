// OpenID Connect Core §5.1 and §5.1.1 (address).
using System.Text.Json.Nodes;

namespace Identity.Server.Pages.MyAccount;

/// <summary>The standard claims as form fields. Empty ones are unset.</summary>
public sealed class ProfileForm
{
    /// <summary>Of the account when the form was made.</summary>
    public long Version { get; set; }

    public string? FirstName { get; set; }

    public string? MiddleName { get; set; }

    public string? LastName { get; set; }

    /// <summary><c>name</c>, where it is not simply the names together.</summary>
    public string? FullName { get; set; }

    public string? Nickname { get; set; }

    public string? UserName { get; set; }

    public string? Email { get; set; }

    public string? PhoneNumber { get; set; }

    public string? Gender { get; set; }

    /// <summary>yyyy-MM-dd.</summary>
    public string? Birthdate { get; set; }

    public string? ZoneInfo { get; set; }

    public string? Locale { get; set; }

    public string? Website { get; set; }

    public string? Profile { get; set; }

    public string? Picture { get; set; }

    public string? Street { get; set; }

    public string? PostalCode { get; set; }

    public string? Locality { get; set; }

    public string? Region { get; set; }

    public string? Country { get; set; }

    public static ProfileForm Of(Identity.Accounts.Account account)
    {
        var profile = account.Profile;
        var address = profile["address"] as JsonObject;
        return new ProfileForm
        {
            Version = account.Version,
            FirstName = account.FirstName,
            MiddleName = Text(profile, "middle_name"),
            LastName = account.LastName,
            FullName = Text(profile, "name"),
            Nickname = Text(profile, "nickname"),
            UserName = account.UserName,
            Email = account.Email,
            PhoneNumber = account.PhoneNumber,
            Gender = Text(profile, "gender"),
            Birthdate = Text(profile, "birthdate"),
            ZoneInfo = Text(profile, "zoneinfo"),
            Locale = Text(profile, "locale"),
            Website = Text(profile, "website"),
            Profile = Text(profile, "profile"),
            Picture = Text(profile, "picture"),
            Street = Text(address, "street_address"),
            PostalCode = Text(address, "postal_code"),
            Locality = Text(address, "locality"),
            Region = Text(address, "region"),
            Country = Text(address, "country"),
        };
    }

    /// <summary>Every member of the form: null removes one.</summary>
    public JsonObject ToProfile()
    {
        var address = new JsonObject();
        foreach (var (name, value) in new[] { ("street_address", Street), ("postal_code", PostalCode), ("locality", Locality), ("region", Region), ("country", Country) })
        {
            if (Clean(value) is { } text)
            {
                address[name] = text;
            }
        }

        if (address.Count > 0)
        {
            // §5.1.1: the whole as one text, in lines.
            address["formatted"] = string.Join('\n', new[] { Clean(Street), Clean($"{PostalCode} {Locality}"), Clean(Region), Clean(Country) }.Where(line => line is not null));
        }

        return new JsonObject
        {
            ["middle_name"] = Clean(MiddleName),
            ["name"] = Clean(FullName),
            ["nickname"] = Clean(Nickname),
            ["gender"] = Clean(Gender),
            ["birthdate"] = Clean(Birthdate),
            ["zoneinfo"] = Clean(ZoneInfo),
            ["locale"] = Clean(Locale),
            ["website"] = Clean(Website),
            ["profile"] = Clean(Profile),
            ["picture"] = Clean(Picture),
            ["address"] = address.Count == 0 ? null : address,
        };
    }

    private static string? Clean(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim().ReplaceLineEndings("\n");

    private static string? Text(JsonObject? source, string name) => source?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
