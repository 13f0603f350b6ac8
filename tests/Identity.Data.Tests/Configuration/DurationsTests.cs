using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;

namespace Identity.Data.Tests.Configuration;

public sealed class DurationsTests
{
    [Theory]
    [InlineData("30s", 30)]
    [InlineData("15m", 900)]
    [InlineData("1h", 3600)]
    [InlineData("7d", 604800)]
    [InlineData("90", 90)]
    [InlineData(" 5m ", 300)]
    [InlineData("3650d", 315360000)]
    public void TryParse_WhenUnderstood_GivesSeconds(string text, int seconds)
    {
        Assert.True(Durations.TryParse(text, out var duration));
        Assert.Equal(TimeSpan.FromSeconds(seconds), duration);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("0")]
    [InlineData("0m")]
    [InlineData("-1h")]
    [InlineData("+1h")]
    [InlineData("1.5h")]
    [InlineData("1 h")]
    [InlineData("1H")]
    [InlineData("1w")]
    [InlineData("1h30m")]
    [InlineData("3651d")]
    [InlineData("99999999999999999999")]
    [InlineData("9223372036854775807d")]
    [InlineData("\u0661h")]
    public void TryParse_WhenNot_IsFalse(string? text) => Assert.False(Durations.TryParse(text, out _));

    [Fact]
    public void Read_WhenBad_NamesTheSettingAndWhatIsExpectedInOneLine()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("JWT_ACCESS_EXPIRY", "soon"), new("EMPTY", "")]).Build();
        var problems = new List<string>();
        Assert.Equal(TimeSpan.FromHours(2), Durations.Read(configuration, "EMPTY", TimeSpan.FromHours(2), problems));
        Assert.Equal(TimeSpan.FromHours(2), Durations.Read(configuration, "UNSET", TimeSpan.FromHours(2), problems));
        Assert.Empty(problems);
        Durations.Read(configuration, "JWT_ACCESS_EXPIRY", TimeSpan.FromHours(1), problems);
        Assert.Equal("JWT_ACCESS_EXPIRY: expected a positive duration such as 30s, 15m, 1h, 7d, or whole seconds.", Assert.Single(problems));
    }
}
