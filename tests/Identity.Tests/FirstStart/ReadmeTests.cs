using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Apis;
using Identity.Tests.Kit;
using Identity.Tests.Repository;

namespace Identity.Tests.FirstStart;

/// <summary>README.md, "Your first client in five minutes", done by its letter: its script, its commands and its clients, with the port that is free here.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string s_readme = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "README.md"));

    [Fact]
    public async Task FirstClient_WhenMadeByTheReadme_SignsSomebodyInAndItsCommandsWork()
    {
        // What FirstStartServer does, and what its reader copies.
        Assert.Contains("dotnet run --project src/Identity.Server", Blocks(""));
        var clients = Directory.CreateTempSubdirectory("identity-readme-");
        try
        {
            var file = Path.Combine(clients.FullName, "clients.json");
            await File.WriteAllTextAsync(file, Assert.Single(Blocks("json")));
            await using var server = await FirstStartServer.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["CLIENTS_FILE"] = file });
            await ScriptAsync(server, clients.FullName);
            await CommandsAsync(server);

            // The same program manages what it serves.
            var check = await ShellAsync(server, Inline().Match(s_readme).Groups[1].Value.Replace("dotnet run --project src/Identity.Server", $"dotnet run --project {Path.Combine(RepositoryRoot.Path, "src", "Identity.Server")} -c {FirstStartServer.Configuration} --no-build", StringComparison.Ordinal));
            Assert.Contains("database", check, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            clients.Delete(recursive: true);
        }
    }

    // npm install openid-client · node demo.mjs, then open what it prints, create an account, and look at who that is.
    private static async Task ScriptAsync(FirstStartServer server, string folder)
    {
        var script = Assert.Single(Blocks("js"));
        Assert.StartsWith("// npm install openid-client   ·   node demo.mjs", script, StringComparison.Ordinal);
        const string Packages = "tests/Identity.Tests/clients/node_modules";
        ForeignProgram.Require(Directory.Exists(Path.Combine(RepositoryRoot.Path, Packages, "openid-client")), "npm packages of tests/Identity.Tests/clients");
        Directory.CreateSymbolicLink(Path.Combine(folder, "node_modules"), Path.Combine(RepositoryRoot.Path, Packages));
        await File.WriteAllTextAsync(Path.Combine(folder, "demo.mjs"), Here(server, script).Replace("4711", Ports.Free().ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        using var node = Process.Start(new ProcessStartInfo("node", ["demo.mjs"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            var errors = node.StandardError.ReadToEndAsync(limit.Token);
            var line = await node.StandardOutput.ReadLineAsync(limit.Token) ?? "";
            Assert.True(line.StartsWith("Open http", StringComparison.Ordinal), line);
            using var browser = new Browser(server.Address);
            var callback = await PersonAtBrowser.RegisterAsync(browser, line["Open ".Length..], "grace@example.com", "a sound pass phrase 7", () => server.ReadCodeAsync("grace@example.com"));
            using var page = await browser.GetAsync(callback.AbsoluteUri);
            Assert.Equal("Signed in. You can close this tab.", await page.Content.ReadAsStringAsync(limit.Token));
            var output = await node.StandardOutput.ReadToEndAsync(limit.Token);
            await node.WaitForExitAsync(limit.Token);
            Assert.True(node.ExitCode == 0, output + await errors);
            Assert.Contains("email: 'grace@example.com'", output, StringComparison.Ordinal);
            Assert.Contains("3600 more seconds", output, StringComparison.Ordinal);
        }
        finally
        {
            if (!node.HasExited)
            {
                node.Kill();
            }
        }
    }

    private static async Task CommandsAsync(FirstStartServer server)
    {
        var commands = Blocks("").SelectMany(block => block.Split('\n')).Where(line => line.StartsWith("curl ", StringComparison.Ordinal)).ToArray();
        Assert.Equal(3, commands.Length);
        var token = JsonNode.Parse(await ShellAsync(server, commands[0].Replace("SECRET", server.ServiceSecret, StringComparison.Ordinal)))!;
        Assert.Equal("identity.users.read", (string?)token["scope"]);

        // A television: the person opens what it shows, and allows.
        var device = JsonNode.Parse(await ShellAsync(server, commands[1]))!;
        var link = new Uri((string)device["verification_uri_complete"]!).PathAndQuery;
        using var browser = new Browser(server.Address);
        using var asked = await browser.GetAsync(link);
        await browser.SignInAtAsync(asked.Headers.Location!, "admin@localhost.local", server.AdminPassword);
        using var allowed = await browser.SubmitAsync(link, [], "Allow");
        Assert.Equal("/connect/verify?done=allowed", allowed.Headers.Location!.OriginalString);
        var tokens = JsonNode.Parse(await ShellAsync(server, commands[2].Replace("CODE", (string)device["device_code"]!, StringComparison.Ordinal)))!;
        Assert.NotNull(tokens["id_token"]);
    }

    private static string Here(FirstStartServer server, string text) => text.Replace("localhost:8016", $"localhost:{server.Port}", StringComparison.Ordinal);

    private static async Task<string> ShellAsync(FirstStartServer server, string command)
    {
        var start = new ProcessStartInfo("bash", ["-c", Here(server, command)]) { WorkingDirectory = server.Folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var errors = process.StandardError.ReadToEndAsync(limit.Token);
        var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        Assert.True(process.ExitCode == 0, command + '\n' + output + await errors);
        return output;
    }

    private static IEnumerable<string> Blocks(string language) => Fence().Matches(s_readme).Where(match => match.Groups["language"].Value == language).Select(match => match.Groups["text"].Value.Trim());

    [GeneratedRegex("^```(?<language>\\w*)\n(?<text>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Fence();

    [GeneratedRegex("`(dotnet run --project src/Identity.Server -- check)`")]
    private static partial Regex Inline();
}
