namespace Identity.Server.Pages.Branding;

/// <summary>Section <c>Branding</c> of the settings. Validated at start.</summary>
public sealed class BrandingOptions
{
    public const string Section = "Branding";

    /// <summary>What the service is called on its pages and in their titles.</summary>
    public string Name { get; set; } = "Identity";

    /// <summary>An .svg, .png or .webp file, served from our own origin. A relative path is one from the working directory.</summary>
    public string? LogoFile { get; set; }

    /// <summary>An https address of a logo; its origin is then the only foreign one that pages may load images from.</summary>
    public string? LogoUrl { get; set; }

    /// <summary><c>#rrggbb</c>; needs a contrast of 4.5:1 against white, since links are written in it and buttons filled with it.</summary>
    public string AccentColor { get; set; } = "#3050d8";

    /// <summary><c>#rrggbb</c> for dark mode; null: derived from <see cref="AccentColor"/>.</summary>
    public string? AccentColorDark { get; set; }

    /// <summary>Addresses in the small print.</summary>
    public string? SupportUrl { get; set; }

    public string? PrivacyUrl { get; set; }

    public string? TermsUrl { get; set; }
}
