using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Identity.Tests.FirstStart;

/// <summary>
/// A file of requests in the syntax that Visual Studio and VS Code's REST Client share: <c>###</c> before each request, <c>@name = value</c>,
/// <c># @name</c> before a request whose answer later ones use, <c>{{name.response.body.$.member}}</c> and <c>{{name.response.headers.Name}}</c>.
/// </summary>
internal sealed partial class HttpFile
{
    /// <summary>What is in a file, in its order.</summary>
    public abstract record Part(int Line);

    /// <param name="Line">Where it is.</param>
    /// <param name="Name">Its name.</param>
    /// <param name="Value">With references to others.</param>
    /// <param name="IsFilledIn">A comment "Fill in: …" stands above it: the reader knows the value.</param>
    public sealed record Variable(int Line, string Name, string Value, bool IsFilledIn) : Part(Line);

    /// <param name="Line">Where it is.</param>
    /// <param name="Title">After ###.</param>
    /// <param name="Status">That the title says.</param>
    /// <param name="Code">That the title says after it: the errorCode of /api/identity, or error.</param>
    /// <param name="NotYet">The status that is answered until the one of the title is: a comment "409 … until …".</param>
    /// <param name="Name">By which later ones use its answer.</param>
    /// <param name="Method">GET, …</param>
    /// <param name="Url">With references.</param>
    /// <param name="Headers">With references.</param>
    /// <param name="Body">With references; null: none.</param>
    public sealed record Request(int Line, string Title, int? Status, string? Code, int? NotYet, string? Name, string Method, string Url, IReadOnlyList<(string Name, string Value)> Headers, string? Body) : Part(Line);

    public static IReadOnlyList<Part> Parse(string file)
    {
        var parts = new List<Part>();
        var lines = File.ReadAllLines(file);
        string title = "", comment = "";
        string? name = null;
        int? notYet = null;
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            if (line.StartsWith("###", StringComparison.Ordinal))
            {
                (title, comment, name, notYet) = (line[3..].Trim(), "", null, null);
            }
            else if (RequestName().Match(line) is { Success: true } named)
            {
                name = named.Groups[1].Value;
            }
            else if (line.StartsWith('#'))
            {
                comment = line;
                notYet = Until().Match(line) is { Success: true } until ? int.Parse(until.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) : notYet;
            }
            else if (Definition().Match(line) is { Success: true } variable)
            {
                parts.Add(new Variable(i + 1, variable.Groups[1].Value, variable.Groups[2].Value, comment.StartsWith("# Fill in: ", StringComparison.Ordinal)));
                comment = "";
            }
            else if (RequestLine().Match(line) is { Success: true } request)
            {
                var at = i + 1;
                var headers = new List<(string, string)>();
                while (++i < lines.Length && lines[i].Length > 0)
                {
                    var colon = lines[i].IndexOf(':', StringComparison.Ordinal);
                    headers.Add((lines[i][..colon].Trim(), lines[i][(colon + 1)..].Trim()));
                }

                var body = new List<string>();
                while (i + 1 < lines.Length && !lines[i + 1].StartsWith("###", StringComparison.Ordinal) && !lines[i + 1].StartsWith('@') && !lines[i + 1].StartsWith('#'))
                {
                    body.Add(lines[++i]);
                }

                var text = string.Join('\n', body).Trim();
                var status = TitleStatus().Match(title);
                parts.Add(new Request(
                    at, title, status.Success ? int.Parse(status.Groups["status"].Value, System.Globalization.CultureInfo.InvariantCulture) : null, status.Groups["code"] is { Success: true } code ? code.Value : null,
                    notYet, name, request.Groups[1].Value, request.Groups[2].Value, headers, text.Length == 0 ? null : text));
            }
            else if (line.Trim().Length > 0)
            {
                throw new FormatException($"{file}:{i + 1}: {line}");
            }
        }

        return parts;
    }

    /// <summary>Puts in variables and what came of earlier requests.</summary>
    public static string Resolve(string text, IReadOnlyDictionary<string, string> variables, IReadOnlyDictionary<string, Answer> answers) => Reference().Replace(text, match =>
    {
        var name = match.Groups[1].Value;
        if (variables.TryGetValue(name, out var value))
        {
            return Resolve(value, variables, answers);
        }

        var path = AnswerPath().Match(name);
        Assert.True(path.Success && answers.ContainsKey(path.Groups["request"].Value), $"Nothing above is called {name}.");
        var answer = answers[path.Groups["request"].Value];
        if (path.Groups["header"] is { Success: true } header)
        {
            return answer.Headers[header.Value];
        }

        var node = JsonNode.Parse(answer.Body);
        foreach (Match step in Step().Matches(path.Groups["path"].Value))
        {
            node = step.Groups["index"] is { Success: true } index ? node?[int.Parse(index.Value, System.Globalization.CultureInfo.InvariantCulture)] : node?[step.Groups["member"].Value];
        }

        return node?.ToString() ?? throw new Xunit.Sdk.XunitException($"{name}: not in {answer.Body}");
    });

    /// <summary>What a named request was answered.</summary>
    public sealed record Answer(string Body, IReadOnlyDictionary<string, string> Headers);

    [GeneratedRegex(@"^# @name (\w+)$")]
    private static partial Regex RequestName();

    [GeneratedRegex(@"^# .*\b(\d{3})( \w+)? until ")]
    private static partial Regex Until();

    [GeneratedRegex(@"^@(\w+)\s*=\s*(.*)$")]
    private static partial Regex Definition();

    [GeneratedRegex(@"^(GET|POST|PUT|PATCH|DELETE) (\S+)$")]
    private static partial Regex RequestLine();

    [GeneratedRegex(@": (?<status>[1-5]\d\d)\b(?: (?<code>[a-z]+_[a-z_]+|forbidden|unauthorized|conflict)\b)?", RegexOptions.ExplicitCapture)]
    private static partial Regex TitleStatus();

    [GeneratedRegex(@"\{\{([^}]+)\}\}")]
    private static partial Regex Reference();

    [GeneratedRegex(@"^(?<request>\w+)\.response\.(headers\.(?<header>[\w-]+)|body\.\$(?<path>[\w.\[\]]+))$", RegexOptions.ExplicitCapture)]
    private static partial Regex AnswerPath();

    [GeneratedRegex(@"\.(?<member>\w+)|\[(?<index>\d+)\]", RegexOptions.ExplicitCapture)]
    private static partial Regex Step();
}
