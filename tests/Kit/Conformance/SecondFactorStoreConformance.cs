using System.Collections.Concurrent;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;

namespace Identity.Tests.Kit.Conformance;

/// <summary>What every store of factors must do.</summary>
public abstract class SecondFactorStoreConformance(StoreFixture fixture) : StoreConformance<ISecondFactorStore>(fixture)
{
    [Fact]
    public async Task Factor_WhenAdded_IsFoundAsItWas()
    {
        var factor = New(Guid.CreateVersion7(Now), FactorKinds.Totp);
        Assert.True(await Store.AddAsync(factor, Event(factor), notice: null, Cancel));
        Assert.Equal(factor, await Store.FindBySlotAsync(factor.Slot, Cancel));
        Assert.Equal([factor], await Store.ListAsync(factor.AccountId, Cancel));
        Assert.Empty(await Store.ListAsync(Guid.CreateVersion7(Now), Cancel));
        Assert.Null(await Store.FindBySlotAsync(factor.Slot + "x", Cancel));
    }

    [Fact]
    public async Task Slot_WhenTakenFiftyTimesAtOnce_HasOneFactor()
    {
        var account = Guid.CreateVersion7(Now);
        var added = await RaceAsync(_ =>
        {
            var factor = New(account, FactorKinds.Totp);
            return Store.AddAsync(factor, Event(factor), notice: null, Cancel);
        });
        Assert.Single(added, one => one);
        Assert.Single(await Store.ListAsync(account, Cancel));
    }

    [Fact]
    public async Task Counter_WhenRaisedFiftyTimesAtOnceToTheSame_IsRaisedOnceAndNeverFalls()
    {
        var factor = New(Guid.CreateVersion7(Now), FactorKinds.Totp);
        await Store.AddAsync(factor, Event(factor), notice: null, Cancel);
        Assert.Single(await RaceAsync(_ => Store.TryRaiseAsync(factor.Id, 100, Now, Cancel)), one => one);
        Assert.False(await Store.TryRaiseAsync(factor.Id, 99, Now, Cancel));
        Assert.True(await Store.TryRaiseAsync(factor.Id, 101, Now, Cancel));
        Assert.Equal(factor with { Counter = 101, LastUsedAt = Now }, await Store.FindBySlotAsync(factor.Slot, Cancel));
    }

    [Fact]
    public async Task Factor_WhenRemovedFiftyTimesAtOnce_IsRemovedByOneAndOnlyByItsOwner()
    {
        var factor = New(Guid.CreateVersion7(Now), FactorKinds.Passkey);
        await Store.AddAsync(factor, Event(factor), notice: null, Cancel);
        Assert.False(await Store.RenameAsync(Guid.CreateVersion7(Now), factor.Id, "Mine", Cancel));
        Assert.False(await Store.RemoveAsync(Guid.CreateVersion7(Now), factor.Id, Event(factor), notice: null, Cancel));
        Assert.True(await Store.RenameAsync(factor.AccountId, factor.Id, "Blue key", Cancel));
        await Store.TouchAsync(factor.Id, Now, Cancel);
        Assert.Equal(factor with { Name = "Blue key", LastUsedAt = Now }, Assert.Single(await Store.ListAsync(factor.AccountId, Cancel)));
        Assert.Single(await RaceAsync(_ => Store.RemoveAsync(factor.AccountId, factor.Id, Event(factor), notice: null, Cancel)), one => one);
        Assert.Empty(await Store.ListAsync(factor.AccountId, Cancel));
    }

    [Fact]
    public async Task Data_WhenItIsChanged_IsChangedOnceAndForItsOwnAccountOnly()
    {
        var factor = New(Guid.CreateVersion7(Now), FactorKinds.Push) with { Data = "" };
        await Store.AddAsync(factor, Event(factor), notice: null, Cancel);
        Assert.False(await Store.SetDataAsync(Guid.CreateVersion7(Now), factor.Id, "alone", notice: null, Cancel));
        Assert.Single(await RaceAsync(_ => Store.SetDataAsync(factor.AccountId, factor.Id, "alone", notice: null, Cancel)), one => one);
        Assert.Equal("alone", Assert.Single(await Store.ListAsync(factor.AccountId, Cancel)).Data);
    }

    [Theory]
    [InlineData(FactorKinds.Totp)]
    [InlineData(FactorKinds.Passkey)]
    public async Task Secret_OfAFactor_IsNeverChanged(string kind)
    {
        var factor = New(Guid.CreateVersion7(Now), kind);
        await Store.AddAsync(factor, Event(factor), notice: null, Cancel);
        Assert.False(await Store.SetDataAsync(factor.AccountId, factor.Id, "another", notice: null, Cancel));
        Assert.Equal(factor, await Store.FindBySlotAsync(factor.Slot, Cancel));
    }

