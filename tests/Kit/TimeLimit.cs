namespace Identity.Tests.Kit;

/// <summary>
/// How long a test waits before it fails. A bound that is promised is held by <c>./test.sh --long</c>, on a machine that does nothing else;
/// everyday runs allow ten times as much, so that they fail for what hangs and not for a machine that was busy.
/// </summary>
public static class TimeLimit
{
    /// <summary>For what happens sooner or later, however slow the machine is.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(90);

    /// <summary>Whether bounds are held as they are promised.</summary>
    public static bool IsHeld { get; } = Environment.GetEnvironmentVariable("IDENTITY_TEST_TIMES") is not null;

    public static TimeSpan Seconds(double promised) => TimeSpan.FromSeconds(IsHeld ? promised : promised * 10);
}
