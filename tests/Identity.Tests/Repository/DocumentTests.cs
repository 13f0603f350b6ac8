using System.Text;
using System.Text.RegularExpressions;

namespace Identity.Tests.Repository;

/// <summary>What a document points to is there: links, headings behind a #, and files of the sources that are named as code.</summary>
public sealed partial class DocumentTests
{
    private static readonly string[] Documents =
    [
        .. Directory.GetFiles(RepositoryRoot.Path, "*.md"),
        .. Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "docs"), "*.md", SearchOption.AllDirectories),
    ];

    [Fact]
    public void Link_WhenItLeadsToAFileOfOurs_TheFileAndItsHeadingAreThere()
    {
        Assert.True(Documents.Length > 20);
        Assert.Empty(Documents.SelectMany(document => Link().Matches(Prose(document)).Select(match => match.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal) && !Leads(document, target))
            .Select(target => Path.GetRelativePath(RepositoryRoot.Path, document) + " → " + target)));
    }

    [Fact]
    public void Path_WhenADocumentNamesIt_ItIsThere() =>
        Assert.Empty(Documents.SelectMany(document => Named().Matches(File.ReadAllText(document)).Select(match => match.Groups["path"].Value)
            .Where(path => !Path.Exists(Path.Combine(RepositoryRoot.Path, path)))
            .Select(path => Path.GetRelativePath(RepositoryRoot.Path, document) + " → " + path)));

    [Fact]
    public void Readme_WhenSomebodyIsNew_LeadsToEveryDocument()
    {
        var readme = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "README.md"));
        Assert.DoesNotContain(Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "docs"), "*.md").Select(document => "docs/" + Path.GetFileName(document)), path => !readme.Contains("(" + path, StringComparison.Ordinal));
    }

    private static bool Leads(string document, string target)
    {
        var parts = target.Split('#');
        var file = parts[0].Length == 0 ? document : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(document)!, parts[0]));
        return Path.Exists(file) && (parts.Length == 1 || Headings(file).Contains(parts[1]));
    }

    // As GitHub names headings: lower case, blanks as hyphens, all but letters, digits, hyphens and underscores left out.
    private static HashSet<string> Headings(string file) =>
    [
        .. Heading().Matches(File.ReadAllText(file)).Select(match => string.Concat(match.Groups["text"].Value.Trim().ToLowerInvariant().EnumerateRunes()
            .Where(rune => Rune.IsLetterOrDigit(rune) || rune.Value is ' ' or '-' or '_').Select(rune => rune.Value == ' ' ? "-" : rune.ToString()))),
    ];

    private static string Prose(string document) => CodeBlock().Replace(File.ReadAllText(document), "");

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture)]
    private static partial Regex Link();

    [GeneratedRegex(@"`(?<path>(src|tests|deploy|bench|samples|docs|requests)/[\w./-]*\w)`", RegexOptions.ExplicitCapture)]
    private static partial Regex Named();

    [GeneratedRegex(@"^#{1,6} (?<text>.+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Heading();

    [GeneratedRegex("```.*?```|`[^`\n]*`", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
