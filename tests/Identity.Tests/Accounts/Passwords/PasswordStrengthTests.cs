using Identity.Accounts.Passwords;
using Identity.Tests.Kit;

namespace Identity.Tests.Accounts.Passwords;

public sealed class PasswordStrengthTests
{
    [Theory]
    [InlineData("short", 0, PasswordWeakness.TooShort)]
    [InlineData("password123", 0, PasswordWeakness.Refused)]
    [InlineData("12345678910", 0, PasswordWeakness.Refused)]
    [InlineData("sunshine monkey", 1, PasswordWeakness.Words)]
    [InlineData("lovelace.ada", 0, PasswordWeakness.Own)]
    [InlineData("1984-12-10", 0, PasswordWeakness.Date)]
    [InlineData("abcabcabc", 0, PasswordWeakness.Pattern)]
    [InlineData("violet tram harbour", 4, PasswordWeakness.None)]
    [InlineData("correct horse battery staple", 4, PasswordWeakness.None)]
    public async Task Estimate_OfAPassword_SaysHowGoodItIsAndWhyNot(string password, int most, PasswordWeakness weakness)
    {
        await using var world = new World();
        var estimate = world.Get<PasswordStrength>().Estimate(password, ["ada.lovelace@example.com"]);
        Assert.Equal(weakness, estimate.Weakness);
        Assert.True(estimate.Score <= most, $"{estimate.Score}");
        Assert.True(most < 4 || estimate.Score >= 3, $"{estimate.Score}");
    }

    [Theory]
    [InlineData("p4$$w0rd")]
    [InlineData("1984-12-10")]
    [InlineData("4@8({[<369!1|0$5+7%2")]
    [InlineData("qwertyuiop")]
    public async Task Estimate_OfTheLongestPassword_IsBounded(string part)
    {
        await using var world = new World();
        var strength = world.Get<PasswordStrength>();
        var password = string.Concat(Enumerable.Repeat(part, 200))[..128];
        strength.Estimate(password, []);
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        strength.Estimate(password, [.. Enumerable.Range(0, 1000).Select(i => "word" + i)]);
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < TimeLimit.Seconds(3));
    }
}
