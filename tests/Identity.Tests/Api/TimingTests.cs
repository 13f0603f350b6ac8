using Identity.Tests.Kit;

namespace Identity.Tests.Api;

/// <summary>Who does not get in learns nothing from the clock.</summary>
public sealed class TimingTests
{
    [Fact]
    public async Task Login_WhenUnknownOrWrong_TakesAsLong()
    {
        // An own server: a hash of some 20 ms stands out from what surrounds it, and nobody else asks.
        var hashes = new CountedHashes();
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:PasswordHashIterations"] = TimeLimit.IsHeld ? "40000" : "1000", ["Accounts:LockoutThreshold"] = "100" }, hashes.AddTo);
        var people = new List<Person>();
        for (var i = 0; i < 4; i++)
        {
            people.Add(await server.RegisterAsync());
        }

        await CompareAsync(
            i => server.PostAsync("login", new { email = $"nobody{i}@example.com", password = "a wrong pass phrase" }),
            i => server.PostAsync("login", new { email = people[i % people.Count].Email, password = "a wrong pass phrase" }),
            401,
            hashes,
            expected: 1);
    }

    [Fact]
    public async Task Reset_WhenUnknownOrWrong_TakesAsLong()
    {
        var hashes = new CountedHashes();
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:LockoutThreshold"] = "100" }, hashes.AddTo);
        var people = new List<Person>();
        for (var i = 0; i < 4; i++)
        {
            people.Add(await server.RegisterAsync());
        }

        await CompareAsync(
            i => server.PostAsync("password/reset", new { email = $"nobody{i}@example.com", code = "000000", newPassword = "another pass phrase 8" }),
            i => server.PostAsync("password/reset", new { email = people[i % people.Count].Email, code = "000000", newPassword = "another pass phrase 8" }),
            400,
            hashes,
            expected: 0);
    }

    private static Task CompareAsync(Func<int, Task<Answer>> one, Func<int, Task<Answer>> other, int status, CountedHashes hashes, int expected) =>
        PairedTiming.AssertAlikeAsync(async i => Assert.Equal(status, (int)(await one(i)).Status), async i => Assert.Equal(status, (int)(await other(i)).Status), hashes, expected);
}
