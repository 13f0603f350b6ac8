// RFC 8628 §6.1: codes that people type: no vowels and no digits, so that none is a word or is read as another.
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.OAuth.Tokens;

/// <summary>User codes of the device flow: eight letters of twenty, shown in two groups.</summary>
public static class UserCodes
{
    private const string Letters = "BCDFGHJKLMNPQRSTVWXZ";
    private const int Length = 8;

    public static string Create() => RandomNumberGenerator.GetString(Letters, Length);

    /// <summary>As people enter it: case, spaces and hyphens do not matter; null: no such code can exist.</summary>
    public static string? Normalize(string? text)
    {
        var letters = new string([.. (text ?? "").ToNormalForm(NormalizationForm.FormKC).ToUpperInvariant().Where(char.IsLetter)]);
        return letters.Length == Length && letters.All(letter => Letters.Contains(letter, StringComparison.Ordinal)) ? letters : null;
    }

    /// <summary>Tells OpenIddict what they look like, and that they are shown in two groups.</summary>
    internal static void Describe(OpenIddictServerBuilder server) =>
        server.SetUserCodeCharset([.. Letters.Select(letter => letter.ToString())]).SetUserCodeLength(Length).SetUserCodeDisplayFormat("{0}{1}{2}{3}-{4}{5}{6}{7}");
}
