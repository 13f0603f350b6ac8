using PdfSharp.Fonts;

namespace Identity.Accounts.Export;

/// <summary>DejaVu Sans from this assembly, whatever the machine has: Latin, Greek, Cyrillic, Armenian, Georgian, Arabic, Hebrew and more. What it lacks (Chinese, Japanese, Korean) is drawn as a box.</summary>
internal sealed class ExportFonts : IFontResolver
{
    public const string Family = "DejaVu Sans";

    /// <summary>The same under a name of its own: PDFsharp embeds a face in one way in a document.</summary>
    public const string Whole = "DejaVu Sans Whole";

    private const string WholeFace = "-Whole";

    private static readonly Lazy<bool> Resolver = new(() =>
    {
        GlobalFontSettings.FontResolver = new ExportFonts();
        return true;
    });

    /// <summary>Before the first font: PDFsharp has one resolver for the whole process.</summary>
    public static void Use() => _ = Resolver.Value;

    public FontResolverInfo? ResolveTypeface(string familyName, bool isBold, bool isItalic) =>
        familyName is Family or Whole ? new FontResolverInfo((isBold ? "DejaVuSans-Bold" : "DejaVuSans") + (familyName == Whole ? WholeFace : "")) : null;

    public byte[]? GetFont(string faceName)
    {
        using var font = typeof(ExportFonts).Assembly.GetManifestResourceStream($"Identity.Accounts.Export.Fonts.{faceName.Replace(WholeFace, "", StringComparison.Ordinal)}.ttf");
        if (font is null)
        {
            return null;
        }

        var bytes = new byte[font.Length];
        font.ReadExactly(bytes);
        return bytes;
    }
}
