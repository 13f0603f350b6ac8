// OWASP Web Security Testing Guide, CSV injection: cells that a spreadsheet would take for formulas.
using System.Text;

namespace Identity.Accounts.Export;

/// <summary>
/// Makes text harmless in a file that is opened as a spreadsheet, and takes that back. An apostrophe is put before what could begin a formula:
/// at the beginning, and behind whatever a spreadsheet of another country may take for the end of a cell (semicolon, comma, tab, line break),
/// also where only quotes or blanks come between. What has such an apostrophe by nature gets another, so that nothing is lost.
/// </summary>
public static class CsvCell
{
    // With the full-width forms, which some spreadsheets read like the others.
    private const string Beginnings = "=+-@\uFF1D\uFF0B\uFF0D\uFF20";
    private const string Ends = ";,\t\r\n";
    private const string Between = "\" \u00A0";

    public static string Guard(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        StringBuilder? guarded = null;
        var atStart = true;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (atStart && (IsGuarded(c) || (i == 0 && IsWhite(c))))
            {
                guarded ??= new StringBuilder(text, 0, i, text.Length + 8);
                guarded.Append('\'');
            }

            guarded?.Append(c);
            atStart = Follows(c, atStart);
        }

        return guarded?.ToString() ?? text;
    }

    /// <summary>The text that <see cref="Guard"/> was given.</summary>
    public static string Unguard(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        StringBuilder? plain = null;
        var atStart = true;
        for (var i = 0; i < text.Length; i++)
        {
            if (atStart && text[i] == '\'' && i + 1 < text.Length && (IsGuarded(text[i + 1]) || (i == 0 && IsWhite(text[1]))))
            {
                plain ??= new StringBuilder(text, 0, i, text.Length);
                i++;
            }

            plain?.Append(text[i]);
            atStart = Follows(text[i], atStart);
        }

        return plain?.ToString() ?? text;
    }

    private static bool IsGuarded(char c) => c == '\'' || Beginnings.Contains(c, StringComparison.Ordinal);

    private static bool IsWhite(char c) => c is '\t' or '\r' or '\n';

    private static bool Follows(char c, bool atStart) => Ends.Contains(c, StringComparison.Ordinal) || (atStart && Between.Contains(c, StringComparison.Ordinal));
}