    [Fact]
    public async Task RecoveryCodes_WhenThoseOfATimeAreRemoved_LeaveOlderOnesAndOtherAccounts()
    {
        var (account, other) = (Guid.CreateVersion7(Now), Guid.CreateVersion7(Now));
        await Store.ReplaceRecoveryCodesAsync(account, ["a", "b"], Now, notice: null, Cancel);
        await Store.ReplaceRecoveryCodesAsync(other, ["c"], Now, notice: null, Cancel);
        await Store.RemoveRecoveryCodesAsync(account, Now.AddSeconds(1), Cancel);
        Assert.Equal(2, await Store.CountRecoveryCodesAsync(account, Cancel));
        await Store.RemoveRecoveryCodesAsync(account, Now, Cancel);
        Assert.Equal((0, 1), (await Store.CountRecoveryCodesAsync(account, Cancel), await Store.CountRecoveryCodesAsync(other, Cancel)));
        await Store.RemoveRecoveryCodesAsync(other, DateTimeOffset.MinValue, Cancel);
        Assert.Equal(0, await Store.CountRecoveryCodesAsync(other, Cancel));
    }

    [Fact]
    public async Task RecoveryCode_WhenUsedFiftyTimesAtOnce_WorksOnceAndForItsAccountAlone()
    {
        var account = Guid.CreateVersion7(Now);
        await Store.ReplaceRecoveryCodesAsync(account, ["a", "b", "c"], Now, notice: null, Cancel);
        Assert.Equal(3, await Store.CountRecoveryCodesAsync(account, Cancel));
        Assert.False(await Store.TryUseRecoveryCodeAsync(Guid.CreateVersion7(Now), "a", Now, _ => throw new InvalidOperationException("Nothing was used."), Cancel));

        // Told once, of how many are left.
        ConcurrentBag<int> told = [];
        var notice = NewNotice(account);
        Notice Tell(int left)
        {
            told.Add(left);
            return notice;
        }

        Assert.Single(await RaceAsync(_ => Store.TryUseRecoveryCodeAsync(account, "a", Now, Tell, Cancel)), one => one);
        Assert.Equal([2], told);
        Assert.Equal(2, await Store.CountRecoveryCodesAsync(account, Cancel));
        Assert.Equal(notice.Link, await Get<IAccessNoticeStore>().FindAsync(notice.Link!.Key, Now, Cancel));
    }

    [Fact]
    public async Task Changes_WithANotice_KeepItsLinkOnceTheyAreMade()
    {
        var links = Get<IAccessNoticeStore>();
        var factor = New(Guid.CreateVersion7(Now), FactorKinds.Email);
        async Task<bool> IsKeptAsync(Func<Notice, Task<bool>> change)
        {
            var notice = NewNotice(factor.AccountId);
            var made = await change(notice);
            Assert.Equal(made ? notice.Link : null, await links.FindAsync(notice.Link!.Key, Now, Cancel));
            return made;
        }

        Assert.True(await IsKeptAsync(notice => Store.AddAsync(factor, Event(factor), notice, Cancel)));
        Assert.False(await IsKeptAsync(notice => Store.AddAsync(factor with { Id = Guid.CreateVersion7(Now) }, Event(factor), notice, Cancel)));
        Assert.True(await IsKeptAsync(notice => Store.SetDataAsync(factor.AccountId, factor.Id, "alone", notice, Cancel)));
        Assert.False(await IsKeptAsync(notice => Store.SetDataAsync(factor.AccountId, factor.Id, "alone", notice, Cancel)));
        Assert.True(await IsKeptAsync(async notice =>
        {
            await Store.ReplaceRecoveryCodesAsync(factor.AccountId, ["a"], Now, notice, Cancel);
            return true;
        }));
        Assert.True(await IsKeptAsync(notice => Store.RemoveAsync(factor.AccountId, factor.Id, Event(factor), notice, Cancel)));
        Assert.False(await IsKeptAsync(notice => Store.RemoveAsync(factor.AccountId, factor.Id, Event(factor), notice, Cancel)));
    }

    [Fact]
    public async Task RecoveryCodes_WhenReplacedFiftyTimesAtOnce_AreOneSet()
    {
        var account = Guid.CreateVersion7(Now);
        await RaceAsync(async i =>
        {
            await Store.ReplaceRecoveryCodesAsync(account, [$"{i}a", $"{i}b"], Now, notice: null, Cancel);
            return true;
        });
        Assert.Equal(2, await Store.CountRecoveryCodesAsync(account, Cancel));
    }

