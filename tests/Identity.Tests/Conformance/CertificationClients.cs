using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Repository;

namespace Identity.Tests.Conformance;

/// <summary>The clients that docs/certification.md tells operators to register: what the guide says is what the tests run with.</summary>
internal static partial class CertificationClients
{
    public static string Json { get; } = ClientsBlock().Match(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "certification.md"))).Groups["json"].Value;

    public static JsonObject Find(string clientId) => JsonNode.Parse(Json)!.AsArray().Select(client => client!.AsObject()).Single(client => (string?)client["client_id"] == clientId);

    [GeneratedRegex(@"<!-- clients:.*?-->\s*```json\s*(?<json>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex ClientsBlock();
}
