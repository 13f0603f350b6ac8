using Identity.OAuth.Keys;

namespace Identity.Tests.Kit.Conformance;

public abstract class SigningKeyStoreConformance(StoreFixture fixture) : StoreConformance<SigningKeyStore>(fixture)
{
    // The port lists all keys, so each test has an algorithm of its own.
    private readonly string _algorithm = Unique()[..18];

    [Fact]
    public async Task List_AfterAdd_GivesEveryMemberBack()
    {
        var key = NewKey(1) with { RetiresAt = Now.AddDays(90) };
        Assert.True(await Store.TryAddAsync(key, Cancel));
        var found = Assert.Single(await ListAsync());
        Assert.Equal(key with { ProtectedKey = [] }, found with { ProtectedKey = [] });
        Assert.Equal(key.ProtectedKey, found.ProtectedKey);
    }

    [Fact]
    public async Task TryAdd_WhenTheOrdinalIsTaken_IsFalseAndChangesNothing()
    {
        var first = NewKey(1);
        Assert.True(await Store.TryAddAsync(first, Cancel));
        Assert.False(await Store.TryAddAsync(NewKey(1), Cancel));
        Assert.True(await Store.TryAddAsync(NewKey(2), Cancel));
        Assert.Equal(first.Kid, (await ListAsync())[0].Kid);
        Assert.Equal([1, 2], (await ListAsync()).Select(k => k.Ordinal));
    }

    [Fact]
    public async Task TryAdd_WhenNodesRotateAtOnce_OneWins()
    {
        var outcomes = await RaceAsync(_ => Store.TryAddAsync(NewKey(1), Cancel));
        Assert.Single(outcomes, won => won);
        Assert.Single(await ListAsync());
    }

    [Fact]
    public async Task SetRetirement_WhenDone_IsKept()
    {
        var key = NewKey(1);
        await Store.TryAddAsync(key, Cancel);
        await Store.SetRetirementAsync(key.Kid, Now.AddDays(1), Cancel);
        Assert.Equal(Now.AddDays(1), Assert.Single(await ListAsync()).RetiresAt);
    }

    [Fact]
    public async Task Delete_WhenDone_LeavesTheOthers()
    {
        var key = NewKey(1);
        await Store.TryAddAsync(key, Cancel);
        await Store.TryAddAsync(NewKey(2), Cancel);
        await Store.DeleteAsync(key.Kid, Cancel);
        await Store.DeleteAsync(key.Kid, Cancel);
        Assert.Equal(2, Assert.Single(await ListAsync()).Ordinal);
    }

    private StoredSigningKey NewKey(int ordinal) => new(Unique("kid"), _algorithm, ordinal, [1, 2, 3, 0, 255], Now, Now.AddDays(2), RetiresAt: null);

    private async Task<IReadOnlyList<StoredSigningKey>> ListAsync() =>
        [.. (await Store.ListAsync(Cancel)).Where(k => k.Algorithm == _algorithm).OrderBy(k => k.Ordinal)];
}
