// The samples that people look at: a single-page app (oidc-client-ts) and Auth.js, each started as its README says and used in Chromium, with samples/express-api behind them.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed partial class SampleTests(BrowserFixture fixture) : IAsyncLifetime
{
    private static readonly string s_samples = Path.GetFullPath(Path.Combine(BrowserFixture.SourceDirectory(), "..", "..", "samples"));

    private readonly List<Process> _programs = [];
    private readonly ConcurrentQueue<string> _output = new();
    private HostedServer? _server;
    private string _api = "";

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var program in _programs)
        {
            program.Kill(entireProcessTree: true);
            await program.WaitForExitAsync();
            program.Dispose();
        }

        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    [Fact]
    public async Task SinglePageApp_WhenUsedAsItsReadmeSays_SignsInReadsNotesRefreshesAndSignsOut()
    {
        await using var visit = await fixture.VisitAsync();
        var app = await StartAsync("single-page-app", "5173");
        var page = visit.Page;
        await page.GotoAsync(app);
        await ExpectAsync(page, "#status", "Signed out");
        await visit.PressAsync("Read notes");
        await ExpectAsync(page, "#answer", "The API says 401");

        await visit.PressAsync("Sign in");
        await SignInAsync(page, visit.Email);
        await page.ArriveAtAsync(app);
        await ExpectAsync(page, "#status", "Signed in as " + visit.Email);
        await visit.PressAsync("Read notes");
        await Assertions.Expect(page.Locator("#answer")).ToContainTextAsync("buy milk");
        await visit.PressAsync("Refresh");
        await ExpectAsync(page, "#answer", "A new token, for 3600 s");
        await visit.PressAsync("Read notes");
        await Assertions.Expect(page.Locator("#answer")).ToContainTextAsync("buy milk");

        await visit.PressAsync("Sign out");
        await page.ArriveAtAsync(app + "*");
        await ExpectAsync(page, "#status", "Signed out");
        await visit.PressAsync("Sign in");
        await page.ArriveAtAsync(_server!.Url + "signin?*");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task SinglePageApp_WhenTheSessionEndedElsewhere_SaysSoAndForgetsIt()
    {
        await using var visit = await fixture.VisitAsync();
        var app = await StartAsync("single-page-app", "5173");
        var page = visit.Page;
        await page.GotoAsync(app);
        await ExpectAsync(page, "#status", "Signed out");
        await visit.PressAsync("Refresh");
        await ExpectAsync(page, "#answer", "Sign in first");

        await visit.PressAsync("Sign in");
        await SignInAsync(page, visit.Email);
        await page.ArriveAtAsync(app);
        await ExpectAsync(page, "#status", "Signed in as " + visit.Email);
        var elsewhere = await page.Context.NewPageAsync();
        await elsewhere.GotoAsync(_server!.Url + "connect/endsession");
        await elsewhere.GetByRole(AriaRole.Main).GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Assertions.Expect(elsewhere.GetByRole(AriaRole.Heading, new() { Name = "You are signed out" })).ToBeVisibleAsync();

        await visit.PressAsync("Refresh");
        await ExpectAsync(page, "#status", "Your session has ended: sign in again");
        await page.ReloadAsync();
        await ExpectAsync(page, "#status", "Signed out");
    }

    [Fact]
    public async Task AuthJs_WhenUsedAsItsReadmeSays_SignsInReadsNotesAndSignsOut()
    {
        await using var visit = await fixture.VisitAsync();
        var app = await StartAsync("authjs-express", "3100");
        var page = visit.Page;
        await page.GotoAsync(app);
        await PressWhenReadyAsync(visit, "Sign in");
        await SignInAsync(page, visit.Email);
        await page.ArriveAtAsync(app);
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Signed in as " + visit.Email);
        await page.GetByRole(AriaRole.Link, new() { Name = "Read notes" }).ClickAsync();
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("buy milk");
        await page.GoBackAsync();

        await PressWhenReadyAsync(visit, "Sign out");
        await page.ArriveAtAsync(app);
        await Assertions.Expect(page.Locator("body")).ToContainTextAsync("Signed out");
        await PressWhenReadyAsync(visit, "Sign in");
        await page.ArriveAtAsync(_server!.Url + "signin?*");
    }

    private static async Task PressWhenReadyAsync(Visit visit, string button)
    {
        await Assertions.Expect(visit.Page.Locator("body[data-ready=true]")).ToHaveCountAsync(1);
        await visit.PressAsync(button);
    }

    private static Task ExpectAsync(IPage page, string what, string text) => Assertions.Expect(page.Locator(what)).ToHaveTextAsync(text);

    private async Task SignInAsync(IPage page, string email)
    {
        await page.ArriveAtAsync(_server!.Url + "signin?*");
        await _server.RegisterAsync(email, BrowserFixture.Password, "Ada", "Lovelace");
        await page.GetByLabel("E-mail address or user name").FillAsync(email);
        await page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in", Exact = true }).ClickAsync();
    }

    // The server with the samples' own clients and API, the API, and the sample; each at a port that is free here, in the place of the one that is written down.
    private async Task<string> StartAsync(string sample, string documented)
    {
        foreach (var folder in new[] { sample, "express-api" })
        {
            var isThere = Directory.Exists(Path.Combine(s_samples, folder, "node_modules"));
            Assert.SkipWhen(!isThere && Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") != "1", $"npm packages of samples/{folder} are not installed: run ./test.sh");
            Assert.True(isThere, $"npm packages of samples/{folder} are not installed.");
        }

        var port = Ports.Free().ToString(CultureInfo.InvariantCulture);
        var clients = await File.ReadAllTextAsync(Path.Combine(s_samples, "clients.json"));
        Assert.Contains($"http://localhost:{documented}/", clients, StringComparison.Ordinal);
        _server = await HostedServer.StartAsync(clients.Replace($"localhost:{documented}/", $"localhost:{port}/", StringComparison.Ordinal), await File.ReadAllTextAsync(Path.Combine(s_samples, "resources.json")));
        var origin = $"http://localhost:{port}";
        _api = "http://localhost:" + await StartProgramAsync("express-api", "0", ("ALLOWED_ORIGIN", origin));
        await StartProgramAsync(sample, port, ("API_URL", _api));
        return origin + "/";
    }

    private async Task<string> StartProgramAsync(string folder, string port, (string Name, string Value) more)
    {
        Assert.Contains("npm start", await File.ReadAllTextAsync(Path.Combine(s_samples, folder, "README.md")), StringComparison.Ordinal);
        var start = new ProcessStartInfo("npm", ["start"]) { WorkingDirectory = Path.Combine(s_samples, folder), RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["PORT"] = port;
        start.Environment["ISSUER"] = _server!.Url.AbsoluteUri.TrimEnd('/');
        start.Environment[more.Name] = more.Value;
        var listening = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var program = Process.Start(start)!;
        _programs.Add(program);
        void Read(string? line)
        {
            _output.Enqueue(line ?? "");
            if (Listening().Match(line ?? "") is { Success: true } found)
            {
                listening.TrySetResult(found.Groups[1].Value);
            }
        }

        program.OutputDataReceived += (_, line) => Read(line.Data);
        program.ErrorDataReceived += (_, line) => Read(line.Data);
        program.BeginOutputReadLine();
        program.BeginErrorReadLine();
        var first = await Task.WhenAny(listening.Task, program.WaitForExitAsync(), Task.Delay(TimeSpan.FromSeconds(60)));
        return first == listening.Task ? await listening.Task : throw new InvalidOperationException($"{folder} does not listen: {string.Join('\n', _output)}");
    }

    [GeneratedRegex(@"listening on (\d+)")]
    private static partial Regex Listening();
}
