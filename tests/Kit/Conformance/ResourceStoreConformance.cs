using System.Text.Json;
using Identity.OAuth.Resources;

namespace Identity.Tests.Kit.Conformance;

public abstract class ResourceStoreConformance(StoreFixture fixture) : StoreConformance<ResourceStore>(fixture)
{
    [Fact]
    public async Task List_AfterUpsert_GivesEveryMemberBack()
    {
        var resource = new Resource
        {
            Identifier = "https://api.example/" + Unique(),
            ResourceName = "Näme",
            ScopesSupported = ["a", "b"],
            AccessTokenLifetime = TimeSpan.FromMinutes(7),
            AccessTokenSignedResponseAlg = "PS256",
            AccessTokenTyp = "JWT",
            AccessTokenFormat = "reference",
            AccessTokenClaims = ["roles"],
        };
        await Store.UpsertAsync(resource, Cancel);
        var found = Assert.Single(await Store.ListAsync(Cancel), r => r.Identifier == resource.Identifier);
        Assert.Equal(JsonSerializer.Serialize(resource), JsonSerializer.Serialize(found));
    }

    [Fact]
    public async Task Upsert_WhenThere_ReplacesAndIsSeenAtOnce()
    {
        var id = Unique();
        await Store.UpsertAsync(new() { Identifier = id }, Cancel);
        Assert.Single(await Store.ListAsync(Cancel), r => r.Identifier == id && r.AccessTokenFormat == "jwt");
        await Store.UpsertAsync(new() { Identifier = id, AccessTokenFormat = "reference" }, Cancel);
        Assert.Single(await Store.ListAsync(Cancel), r => r.Identifier == id && r.AccessTokenFormat == "reference");
    }

    [Fact]
    public async Task Upsert_WhenDoneAtAnotherNode_IsSeenWithinASecond()
    {
        var id = Unique();
        var other = await OtherNodeAsync();
        Assert.DoesNotContain(await other.ListAsync(Cancel), r => r.Identifier == id);
        await Store.UpsertAsync(new() { Identifier = id }, Cancel);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains(await other.ListAsync(Cancel), r => r.Identifier == id);
    }
}
