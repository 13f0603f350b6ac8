using Identity.OAuth.Storage;

namespace Identity.Tests.Kit.Conformance;

public abstract class ReferenceTokenStoreConformance(StoreFixture fixture) : StoreConformance<IReferenceTokenStore>(fixture)
{
    [Fact]
    public async Task Find_AfterSave_GivesEveryMemberBack()
    {
        var token = new ReferenceToken(Unique("Key"), """{"sub":"ü"}""", Now.AddHours(1));
        await Store.SaveAsync(token, Cancel);
        Assert.Equal(token, await Store.FindAsync(token.Key, Cancel));
        Assert.Null(await Store.FindAsync(token.Key.ToUpperInvariant(), Cancel));
        Assert.Null(await Store.FindAsync(Unique(), Cancel));
    }
}
