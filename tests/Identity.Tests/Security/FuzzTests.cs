namespace Identity.Tests.Security;

/// <summary>Bad values in every place, on the embedded store. (On PostgreSQL: <see cref="NodesTests"/>.)</summary>
public sealed class FuzzTests(RunningServer server)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Server_WhenSentEveryKindOfBadValue_NeverFails(int seed)
    {
        var fuzz = new Fuzz(server, seed);
        await fuzz.RunAsync(requests: Requests);
        Assert.True(fuzz.Sent >= Requests - 3);
        Assert.DoesNotContain("Unhandled", server.Output, StringComparison.Ordinal);
    }

    /// <summary>IDENTITY_TEST_FUZZ=100000 looks longer than a test run does.</summary>
    internal static int Requests => int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_FUZZ"), out var wanted) ? wanted : 2000;
}
