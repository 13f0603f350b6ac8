using System.Text.RegularExpressions;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>Section <c>Branding</c> of the settings, as far as mails show it. Both hosts send mail, so both read it.</summary>
public sealed partial class MailBrand
{
    public const string Section = "Branding";

    public string Name { get; set; } = "Identity";

    /// <summary>The only address that a mail loads anything from; null: the name stands there.</summary>
    public string? LogoUrl { get; set; }

    /// <summary><c>#rrggbb</c>, with white letters on it.</summary>
    public string AccentColor { get; set; } = "#3050d8";

    public string? SupportUrl { get; set; }

    internal bool IsSound =>
        Name.Trim().Length is > 0 and <= 60
        && !Name.Any(char.IsControl)
        && Rgb().IsMatch(AccentColor)
        && (LogoUrl is null || IsAddress(LogoUrl, Uri.UriSchemeHttps))
        && (SupportUrl is null || IsAddress(SupportUrl, Uri.UriSchemeHttps) || IsAddress(SupportUrl, Uri.UriSchemeMailto));

    private static bool IsAddress(string text, string scheme) => Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme == scheme;

    [GeneratedRegex("^#[0-9a-fA-F]{6}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Rgb();
}
