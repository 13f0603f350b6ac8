using System.Diagnostics;
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

    // --use-current-runtime names its platform only after the project is read: the image was published without a line compiled ahead.
    [Theory]
    [InlineData("UseCurrentRuntimeIdentifier=true", "true")]
    [InlineData("RuntimeIdentifier=linux-x64", "true")]
    [InlineData("SelfContained=false", "")]
    public async Task Server_WhenPublishedForAPlatform_IsCompiledAhead(string property, string expected)
    {
        using var msbuild = Process.Start(new ProcessStartInfo("dotnet", ["msbuild", Path.Combine(RepositoryRoot.Path, "src", "Identity.Server"), "-getProperty:PublishReadyToRun", "-property:" + property]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        Assert.Equal(expected, (await msbuild.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim());
        Assert.Contains("dotnet publish src/Identity.Server -c Release --use-current-runtime", await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "deploy", "Dockerfile"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public void Packages_WhenAVersionIsChosen_AreUsed()
    {
        // Whoever reads the list of versions believes in what it names.
        var used = new[] { "src", "tests", "bench", "samples" }
            .SelectMany(folder => Directory.GetFiles(Path.Combine(RepositoryRoot.Path, folder), "*", SearchOption.AllDirectories))
            .Append(Path.Combine(RepositoryRoot.Path, "Directory.Build.props"))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && Path.GetExtension(file) is ".csproj" or ".props")
            .SelectMany(file => XDocument.Load(file).Descendants().Where(element => element.Name.LocalName is "PackageReference" or "GlobalPackageReference"))
            .Select(reference => (string?)reference.Attribute("Include"))
            .ToHashSet(StringComparer.Ordinal);
        var versions = XDocument.Load(Path.Combine(RepositoryRoot.Path, "Directory.Packages.props")).Descendants("PackageVersion").Select(version => version.Attribute("Include")!.Value).ToList();
        Assert.True(versions.Count > 30);
        Assert.All(versions, version => Assert.Contains(version, used));
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
        var folders = Directory.GetDirectories(Path.Combine(RepositoryRoot.Path, "src", "Identity.OAuth")).Where(folder => Path.GetFileName(folder) is not ("bin" or "obj" or "Storage")).ToList();
        Assert.True(folders.Count > 15);
        var silent = folders
            .SelectMany(folder => Directory.GetFiles(folder, "*.cs"))
            .Where(file => !SpecName().IsMatch(Head(file)))
            .Select(file => Path.GetRelativePath(RepositoryRoot.Path, file));
        Assert.Empty(silent);
    }

    [Fact]
    public void Handlers_WhenTheyReplaceABuiltIn_NameItInTheFirstLineOfTheFileOfTheirName()
    {
        // OAuthServer.cs promises it: whoever audits it stops at a handler that was taken out without a word.
        var replacements = Replacement().Matches(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "src/Identity.OAuth/OAuthServer.cs"))).ToList();
        Assert.True(replacements.Count > 15);
        Assert.Empty(replacements.Where(match => !Head(Handler(match)).Contains(match.Groups["built"].Value, StringComparison.Ordinal)).Select(match => match.Value));
        Assert.Empty(Addition().Matches(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "src/Identity.OAuth/OAuthServer.cs"))).Where(match => !File.Exists(Handler(match))).Select(match => match.Value));
    }

    private static string Handler(Match match) =>
        Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src/Identity.OAuth"), match.Groups["ours"].Value + ".cs", SearchOption.AllDirectories).FirstOrDefault() ?? match.Groups["ours"].Value + ".cs";

    // The comment that a file opens with.
    private static string Head(string file) => File.Exists(file) ? string.Join('\n', File.ReadLines(file).TakeWhile(line => line.StartsWith("//", StringComparison.Ordinal))) : "";

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

    [GeneratedRegex(@"Replace\(server, [\w.]*?(?<built>\w+)(<\w+>)?\.Descriptor, (?<ours>\w+)(<\w+>)?\.Descriptor\);", RegexOptions.ExplicitCapture)]
    private static partial Regex Replacement();

    [GeneratedRegex(@"AddEventHandler\((?<ours>\w+)(<\w+>)?\.Descriptor\);", RegexOptions.ExplicitCapture)]
    private static partial Regex Addition();

    [GeneratedRegex(@"DateTime(Offset)?\.(UtcNow|Now)\b")]
    private static partial Regex WallClock();

    [GeneratedRegex(@"\b(class|record|struct|interface) \w*((?<!Tag)Helper|(?<!User|Token|Application)Manager|Util|Utils)\b")]
    private static partial Regex VagueName();

    [GeneratedRegex(@"RFC ?\d{4}|OpenID Connect|OIDC|CloudEvents|NIST|FAPI")]
    private static partial Regex SpecName();
}
