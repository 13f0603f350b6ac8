// docker-compose.yml, as far as it goes without Docker: both hosts are started with exactly what it tells each, against real servers.
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Worker.Tests.Fixtures;

namespace Identity.Worker.Tests;

/// <summary>Only where a service listens and how it is signed in to is another here: PostgreSQL in the place of SQL Server, and loopback addresses in the place of the services' names.</summary>
[Collection(BrokerCollection.Name)]
public sealed partial class ComposeStartTests(RabbitMqServer broker) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ServerAndWorker_WhenToldWhatTheFileTells_BecomeReadyAndTellTheTrapsThatAreLeft()
    {
        broker.Require();
        await using var postgres = await PostgresServer.StartAsync();
        await using var redis = await RedisInstance.StartAsync("password-of-redis-in-a-test", false, false, "--maxmemory-policy", "noeviction");
        await using var mongo = await MongoInstance.StartAsync();
        if (postgres is null || redis is null || mongo is null)
        {
            Assert.Skip(postgres is null ? PostgresServer.WhatIsMissing : redis is null ? RedisInstance.WhatIsMissing : MongoInstance.WhatIsMissing);
        }

        var here = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DB_TLS"] = "off",
            ["RABBITMQ_URIS"] = await broker.CreateHostAsync(),
            ["MONGO_URI"] = mongo.Uri("identity"),
            ["REDIS_HOST"] = redis.Host,
            ["REDIS_PASSWORD"] = "password-of-redis-in-a-test",
        };
        postgres.AddSettings(here);
        var (server, worker) = (Environment("server", here), Environment("worker", here));
        Assert.Equal("172.28.0.0/16", server["TRUSTED_PROXIES"]);
        Assert.Equal("https://localhost:8443", worker["PUBLIC_URL"]);

        await using var first = ServiceProcess.StartServer(server, "Production");
        await using var second = ServiceProcess.StartWorker(worker);
        await first.WaitReadyAsync();
        await second.WaitReadyAsync();

        // Not by https, and not from the proxy: nothing but health.
        Assert.Equal((int)HttpStatusCode.BadRequest, await first.StatusAsync("/.well-known/openid-configuration"));
        var traps = first.Output.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonNode.Parse(line)!).Where(line => (int?)line["eventId"] == 5007).Select(line => ((string)line["message"]!).Split(' ')[0]);
        // Loopback is trusted: what crosses no network is told of no missing TLS.
        Assert.Equal(["SMTP_URL"], traps);
        Assert.Equal(0, await second.TerminateAsync());
        Assert.Equal(0, await first.TerminateAsync());
    }

    // What a service is told: the shared part, then its own, with .env's example filled in, and DATA_DIR of deploy/Dockerfile.
    private Dictionary<string, string> Environment(string service, Dictionary<string, string> here)
    {
        var root = Root();
        var file = File.ReadAllText(Path.Combine(root, "docker-compose.yml"));
        var shared = file[file.IndexOf("x-identity:", StringComparison.Ordinal)..file.IndexOf("\nservices:", StringComparison.Ordinal)];
        var start = file.IndexOf($"\n  {service}:\n", StringComparison.Ordinal);
        var own = file[start..(start + 1 + NextService().Match(file[(start + 2)..]).Index)];
        var told = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var match in Entry().Matches(shared).Concat(Entry().Matches(own)))
        {
            var (name, value) = (match.Groups["name"].Value, match.Groups["value"].Value.Trim('"'));
            told[name] = here.TryGetValue(name, out var local)
                ? local
                : Reference().Replace(value, reference => reference.Groups["kind"].Value == "-" ? reference.Groups["rest"].Value : reference.Groups["name"].Value == "MASTER_KEY" ? Convert.ToBase64String(new byte[32]) : "Passw0rdOfATest");
        }

        Assert.True(told.Count > 14);
        Assert.All(here.Keys.Where(name => name is not ("DB_PROVIDER" or "REDIS_PASSWORD")), name => Assert.Contains(name, told.Keys));
        Assert.Contains("DATA_DIR=/data", File.ReadAllText(Path.Combine(root, "deploy", "Dockerfile")), StringComparison.Ordinal);
        told["DB_PROVIDER"] = here["DB_PROVIDER"];
        told["DATA_DIR"] = Path.Combine(_folder.Path, service);

        // A container has an address of its own; here it is loopback's.
        told["BIND_ADDRESS"] = "127.0.0.1";
        return told;
    }

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

    [GeneratedRegex("\n(  [a-z#]|[a-z])")]
    private static partial Regex NextService();

    [GeneratedRegex(@"\$\{(?<name>[A-Z_]+):(?<kind>[-?])(?<rest>[^}]*)\}")]
    private static partial Regex Reference();
}
