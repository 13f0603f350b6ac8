using Identity.Accounts.RateLimits;

namespace Identity.Tests.Kit.Conformance;

public abstract class RateLimiterConformance(StoreFixture fixture) : StoreConformance<IRateLimiter>(fixture)
{
    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(15);

    private readonly string _key = Unique();

    [Fact]
    public async Task Acquire_WhenRaced_AllowsExactlyTheLimit()
    {
        var leases = await RaceAsync(_ => Store.AcquireAsync(_key, 10, s_window, Cancel));
        Assert.Equal(10, leases.Count(l => l.Allowed));
        Assert.All(leases.Where(l => !l.Allowed), l => Assert.InRange(l.RetryAfter, TimeSpan.FromTicks(1), s_window));
    }

    [Fact]
    public async Task Acquire_AfterRetryAfter_IsAllowedAgain()
    {
        Assert.True((await Store.AcquireAsync(_key, 1, s_window, Cancel)).Allowed);
        var refused = await Store.AcquireAsync(_key, 1, s_window, Cancel);
        Assert.False(refused.Allowed);
        Time.Advance(refused.RetryAfter - TimeSpan.FromMilliseconds(1));
        Assert.False((await Store.AcquireAsync(_key, 1, s_window, Cancel)).Allowed);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Single(await RaceAsync(_ => Store.AcquireAsync(_key, 1, s_window, Cancel)), l => l.Allowed);
    }

    [Fact]
    public async Task Acquire_WhenKeysDiffer_CountsEach()
    {
        Assert.True((await Store.AcquireAsync(_key, 1, s_window, Cancel)).Allowed);
        Assert.True((await Store.AcquireAsync(_key + "x", 1, s_window, Cancel)).Allowed);
        Assert.True((await Store.AcquireAsync(_key.ToUpperInvariant(), 1, s_window, Cancel)).Allowed);
        Assert.False((await Store.AcquireAsync(_key, 1, s_window, Cancel)).Allowed);
    }

    [Fact]
    public async Task Acquire_OverSeveralNodes_AllowsExactlyTheLimit()
    {
        var other = await OtherNodeAsync();
        var leases = await RaceAsync(i => (i % 2 == 0 ? Store : other).AcquireAsync(_key, 7, s_window, Cancel));
        Assert.Equal(7, leases.Count(l => l.Allowed));
    }
}
