using Identity.OAuth.Storage;

namespace Identity.Tests.Kit.Conformance;

public abstract class ReplayCacheConformance(StoreFixture fixture) : StoreConformance<IReplayCache>(fixture)
{
    private readonly string _value = Unique();

    [Fact]
    public async Task TryAdd_WhenRaced_IsTrueForExactlyOne() =>
        Assert.Single(await RaceAsync(_ => Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel)), won => won);

    [Fact]
    public async Task TryAdd_WhenKindDiffers_IsTrue()
    {
        Assert.True(await Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel));
        Assert.True(await Store.TryAddAsync("l", _value, Now.AddMinutes(5), Cancel));
        Assert.True(await Store.TryAddAsync("k", _value.ToUpperInvariant(), Now.AddMinutes(5), Cancel));
        Assert.False(await Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel));
    }

    [Fact]
    public async Task TryAdd_WhenForgotten_IsTrueForExactlyOneAgain()
    {
        Assert.True(await Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel));
        Time.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromMilliseconds(1));
        Assert.False(await Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel));
        Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Single(await RaceAsync(_ => Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel)), won => won);
    }

    [Fact]
    public async Task TryAdd_WhenTheValueIsLongAndStrange_WorksAlike()
    {
        var value = _value + new string('ü', 10_000) + "\0'\"\uD83D\uDE00";
        Assert.True(await Store.TryAddAsync("k", value, Now.AddMinutes(5), Cancel));
        Assert.False(await Store.TryAddAsync("k", value, Now.AddMinutes(5), Cancel));
        Assert.True(await Store.TryAddAsync("k", value + "x", Now.AddMinutes(5), Cancel));
    }

    [Fact]
    public async Task TryAdd_WhenSeenAtAnotherNode_IsFalseHere()
    {
        var other = await OtherNodeAsync();
        Assert.True(await other.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel));
        Assert.False(await Store.TryAddAsync("k", _value, Now.AddMinutes(5), Cancel));
    }
}
