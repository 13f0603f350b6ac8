using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Apis;
using Identity.Tests.Kit;
using Identity.Tests.Repository;

namespace Identity.Tests.FirstStart;

/// <summary>
/// The commands of samples/README.md and of each API's README, by their letter but for ports that may be taken here, what test.sh has done (npm install, the build) and
/// what a terminal would be left with. What each sample lets in and what not: SampleTests; the two that have pages: tests/Identity.Browser.Tests.
/// </summary>
public sealed partial class SampleReadmeTests
{
    private static readonly string s_samples = Path.Combine(RepositoryRoot.Path, "samples");

    [Fact]
    public void Samples_WhenThereIsOne_SayWhatTheyShowAndHowTheyAreStarted()
    {
        var folders = Directory.GetDirectories(s_samples).Select(folder => Path.GetFileName(folder)!).ToArray();
        Assert.True(folders.Length >= 8);
        var list = File.ReadAllText(Path.Combine(s_samples, "README.md"));
        Assert.All(folders, folder =>
        {
            Assert.Contains($"[{folder}]({folder}/)", list, StringComparison.Ordinal);
            Assert.InRange(Commands(Path.Combine(folder, "README.md")).Length, 1, 2);
        });
    }

    [Fact]
    public async Task Apis_WhenStartedByTheirReadme_RefuseWhoHasNoTokenAndAnswerWhoHasOne()
    {
        ForeignProgram.Require(Directory.Exists(Path.Combine(s_samples, "express-api", "node_modules")), "npm packages of samples/express-api");
        ForeignProgram.Require(File.Exists("/usr/lib/apache2/modules/mod_auth_openidc.so"), "apache2, libapache2-mod-auth-openidc");
        ForeignProgram.Require(File.Exists("/usr/bin/python3") && Directory.Exists("/usr/lib/python3/dist-packages/flask"), "python3-flask, python3-jwt");
        ForeignProgram.Require(File.Exists("/usr/bin/go") && Directory.Exists("/usr/share/gocode/src/github.com/coreos/go-oidc"), "golang-go, golang-github-coreos-go-oidc-dev");
        var commands = Commands("README.md");
        Assert.StartsWith("CLIENTS_FILE=samples/clients.json RESOURCES_FILE=samples/resources.json dotnet run", commands[0], StringComparison.Ordinal);
        await using var server = await FirstStartServer.StartAsync(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["CLIENTS_FILE"] = Path.Combine(s_samples, "clients.json"),
            ["RESOURCES_FILE"] = Path.Combine(s_samples, "resources.json"),
        });
        var issuer = server.Address.AbsoluteUri.TrimEnd('/');
        using var asking = Start(commands[1].Replace("http://localhost:8016", issuer, StringComparison.Ordinal), issuer, port: 0, s_samples);
        var token = (string)JsonNode.Parse(await asking.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken))!["access_token"]!;

        foreach (var (folder, documented) in new[] { ("express-api", "3000"), ("aspnetcore-api", "3003"), ("flask-api", "5001"), ("go-api", "3002"), ("apache-front", "3001") })
        {
            var readme = await File.ReadAllTextAsync(Path.Combine(s_samples, folder, "README.md"), TestContext.Current.CancellationToken);
            var address = Address().Match(readme).Value;
            Assert.Contains($":{documented}/notes", address, StringComparison.Ordinal);
            var port = Ports.Free();
            string Here(string command) => command.Replace(documented, port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal).Replace("http://localhost:8016", issuer, StringComparison.Ordinal);
            var start = string.Join('\n', Commands(Path.Combine(folder, "README.md")).Where(line => line != "npm install" && !line.StartsWith("curl ", StringComparison.Ordinal)))
                .Replace("dotnet run", $"dotnet run -c {FirstStartServer.Configuration} --no-build", StringComparison.Ordinal);
            using var program = Start(Here(start), issuer, port, folder == "express-api" ? Path.Combine(s_samples, folder) : RepositoryRoot.Path);
            try
            {
                var notes = new Uri(Here(address));
                await WaitAsync(notes, program);
                Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(notes, token: null)).Status);
                var (status, _, body) = await ApiWorld.CallAsync(notes, token);
                Assert.True(status == HttpStatusCode.OK && body.Contains("buy milk", StringComparison.Ordinal), $"{folder}: {(int)status} {body}");
                if (folder != "apache-front")
                {
                    Assert.Equal(HttpStatusCode.Forbidden, (await ApiWorld.CallAsync(notes, token, HttpMethod.Post)).Status);
                }
            }
            finally
            {
                program.Kill(entireProcessTree: true);
                await program.WaitForExitAsync(TestContext.Current.CancellationToken);
            }
        }
    }

    private static async Task WaitAsync(Uri address, Process program)
    {
        using var http = new HttpClient();
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(90); await Task.Delay(100))
        {
            try
            {
                using var answer = await http.GetAsync(address);
                return;
            }
            catch (HttpRequestException exception)
            {
                if (program.HasExited)
                {
                    throw new InvalidOperationException($"What should answer at {address} ended.", exception);
                }
            }
        }

        throw new TimeoutException(address + " does not answer.");
    }

    // A shell, as a reader has one: it is told where the server is, which the samples take for localhost:8016 otherwise.
    private static Process Start(string command, string issuer, int port, string folder)
    {
        var start = new ProcessStartInfo("bash", ["-c", command]) { WorkingDirectory = folder, RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment["ISSUER"] = issuer;
        if (port > 0)
        {
            start.Environment["PORT"] = port.ToString(CultureInfo.InvariantCulture);
        }

        return Process.Start(start)!;
    }

    private static string[] Commands(string readme) =>
        [.. Fence().Matches(File.ReadAllText(Path.Combine(s_samples, readme))).SelectMany(match => match.Groups["text"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries))];

    [GeneratedRegex("^```\n(?<text>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Fence();

    [GeneratedRegex(@"http://[\w.]+:\d+/notes")]
    private static partial Regex Address();
}
