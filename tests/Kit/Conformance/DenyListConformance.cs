using Identity.OAuth.Storage;

namespace Identity.Tests.Kit.Conformance;

public abstract class DenyListConformance(StoreFixture fixture) : StoreConformance<IDenyList>(fixture)
{
    private readonly string _id = Unique();

    [Fact]
    public async Task IsDenied_WhenNeverDenied_IsFalse()
    {
        Assert.False(await Store.IsDeniedAsync(new[] { _id }, Cancel));
        Assert.False(await Store.IsDeniedAsync(new[] { _id, Unique() }, Cancel));
        Assert.False(await Store.IsDeniedAsync(Array.Empty<string>(), Cancel));
    }

    [Fact]
    public async Task IsDenied_WhenAnyOfTheIdsIs_IsTrue()
    {
        await Store.DenyAsync(_id, Now.AddHours(1), Cancel);
        Assert.True(await Store.IsDeniedAsync(new[] { _id }, Cancel));
        Assert.True(await Store.IsDeniedAsync(new[] { Unique(), _id }, Cancel));
        Assert.True(await Store.IsDeniedAsync(new[] { _id, Unique(), Unique() }, Cancel));
        Assert.False(await Store.IsDeniedAsync(new[] { _id.ToUpperInvariant() }, Cancel));
    }

    [Fact]
    public async Task Deny_WhenRepeated_HoldsUntilTheLaterTime()
    {
        await Store.DenyAsync(_id, Now.AddHours(2), Cancel);
        await Store.DenyAsync(_id, Now.AddHours(1), Cancel);
        Time.Advance(TimeSpan.FromMinutes(90));
        Assert.True(await Store.IsDeniedAsync(new[] { _id }, Cancel));
        await Store.DenyAsync(_id, Now.AddHours(2), Cancel);
        Time.Advance(TimeSpan.FromMinutes(90));
        Assert.True(await Store.IsDeniedAsync(new[] { _id }, Cancel));
    }

    [Fact]
    public async Task Deny_UpToATime_LeavesWhatWasGrantedAfterIt()
    {
        await Store.DenyAsync(_id, grantedUntil: Now, Now.AddHours(1), Cancel);
        foreach (var ids in new[] { new[] { _id }, [Unique(), _id], [Unique(), _id, Unique()], [Unique(), Unique(), Unique(), _id] })
        {
            Assert.True(await Store.IsDeniedAsync(ids, Now.AddMilliseconds(-1), Cancel));
            Assert.True(await Store.IsDeniedAsync(ids, Now, Cancel));
            Assert.False(await Store.IsDeniedAsync(ids, Now.AddMilliseconds(1), Cancel));
            Assert.True(await Store.IsDeniedAsync(ids, Cancel));
        }

        // Taken back a second time, and once more from a clock that is behind: the later time holds.
        await Store.DenyAsync(_id, Now.AddMinutes(2), Now.AddHours(1), Cancel);
        await Store.DenyAsync(_id, Now.AddMinutes(1), Now.AddHours(1), Cancel);
        Assert.True(await Store.IsDeniedAsync(new[] { _id }, Now.AddMinutes(2), Cancel));
        Assert.False(await Store.IsDeniedAsync(new[] { _id }, Now.AddMinutes(3), Cancel));
    }

    [Fact]
    public async Task IsDenied_FiftyAskedAtOnce_AreEachAnsweredTheirOwn()
    {
        for (var i = 0; i < Width; i += 3)
        {
            await Store.DenyAsync($"{_id}-{i}", Now, Now.AddHours(1), Cancel);
        }

        // Those that ask of one id, of several, and of what was granted since.
        var answers = await RaceAsync(async i => (
            i,
            One: await Store.IsDeniedAsync(new[] { $"{_id}-{i}" }, Cancel),
            Several: await Store.IsDeniedAsync(new[] { Unique(), $"{_id}-{i}", Unique(), Unique() }, Now, Cancel),
            Since: await Store.IsDeniedAsync(new[] { $"{_id}-{i}" }, Now.AddMilliseconds(1), Cancel)));
        Assert.All(answers, answer => Assert.Equal((answer.i % 3 == 0, answer.i % 3 == 0, false), (answer.One, answer.Several, answer.Since)));
    }

    [Fact]
    public async Task Deny_WhenRaced_Holds()
    {
        await RaceAsync(async i =>
        {
            await Store.DenyAsync(_id, Now.AddMinutes(i + 1), Cancel);
            return true;
        });
        Time.Advance(TimeSpan.FromMinutes(Width) - TimeSpan.FromSeconds(1));
        Assert.True(await Store.IsDeniedAsync(new[] { _id }, Cancel));
    }

    [Fact]
    public async Task Deny_WhenDoneAtAnotherNode_HoldsHereWithinASecond()
    {
        var other = await OtherNodeAsync();
        Assert.False(await Store.IsDeniedAsync(new[] { _id }, Cancel));
        await other.DenyAsync(_id, Now.AddHours(1), Cancel);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await Store.IsDeniedAsync(new[] { _id }, Cancel));
    }
}
