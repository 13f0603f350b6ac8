using Identity.Accounts;
using Microsoft.Extensions.Localization;

namespace Identity.Server.Pages.Flow;

/// <summary>Rules that pages can tell before they ask a service; the service decides.</summary>
public static class FieldRules
{
    /// <summary>What to do about a first or last name; null: nothing.</summary>
    public static string? PersonName(IStringLocalizer texts, string? name) =>
        AccountRules.PersonName(name) is not null || name is null ? null
        : name.Length > AccountRules.LongestPersonName ? texts["Problem.TooLong", AccountRules.LongestPersonName].Value
        : texts["Problem.OneLine"].Value;

    /// <summary>What to do about a new password; null: nothing that can be seen from here.</summary>
    public static string? NewPassword(IStringLocalizer texts, AccountsOptions options, string? password)
    {
        if (string.IsNullOrEmpty(password))
        {
            return texts["Password.Missing"];
        }

        var length = password.EnumerateRunes().Count();
        return length < options.MinimumPasswordLength ? texts["Password.TooShort", options.MinimumPasswordLength].Value
            : length > options.MaximumPasswordLength ? texts["Password.TooLong", options.MaximumPasswordLength].Value
            : null;
    }
}
