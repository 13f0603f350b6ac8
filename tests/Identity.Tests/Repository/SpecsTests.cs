using System.Text.RegularExpressions;

namespace Identity.Tests.Repository;

/// <summary>docs/specs.md lists spec, file and test. A row that points nowhere is worse than none.</summary>
public sealed partial class SpecsTests
{
    private static readonly string[] Rows = [.. File.ReadLines(Path.Combine(RepositoryRoot.Path, "docs", "specs.md")).Where(line => line.StartsWith("| ", StringComparison.Ordinal) && line is not "| spec | implementation | tests |")];

    [Fact]
    public void Specs_WhenARowNamesAPath_ItExists()
    {
        Assert.NotEmpty(Rows);
        var missing = Rows.SelectMany(row => Code().Matches(row).Select(match => match.Groups[1].Value))
            .Where(path => path.Contains('/', StringComparison.Ordinal))
            .Where(path => !File.Exists(Path.Combine(RepositoryRoot.Path, path)) && !Directory.Exists(Path.Combine(RepositoryRoot.Path, path)));
        Assert.Empty(missing);
    }

    [Fact]
    public void Specs_WhenARowIsListed_ItNamesAFileAndATest()
    {
        Assert.All(Rows, row =>
        {
            var paths = Code().Matches(row).Select(match => match.Groups[1].Value).ToArray();
            Assert.Contains(paths, path => path.StartsWith("src/", StringComparison.Ordinal));
            Assert.Contains(paths, path => path.StartsWith("tests/", StringComparison.Ordinal));
        });
    }

    // A folder of thirty files proves nothing to who looks for the one; and a file without a test proves nothing to anybody.
    [Fact]
    public void Specs_WhenARowNamesATest_ItIsAFileThatHoldsSome()
    {
        var named = Rows.SelectMany(row => Code().Matches(row).Select(match => match.Groups[1].Value)).Where(path => path.StartsWith("tests/", StringComparison.Ordinal)).Distinct(StringComparer.Ordinal).ToArray();
        Assert.All(named, path => Assert.EndsWith(".cs", path, StringComparison.Ordinal));
        Assert.All(named, path => Assert.Matches(@"\[(Fact|Theory)|class \w+Tests\(.*\) : ", File.ReadAllText(Path.Combine(RepositoryRoot.Path, path))));
    }

    [Fact]
    public void Specs_WhenAnEngineFileNamesAnRfc_TheListKnowsIt()
    {
        var listed = string.Join('\n', Rows);
        var unlisted = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src", "Identity.OAuth"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => Rfc().Matches(File.ReadLines(file).First()).Select(match => match.Groups[1].Value))
            .Distinct()
            .Where(rfc => !listed.Contains("RFC " + rfc, StringComparison.Ordinal));
        Assert.Empty(unlisted);
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"RFC ?(\d{4})")]
    private static partial Regex Rfc();
}
