using System.Globalization;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.Branding;

/// <summary>One line per branding setting that cannot be used; the start stops there.</summary>
internal sealed class BrandingValidation : IValidateOptions<BrandingOptions>
{
    private const long LargestLogo = 512 * 1024;

    public ValidateOptionsResult Validate(string? name, BrandingOptions options)
    {
        var problems = new List<string>();
        if (string.IsNullOrWhiteSpace(options.Name) || options.Name.Length > 60)
        {
            problems.Add("Branding:Name: expected 1 to 60 characters");
        }

        if (!Colour.TryParse(options.AccentColor, out var accent))
        {
            problems.Add("Branding:AccentColor: expected a colour like #3050d8");
        }
        else if (accent.ContrastWith(Colour.White) < Brand.TextContrast)
        {
            problems.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"Branding:AccentColor: expected a contrast of {Brand.TextContrast}:1 against white, {accent} has {accent.ContrastWith(Colour.White):0.0}:1; the nearest that will do is {accent.Until(Colour.Black, Brand.TextContrast, Colour.White)}"));
        }

        if (options.AccentColorDark is not null && !Colour.TryParse(options.AccentColorDark, out _))
        {
            problems.Add("Branding:AccentColorDark: expected a colour like #93a8ff");
        }

        if (options is { LogoFile: not null, LogoUrl: not null })
        {
            problems.Add("Branding:LogoUrl: expected either LogoFile or LogoUrl, not both");
        }

        if (options.LogoFile is { } file)
        {
            var info = new FileInfo(file);
            if (BrandEndpoints.LogoType(file) is null)
            {
                problems.Add("Branding:LogoFile: expected an .svg, .png or .webp file");
            }
            else if (!info.Exists || info.Length > LargestLogo)
            {
                problems.Add($"Branding:LogoFile: expected a file of at most 512 KB that can be read: {info.FullName}");
            }
        }

        foreach (var (member, value) in new[] { ("LogoUrl", options.LogoUrl), ("SupportUrl", options.SupportUrl), ("PrivacyUrl", options.PrivacyUrl), ("TermsUrl", options.TermsUrl) })
        {
            var mayBeMail = member is "SupportUrl";
            if (value is not null && !(Uri.TryCreate(value, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttps || (mayBeMail && uri.Scheme == Uri.UriSchemeMailto))))
            {
                problems.Add($"Branding:{member}: expected an https{(mayBeMail ? " or mailto" : "")} address");
            }
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
