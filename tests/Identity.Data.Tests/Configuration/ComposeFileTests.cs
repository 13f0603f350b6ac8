using System.Text.RegularExpressions;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;

namespace Identity.Data.Tests.Configuration;

/// <summary>docker-compose.yml tells the hosts only what they read, and nothing that they refuse: no Docker runs where the tests do.</summary>
public sealed partial class ComposeFileTests
{
    private static readonly string s_root = Root();

    [Fact]
    public void Server_WhenToldWhatTheFileTells_ReadsEveryVariableAndRefusesNoValue()
    {
        var variables = Variables();
        Assert.All(["DB_HOST", "MONGO_URI", "REDIS_HOST", "RABBITMQ_URIS"], name => Assert.Contains(name, variables.Keys));
        var asked = new Recorded(variables);
        var settings = ServerSettings.Read(new ConfigurationRoot([asked]), isDevelopment: false);
        Assert.Empty(variables.Keys.Except(asked.Names, StringComparer.Ordinal));
        Assert.NotNull(settings.Storage.Mongo);
        Assert.NotNull(settings.Storage.Redis);
        Assert.NotNull(settings.RabbitMq);
        Assert.Equal(DatabaseProvider.SqlServer, settings.Storage.Provider);
    }

    // The worker is told the shared ones and nothing of its own.
    [Fact]
    public void Worker_WhenToldWhatTheFileTells_KnowsEveryVariable()
    {
        var sources = string.Concat(new[] { "Identity.Worker", "Identity.ServiceDefaults" }
            .SelectMany(project => Directory.GetFiles(Path.Combine(s_root, "src", project), "*.cs", SearchOption.AllDirectories))
            .Select(File.ReadAllText));
        Assert.DoesNotContain("environment", Block("  worker:"), StringComparison.Ordinal);
        var shared = Entries(Block("x-identity: &identity"));
        Assert.NotEmpty(shared);
        Assert.All(shared, entry => Assert.Contains($"\"{entry.Name}\"", sources, StringComparison.Ordinal));
    }

    [Fact]
    public void Names_WhenTheFileTakesThemFromTheEnvironment_AreInTheExampleWhereTheyAreNeeded()
    {
        var example = File.ReadAllLines(Path.Combine(s_root, "deploy", ".env.example"));
        Assert.All(Needed().Matches(File.ReadAllText(Path.Combine(s_root, "docker-compose.yml"))), match => Assert.Contains(example, line => line.StartsWith(match.Groups[1].Value + "=", StringComparison.Ordinal)));
    }

    private static Dictionary<string, string> Variables()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in Entries(Block("x-identity: &identity")).Concat(Entries(Block("  server:"))))
        {
            variables[name] = Reference().Replace(value.Trim('"'), match => match.Groups["kind"].Value == "-"
                ? match.Groups["rest"].Value
                : match.Groups["name"].Value == "MASTER_KEY" ? Convert.ToBase64String(new byte[32]) : "Passw0rdOfATest");
        }

        return variables;
    }

    private static IEnumerable<(string Name, string Value)> Entries(string block) => Entry().Matches(block).Select(match => (match.Groups["name"].Value, match.Groups["value"].Value));

    // From its head to the next line that is indented no deeper.
    private static string Block(string head)
    {
        var lines = File.ReadAllLines(Path.Combine(s_root, "docker-compose.yml"));
        var start = Array.IndexOf(lines, head);
        Assert.True(start >= 0, head);
        var depth = Depth(head);
        return string.Join('\n', lines.Skip(start + 1).TakeWhile(line => line.Length == 0 || Depth(line) > depth));
    }

    private static int Depth(string line) => line.Length - line.TrimStart().Length;

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Identity.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("Identity.sln is in no folder above " + AppContext.BaseDirectory);
        }

        return folder.FullName;
    }

    [GeneratedRegex("^ +(?<name>[A-Z][A-Z_]+): (?<value>.+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Entry();

    [GeneratedRegex(@"\$\{(?<name>[A-Z_]+):(?<kind>[-?])(?<rest>[^}]*)\}")]
    private static partial Regex Reference();

    [GeneratedRegex(@"\$\{([A-Z_]+):\?")]
    private static partial Regex Needed();

    private sealed class Recorded : ConfigurationProvider
    {
        public Recorded(Dictionary<string, string> variables)
        {
            foreach (var (name, value) in variables)
            {
                Data[name] = value;
            }
        }

        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

        public override bool TryGet(string key, out string? value)
        {
            Names.Add(key);
            return base.TryGet(key, out value);
        }
    }
}
