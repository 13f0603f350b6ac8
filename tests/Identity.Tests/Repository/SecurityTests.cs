using System.Text.RegularExpressions;

namespace Identity.Tests.Repository;

/// <summary>docs/security.md lists rules and their tests: every test is there, and every security test is listed. docs/openam.md lists differences and theirs, docs/advisories.md what went wrong in comparable servers.</summary>
public sealed partial class SecurityTests
{
    private static readonly string[] Rows =
    [
        .. File.ReadLines(Path.Combine(RepositoryRoot.Path, "docs", "security.md")).Where(line => line.StartsWith("| ", StringComparison.Ordinal) && line is not "| rule | tests |"),
    ];

    [Fact]
    public void Security_WhenARuleIsListed_ItNamesTestsThatAreThere()
    {
        Assert.True(Rows.Length > 50);
        var tests = TestsUnder("tests");
        Assert.All(Rows, row =>
        {
            var named = Names(row);
            Assert.NotEmpty(named);
            Assert.Empty(named.Except(tests));
        });
    }

    [Fact]
    public void OpenAm_WhenADifferenceIsListed_ItNamesTestsThatAreThere()
    {
        string[] rows = [.. File.ReadLines(Path.Combine(RepositoryRoot.Path, "docs", "openam.md")).Where(line => Difference().IsMatch(line))];
        Assert.True(rows.Length > 30);
        var tests = TestsUnder("tests/Identity.Tests/External");
        Assert.All(rows, row => Assert.Empty(Names(row).Except(tests)));
        Assert.True(rows.Count(row => Names(row).Length == 0) < 10);
    }

    [Fact]
    public void Advisories_WhenAKindIsListed_ItNamesTestsThatAreThere()
    {
        string[] rows = [.. File.ReadLines(Path.Combine(RepositoryRoot.Path, "docs", "advisories.md")).Where(line => line.StartsWith("| ", StringComparison.Ordinal) && line is not "| elsewhere | kind | here | tests |")];
        Assert.True(rows.Length > 60);
        var tests = TestsUnder("tests");
        Assert.All(rows, row =>
        {
            Assert.Equal(6, row.Split('|').Length);
            var named = Names(row);
            Assert.NotEmpty(named);
            Assert.Empty(named.Except(tests));
        });
    }

    [Fact]
    public void Security_WhenATestIsThere_ARuleNamesIt() =>
        Assert.Empty(TestsUnder("tests/Identity.Tests/Security").Except(Rows.SelectMany(Names)));

    private static string[] Names(string row) => [.. Code().Matches(row.Split('|')[^2]).Select(match => match.Groups["test"].Value)];

    private static HashSet<string> TestsUnder(string folder) =>
    [
        .. Directory.GetFiles(Path.Combine(RepositoryRoot.Path, folder), "*Tests.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/node_modules/", StringComparison.Ordinal))
            .SelectMany(file => Test().Matches(File.ReadAllText(file)).Select(match => Path.GetFileNameWithoutExtension(file) + "." + match.Groups["name"].Value)),
    ];

    [GeneratedRegex("`(?<test>[^`]+)`", RegexOptions.ExplicitCapture)]
    private static partial Regex Code();

    [GeneratedRegex(@"^\| \d+ \| ", RegexOptions.ExplicitCapture)]
    private static partial Regex Difference();

    // A method with Fact or Theory above it, and whatever else.
    [GeneratedRegex(@"\[(Fact|Theory)[^\n]*\n(\s*(\[|//)[^\n]*\n)*\s*public [\w<>\[\]. ]*?(?<name>\w+)\(", RegexOptions.ExplicitCapture)]
    private static partial Regex Test();
}
