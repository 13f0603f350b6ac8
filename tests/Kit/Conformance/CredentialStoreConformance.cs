using Identity.Accounts.Credentials;

namespace Identity.Tests.Kit.Conformance;

public abstract class CredentialStoreConformance(StoreFixture fixture) : StoreConformance<ICredentialStore>(fixture)
{
    [Fact]
    public async Task Find_WhenNoneWasSet_IsNull() => Assert.Null(await Store.FindAsync(NewId(), Cancel));

    [Fact]
    public async Task TrySetPassword_WhenTheHashIsTheExpected_SetsIt()
    {
        var id = NewId();
        Assert.True(await Store.TrySetPasswordAsync(id, expectedHash: null, "h1", Now, Cancel));
        Assert.False(await Store.TrySetPasswordAsync(id, expectedHash: null, "h2", Now, Cancel));
        Assert.False(await Store.TrySetPasswordAsync(id, "H1", "h2", Now, Cancel));
        Time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(await Store.TrySetPasswordAsync(id, "h1", "h2", Now, Cancel));
        Assert.Equal(new AccountCredentials(id, "h2", Now), await Store.FindAsync(id, Cancel));
    }

    [Fact]
    public async Task TrySetPassword_WhenUnknownAccountAndAHashExpected_IsFalse() =>
        Assert.False(await Store.TrySetPasswordAsync(NewId(), "h1", "h2", Now, Cancel));

    [Fact]
    public async Task TrySetPassword_WhenRaced_OneWins()
    {
        var id = NewId();
        Assert.Single(await RaceAsync(i => Store.TrySetPasswordAsync(id, expectedHash: null, $"first{i}", Now, Cancel)), won => won);
        var current = (await Store.FindAsync(id, Cancel))!.PasswordHash;
        var outcomes = await RaceAsync(i => Store.TrySetPasswordAsync(id, current, $"second{i}", Now, Cancel));
        Assert.Equal($"second{outcomes.ToList().IndexOf(true)}", (await Store.FindAsync(id, Cancel))!.PasswordHash);
        Assert.Single(outcomes, won => won);
    }
}
