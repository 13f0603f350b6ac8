using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Identity.Tests.Repository;

/// <summary>docs/operations.md lists every metric of ours, and dashboards and alarms ask for none that is not there.</summary>
public sealed partial class MetricsTests
{
    private static readonly string Document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "operations.md"));

    private static readonly (string Kind, string Name, string Unit)[] Metrics =
    [
        .. Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => Instrument().Matches(File.ReadAllText(file)).Select(match => (match.Groups["kind"].Value, match.Groups["name"].Value, match.Groups["unit"].Value))),
    ];

    [Fact]
    public void Metric_WhenTheSourcesMakeIt_OperationsListIt()
    {
        Assert.True(Metrics.Length > 10);
        Assert.Empty(Metrics.Select(metric => metric.Name).Except(Listed().Matches(Document).Select(match => match.Groups["name"].Value)));
    }

    [Fact]
    public void Metric_WhenOperationsListIt_TheSourcesMakeIt() =>
        Assert.Empty(Listed().Matches(Document).Select(match => match.Groups["name"].Value).Where(name => name.StartsWith("identity.", StringComparison.Ordinal)).Except(Metrics.Select(metric => metric.Name)));

    [Fact]
    public void AlarmOrDashboard_WhenItAsksForAMetric_ItIsThere()
    {
        // As Prometheus has them after OTLP; and the platform's, which OpenTelemetry's semantic conventions name.
        var known = Metrics.SelectMany(Exported).Append("http_server_request_duration_seconds_count").Append("http_server_request_duration_seconds_bucket").ToHashSet(StringComparer.Ordinal);
        var dashboards = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "deploy", "grafana"), "*.json");
        Assert.NotEmpty(dashboards);
        var queries = dashboards.SelectMany(file => JsonNode.Parse(File.ReadAllText(file))!["panels"]!.AsArray())
            .SelectMany(panel => panel!["targets"]!.AsArray())
            .Select(target => (string)target!["expr"]!)
            .ToArray();
        Assert.NotEmpty(queries);
        Assert.All(queries.Append(Document), text => Assert.Empty(Asked().Matches(text).Select(match => match.Value).Except(known)));
        Assert.All(queries, query => Assert.Matches(Asked(), query));
    }

    private static IEnumerable<string> Exported((string Kind, string Name, string Unit) metric)
    {
        var name = metric.Name.Replace('.', '_') + (metric.Unit == "s" ? "_seconds" : "");
        return metric.Kind switch
        {
            "Counter" => [name + "_total"],
            "Histogram" => [name + "_bucket", name + "_count", name + "_sum"],
            _ => [name],
        };
    }

    [GeneratedRegex("Create(Observable)?(?<kind>Counter|Histogram|Gauge|UpDownCounter)(<\\w+>)?\\(\\s*\"(?<name>[a-z._]+)\",\\s*(\\(\\) => [^\"]*, |\\w+, )?\"(?<unit>[^\"]+)\"", RegexOptions.ExplicitCapture)]
    private static partial Regex Instrument();

    [GeneratedRegex(@"^\| `(?<name>[a-z]+(\.[a-z_]+)+)`", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Listed();

    [GeneratedRegex(@"\b(identity|http_server)_[a-z]+_[a-z_]+\b", RegexOptions.ExplicitCapture)]
    private static partial Regex Asked();
}
