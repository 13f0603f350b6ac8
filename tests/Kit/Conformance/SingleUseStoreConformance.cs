using Identity.OAuth.Storage;

namespace Identity.Tests.Kit.Conformance;

public abstract class SingleUseStoreConformance(StoreFixture fixture) : StoreConformance<ISingleUseStore>(fixture)
{
    private readonly string _key = Unique();

    [Fact]
    public async Task Find_AfterSave_GivesEveryMemberBack()
    {
        var entry = NewEntry();
        await Store.SaveAsync(entry, Cancel);
        Assert.Equal(entry, await Store.FindAsync(entry.Kind, entry.Key, Cancel));
    }

    [Fact]
    public async Task Find_WhenKindOrCaseDiffers_IsNull()
    {
        await Store.SaveAsync(NewEntry(), Cancel);
        Assert.Null(await Store.FindAsync("other", _key, Cancel));
        Assert.Null(await Store.FindAsync(SingleUseKinds.AuthorizationCode, _key.ToUpperInvariant(), Cancel));
        Assert.False(await Store.TryConsumeAsync("other", _key, Now, Cancel));
    }

    [Fact]
    public async Task TryConsume_WhenRaced_IsTrueForExactlyOne()
    {
        await Store.SaveAsync(NewEntry(), Cancel);
        var outcomes = await RaceAsync(_ => Store.TryConsumeAsync(SingleUseKinds.AuthorizationCode, _key, Now, Cancel));
        Assert.Single(outcomes, won => won);
        Assert.Equal(Now, (await Store.FindAsync(SingleUseKinds.AuthorizationCode, _key, Cancel))!.ConsumedAt);
    }

    [Fact]
    public async Task TryConsume_WhenExpired_IsFalse()
    {
        var entry = NewEntry();
        await Store.SaveAsync(entry, Cancel);
        Assert.False(await Store.TryConsumeAsync(entry.Kind, entry.Key, entry.ExpiresAt, Cancel));
        Assert.True(await Store.TryConsumeAsync(entry.Kind, entry.Key, entry.ExpiresAt.AddMilliseconds(-1), Cancel));
    }

    [Fact]
    public async Task TryConsume_WhenUnknown_IsFalse() => Assert.False(await Store.TryConsumeAsync(SingleUseKinds.AuthorizationCode, Unique(), Now, Cancel));

    private SingleUseEntry NewEntry() => new(SingleUseKinds.AuthorizationCode, _key, "c1", """{"a":"ü"}""", Now.AddSeconds(60), Now.AddDays(7));
}
