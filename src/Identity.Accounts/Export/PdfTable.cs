// ISO 32000-1 (PDF 1.7): an export as a paged table.
using System.Globalization;
using System.Text;
using Identity.Accounts.Texts;
using PdfSharp;
using PdfSharp.Drawing;
using PdfSharp.Pdf;

namespace Identity.Accounts.Export;

/// <summary>
/// A4 across, with the headings on every page and a number under it. Long texts go on in the next line of their cell, nothing is cut off. A page's
/// content is compressed as soon as it is full, so a hundred thousand users take some megabytes; the whole is written at the end.
/// </summary>
internal sealed class PdfTable : IDisposable
{
    /// <summary>What one document may hold: it stays in memory until it is whole.</summary>
    public const int MostRows = 200_000;

    private const double Margin = 30;
    private const double Size = 7;
    private const double LineHeight = 9.5;
    private const double Gap = 5;
    private const double PageWidth = 842;
    private const double PageHeight = 595;
    private const double Top = Margin + 24;
    private const double Bottom = PageHeight - Margin - 14;

    private static readonly (string Text, double Width)[] Columns =
    [
        ("Export.Email", 168), ("Export.UserName", 92), ("Export.PhoneNumber", 80), ("Export.FirstName", 82), ("Export.LastName", 82),
        ("Export.Roles", 86), ("Export.Active", 36), ("Export.CreatedAt", 78), ("Export.LastLoginAt", 78),
    ];

    // PDFsharp keeps its fonts in the process.
    private static readonly Lock Drawing = new();
    private static readonly Dictionary<int, double> Advances = [];

    private readonly PdfDocument _document = new();
    private readonly CultureInfo _culture;
    private readonly DateTimeOffset _now;
    private readonly XFont _font;
    private readonly XFont _bold;

    // PDFsharp's subsets lack parts of letters that are composed of composed ones, as many of Arabic are: for those the whole font goes along, and only where there are any.
    private readonly Lazy<XFont> _wholeFont = new(() => new XFont(ExportFonts.Whole, Size, XFontStyleEx.Regular, new XPdfFontOptions(PdfFontEncoding.Unicode, PdfFontEmbedding.EmbedCompleteFontFile)));
    private readonly Lazy<XFont> _wholeBold = new(() => new XFont(ExportFonts.Whole, Size, XFontStyleEx.Bold, new XPdfFontOptions(PdfFontEncoding.Unicode, PdfFontEmbedding.EmbedCompleteFontFile)));
    private PdfPage? _page;
    private XGraphics? _graphics;
    private double _y;

    private PdfTable(CultureInfo culture, DateTimeOffset now)
    {
        ExportFonts.Use();
        (_culture, _now) = (culture, now);
        (_font, _bold) = (new XFont(ExportFonts.Family, Size), new XFont(ExportFonts.Family, Size, XFontStyleEx.Bold));
        _document.Info.Title = AccountTexts.In(culture, "Export.Title");
        _document.Info.Creator = "Identity";
        _document.Info.CreationDate = now.UtcDateTime;
        _document.Language = culture.TwoLetterISOLanguageName;
    }

    public static async Task<long> WriteAsync(IAsyncEnumerable<ExportedUser> users, Stream output, CultureInfo culture, DateTimeOffset now, CancellationToken cancellationToken)
    {
        using var table = Begin(culture, now);
        var (batch, rows) = (new List<ExportedUser>(200), 0L);
        await foreach (var user in users.WithCancellation(cancellationToken))
        {
            batch.Add(user);
            if (batch.Count == batch.Capacity)
            {
                table.Draw(batch);
                rows += batch.Count;
                batch.Clear();
            }
        }

        table.Draw(batch);
        var held = new HeldStream(output);
        lock (Drawing)
        {
            table.Finish(held);
        }

        await held.FlushAsync(cancellationToken);
        return rows + batch.Count;
    }

    public void Dispose()
    {
        _graphics?.Dispose();
        _document.Dispose();
    }

    private static PdfTable Begin(CultureInfo culture, DateTimeOffset now)
    {
        lock (Drawing)
        {
            return new PdfTable(culture, now);
        }
    }

    private void Draw(List<ExportedUser> users)
    {
        lock (Drawing)
        {
            foreach (var user in users)
            {
                Draw(user);
            }
        }
    }

