// RFC 7591 §2 and RFC 9728 §2: metadata documents are JSON objects; what is wrong is told by the member's name.
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Identity.OAuth.Clients;

/// <summary>Reads typed members of a metadata document and collects what is wrong with them.</summary>
public sealed class MetadataReader(JsonObject document)
{
    private readonly List<string> _problems = [];
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <summary>One line each, beginning with the member.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Members nobody asked for.</summary>
    public IEnumerable<KeyValuePair<string, JsonNode?>> Unread => document.Where(member => !_read.Contains(member.Key));

    /// <summary>Members that were looked for, there or not.</summary>
    public IEnumerable<string> Asked => _read;

    public void Problem(string member, string problem) => _problems.Add($"{member}: {problem}");

    public string? Text(string member)
    {
        if (Member(member) is not { } node)
        {
            return null;
        }

        if (node.GetValueKind() == JsonValueKind.String)
        {
            return node.GetValue<string>() is { Length: > 0 and <= 2000 } text && !text.Any(char.IsControl) ? text : Bad<string>(member, "expected a string of 1 to 2000 characters");
        }

        return Bad<string>(member, "expected a string");
    }

    /// <summary>A scalar as text, left among the unread members: it is checked here and acted on elsewhere, if at all.</summary>
    public string? Peek(string member) => document[member] is { } node ? (node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>() : node.ToJsonString()) : null;

    public bool Flag(string member, bool otherwise)
    {
        if (Member(member) is not { } node)
        {
            return otherwise;
        }

        if (node.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
        {
            return node.GetValue<bool>();
        }

        // appsettings.json and the environment know text only.
        if (node.GetValueKind() == JsonValueKind.String && bool.TryParse(node.GetValue<string>(), out var flag))
        {
            return flag;
        }

        Problem(member, "expected true or false");
        return otherwise;
    }

    public int? Number(string member)
    {
        if (Member(member) is not { } node)
        {
            return null;
        }

        var text = node.GetValueKind() is JsonValueKind.Number or JsonValueKind.String ? node.ToString() : "";
        if (int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        Problem(member, "expected a whole number, not negative");
        return null;
    }

    public IReadOnlyList<string>? List(string member)
    {
        if (Member(member) is not { } node)
        {
            return null;
        }

        if (node is not JsonArray array || array.Count > 200)
        {
            return Bad<IReadOnlyList<string>>(member, "expected an array of strings");
        }

        var values = new List<string>(array.Count);
        for (var i = 0; i < array.Count; i++)
        {
            if (array[i]?.GetValueKind() == JsonValueKind.String && array[i]!.GetValue<string>() is { Length: > 0 and <= 2000 } value)
            {
                values.Add(value);
            }
            else
            {
                Problem($"{member}[{i}]", "expected a string of 1 to 2000 characters");
            }
        }

        return values;
    }

    /// <summary>One string, or an array of them.</summary>
    public IReadOnlyList<string> TextOrList(string member) => document[member] is JsonArray ? List(member) ?? [] : Text(member) is { } text ? [text] : [];

    public JsonObject? Document(string member) => Member(member) switch
    {
        null => null,
        JsonObject value => value,
        _ => Bad<JsonObject>(member, "expected an object"),
    };

    /// <summary>RFC 6749 §3.3: space-delimited scope tokens.</summary>
    public IReadOnlyList<string>? Scope(string member)
    {
        if (Text(member) is not { } text)
        {
            return null;
        }

        var scopes = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        CheckScopes(member, scopes);
        return [.. scopes.Distinct(StringComparer.Ordinal)];
    }

    public void CheckScopes(string member, IReadOnlyList<string> scopes)
    {
        foreach (var scope in scopes)
        {
            if (scope.Length > 200 || scope.Any(character => character is < '\x21' or > '\x7e' or '"' or '\\'))
            {
                Problem(member, "a scope holds only visible ASCII without quote and backslash (RFC 6749 section 3.3)");
            }
        }
    }

    /// <summary>The name that was looked for, or is one of <paramref name="others"/>, and differs by a slip of the pen; null: none is near.</summary>
    public string? Nearest(string name, IEnumerable<string> others)
    {
        var nearest = _read.Concat(others).MinBy(known => Distance(known, name));
        return nearest is not null && Distance(nearest, name) <= Math.Max(2, name.Length / 5) ? nearest : null;
    }

    // Levenshtein's, by rows.
    private static int Distance(string one, string other)
    {
        var row = Enumerable.Range(0, other.Length + 1).ToArray();
        for (var i = 1; i <= one.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (one[i - 1] == other[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }

    private JsonNode? Member(string member)
    {
        _read.Add(member);
        return document[member];
    }

    private T? Bad<T>(string member, string problem)
        where T : class
    {
        Problem(member, problem);
        return null;
    }
}
