using System.Diagnostics;

namespace Identity.Api.Tests;

/// <summary>
/// Who does not get in learns nothing from the clock. Pairs are measured one after the other, so that whatever else the machine does
/// hits both; a skipped hash would be most of the time of a request here, far outside the bound.
/// </summary>
public sealed class TimingTests
{
    private const int Pairs = 150;

    [Fact]
    public async Task Login_WhenUnknownOrWrong_TakesAsLong()
    {
        // An own server: a hash of some 20 ms stands out from what surrounds it, and nobody else asks.
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:PasswordHashIterations"] = "40000", ["Accounts:LockoutThreshold"] = "100" });
        var people = new List<Person>();
        for (var i = 0; i < 4; i++)
        {
            people.Add(await server.RegisterAsync());
        }

        await CompareAsync(
            i => server.PostAsync("login", new { email = $"nobody{i}@example.com", password = "a wrong pass phrase" }),
            i => server.PostAsync("login", new { email = people[i % people.Count].Email, password = "a wrong pass phrase" }),
            401);
    }

    [Fact]
    public async Task Reset_WhenUnknownOrWrong_TakesAsLong()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:LockoutThreshold"] = "100" });
        var people = new List<Person>();
        for (var i = 0; i < 4; i++)
        {
            people.Add(await server.RegisterAsync());
        }

        await CompareAsync(
            i => server.PostAsync("password/reset", new { email = $"nobody{i}@example.com", code = "000000", newPassword = "another pass phrase 8" }),
            i => server.PostAsync("password/reset", new { email = people[i % people.Count].Email, code = "000000", newPassword = "another pass phrase 8" }),
            400);
    }

    private static async Task CompareAsync(Func<int, Task<Answer>> one, Func<int, Task<Answer>> other, int status)
    {
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(status, (int)(await one(-1 - i)).Status);
            Assert.Equal(status, (int)(await other(i)).Status);
        }

        var ones = new List<double>();
        var differences = new List<double>();
        for (var i = 0; i < Pairs; i++)
        {
            // Either goes first as often.
            var (first, second) = (i % 2 == 0) ? (await TimeAsync(one, i), await TimeAsync(other, i)) : Swap(await TimeAsync(other, i), await TimeAsync(one, i));
            ones.Add(first);
            differences.Add(first - second);
        }

        var (median, difference) = (Median(ones), Median(differences));
        Assert.True(Math.Abs(difference) < Math.Max(0.15 * median, 1.0), $"They differ by {difference:F2} ms where the median is {median:F2} ms.");

        static (double, double) Swap(double a, double b) => (b, a);
    }

    private static async Task<double> TimeAsync(Func<int, Task<Answer>> send, int i)
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
