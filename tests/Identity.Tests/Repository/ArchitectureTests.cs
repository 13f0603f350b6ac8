using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Identity.Tests.Repository;

/// <summary>The house's rules that a compiler does not check.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Identity.ServiceDefaults"] = [],
        ["Identity.Accounts"] = ["Identity.ServiceDefaults"],
        ["Identity.OAuth"] = ["Identity.Accounts"],
        ["Identity.Api"] = ["Identity.OAuth"],
        ["Identity.Server"] = ["Identity.Api"],
        ["Identity.Worker"] = ["Identity.Accounts"],
    };

    [Fact]
    public void Projects_WhenTheyReferenceEachOther_FollowTheDesign()
    {
        var projects = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src"), "*.csproj", SearchOption.AllDirectories);
        Assert.Equal(Allowed.Keys.Order(), projects.Select(Path.GetFileNameWithoutExtension).Order());
        foreach (var project in projects)
        {
            var references = XDocument.Load(project).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
            Assert.All(references, reference => Assert.Contains(reference, Allowed[Path.GetFileNameWithoutExtension(project)]));
        }
    }

    [Fact]
    public void Sources_WhenTheyNeedTheTime_AskTheTimeProvider()
    {
        Assert.Empty(Sources().Where(source => WallClock().IsMatch(source.Text)).Select(source => source.Name));
    }

    [Fact]
    public void Types_WhenNamed_UseTheFieldsTerms()
    {
        // TagHelper, UserManager and the managers of OpenIddict are names of ASP.NET Core's and OpenIddict's own for what derives from them.
        Assert.Empty(Sources().Where(source => VagueName().IsMatch(source.Text)).Select(source => source.Name));
    }

    [Fact]
    public void Engine_WhenAFileImplementsASpec_ItsFirstLinesNameIt()
    {
        // A newcomer finds an RFC by its number: every endpoint folder's files say which spec they implement before anything else.
        string[] endpoints = ["Authorize", "Token", "Refresh", "UserInfo", "Introspection", "Revocation", "EndSession", "Discovery", "Keys", "Tokens", "Requests", "Clients"];
        var silent = endpoints
            .SelectMany(folder => Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src", "Identity.OAuth", folder), "*.cs"))
            .Where(file => !SpecName().IsMatch(string.Join('\n', File.ReadLines(file).Take(12))))
            .Select(file => Path.GetRelativePath(RepositoryRoot.Path, file));
        Assert.Empty(silent);
    }

    [Fact]
    public void LogEvents_WhenNumbered_HaveTheirNumberToThemselves()
    {
        // Alarms are set on these numbers.
        var numbers = Sources().SelectMany(source => EventNumber().Matches(source.Text)).Select(match => match.Groups["number"].Value).ToList();
        Assert.True(numbers.Count > 50);
        Assert.Empty(numbers.GroupBy(number => number, StringComparer.Ordinal).Where(group => group.Count() > 1).Select(group => group.Key));
    }

    private static IEnumerable<(string Name, string Text)> Sources() =>
        Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal) && !file.Contains("/Migrations/", StringComparison.Ordinal))
            .Select(file => (Path.GetRelativePath(RepositoryRoot.Path, file), File.ReadAllText(file)));

    [GeneratedRegex(@"LoggerMessage\((?:EventId = )?(?<number>\d+)", RegexOptions.ExplicitCapture)]
    private static partial Regex EventNumber();

    [GeneratedRegex(@"DateTime(Offset)?\.(UtcNow|Now)\b")]
    private static partial Regex WallClock();

    [GeneratedRegex(@"\b(class|record|struct|interface) \w*((?<!Tag)Helper|(?<!User|Token|Application)Manager|Util|Utils)\b")]
    private static partial Regex VagueName();

    [GeneratedRegex(@"RFC ?\d{4}|OpenID Connect|OIDC|CloudEvents|NIST|FAPI")]
    private static partial Regex SpecName();
}
