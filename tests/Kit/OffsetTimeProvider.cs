namespace Identity.Tests.Kit;

/// <summary>
/// The machine's clock, so much ahead or behind: for a server whose callers are programs with clocks of their own, which go on
/// while a test runs. Timers wait as long as ever.
/// </summary>
public sealed class OffsetTimeProvider(TimeSpan offset) : TimeProvider
{
    private long _offset = offset.Ticks;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _offset));

    public void Advance(TimeSpan by) => Interlocked.Add(ref _offset, by.Ticks);
}
