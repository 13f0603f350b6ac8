// Mustache's sections, and no more of it: what mails are written with.
using System.Net;
using System.Text;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>
/// A text with gaps: <c>{{name}}</c> is filled, <c>{{#name}}…{{/name}}</c> is written for each value of the name (which is <c>{{.}}</c> in it) and
/// <c>{{^name}}…{{/name}}</c> where there is none. What fills a gap is encoded for HTML where the template is HTML; there is no way around that.
/// A section's tags stand alone on their lines.
/// </summary>
internal sealed class MailTemplate
{
    private readonly string[] _lines;
    private readonly bool _isHtml;

    private MailTemplate(string[] lines, bool isHtml) => (_lines, _isHtml) = (lines, isHtml);

    /// <param name="name">A file of the folder Templates.</param>
    public static MailTemplate Read(string name)
    {
        using var stream = typeof(MailTemplate).Assembly.GetManifestResourceStream("Identity.Accounts.Delivery.Mail.Templates." + name) ?? throw new InvalidOperationException("There is no template " + name);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return new MailTemplate(reader.ReadToEnd().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n'), name.EndsWith(".html", StringComparison.Ordinal));
    }

    /// <param name="values">Of each name none, one or several; a name that is not here has none.</param>
    public string Fill(IReadOnlyDictionary<string, IReadOnlyList<string>> values)
    {
        var output = new StringBuilder();
        Write(output, 0, _lines.Length, values, item: null);
        return output.ToString();
    }

    private void Write(StringBuilder output, int from, int to, IReadOnlyDictionary<string, IReadOnlyList<string>> values, string? item)
    {
        for (var at = from; at < to; at++)
        {
            var line = _lines[at];
            if (!IsSection(line))
            {
                WriteLine(output, line, values, item);
                continue;
            }

            var name = line[3..^2];
            var end = Array.IndexOf(_lines, "{{/" + name + "}}", at);
            if (end < 0)
            {
                throw new InvalidOperationException("A section of a mail is not closed: " + name);
            }

            var found = values.GetValueOrDefault(name) ?? [];
            if (line[2] == '^' && found.Count == 0)
            {
                Write(output, at + 1, end, values, item);
            }
            else if (line[2] == '#')
            {
                foreach (var value in found)
                {
                    Write(output, at + 1, end, values, value);
                }
            }

            at = end;
        }
    }

    private static bool IsSection(string line) => line.StartsWith("{{#", StringComparison.Ordinal) || line.StartsWith("{{^", StringComparison.Ordinal);

    private void WriteLine(StringBuilder output, string line, IReadOnlyDictionary<string, IReadOnlyList<string>> values, string? item)
    {
        var at = 0;
        while (line.IndexOf("{{", at, StringComparison.Ordinal) is >= 0 and var begin)
        {
            var end = line.IndexOf("}}", begin, StringComparison.Ordinal);
            var name = line[(begin + 2)..end];
            var value = name == "." ? item ?? "" : values.TryGetValue(name, out var found) && found.Count > 0 ? found[0] : "";
            output.Append(line, at, begin - at).Append(_isHtml ? WebUtility.HtmlEncode(value) : value);
            at = end + 2;
        }

        output.Append(line, at, line.Length - at).Append('\n');
    }
}
