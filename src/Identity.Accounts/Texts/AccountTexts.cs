using System.Globalization;
using System.Resources;

namespace Identity.Accounts.Texts;

/// <summary>Text that people read, in the language of the request (<see cref="CultureInfo.CurrentUICulture"/>).</summary>
public static class AccountTexts
{
    private static readonly ResourceManager Resources = new("Identity.Accounts.Texts.AccountTexts", typeof(AccountTexts).Assembly);

    public static string PasswordCommon => Get(nameof(PasswordCommon));

    public static string PasswordFromContext => Get(nameof(PasswordFromContext));

    public static string PasswordTooShort(int characters) => Format(nameof(PasswordTooShort), characters);

    public static string PasswordTooLong(int characters) => Format(nameof(PasswordTooLong), characters);

    internal static string In(CultureInfo culture, string name) => Resources.GetString(name, culture) ?? throw new MissingManifestResourceException(name);

    internal static string Get(string name) => Resources.GetString(name, CultureInfo.CurrentUICulture) ?? throw new MissingManifestResourceException(name);

    internal static string Format(string name, params object[] values) => string.Format(CultureInfo.CurrentCulture, Get(name), values);
}
