using System.Globalization;
using System.Resources;

namespace Identity.Accounts.Texts;

/// <summary>Text that people read: on pages in the language of the request (<see cref="CultureInfo.CurrentUICulture"/>), in messages in the person's (<see cref="Languages.Of"/>).</summary>
public static class AccountTexts
{
    private static readonly ResourceManager Resources = new("Identity.Accounts.Texts.AccountTexts", typeof(AccountTexts).Assembly);

    public static string PasswordCommon => Get(nameof(PasswordCommon));

    public static string PasswordFromContext => Get(nameof(PasswordFromContext));

    public static string PasswordTooShort(int characters) => string.Format(CultureInfo.CurrentCulture, Get(nameof(PasswordTooShort)), characters);

    public static string PasswordTooLong(int characters) => string.Format(CultureInfo.CurrentCulture, Get(nameof(PasswordTooLong)), characters);

    internal static string In(CultureInfo culture, string name) => Resources.GetString(name, culture) ?? throw new MissingManifestResourceException(name);

    internal static string In(CultureInfo culture, string name, params object[] values) => string.Format(culture, In(culture, name), values);

    private static string Get(string name) => In(CultureInfo.CurrentUICulture, name);
}
