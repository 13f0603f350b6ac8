using System.Reflection;
using System.Text.Json.Nodes;
using Identity.Accounts.Events;
using Identity.Worker.Tests.Fixtures;

namespace Identity.Worker.Tests;

public sealed class AsyncApiTests
{
    [Fact]
    public async Task Document_WhenItsExamplesAreValidated_EachFitsItsSchema()
    {
        Assert.True(await AsyncApi.ValidateAsync([]) >= 20);
    }

    [Fact]
    public async Task Document_WhenAMessageDoesNotFit_SaysSo()
    {
        var wrong = new JsonObject { ["specversion"] = "1.0", ["data"] = new JsonObject { ["passwordHash"] = "x" } };
        await Assert.ThrowsAnyAsync<Xunit.Sdk.XunitException>(() => AsyncApi.ValidateAsync([("user.created", wrong)]));
    }

    [Fact]
    public void Document_WhenTheCodeKnowsAType_ListsIt()
    {
        var document = File.ReadAllText(Path.Combine(Repository.Root, "docs", "asyncapi.yaml"));
        var types = typeof(EventTypes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => (string)field.GetValue(null)!).ToArray();
        Assert.NotEmpty(types);
        Assert.All(types, type => Assert.Contains($"\n    {type}:", document));
    }

    // Nothing is promised that no code sends.
    [Fact]
    public void Document_WhenItListsAnEvent_SomeCodeSendsIt()
    {
        var document = File.ReadAllText(Path.Combine(Repository.Root, "docs", "asyncapi.yaml"));
        var sources = Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .Select(File.ReadAllText).ToArray();
        var fields = typeof(EventTypes).GetFields(BindingFlags.Public | BindingFlags.Static).ToDictionary(field => (string)field.GetValue(null)!, field => field.Name, StringComparer.Ordinal);
        var listed = System.Text.RegularExpressions.Regex.Matches(document, "^    (?<type>[a-z]+\\.[a-z_]+):", System.Text.RegularExpressions.RegexOptions.Multiline | System.Text.RegularExpressions.RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5)).Select(match => match.Groups["type"].Value).Distinct(StringComparer.Ordinal).ToArray();
        Assert.NotEmpty(listed);
        Assert.All(listed, type =>
        {
            Assert.True(fields.TryGetValue(type, out var name), $"{type} is in the document and not in EventTypes");
            Assert.Contains(sources, source => source.Contains($"EventTypes.{name}", StringComparison.Ordinal));
        });
    }
}
