using System.Globalization;
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

        // The container's certificate is its own work: checked, no start would succeed. And the administrator of all databases is not needed for one.
        Assert.DoesNotContain("sa", new[] { variables["DB_USERNAME"] });
        Assert.Contains("Trust Server Certificate=True", settings.Storage.ConnectionString, StringComparison.Ordinal);
        Assert.Contains("Encrypt=True", settings.Storage.ConnectionString, StringComparison.Ordinal);
        Assert.DoesNotContain(settings.Storage.ClearTextConnections, store => store.StartsWith("DB_HOST", StringComparison.Ordinal));
    }

    // Each waits for what it needs to be ready, not only to be there.
    [Fact]
    public void Services_WhenTheyDependOnOthers_WaitUntilThoseAreHealthyOrDone()
    {
        var file = File.ReadAllText(Path.Combine(s_root, "docker-compose.yml"));
        var needs = DependsOn().Matches(file).Select(match => (Name: match.Groups["name"].Value, Condition: match.Groups["condition"].Value)).ToArray();
        Assert.Contains(("sqlserver-account", "service_completed_successfully"), needs);
        Assert.All(needs, need =>
        {
            var service = Block($"  {need.Name}:");
            Assert.Equal(need.Condition == "service_healthy", service.Contains("healthcheck:", StringComparison.Ordinal));
        });
        Assert.Equal(needs.Length, Count(file, "condition:"));

        // The account that is made is the one that is used, in the database that is used.
        var script = File.ReadAllText(Path.Combine(s_root, "deploy", "sqlserver-account.sql"));
        var variables = Variables();
        Assert.Contains($"CREATE DATABASE [{variables["DB_NAME"]}]", script, StringComparison.Ordinal);
        Assert.Contains($"CREATE LOGIN [{variables["DB_USERNAME"]}]", script, StringComparison.Ordinal);
        Assert.Contains($"ALTER DATABASE [{variables["DB_NAME"]}] SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE", script, StringComparison.Ordinal);
    }

    // RabbitMQ keeps what it holds under rabbit@<host name>, and a container's own name is its id: a new one would find nothing in the old volume.
    [Fact]
    public void Broker_WhenItsContainerIsMadeAnew_KeepsItsHostName()
    {
        var broker = Block("  rabbitmq:");
        Assert.Contains("rabbitmq-data:/var/lib/rabbitmq", broker, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^    hostname: [a-z]+$", broker);
    }

    // A process that is killed in the midst of its end leaves requests without an answer, and messages to be done again.
    [Fact]
    public void Containers_WhenStopped_AreGivenLongerThanTheirProcessesTake()
    {
        var kubernetes = File.ReadAllText(Path.Combine(s_root, "deploy", "kubernetes", "identity.yaml"));
        foreach (var (name, source) in new[] { ("server", "src/Identity.Server/Hosting/ServerHost.cs"), ("worker", "src/Identity.Worker/WorkerHost.cs") })
        {
            var takes = int.Parse(Shutdown().Match(File.ReadAllText(Path.Combine(s_root, source))).Groups[1].Value, CultureInfo.InvariantCulture);
            Assert.InRange(Grace(Block($"  {name}:")), takes + 5, 120);
            var deployment = kubernetes[kubernetes.IndexOf($"name: identity-{name} }}", StringComparison.Ordinal)..];
            Assert.InRange(int.Parse(Termination().Match(deployment).Groups[1].Value, CultureInfo.InvariantCulture), takes + 5, 120);
        }

        Assert.All(["sqlserver", "rabbitmq", "mongodb", "redis"], store => Assert.InRange(Grace(Block($"  {store}:")), 30, 120));
    }

    private static int Grace(string block) => int.Parse(StopGrace().Match(block).Groups["seconds"].Value, CultureInfo.InvariantCulture);

    [Fact]
    public void KubernetesManifests_WhenTheServerIsToldWhatTheyTell_RefuseNothingAndTrustNamedProxiesOnly()
    {
        var lines = File.ReadAllLines(Path.Combine(s_root, "deploy", "kubernetes", "identity.yaml"));
        var file = string.Join('\n', lines);
        var variables = lines.Where(line => line.StartsWith("  ", StringComparison.Ordinal)).TakeWhile(line => !line.StartsWith("  replicas", StringComparison.Ordinal))
            .Select(line => Entry().Match(line)).Where(match => match.Success).ToDictionary(match => match.Groups["name"].Value, match => match.Groups["value"].Value.Trim('"'), StringComparer.Ordinal);
        foreach (var secret in Literal().Matches(file).Select(match => match.Groups[1].Value))
        {
            variables[secret] = secret switch
            {
                "MASTER_KEY" => Convert.ToBase64String(new byte[32]),
                "RABBITMQ_URIS" => "amqps://identity:x@rabbitmq:5671",
                "SMTP_URL" => "smtp+starttls://user:password@smtp.example.com:587",
                "ADMIN_EMAIL" => "admin@example.com",
                _ => "Passw0rdOfATest",
            };
        }

        Assert.All(["ADMIN_EMAIL", "ADMIN_PASSWORD", "SMTP_URL", "MAIL_FROM", "MASTER_KEY"], name => Assert.Contains(name, variables.Keys));
        var asked = new Recorded(variables);
        var settings = ServerSettings.Read(new ConfigurationRoot([asked]), isDevelopment: false);
        Assert.Empty(variables.Keys.Except(asked.Names, StringComparer.Ordinal));
        Assert.Empty(settings.Storage.ClearTextConnections);
        Assert.NotEmpty(settings.TrustedProxies);
        Assert.All(settings.TrustedProxies, proxy => Assert.Equal(32, proxy.PrefixLength));
        Assert.Contains("{ name: CLIENTS_FILE, value: /config/clients.json }", file, StringComparison.Ordinal);
        Assert.All(["proxy-buffer-size: 16k", "proxy-buffers-number: \"8\""], annotation => Assert.Contains("nginx.ingress.kubernetes.io/" + annotation, file, StringComparison.Ordinal));
        Assert.Contains("secretName: identity-clients", file, StringComparison.Ordinal);
        Assert.All(["readinessProbe", "livenessProbe", "startupProbe"], probe => Assert.Equal(2, Count(file, probe + ":")));
    }

    // docs/migrate.md §3: nginx' own default is 1 MB, and it would write a GB to its disk before the server sees a byte.
    [Fact]
    public void Proxies_WhenAFileOfUsersComes_LetItThroughAsItComes()
    {
        const string Path = "/api/identity/users/import";
        Assert.Contains("up to 1 GB", File.ReadAllText(System.IO.Path.Combine(s_root, "docs", "migrate.md")), StringComparison.Ordinal);
        var nginx = File.ReadAllText(System.IO.Path.Combine(s_root, "deploy", "nginx.conf"));
        var location = nginx[nginx.IndexOf($"location = {Path} {{", StringComparison.Ordinal)..].Split('}')[0];
        Assert.All(["client_max_body_size 1g;", "proxy_request_buffering off;", "proxy_pass http://server:8016;"], line => Assert.Contains(line, location, StringComparison.Ordinal));

        // One of its own would take the place of all those above it, X-Client-Cert among them.
        Assert.DoesNotContain("proxy_set_header", location, StringComparison.Ordinal);
        var ingress = Assert.Single(File.ReadAllText(System.IO.Path.Combine(s_root, "deploy", "kubernetes", "identity.yaml")).Split("---"), part => part.Contains(Path, StringComparison.Ordinal));
        Assert.All(["proxy-body-size: 1g", "proxy-request-buffering: \"off\""], annotation => Assert.Contains("nginx.ingress.kubernetes.io/" + annotation, ingress, StringComparison.Ordinal));
    }

    // What .env.example names is where the container sees it.
    [Fact]
    public void Files_WhenTheExampleNamesThem_AreMountedReadOnlyAndTold()
    {
        Assert.Contains("\"./config:/config:ro\"", Block("  server:"), StringComparison.Ordinal);
        var example = File.ReadAllText(Path.Combine(s_root, "deploy", ".env.example"));
        Assert.All(["CLIENTS_FILE", "RESOURCES_FILE"], name =>
        {
            Assert.Contains(name, Variables().Keys);
            Assert.Contains($"#{name}=/config/", example, StringComparison.Ordinal);
        });
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

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

    [GeneratedRegex("^ +(?<name>[a-z-]+): \\{ condition: (?<condition>[a-z_]+) \\}", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex DependsOn();

    [GeneratedRegex("^    stop_grace_period: (?<seconds>[0-9]+)s$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex StopGrace();

    [GeneratedRegex(@"ShutdownTimeout = TimeSpan\.FromSeconds\(([0-9]+)\)")]
    private static partial Regex Shutdown();

    [GeneratedRegex("terminationGracePeriodSeconds: ([0-9]+)")]
    private static partial Regex Termination();

    [GeneratedRegex("--from-literal=([A-Z_]+)=")]
    private static partial Regex Literal();

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
