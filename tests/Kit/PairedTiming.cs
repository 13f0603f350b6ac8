using System.Diagnostics;

namespace Identity.Tests.Kit;

/// <summary>
/// Whether two kinds of requests take as long. Of those with a hash, which is most of their time, everyday runs count the hashes; <c>./test.sh --long</c> takes the time
/// as well. They are sent in turn then, so that whatever else the machine does hits both, and the median of the differences is looked at.
/// </summary>
public static class PairedTiming
{
    /// <summary>In one round, of three at most; ten come before them.</summary>
    public static readonly int Pairs = TimeLimit.IsHeld ? 150 : 40;

    // A difference that is there is there each time; one that the machine made is not.
    private const int Rounds = 3;

    /// <summary>Both kinds work for as many hashes as <paramref name="expected"/> says, each time; in the long suite they take as long, too.</summary>
    public static async Task AssertAlikeAsync(Func<int, Task> one, Func<int, Task> other, CountedHashes hashes, int expected)
    {
        ArgumentNullException.ThrowIfNull(hashes);
        for (var i = 0; i < 8; i++)
        {
            var before = hashes.Count;
            await (i % 2 == 0 ? one : other)(i);
            Assert.Equal(expected, hashes.Count - before);
        }

        if (TimeLimit.IsHeld)
        {
            await AssertAlikeAsync(one, other);
        }
    }

    /// <summary>Sends 40 pairs (150 in <c>./test.sh --long</c>); on a difference beyond a seventh of the median (and the floor) as many more, three times in all.</summary>
    /// <param name="one">Sends one kind.</param>
    /// <param name="other">Sends the other.</param>
    /// <param name="floor">Milliseconds below which a difference is the machine's.</param>
    public static async Task AssertAlikeAsync(Func<int, Task> one, Func<int, Task> other, double floor = 1.0)
    {
        for (var i = 0; i < 10; i++)
        {
            await one(-1 - i);
            await other(i);
        }

        for (var round = 1; ; round++)
        {
            var (median, difference) = await MeasureAsync(one, other, round * 1000);
            if (Math.Abs(difference) < Math.Max(0.15 * median, floor))
            {
                return;
            }

            Assert.True(round < Rounds, $"They differ by {difference:F2} ms where the median is {median:F2} ms, {Rounds} times in turn.");
        }
    }

    private static async Task<(double Median, double Difference)> MeasureAsync(Func<int, Task> one, Func<int, Task> other, int from)
    {
        var ones = new List<double>();
        var differences = new List<double>();
        for (var i = from; i < from + Pairs; i++)
        {
            // Either goes first as often.
            var (first, second) = (i % 2 == 0) ? (await TimeAsync(one, i), await TimeAsync(other, i)) : Swap(await TimeAsync(other, i), await TimeAsync(one, i));
            ones.Add(first);
            differences.Add(first - second);
        }

        return (Median(ones), Median(differences));

        static (double, double) Swap(double a, double b) => (b, a);
    }

    private static async Task<double> TimeAsync(Func<int, Task> send, int i)
    {
        var started = Stopwatch.GetTimestamp();
        await send(i);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }
}
