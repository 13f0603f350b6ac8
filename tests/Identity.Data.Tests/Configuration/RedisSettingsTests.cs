using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;

namespace Identity.Data.Tests.Configuration;

public sealed class RedisSettingsTests
{
    [Fact]
    public void Read_WhenUnset_IsNull() => Assert.Null(Read(out var problems) is null && problems.Count == 0 ? null : "set");

    [Fact]
    public void Read_WhenAHostIsSet_HasDefaults()
    {
        var settings = Read(out _, "REDIS_HOST=redis")!;
        Assert.Equal([("redis", 6379)], settings.Endpoints);
        Assert.Equal((RedisTls.Off, "identity", TimeSpan.FromSeconds(30)), (settings.Tls, settings.KeyPrefix, settings.StartWait));
    }

    [Fact]
    public void Read_WhenAllIsSet_TakesIt()
    {
        var settings = Read(out _, "REDIS_HOST=a:7000, b:7001", "REDIS_USERNAME=u", "REDIS_PASSWORD=canary", "REDIS_TLS=verify", "REDIS_KEY_PREFIX=x:y")!;
        Assert.Equal([("a", 7000), ("b", 7001)], settings.Endpoints);
        Assert.Equal(("u", "canary", RedisTls.Verify, "x:y"), (settings.UserName, settings.Password, settings.Tls, settings.KeyPrefix));
        Assert.Equal("Redis at a:7000, b:7001", settings.Description);
        Assert.DoesNotContain("canary", settings.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("REDIS_HOST", "REDIS_HOST=redis://x")]
    [InlineData("REDIS_HOST", "REDIS_HOST=a,")]
    [InlineData("REDIS_HOST", "REDIS_HOST=a:0")]
    [InlineData("REDIS_TLS", "REDIS_HOST=a", "REDIS_TLS=yes")]
    [InlineData("REDIS_TLS", "REDIS_HOST=a", "REDIS_PASSWORD=canary")]
    [InlineData("REDIS_PASSWORD", "REDIS_HOST=localhost", "REDIS_USERNAME=u")]
    [InlineData("REDIS_PASSWORD", "REDIS_PASSWORD=canary")]
    [InlineData("REDIS_TLS", "REDIS_TLS=verify")]
    [InlineData("REDIS_KEY_PREFIX", "REDIS_HOST=a", "REDIS_KEY_PREFIX={x}")]
    public void Read_WhenSomethingCannotBeUsed_NamesTheSetting(string name, params string[] values)
    {
        Assert.Null(Read(out var problems, values));
        var problem = Assert.Single(problems);
        Assert.StartsWith(name + ":", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("REDIS_HOST=a", "REDIS_PASSWORD=p", "REDIS_TLS=off")]
    [InlineData("REDIS_HOST=127.0.0.1:6380", "REDIS_PASSWORD=p")]
    [InlineData("REDIS_HOST=localhost", "REDIS_PASSWORD=p")]
    public void Read_WhenThePasswordStaysHereOrIsSentInClearOnPurpose_TakesIt(params string[] values) => Assert.NotNull(Read(out _, values));

    private static RedisSettings? Read(out List<string> problems, params string[] values)
    {
        problems = [];
        return RedisSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(values.Select(value => value.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], (string?)pair[1]))).Build(), problems);
    }
}
