using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages.Branding;

/// <summary>What the branding settings come to: a name, a logo, and a small stylesheet, so that no page needs an inline style.</summary>
public sealed class Brand
{
    public const double TextContrast = 4.5;

    private static readonly Colour DarkSurface = new(0x16, 0x19, 0x1f);

    public Brand(IOptions<BrandingOptions> options)
    {
        Options = options.Value;
        Stylesheet = Render(Options);
        Version = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Stylesheet)))[..12];
        LogoOrigin = Options.LogoUrl is { } url ? new Uri(url).GetLeftPart(UriPartial.Authority) : null;
        LogoAddress = Options.LogoUrl ?? (Options.LogoFile is null ? null : "/brand/logo");
    }

    public BrandingOptions Options { get; }

    public string Name => Options.Name;

    /// <summary>Served at /brand.css.</summary>
    public string Stylesheet { get; }

    /// <summary>Changes with the stylesheet, so that it can be cached for long.</summary>
    public string Version { get; }

    /// <summary>Null: our own mark.</summary>
    public string? LogoAddress { get; }

    /// <summary>The foreign origin that the content security policy lets images come from.</summary>
    public string? LogoOrigin { get; }

    private static string Render(BrandingOptions options)
    {
        _ = Colour.TryParse(options.AccentColor, out var accent);
        var soft = accent.Mix(Colour.White, 0.91);
        var text = accent.Until(Colour.Black, TextContrast, Colour.White, soft);
        var light = Properties(accent, accent.Mix(Colour.Black, 0.18), text, soft, Colour.White);

        var dark = Colour.TryParse(options.AccentColorDark, out var chosen) ? chosen : accent.Until(Colour.White, 3, DarkSurface);
        var darkSoft = DarkSurface.Mix(dark, 0.2);
        var darkText = dark.Until(Colour.White, TextContrast + 1, DarkSurface, darkSoft);
        var onDark = dark.ContrastWith(Colour.White) >= TextContrast ? Colour.White : Colour.Black;
        var hover = dark.Mix(onDark == Colour.White ? Colour.Black : Colour.White, 0.15);
        return $":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{Properties(dark, hover, darkText, darkSoft, onDark)}}}}}";
    }

    private static string Properties(Colour accent, Colour hover, Colour text, Colour soft, Colour onAccent) =>
        $"--accent:{accent};--accent-hover:{hover};--accent-text:{text};--accent-soft:{soft};--on-accent:{onAccent};--focus:{text}";
}
