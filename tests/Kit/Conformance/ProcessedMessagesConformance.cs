using Identity.Accounts.OneTimeCodes.Requests;

namespace Identity.Tests.Kit.Conformance;

public abstract class ProcessedMessagesConformance(StoreFixture fixture) : StoreConformance<IProcessedMessages>(fixture)
{
    private readonly string _id = Unique();

    [Fact]
    public async Task Claim_WhenRaced_IsForExactlyOne()
    {
        var claims = await RaceAsync(_ => ClaimAsync(Guid.NewGuid()));
        Assert.Single(claims, c => c.State == MessageState.Claimed);
        Assert.Equal(Width - 1, claims.Count(c => c is { State: MessageState.Busy, Answer: null }));
    }

    [Fact]
    public async Task Claim_OverSeveralNodes_IsForExactlyOne()
    {
        var other = await OtherNodeAsync();
        var claims = await RaceAsync(i => ClaimAsync(Guid.NewGuid(), i % 2 == 0 ? Store : other));
        Assert.Single(claims, c => c.State == MessageState.Claimed);
    }

    [Fact]
    public async Task Claim_WhenTheFirstRanOut_IsForExactlyOneAgainAndTheFirstCommitsNothing()
    {
        var first = Guid.NewGuid();
        Assert.Equal(MessageState.Claimed, (await ClaimAsync(first)).State);
        Time.Advance(TimeSpan.FromSeconds(5));
        var claims = await RaceAsync(_ => ClaimAsync(Guid.NewGuid()));
        Assert.Single(claims, c => c.State == MessageState.ClaimedAgain);
        Assert.Equal(Width - 1, claims.Count(c => c.State == MessageState.Busy));
        Assert.False(await CommitAsync(first, "first"));
    }

    [Fact]
    public async Task Commit_WhenRaced_IsTrueOnceAndItsAnswerStands()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        Assert.Single(await RaceAsync(i => CommitAsync(claim, "answer")), won => won);
        Time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(new MessageClaim(MessageState.Done, "answer"), await ClaimAsync(Guid.NewGuid()));
    }

    [Fact]
    public async Task Begin_WhenRaced_IsTrueOnceAndBusyUntilItEnds()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        Assert.Single(await RaceAsync(_ => BeginAsync(claim)), won => won);
        Time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(new MessageClaim(MessageState.Busy, null), await ClaimAsync(Guid.NewGuid()));
        await Store.EndAsync(_id, Guid.NewGuid(), Cancel);
        Assert.Equal(new MessageClaim(MessageState.Busy, null), await ClaimAsync(Guid.NewGuid()));
        await RaceAsync(async _ =>
        {
            await Store.EndAsync(_id, claim, Cancel);
            return true;
        });
        Assert.Equal(new MessageClaim(MessageState.Done, "answer"), await ClaimAsync(Guid.NewGuid()));
        Assert.False(await CommitAsync(claim, "another"));
    }

    [Fact]
    public async Task Begin_WhenNobodyHoldsOrEndsIt_IsInDoubtForEverybody()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        Assert.True(await BeginAsync(claim));
        Time.Advance(TimeSpan.FromSeconds(4));
        await Store.HoldAsync(_id, Guid.NewGuid(), Now.AddMinutes(1), Cancel);
        await Store.HoldAsync(_id, claim, Now.AddSeconds(5), Cancel);
        Time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(MessageState.Busy, (await ClaimAsync(Guid.NewGuid())).State);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.All(await RaceAsync(_ => ClaimAsync(Guid.NewGuid())), found => Assert.Equal(new MessageClaim(MessageState.InDoubt, null), found));

        // Who began it was not gone after all.
        await Store.EndAsync(_id, claim, Cancel);
        Assert.Equal(new MessageClaim(MessageState.Done, "answer"), await ClaimAsync(Guid.NewGuid()));
    }

    [Fact]
    public async Task Claim_AfterReleaseOfWhatWasBegun_IsAgain()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        Assert.True(await BeginAsync(claim));
        await Store.ReleaseAsync(_id, claim, Now, Cancel);
        await Store.HoldAsync(_id, claim, Now.AddMinutes(1), Cancel);
        Assert.Equal(new MessageClaim(MessageState.ClaimedAgain, null), await ClaimAsync(Guid.NewGuid()));
    }

    [Fact]
    public async Task Claim_WhenTheAnswerExpired_IsNew()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        Assert.True(await CommitAsync(claim, "answer"));
        Time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(new MessageClaim(MessageState.Claimed, null), await ClaimAsync(Guid.NewGuid()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Claim_AfterRelease_IsAgain(bool committed)
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        if (committed)
        {
            Assert.True(await CommitAsync(claim, "answer"));
        }

        await Store.ReleaseAsync(_id, claim, Now, Cancel);
        Assert.Equal(new MessageClaim(MessageState.ClaimedAgain, null), await ClaimAsync(Guid.NewGuid()));
    }

    [Fact]
    public async Task Claim_AfterForget_IsNew()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        await Store.ForgetAsync(_id, claim, Cancel);
        Assert.Equal(MessageState.Claimed, (await ClaimAsync(Guid.NewGuid())).State);
    }

    [Fact]
    public async Task ReleaseAndForget_WhenTheClaimIsAnothers_DoNothing()
    {
        var claim = Guid.NewGuid();
        await ClaimAsync(claim);
        await Store.ReleaseAsync(_id, Guid.NewGuid(), Now, Cancel);
        await Store.ForgetAsync(_id, Guid.NewGuid(), Cancel);
        Assert.Equal(MessageState.Busy, (await ClaimAsync(Guid.NewGuid())).State);
        Assert.True(await CommitAsync(claim, "answer"));
    }

    private Task<MessageClaim> ClaimAsync(Guid claim, IProcessedMessages? node = null) =>
        (node ?? Store).ClaimAsync(_id, claim, Now, Now.AddSeconds(5), Now.AddMinutes(5), Cancel);

    private Task<bool> CommitAsync(Guid claim, string answer) => Store.TryCommitAsync(_id, claim, answer, Now.AddMinutes(5), Cancel);

    private Task<bool> BeginAsync(Guid claim) => Store.TryBeginAsync(_id, claim, "answer", Now.AddSeconds(5), Now.AddMinutes(5), Cancel);
}
