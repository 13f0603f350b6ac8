using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Repository;

namespace Identity.Tests.Clients;

/// <summary>docs/clients.md lists every member of CLIENTS_FILE and RESOURCES_FILE: each that the code knows is there, and each that is there the code knows.</summary>
public sealed partial class ClientsDocumentTests
{
    private const string NoSuchMember = ": no such member";
    private static readonly string Document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "clients.md"));

    [Fact]
    public void Clients_WhenTheCodeKnowsAMember_TheDocumentListsIt()
    {
        // What could be a member is written in the sources; what is one, the code says itself.
        var known = Literals("Clients").Where(IsKnownOfClients).ToHashSet(StringComparer.Ordinal);
        Assert.Contains("redirect_uris", known);
        Assert.DoesNotContain("client_secret_basic", known);
        Assert.Empty(known.Except([.. Rows("client members").Select(row => row.Member), .. Names("client members kept"), .. Names("client members refused")]));
    }

    [Fact]
    public void Clients_WhenTheDocumentListsAMember_TheCodeKnowsIt()
    {
        var listed = Rows("client members").Select(row => row.Member).Concat(Names("client members kept")).Concat(Names("client members refused")).ToArray();
        Assert.True(listed.Length > 50);
        Assert.Equal(listed.Distinct(StringComparer.Ordinal), listed);
        Assert.DoesNotContain(listed, member => !IsKnownOfClients(member));
    }

    [Fact]
    public void Clients_WhenTheCodeRefusesAMember_TheDocumentSaysSo()
    {
        Assert.Equal(Field<string[]>(typeof(ClientMetadata), "NotHonoured").Order(StringComparer.Ordinal), Names("client members refused").Order(StringComparer.Ordinal));
        Assert.All(Names("client members refused"), member => Assert.NotEmpty(Problems(member, "value")));
    }

    [Fact]
    public void Clients_WhenTheCodeKeepsAMemberWithoutActingOnIt_TheDocumentSaysSo()
    {
        // Two of them are looked at all the same, and so stand in the table.
        string[] checkedOnly = ["introspection_signed_response_alg", "subject_type"];
        Assert.Equal(Field<string[]>(typeof(ClientMetadata), "Kept").Except(checkedOnly).Order(StringComparer.Ordinal), Names("client members kept").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Clients_WhenAMemberHasAnExample_TheCodeTakesIt() =>
        Assert.All(Rows("client members"), row => Assert.Empty(Problems(row.Member, JsonNode.Parse(row.Example))));

    [Fact]
    public void Clients_WhenAWholeClientIsShown_TheCodeTakesIt()
    {
        var shown = Blocks("client");
        Assert.True(shown.Length >= 5);
        Assert.All(shown, client => Assert.Empty(ClientMetadata.Parse(client, requireConsent: false, CertificateSupport.Authorities).Problems));
    }

    [Fact]
    public void Resources_WhenTheCodeKnowsAMember_TheDocumentListsIt()
    {
        var known = Literals("Resources/ResourceMetadata.cs").Where(name => name is "resource" || (name.Contains('_', StringComparison.Ordinal) && name is not "access_token_"))
            .Except(Field<HashSet<string>>(typeof(ResourceMetadata), "ReservedClaims"))
            .ToHashSet(StringComparer.Ordinal);
        Assert.Equal(known.Order(StringComparer.Ordinal), Rows("resource members").Select(row => row.Member).Concat(Names("resource members refused")).Order(StringComparer.Ordinal));
        Assert.Equal(Field<string[]>(typeof(ResourceMetadata), "NotHonoured").Order(StringComparer.Ordinal), Names("resource members refused").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Resources_WhenAnExampleIsShown_TheCodeTakesIt()
    {
        foreach (var row in Rows("resource members"))
        {
            Assert.Empty(ResourceProblems(new JsonObject { ["resource"] = "https://api.example.com/", [row.Member] = JsonNode.Parse(row.Example) }));
        }

        Assert.All(Blocks("resource"), resource => Assert.Empty(ResourceProblems(resource)));
    }

    private static IReadOnlyList<string> ResourceProblems(JsonObject document) => ResourceMetadata.Parse(document, text => Durations.TryParse(text, out var duration) ? duration : null).Problems;

    private static bool IsKnownOfClients(string member) =>
        !ClientMetadata.Parse(new JsonObject { [member] = "value" }, requireConsent: false, CertificateSupport.Authorities).Problems.Any(problem => problem.StartsWith(member + NoSuchMember, StringComparison.Ordinal));

    // Of this member alone, on a client that may have it.
    private static string[] Problems(string member, JsonNode? value)
    {
        var client = new JsonObject { ["client_id"] = "app", ["client_secret"] = "0123456789abcdef", ["redirect_uris"] = new JsonArray("https://app.example.com/callback") };
        if (member.StartsWith("token_exchange_", StringComparison.Ordinal))
        {
            client["grant_types"] = new JsonArray("urn:ietf:params:oauth:grant-type:token-exchange");
            client["token_exchange_audiences"] = new JsonArray("https://api.example.com/orders");
        }

        if (member.StartsWith("tls_client_auth_", StringComparison.Ordinal))
        {
            client.Remove("client_secret");
            client["token_endpoint_auth_method"] = "tls_client_auth";
        }

        client[member] = value?.DeepClone();
        return [.. ClientMetadata.Parse(client, requireConsent: false, CertificateSupport.Authorities).Problems.Where(problem => problem.StartsWith(member, StringComparison.Ordinal) && !char.IsLetter(problem[member.Length]) && problem[member.Length] is not '_')];
    }

    private static IEnumerable<string> Literals(string under)
    {
        var path = Path.Combine(RepositoryRoot.Path, "src", "Identity.OAuth", under);
        return (File.Exists(path) ? [path] : Directory.GetFiles(path, "*.cs")).SelectMany(file => Literal().Matches(File.ReadAllText(file)).Select(match => match.Groups["name"].Value)).Distinct(StringComparer.Ordinal);
    }

    private static T Field<T>(Type type, string name) => (T)type.GetField(name, BindingFlags.NonPublic | BindingFlags.Static)!.GetValue(obj: null)!;

    private static string Section(string name) => Regex.Match(Document, $"<!-- {name}(:[^>]*)? -->(?<text>.*?)<!-- /{name} -->", RegexOptions.Singleline | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5)).Groups["text"].Value;

    private static (string Member, string Example)[] Rows(string section) => [.. Row().Matches(Section(section)).Select(match => (match.Groups["member"].Value, match.Groups["example"].Value))];

    private static string[] Names(string section) => [.. Code().Matches(Section(section)).Select(match => match.Groups["name"].Value)];

    private static JsonObject[] Blocks(string kind) =>
        [.. Regex.Matches(Document, $@"<!-- {kind} -->\s*```json\s*(?<json>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5)).Select(match => JsonNode.Parse(match.Groups["json"].Value)!.AsObject())];

    [GeneratedRegex("\"(?<name>[a-z]+(_[a-z]+)*_?)\"", RegexOptions.ExplicitCapture)]
    private static partial Regex Literal();

    [GeneratedRegex(@"^\| `(?<member>[a-z_]+)` \|.*\| `(?<example>[^`]+)` \|$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Row();

    [GeneratedRegex("`(?<name>[^`]+)`", RegexOptions.ExplicitCapture)]
    private static partial Regex Code();
}
