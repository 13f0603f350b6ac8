using Identity.OAuth.Refresh;

namespace Identity.Tests.Kit.Conformance;

public abstract class RefreshFamilyStoreConformance(StoreFixture fixture) : StoreConformance<RefreshFamilies>(fixture)
{
    public static RefreshFamily NewFamily(Guid id, DateTimeOffset now, string subject = "s", string clientId = "c1", string sessionId = "sid") =>
        new(id, clientId, subject, sessionId, ["openid", "a b"], ["https://api.example"], 1, now, now, now.AddDays(7), RevokedAt: null, """{"acr":"1"}""");

    [Fact]
    public async Task Find_AfterCreate_GivesEveryMemberBack()
    {
        var family = NewFamily(NewId(), Now);
        await Store.CreateAsync(family, Cancel);
        var found = await Store.FindAsync(family.Id, Cancel);
        Assert.Equal(family.Scopes, found!.Scopes);
        Assert.Equal(family.Resources, found.Resources);
        Assert.Equal(family, found with { Scopes = family.Scopes, Resources = family.Resources });
        Assert.Null(await Store.FindAsync(NewId(), Cancel));
    }

    [Fact]
    public async Task TryRotate_WhenRaced_IsTrueForExactlyOnePerGeneration()
    {
        var family = NewFamily(NewId(), Now);
        await Store.CreateAsync(family, Cancel);
        for (var generation = 1; generation <= 3; generation++)
        {
            Time.Advance(TimeSpan.FromMilliseconds(1));
            var current = generation;
            Assert.Single(await RaceAsync(_ => Store.TryRotateAsync(family.Id, current, Now, Cancel)), won => won);
            var found = await Store.FindAsync(family.Id, Cancel);
            Assert.Equal(generation + 1, found!.Generation);
            Assert.Equal(Now, found.RotatedAt);
        }
    }

    [Fact]
    public async Task TryRotate_WhenGenerationIsNotTheOne_IsFalse()
    {
        var family = NewFamily(NewId(), Now);
        await Store.CreateAsync(family, Cancel);
        Assert.False(await Store.TryRotateAsync(family.Id, 0, Now, Cancel));
        Assert.False(await Store.TryRotateAsync(family.Id, 2, Now, Cancel));
        Assert.False(await Store.TryRotateAsync(NewId(), 1, Now, Cancel));
        Assert.Equal(1, (await Store.FindAsync(family.Id, Cancel))!.Generation);
    }

    [Fact]
    public async Task TryRotate_WhenExpired_IsFalse()
    {
        var family = NewFamily(NewId(), Now);
        await Store.CreateAsync(family, Cancel);
        Assert.False(await Store.TryRotateAsync(family.Id, 1, family.ExpiresAt, Cancel));
        Assert.True(await Store.TryRotateAsync(family.Id, 1, family.ExpiresAt.AddMilliseconds(-1), Cancel));
    }

    [Fact]
    public async Task Revoke_WhenDone_StopsRotationAndKeepsTheFirstTime()
    {
        var family = NewFamily(NewId(), Now);
        await Store.CreateAsync(family, Cancel);
        var first = Now;
        await Store.RevokeAsync(family.Id, first, Cancel);
        Time.Advance(TimeSpan.FromMinutes(1));
        await Store.RevokeAsync(family.Id, Now, Cancel);
        await Store.RevokeAsync(NewId(), Now, Cancel);
        Assert.False(await Store.TryRotateAsync(family.Id, 1, Now, Cancel));
        Assert.Equal(first, (await Store.FindAsync(family.Id, Cancel))!.RevokedAt);
    }

    [Fact]
    public async Task Revoke_WhenDoneAtAnotherNode_HoldsHere()
    {
        var family = NewFamily(NewId(), Now);
        var other = await OtherNodeAsync();
        await Store.CreateAsync(family, Cancel);
        Assert.Null((await Store.FindAsync(family.Id, Cancel))!.RevokedAt);
        await other.RevokeAsync(family.Id, Now, Cancel);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull((await Store.FindAsync(family.Id, Cancel))!.RevokedAt);
        Assert.False(await Store.TryRotateAsync(family.Id, 1, Now, Cancel));
    }
}
