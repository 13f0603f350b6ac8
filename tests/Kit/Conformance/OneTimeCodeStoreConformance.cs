using Identity.Accounts.OneTimeCodes;

namespace Identity.Tests.Kit.Conformance;

public abstract class OneTimeCodeStoreConformance(StoreFixture fixture) : StoreConformance<IOneTimeCodeStore>(fixture)
{
    private static readonly byte[] s_right = [.. Enumerable.Repeat((byte)1, 32)];
    private static readonly byte[] s_wrong = [.. Enumerable.Repeat((byte)2, 32)];

    [Fact]
    public async Task Find_AfterReplace_GivesEveryMemberBack()
    {
        var code = NewCode(NewId());
        await Store.ReplaceAsync(code, Cancel);
        var found = await Store.FindAsync(code.Id, Cancel);
        Assert.Equal(code.CodeHash, found!.CodeHash);
        Assert.Equal(code, found with { CodeHash = code.CodeHash });
        Assert.Equal(code.Id, (await Store.FindLatestAsync(code.AccountId!.Value, code.Purpose, Cancel))!.Id);
        Assert.Null(await Store.FindLatestAsync(code.AccountId.Value, "other", Cancel));
        Assert.Null(await Store.FindAsync(NewId(), Cancel));
    }

    [Fact]
    public async Task TryUse_WhenRaced_IsTrueForExactlyOne()
    {
        var code = NewCode(NewId());
        await Store.ReplaceAsync(code, Cancel);
        Assert.Single(await RaceAsync(_ => TryAsync(code, s_right, maxGuesses: 100)), won => won);
    }

    [Fact]
    public async Task TryUse_WhenGuessedWrongTooOftenInParallel_IsFalseForTheRightOneToo()
    {
        var code = NewCode(NewId());
        await Store.ReplaceAsync(code, Cancel);
        Assert.DoesNotContain(await RaceAsync(_ => TryAsync(code, s_wrong)), won => won);
        Assert.False(await TryAsync(code, s_right));
    }

    [Fact]
    public async Task TryUse_WhenTheLastGuessIsRight_IsTrueOnce()
    {
        var code = NewCode(NewId());
        await Store.ReplaceAsync(code, Cancel);
        for (var i = 0; i < 4; i++)
        {
            Assert.False(await TryAsync(code, s_wrong));
        }

        Assert.True(await TryAsync(code, s_right));
        Assert.False(await TryAsync(code, s_right));
    }

    [Fact]
    public async Task TryUse_WhenExpired_IsFalse()
    {
        var code = NewCode(NewId());
        await Store.ReplaceAsync(code, Cancel);
        Time.Advance(TimeSpan.FromMinutes(5));
        Assert.False(await TryAsync(code, s_right));
    }

    [Fact]
    public async Task TryUse_WhenReplaced_IsFalseForTheOlder()
    {
        var account = NewId();
        var older = NewCode(account);
        var otherPurpose = NewCode(account) with { Purpose = "login" };
        await Store.ReplaceAsync(older, Cancel);
        await Store.ReplaceAsync(otherPurpose, Cancel);
        Time.Advance(TimeSpan.FromSeconds(1));
        var newer = NewCode(account);
        await Store.ReplaceAsync(newer, Cancel);
        Assert.Equal(newer.Id, (await Store.FindLatestAsync(account, newer.Purpose, Cancel))!.Id);
        Assert.False(await TryAsync(older, s_right));
        Assert.True(await TryAsync(newer, s_right));
        Assert.True(await TryAsync(otherPurpose, s_right));
    }

    [Fact]
    public async Task Replace_WhenRaced_LeavesExactlyOneThatWorks()
    {
        var account = NewId();
        var codes = Enumerable.Range(0, Width).Select(_ => NewCode(account)).ToArray();
        await RaceAsync(async i =>
        {
            await Store.ReplaceAsync(codes[i], Cancel);
            return true;
        });
        var worked = 0;
        foreach (var code in codes)
        {
            worked += await TryAsync(code, s_right) ? 1 : 0;
        }

        Assert.Equal(1, worked);
    }

    [Fact]
    public async Task Replace_WhenNobodyIsBehindIt_KeepsThemApart()
    {
        var first = NewCode(accountId: null);
        var second = NewCode(accountId: null);
        await Store.ReplaceAsync(first, Cancel);
        await Store.ReplaceAsync(second, Cancel);
        Assert.NotNull(await Store.FindAsync(first.Id, Cancel));
        Assert.Null((await Store.FindAsync(second.Id, Cancel))!.AccountId);
    }

    private OneTimeCode NewCode(Guid? accountId) => new(NewId(), accountId, "email", "verification", s_right, Now, Now.AddMinutes(5));

    private Task<bool> TryAsync(OneTimeCode code, byte[] hash, int maxGuesses = 5) => Store.TryUseAsync(code.Id, hash, maxGuesses, Now, Cancel);
}
