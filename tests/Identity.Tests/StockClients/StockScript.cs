using System.Diagnostics;
using Identity.Tests.Repository;

namespace Identity.Tests.StockClients;

/// <summary>A script in tests/Identity.Tests/clients, which drives clients that others wrote.</summary>
internal static class StockScript
{
    /// <summary>Runs it to its end; skipped where npm packages are not installed.</summary>
    public static async Task RunAsync(string script, params (string Name, string Value)[] environment)
    {
        var folder = Path.Combine(RepositoryRoot.Path, "tests", "Identity.Tests", "clients");
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "npm packages are not installed: run ./test.sh");
            Assert.Fail("npm packages are not installed.");
        }

        var start = new ProcessStartInfo("node", ["--test", script]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var node = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var output = await node.StandardOutput.ReadToEndAsync(limit.Token);
        var errors = await node.StandardError.ReadToEndAsync(limit.Token);
        await node.WaitForExitAsync(limit.Token);
        Assert.True(node.ExitCode == 0, output + errors);
    }
}
