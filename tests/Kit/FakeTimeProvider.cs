namespace Identity.Tests.Kit;

/// <summary>A clock that stands still until a test moves it: Microsoft's, at a time of ours, and with a way to let days pass.</summary>
public sealed class FakeTimeProvider(DateTimeOffset now) : Microsoft.Extensions.Time.Testing.FakeTimeProvider(now.ToUniversalTime())
{
    /// <summary>Longer than what most timers of a host wait for.</summary>
    private static readonly TimeSpan s_lastStretch = TimeSpan.FromHours(1);

    public FakeTimeProvider()
        : this(new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero))
    {
    }

    /// <summary>Told how long each timer waits, once it is set: a test that lets the wait pass need not guess when it began.</summary>
    public Action<TimeSpan>? OnTimer { get; set; }

    /// <summary>
    /// The second that the machine is in: for a server whose callers (cookie jars, browsers, foreign programs) keep the machine's time.
    /// A whole second, since expires_in and the like are cut to it.
    /// </summary>
    public static FakeTimeProvider OfThisSecond() => new(DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds()));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        if (OnTimer is not { } told)
        {
            return timer;
        }

        told(dueTime);
        return new ToldTimer(timer, told);
    }

    /// <summary>
    /// As on a machine that slept: timers only fire in the last hour. For days with a running host, whose timers of seconds would else fire a hundred thousand times.
    /// </summary>
    public void Jump(TimeSpan by)
    {
        if (by > s_lastStretch)
        {
            AdjustTime(GetUtcNow() + by - s_lastStretch);
            by = s_lastStretch;
        }

        Advance(by);
    }

    private sealed class ToldTimer(ITimer timer, Action<TimeSpan> told) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            var changed = timer.Change(dueTime, period);
            told(dueTime);
            return changed;
        }

        public void Dispose() => timer.Dispose();

        public ValueTask DisposeAsync() => timer.DisposeAsync();
    }
}
