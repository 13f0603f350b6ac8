using System.Text;
using PdfSharp.Fonts;

namespace Identity.Accounts.Export;

/// <summary>DejaVu Sans from this assembly, whatever the machine has: Latin, Greek, Cyrillic, Armenian, Georgian, Arabic, Hebrew and more. What it lacks (Chinese, Japanese, Korean) is drawn as a box.</summary>
internal sealed class ExportFonts : IFontResolver
{
    public const string Family = "DejaVu Sans";

    /// <summary>The same, to be embedded whole: under a name of its own, in the file too.</summary>
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
        if (faceName.EndsWith(WholeFace, StringComparison.Ordinal))
        {
            Rename(bytes, Encoding.BigEndianUnicode);
            Rename(bytes, Encoding.ASCII);
        }

        return bytes;
    }

    // PDFsharp knows faces by the name in the file, for the whole process: under one name, the first document with the whole font would make every later one carry it.
    private static void Rename(Span<byte> font, Encoding encoding)
    {
        foreach (var (name, other) in (ReadOnlySpan<(string, string)>)[("DejaVu Sans", "DejaVu Full"), ("DejaVuSans", "DejaVuFull")])
        {
            var (old, renamed) = (encoding.GetBytes(name), encoding.GetBytes(other));
            for (var rest = font; rest.IndexOf(old) is >= 0 and var at; rest = rest[(at + old.Length)..])
            {
                renamed.CopyTo(rest[at..]);
            }
        }
    }
}
