using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Identity.Tests.Kit;

namespace Identity.Tests.CommandLine;

/// <summary>identity export and import: everything, or nothing.</summary>
public sealed class TransferCommandTests
{
    private const string Password = "staple of another colour";

    [Fact]
    public async Task Everything_WhenCarriedFromSqliteToPostgres_IsThere()
    {
        await using var postgres = await PostgresServer.StartAsync();
        if (postgres is null)
        {
            Assert.Skip(PostgresServer.WhatIsMissing);
        }

        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        postgres.AddSettings(settings);
        using var from = await FilledAsync(settings["MASTER_KEY"]);
        using var to = await Shell.MigratedAsync([.. settings.Select(setting => (setting.Key, setting.Value))]);
        var file = Path.Combine(from.DataDirectory, "all.jsonl");
        var rows = (long)(await from.RunAsync("export", file, "--json")).Done().Json["rows"]!;
        Assert.Equal(rows, (long)(await to.RunAsync("import", file, "--json")).Done().Json["rows"]!);
        await AssertSameAsync(from, to);

        // And back: what the one wrote the other reads.
        var back = Path.Combine(from.DataDirectory, "back.jsonl");
        (await to.RunAsync("export", back)).Done();
        using var again = await Shell.MigratedAsync(("MASTER_KEY", settings["MASTER_KEY"]));
        (await again.RunAsync("import", back)).Done();
        await AssertSameAsync(from, again);

        await using var server = await to.ServeAsync();
        using var http = new HttpClient { BaseAddress = server.Url };
        using var answer = await http.PostAsJsonAsync("/api/identity/login", new { email = "ada@example.com", password = Password }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Export_WhenWritten_IsItsOwnersAloneAndReplacesNothing()
    {
        using var shell = await FilledAsync(CheckCommandTests.Key());
        var file = Path.Combine(shell.DataDirectory, "all.jsonl");
        (await shell.RunAsync("export", file)).Done();
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }

        Assert.All(await File.ReadAllLinesAsync(file, TestContext.Current.CancellationToken), line => JsonDocument.Parse(line).Dispose());
        Assert.Contains("cannot be made", (await shell.RunAsync("export", file)).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Everything_WhenItWasCarried_IsInTheAuditTrailOfBoth()
    {
        var key = CheckCommandTests.Key();
        using var from = await FilledAsync(key);
        var file = Path.Combine(from.DataDirectory, "all.jsonl");
        (await from.RunAsync("export", file)).Done();
        using var to = await Shell.MigratedAsync(("MASTER_KEY", key));
        (await to.RunAsync("import", file)).Done();
        Assert.Equal(("database_export", "success", "command-line"), (await from.TrailAsync())[^1]);
        Assert.Equal(("database_import", "success", "command-line"), (await to.TrailAsync())[^1]);
    }

    [Theory]
    [InlineData("cut", "cut off")]
    [InlineData("missing", "its end does not fit its rows")]
    [InlineData("changed", "its end does not fit its rows")]
    [InlineData("noise", "is no JSON")]
    [InlineData("other", "Expected a file that identity export wrote")]
    [InlineData("key", "MASTER_KEY")]
    [InlineData("version", "another version")]
    [InlineData("full", "Expected an empty database")]
    [InlineData("nowhere", "there is no such file")]
    public async Task Import_WhenItCannotBeWhole_TakesInNothing(string damage, string problem)
    {
        var key = CheckCommandTests.Key();
        using var from = await FilledAsync(key);
        var file = Path.Combine(from.DataDirectory, "all.jsonl");
        (await from.RunAsync("export", file)).Done();
        var lines = await File.ReadAllLinesAsync(file, TestContext.Current.CancellationToken);
        await File.WriteAllLinesAsync(
            file,
            damage switch
            {
                "cut" => lines[..^1],
                "missing" => [.. lines[..^2], lines[^1]],
                "changed" => [.. lines.Select(line => line.Replace("ada@example.com", "eve@example.com", StringComparison.Ordinal))],
                "noise" => [.. lines[..^2], "{", .. lines[^2..]],
                "other" => ["{}", .. lines[1..]],
                "version" => [lines[0].Replace("\"schema\":\"", "\"schema\":\"0", StringComparison.Ordinal), .. lines[1..]],
                _ => lines,
            },
            TestContext.Current.CancellationToken);
        using var to = await Shell.MigratedAsync(("MASTER_KEY", damage == "key" ? CheckCommandTests.Key() : key));
        var before = damage == "full" ? 1 : 0;
        if (damage == "full")
        {
            (await to.RunAsync("users", "create", "bob@example.com")).Done();
        }

        Assert.Contains(problem, (await to.RunAsync("import", damage == "nowhere" ? "/nowhere.jsonl" : file)).Refused(), StringComparison.Ordinal);
        Assert.Equal(before, (await to.RunAsync("users", "list", "--json")).Done().Json.AsArray().Count);
        Assert.Empty((await to.RunAsync("keys", "list", "--json")).Done().Json.AsArray());
    }

    // A server has run on it: keys, clients, an administrator, sessions and what the trail says of them.
    private static async Task<Shell> FilledAsync(string masterKey)
    {
        var shell = await Shell.MigratedAsync(("MASTER_KEY", masterKey));
        (await shell.RunAsync(Password + "\n", ["users", "create", "ada@example.com", "--password-stdin"])).Done();
        (await shell.RunAsync("users", "import", shell.File("users.jsonl", string.Concat(Enumerable.Range(0, 450).Select(i => $$$"""{"email":"u{{{i}}}@example.com","metadata":{"number":{{{i}}}}}""" + "\n"))))).Done();
        await using var server = await shell.ServeAsync();
        using var http = new HttpClient { BaseAddress = server.Url };
        using var answer = await http.PostAsJsonAsync("/api/identity/login", new { email = "ada@example.com", password = Password }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return shell;
    }

    private static async Task AssertSameAsync(Shell one, Shell other)
    {
        foreach (var words in new[] { ["users", "list", "--json"], ["clients", "export", "--with-secret-hashes"], new[] { "keys", "list", "--json" } })
        {
            var output = (await one.RunAsync(words)).Done().Output;
            Assert.True(output.Length > 100);
            Assert.Equal(output, (await other.RunAsync(words)).Done().Output);
        }
    }
}
