using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;

namespace Identity.Tests.Kit.Conformance;

public abstract class ConsentStoreConformance(StoreFixture fixture) : StoreConformance<ConsentStore>(fixture)
{
    private readonly string _subject = Unique();

    [Fact]
    public async Task Find_AfterSave_GivesIt()
    {
        await Store.SaveAsync(new(_subject, "c1", ["openid", "a"], Now), Cancel);
        var found = await Store.FindAsync(_subject, "c1", Cancel);
        Assert.Equal(["openid", "a"], found!.Scopes);
        Assert.Equal(Now, found.GrantedAt);
        Assert.Null(await Store.FindAsync(_subject, "c2", Cancel));
        Assert.Null(await Store.FindAsync(Unique(), "c1", Cancel));
    }

    [Fact]
    public async Task Save_WhenThere_Replaces()
    {
        await Store.SaveAsync(new(_subject, "c1", ["a"], Now), Cancel);
        await Store.SaveAsync(new(_subject, "c2", ["a"], Now), Cancel);
        Time.Advance(TimeSpan.FromMinutes(1));
        await Store.SaveAsync(new(_subject, "c1", ["b"], Now), Cancel);
        var all = await Store.ListAsync(_subject, Cancel);
        Assert.Equal(["c1", "c2"], all.Select(c => c.ClientId).Order());
        var replaced = all.Single(c => c.ClientId == "c1");
        Assert.Equal(["b"], replaced.Scopes);
        Assert.Equal(Now, replaced.GrantedAt);
    }

    [Fact]
    public async Task Grant_When50AreGivenAtOnce_KeepsThemAll()
    {
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Store.GrantAsync(new(_subject, "c1", [$"s{i}", "openid"], Now), Cancel)));
        Assert.Equal(51, (await Store.FindAsync(_subject, "c1", Cancel))!.Scopes.Count);
        Assert.Single(await Store.ListAsync(_subject, Cancel));
    }

    [Fact]
    public async Task Grant_WhileAnotherIsTakenBack_DoesNotBringThatBack()
    {
        for (var i = 0; i < 20; i++)
        {
            var subject = Unique();
            await Store.SaveAsync(new(subject, "c1", ["a"], Now), Cancel);
            await Task.WhenAll(Task.Run(() => Store.RevokeAsync(subject, "c1", Now, Cancel), Cancel), Task.Run(() => Store.GrantAsync(new(subject, "c1", ["b"], Now), Cancel), Cancel));
            Assert.DoesNotContain("a", (await Store.FindAsync(subject, "c1", Cancel))?.Scopes ?? []);
        }
    }

    [Fact]
    public async Task Revoke_WhenDone_ForgetsTheConsentAndKillsItsFamiliesOnly()
    {
        var families = Get<RefreshFamilies>();
        var mine = RefreshFamilyStoreConformance.NewFamily(NewId(), Now, _subject, "c1");
        var otherClient = RefreshFamilyStoreConformance.NewFamily(NewId(), Now, _subject, "c2");
        var otherPerson = RefreshFamilyStoreConformance.NewFamily(NewId(), Now, Unique(), "c1");
        foreach (var family in (RefreshFamily[])[mine, otherClient, otherPerson])
        {
            await families.CreateAsync(family, Cancel);
        }

        await Store.SaveAsync(new(_subject, "c1", ["a"], Now), Cancel);
        await Store.SaveAsync(new(_subject, "c2", ["a"], Now), Cancel);
        await Store.RevokeAsync(_subject, "c1", Now, Cancel);
        await Store.RevokeAsync(_subject, "c1", Now, Cancel);

        Assert.Null(await Store.FindAsync(_subject, "c1", Cancel));
        Assert.NotNull(await Store.FindAsync(_subject, "c2", Cancel));
        Assert.Equal(Now, (await families.FindAsync(mine.Id, Cancel))!.RevokedAt);
        Assert.False(await families.TryRotateAsync(mine.Id, 1, Now, Cancel));
        Assert.Null((await families.FindAsync(otherClient.Id, Cancel))!.RevokedAt);
        Assert.Null((await families.FindAsync(otherPerson.Id, Cancel))!.RevokedAt);
    }

    // The node that granted is ahead of the one at which the person takes it back at once: its tokens die all the same, and the next grant lives.
    [Fact]
    public async Task Revoke_WhenTheGrantIsOfANodeWhoseClockIsAhead_DeniesWhatBeganByThatClock()
    {
        var denyList = Get<IDenyList>();
        var ahead = Now.AddSeconds(5);
        await Get<RefreshFamilies>().CreateAsync(RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(ahead), ahead, _subject, "c1"), Cancel);
        await new ConsentService(Store, Get<ClientStore>(), denyList, Time).RevokeAsync(_subject, "c1", Cancel);

        string[] ids = [ConsentService.DenyId(_subject, "c1")];
        Assert.True(await denyList.IsDeniedAsync(ids, ahead, Cancel));
        Assert.False(await denyList.IsDeniedAsync(ids, ahead.AddMilliseconds(1), Cancel));
    }
}
