using System.Text.Json.Nodes;
using Identity.Accounts.Profile;

namespace Identity.Tests.Kit.Conformance;

public abstract class MetadataStoreConformance(StoreFixture fixture) : StoreConformance<IMetadataStore>(fixture)
{
    [Fact]
    public async Task Find_WhenNoneWasSet_IsEmpty() => Assert.Empty(await Store.FindAsync(NewId(), Cancel));

    [Fact]
    public async Task Merge_WhenDone_MergesAtTopLevelAndNullRemoves()
    {
        var id = NewId();
        Assert.True(await Store.MergeAsync(id, new JsonObject { ["a"] = 1, ["b"] = new JsonObject { ["x"] = 1, ["y"] = null }, ["c"] = "ü" }, Cancel));
        Assert.True(await Store.MergeAsync(id, new JsonObject { ["a"] = null, ["b"] = new JsonObject { ["z"] = 2 }, ["d"] = new JsonArray(1, "2") }, Cancel));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"b":{"z":2},"c":"ü","d":[1,"2"]}"""), await Store.FindAsync(id, Cancel)));
    }

    [Fact]
    public async Task Merge_WhenTheResultIsTooLarge_IsFalseAndChangesNothing()
    {
        var id = NewId();
        Assert.True(await Store.MergeAsync(id, new JsonObject { ["a"] = new string('x', 16_000) }, Cancel));
        Assert.False(await Store.MergeAsync(id, new JsonObject { ["b"] = new string('x', 1000) }, Cancel));
        Assert.Equal(["a"], (await Store.FindAsync(id, Cancel)).Select(p => p.Key));
        Assert.True(await Store.MergeAsync(id, new JsonObject { ["a"] = null, ["b"] = new string('x', 1000) }, Cancel));
    }

    [Fact]
    public async Task Merge_WhenRaced_KeepsAll()
    {
        var id = NewId();
        Assert.All(await RaceAsync(i => Store.MergeAsync(id, new JsonObject { [$"m{i}"] = i }, Cancel)), Assert.True);
        Assert.Equal(Width, (await Store.FindAsync(id, Cancel)).Count);
    }
}