    private SecondFactor New(Guid account, string kind) =>
        new(Guid.CreateVersion7(Now), account, kind, kind == FactorKinds.Totp ? Authenticator.Slot(account) : "passkey:" + Guid.NewGuid().ToString("N"), "Key", "data", 7, Now, null);

    private LifecycleEvent Event(SecondFactor factor) => new(Guid.CreateVersion7(Now), EventExchanges.Identity, EventTypes.UserFactorAdded, factor.AccountId, Now, []);
}

/// <summary>What every store of proofs must do.</summary>
public abstract class FactorProofStoreConformance(StoreFixture fixture) : StoreConformance<IFactorProofStore>(fixture)
{
    [Fact]
    public async Task Ticket_WhenSpentFiftyTimesAtOnce_IsSpentByOne()
    {
        var id = Guid.CreateVersion7(Now);
        Assert.False(await Store.IsSpentAsync(id, Cancel));
        Assert.Single(await RaceAsync(_ => Store.TrySpendAsync(id, Now.AddMinutes(5), Cancel)), one => one);
        Assert.True(await Store.IsSpentAsync(id, Cancel));
    }

    [Fact]
    public async Task Ticket_WhenSpentAtOneNode_IsSpentAtTheOther()
    {
        var id = Guid.CreateVersion7(Now);
        var other = await OtherNodeAsync();
        Assert.True(await Store.TrySpendAsync(id, Now.AddMinutes(5), Cancel));
        Assert.False(await other.TrySpendAsync(id, Now.AddMinutes(5), Cancel));
    }

    [Fact]
    public async Task Proof_OfAStrength_CountsForThatAndLessUntilItIsOld()
    {
        var session = Guid.NewGuid().ToString("N");
        await Store.RecordProofAsync(session, 2, Now, Cancel);
        await Store.RecordProofAsync(session, 2, Now.AddMinutes(-5), Cancel);
        Assert.True(await Store.HasProofAsync(session, 2, Now, Cancel));
        Assert.True(await Store.HasProofAsync(session, 0, Now, Cancel));
        Assert.False(await Store.HasProofAsync(session, 3, Now.AddMinutes(-10), Cancel));
        Assert.False(await Store.HasProofAsync(session, 2, Now.AddSeconds(1), Cancel));
        Assert.False(await Store.HasProofAsync("another", 0, Now.AddMinutes(-10), Cancel));
        await Store.RecordProofAsync(session, 2, Now.AddMinutes(1), Cancel);
        Assert.True(await Store.HasProofAsync(session, 2, Now.AddSeconds(1), Cancel));
    }

    [Fact]
    public async Task Browser_WhenRemembered_IsSoForItsAccountStampAndTime()
    {
        var browser = new RememberedBrowser(Guid.CreateVersion7(Now), Guid.CreateVersion7(Now), "hash-" + Guid.NewGuid().ToString("N"), "stamp", Now, Now, Now.AddDays(30), "192.0.2.1", "Mozilla/5.0");
        var notice = NewNotice(browser.AccountId);
        await Store.RememberAsync(browser, notice, Cancel);
        Assert.Equal(notice.Link, await Get<IAccessNoticeStore>().FindAsync(notice.Link!.Key, Now, Cancel));
        Assert.True(await Store.TryUseRememberedAsync(browser.AccountId, browser.TokenHash, "stamp", Now.AddDays(1), Cancel));
        Assert.False(await Store.TryUseRememberedAsync(browser.AccountId, browser.TokenHash, "another", Now, Cancel));
        Assert.False(await Store.TryUseRememberedAsync(browser.AccountId, "another", "stamp", Now, Cancel));
        Assert.False(await Store.TryUseRememberedAsync(Guid.CreateVersion7(Now), browser.TokenHash, "stamp", Now, Cancel));
        Assert.False(await Store.TryUseRememberedAsync(browser.AccountId, browser.TokenHash, "stamp", Now.AddDays(30), Cancel));
        Assert.Equal(browser with { LastUsedAt = Now.AddDays(1) }, Assert.Single(await Store.ListRememberedAsync(browser.AccountId, Now, Cancel)));
        Assert.Empty(await Store.ListRememberedAsync(browser.AccountId, Now.AddDays(30), Cancel));
        Assert.Equal(0, await Store.ForgetAsync(Guid.CreateVersion7(Now), browser.Id, Cancel));
        Assert.Equal(1, await Store.ForgetAsync(browser.AccountId, browser.Id, Cancel));
        Assert.Equal(0, await Store.ForgetAsync(browser.AccountId, null, Cancel));
    }
}