    private void Draw(ExportedUser user)
    {
        string?[] cells =
        [
            user.Email, user.UserName, user.PhoneNumber, user.FirstName, user.LastName, string.Join(", ", user.Roles),
            AccountTexts.In(_culture, user.IsActive ? "Export.Yes" : "Export.No"), Time(user.CreatedAt), user.LastLoginAt is { } last ? Time(last) : null,
        ];
        if (_page is null)
        {
            StartPage();
        }

        var lines = cells.Select((cell, column) => Wrap(cell, Columns[column].Width - Gap)).ToArray();
        var height = lines.Max(cell => cell.Count) * LineHeight;
        if (_y + height > Bottom && height <= Bottom - Top)
        {
            StartPage();
        }

        // Only what is higher than a page goes on over its end.
        for (var line = 0; line < lines.Max(cell => cell.Count); line++)
        {
            if (_y + LineHeight > Bottom)
            {
                StartPage();
            }

            var x = Margin;
            for (var column = 0; column < Columns.Length; column++)
            {
                if (line < lines[column].Count)
                {
                    Write(lines[column][line], isBold: false, x, _y + Size);
                }

                x += Columns[column].Width;
            }

            _y += LineHeight;
        }

        _graphics!.DrawLine(XPens.LightGray, Margin, _y, PageWidth - Margin, _y);
        _y += 2;
    }

    private void Write(string text, bool isBold, double x, double y, XStringFormat? format = null)
    {
        var drawn = VisualOrder.Of(text);
        var font = ReferenceEquals(drawn, text) ? isBold ? _bold : _font : isBold ? _wholeBold.Value : _wholeFont.Value;
        _graphics!.DrawString(drawn, font, XBrushes.Black, x, y, format ?? XStringFormats.BaseLineLeft);
    }

    private void StartPage()
    {
        EndPage();
        _page = _document.AddPage();
        _page.Size = PageSize.A4;
        _page.Orientation = PageOrientation.Landscape;
        _graphics = XGraphics.FromPdfPage(_page);
        Write(_document.Info.Title, isBold: true, Margin, Margin + Size);
        _graphics.DrawString(Time(_now) + " UTC", _font, XBrushes.Black, PageWidth - Margin, Margin + Size, XStringFormats.BaseLineRight);
        var x = Margin;
        foreach (var (text, width) in Columns)
        {
            Write(AccountTexts.In(_culture, text), isBold: true, x, Top - 4);
            x += width;
        }

        _graphics.DrawLine(XPens.Black, Margin, Top, PageWidth - Margin, Top);
        _y = Top + 2;
    }

    private void EndPage()
    {
        if (_graphics is null)
        {
            return;
        }

        var number = string.Format(_culture, AccountTexts.In(_culture, "Export.Page"), _document.PageCount);
        Write(number, isBold: false, PageWidth - Margin, PageHeight - Margin, XStringFormats.BaseLineRight);
        _graphics.Dispose();
        _graphics = null;
        foreach (var content in _page!.Contents)
        {
            if (content.Stream is { } stream && !content.Elements.ContainsKey("/Filter"))
            {
                stream.Zip();
            }
        }
    }

    private void Finish(Stream output)
    {
        if (_page is null)
        {
            StartPage();
        }

        EndPage();
        _document.Save(output, closeStream: false);
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    private List<string> Wrap(string? text, double width)
    {
        var (lines, line, used, space) = (new List<string>(1), new StringBuilder(), 0.0, -1);
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            if (Rune.IsControl(rune))
            {
                continue;
            }

            var advance = Advance(rune);
            if (used + advance > width && line.Length > 0)
            {
                // At the last blank, or else anywhere.
                var rest = space > 0 ? line.ToString(space + 1, line.Length - space - 1) : "";
                lines.Add(line.ToString(0, space > 0 ? space : line.Length));
                line.Clear().Append(rest);
                (used, space) = (rest.EnumerateRunes().Sum(Advance), -1);
            }

            if (rune.Value == ' ')
            {
                space = line.Length;
            }

            line.Append(rune.ToString());
            used += advance;
        }

        if (line.Length > 0 || lines.Count == 0)
        {
            lines.Add(line.ToString());
        }

        return lines;
    }

    private double Advance(Rune rune)
    {
        if (!Advances.TryGetValue(rune.Value, out var advance))
        {
            advance = _graphics!.MeasureString(rune.ToString(), _font).Width;
            Advances[rune.Value] = advance;
        }

        return advance;
    }
}
