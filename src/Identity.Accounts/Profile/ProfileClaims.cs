// OpenID Connect Core §5.1 (standard claims) and RFC 9068 §2.2.3.1 (roles): an account as claims.
using System.Text.Json.Nodes;

namespace Identity.Accounts.Profile;

/// <summary>Tells of an account in claims. What is unset is left out, never empty or null.</summary>
public static class ProfileClaims
{
    /// <summary>The claims kept in <see cref="Account.Profile"/>.</summary>
    public static IReadOnlyList<string> Stored { get; } =
        ["middle_name", "nickname", "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "address", "name"];

    public static JsonObject Of(Account account)
    {
        var claims = new JsonObject();
        foreach (var name in Stored)
        {
            if (account.Profile[name] is { } value)
            {
                claims[name] = value.DeepClone();
            }
        }

        Add(claims, "given_name", account.FirstName);
        Add(claims, "family_name", account.LastName);
        if (!claims.ContainsKey("name"))
        {
            Add(claims, "name", string.Join(' ', new[] { account.FirstName, (string?)account.Profile["middle_name"], account.LastName }.Where(part => !string.IsNullOrEmpty(part))));
        }

        Add(claims, "preferred_username", account.UserName);
        claims["updated_at"] = account.UpdatedAt.ToUnixTimeSeconds();
        Add(claims, "email", account.Email);
        claims["email_verified"] = account.EmailVerified;
        if (!string.IsNullOrEmpty(account.PhoneNumber))
        {
            claims["phone_number"] = account.PhoneNumber;
            claims["phone_number_verified"] = account.PhoneNumberVerified;
        }

        if (account.Roles.Count > 0)
        {
            claims["roles"] = new JsonArray([.. account.Roles.Select(role => JsonValue.Create(role))]);
        }

        return claims;
    }

    private static void Add(JsonObject claims, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            claims[name] = value;
        }
    }
}
