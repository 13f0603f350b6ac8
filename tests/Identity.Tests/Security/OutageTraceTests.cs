// An outage under load fills no disk with stack traces.
using Identity.Accounts.Data;
using Identity.OAuth.Storage;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

public sealed class OutageTraceTests
{
    [Fact]
    public async Task Trace_WhenManyRequestsFailAlike_IsToldOnceAMinute()
    {
        var time = new FakeTimeProvider();
        var traces = new OutageTraces(time);
        var kind = OutageTraces.Kind(new StoreUnavailableException("secret", new TimeoutException()));
        Assert.Equal("StoreUnavailableException < TimeoutException", kind);
        for (var minute = 0; minute < 3; minute++)
        {
            var told = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => traces.IsDue(kind))));
            Assert.Single(told, isTold => isTold);
            time.Advance(OutageTraces.Pause);
        }

        Assert.True(traces.IsDue("another kind"));
    }
}
