// RFC 4180: comma-separated values, with a header that a mapping translates.
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Export;

namespace Identity.Accounts.Import;

/// <summary>Reads a table of users as lines of JSON.</summary>
public static class CsvLines
{
    private static readonly HashSet<string> Flags = new(StringComparer.Ordinal) { "emailVerified", "phoneNumberVerified", "isActive" };

    /// <param name="text">With a header.</param>
    /// <param name="mapping">
    /// Column to member (<c>"E-Mail": "email"</c>, <c>"Plan": "metadata.plan"</c>). A column that it does not name counts where it is called
    /// like a member, and is left out otherwise. Roles are separated by semicolons.
    /// </param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async IAsyncEnumerable<ImportLine> ReadAsync(TextReader text, IReadOnlyDictionary<string, string> mapping, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(mapping);
        string?[]? members = null;
        await foreach (var (number, fields) in RecordsAsync(text, cancellationToken))
        {
            if (members is null)
            {
                members = [.. fields.Select(field => mapping.TryGetValue(field.Trim().TrimStart('\uFEFF'), out var member) ? member : field.Trim().TrimStart('\uFEFF'))];
                continue;
            }

            yield return new ImportLine(number, fields is [""] ? ReadOnlyMemory<byte>.Empty : Encoding.UTF8.GetBytes(Json(members, fields).ToJsonString()));
        }
    }

    private static JsonObject Json(string?[] members, List<string> fields)
    {
        var json = new JsonObject();
        for (var i = 0; i < Math.Min(members.Length, fields.Count); i++)
        {
            // An empty field says nothing; an apostrophe that kept a spreadsheet from calculating is none of the text.
            var field = CsvCell.Unguard(fields[i]);
            if (members[i] is not { Length: > 0 } member || field.Length == 0)
            {
                continue;
            }

            if (member.StartsWith("metadata.", StringComparison.Ordinal))
            {
                var metadata = json["metadata"] as JsonObject ?? [];
                json["metadata"] = metadata;
                metadata[member["metadata.".Length..]] = field;
            }
            else
            {
                json[member] = member == "roles"
                    ? new JsonArray([.. field.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(role => JsonValue.Create(role))])
                    : Flags.Contains(member) ? Flag(field) : field;
            }
        }

        return json;
    }

    // Anything else goes on as it is, and is refused as what it is not.
    private static JsonValue Flag(string text) => text.Trim().ToUpperInvariant() switch
    {
        "TRUE" or "1" or "YES" or "T" or "Y" => JsonValue.Create(true),
        "FALSE" or "0" or "NO" or "F" or "N" => JsonValue.Create(false),
        _ => JsonValue.Create(text),
    };

    // A quoted field may hold commas, quotes (doubled) and line breaks; a record's number is that of its first line.
    private static async IAsyncEnumerable<(long Number, List<string> Fields)> RecordsAsync(TextReader text, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var number = 0L;
        while (await text.ReadLineAsync(cancellationToken) is { } line)
        {
            var first = ++number;
            var (fields, field, quoted) = (new List<string>(), new StringBuilder(), false);
            while (true)
            {
                for (var i = 0; i < line.Length; i++)
                {
                    var c = line[i];
                    if (quoted && c == '"' && i + 1 < line.Length && line[i + 1] == '"')
                    {
                        field.Append('"');
                        i++;
                    }
                    else if (c == '"' && (quoted || field.Length == 0))
                    {
                        quoted = !quoted;
                    }
                    else if (c == ',' && !quoted)
                    {
                        fields.Add(field.ToString());
                        field.Clear();
                    }
                    else
                    {
                        field.Append(c);
                    }
                }

                if (!quoted || field.Length > JsonLines.LongestLine || await text.ReadLineAsync(cancellationToken) is not { } next)
                {
                    break;
                }

                number++;
                field.Append('\n');
                line = next;
            }

            fields.Add(field.ToString());
            yield return (first, fields);
        }
    }
}
