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
}
