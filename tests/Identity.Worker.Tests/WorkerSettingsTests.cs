using Microsoft.Extensions.Configuration;

namespace Identity.Worker.Tests;

/// <summary>What the worker refuses of its settings before anything is started.</summary>
public sealed class WorkerSettingsTests
{
    // Beyond 49 days .NET's timers throw, and the first wait took the worker with it.
    [Theory]
    [InlineData("1s", true)]
    [InlineData("1d", true)]
    [InlineData("25h", false)]
    [InlineData("40d", false)]
    [InlineData("0", false)]
    public void CleanUpInterval_WhenItIsNoneOfASecondToADay_IsRefused(string text, bool isTaken)
    {
        var problems = new List<string>();
        var settings = WorkerSettings.Read(new ConfigurationBuilder().AddInMemoryCollection([new("CLEANUP_INTERVAL", text), new("RABBITMQ_URIS", "amqps://rabbit.example")]).Build(), problems);
        Assert.Equal(isTaken, settings is not null);
        Assert.All(problems, problem => Assert.StartsWith("CLEANUP_INTERVAL: expected ", problem, StringComparison.Ordinal));
        Assert.Equal(isTaken ? 0 : 1, problems.Count);
    }
}
