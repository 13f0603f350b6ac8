// NIST SP 800-63B-4 §2.2, OWASP ASVS 5.0 §6.3.3: a role that needs two factors needs them whatever the first one was.
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.SecondFactors;

/// <summary>Somebody whose role needs a second factor, who has none, and whose mailbox was the first.</summary>
public sealed class FirstFactorTests
{
    private const string Email = "ada@example.com";
    private const string Password = "correct horse battery 7";
    private const string Callback = "http://127.0.0.1:4711/callback";
    private const string Request = "/connect/authorize?client_id=blog&response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcallback&scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    private const string Clients = """[{"client_id":"blog","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1/callback"],"scope":"openid"}]""";

    [Fact]
    public async Task CodeByMail_ForARoleThatNeedsMore_LeadsToTheFirstFactorBeforeThereIsASession_AndGoesOn()
    {
        await using var server = await StartAsync();
        var account = await AuditorAsync(server);
        using var browser = new Browser(server.Url);
        var page = await CodeAsync(server, browser, Request);
        Assert.StartsWith("/signin/add-factor?returnUrl=%2Fconnect%2Fauthorize", page, StringComparison.Ordinal);
        Assert.Null(browser.Cookies.GetCookies(server.Url)["identity"]);
        Assert.StartsWith("/signin?", await LocationAsync(browser, "/account"), StringComparison.Ordinal);
        Assert.StartsWith("/signin?", await LocationAsync(browser, Request), StringComparison.Ordinal);

        // Its pages are no way round the rest of the account, and the ticket none round the second step.
        foreach (var other in (string[])["/account/security", "/account/security/confirm", "/account/sessions", "/account/password", "/account/apps", "/account/connections"])
        {
            Assert.StartsWith("/signin?", await LocationAsync(browser, other), StringComparison.Ordinal);
        }

        Assert.StartsWith("/signin?", await LocationAsync(browser, "/signin/second-factor"), StringComparison.Ordinal);

        page = await CodeAsync(server, browser, Request);
        var links = await LinksAsync(browser, page);
        Assert.Contains(links, link => link.StartsWith("/account/security/passkey?returnUrl=", StringComparison.Ordinal));
        var app = await AuthenticatorApp.ScanAsync(browser, links.Single(link => link.StartsWith("/account/security/authenticator?returnUrl=", StringComparison.Ordinal)));
        var next = await app.ConfirmAsync(browser, TimeProvider.System.GetUtcNow());
        Assert.StartsWith("/connect/authorize?", next, StringComparison.Ordinal);
        Assert.StartsWith(Callback + "?code=", await LocationAsync(browser, next), StringComparison.Ordinal);
        var session = Assert.Single(await server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken));
        Assert.Equal(("urn:identity:acr:2fa", "otp mfa"), (session.Acr, string.Join(' ', session.Amr)));

        // From then on there is something to prove.
        using var again = new Browser(server.Url);
        Assert.StartsWith("/signin/second-factor", await CodeAsync(server, again, "/account"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task FirstFactor_When50AddItAtOnce_IsOneAndMakesOneSession()
    {
        await using var server = await StartAsync();
        var account = await AuditorAsync(server);
        using var browser = new Browser(server.Url);
        await CodeAsync(server, browser, "/account");
        var app = await AuthenticatorApp.ScanAsync(browser, "/account/security/authenticator");
        var now = TimeProvider.System.GetUtcNow();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => app.SendAsync(browser, now)));
        Assert.Single(answers, answer => answer.Headers.Location?.OriginalString.StartsWith("/account/security/recovery-codes?", StringComparison.Ordinal) == true);
        Assert.Single(await server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, now, TestContext.Current.CancellationToken));
        foreach (var answer in answers)
        {
            answer.Dispose();
        }
    }

    [Fact]
    public async Task FirstFactor_AfterTenMinutes_IsOver_AndTheApplicationStillWaits()
    {
        var time = new Kit.OffsetTimeProvider(TimeSpan.Zero);
        await using var server = await StartAsync(time);
        await AuditorAsync(server);
        using var browser = new Browser(server.Url);
        var page = await CodeAsync(server, browser, Request);
        time.Advance(TimeSpan.FromMinutes(9));
        using (var shown = await browser.GetAsync(page))
        {
            Assert.Equal(HttpStatusCode.OK, shown.StatusCode);
        }

        time.Advance(TimeSpan.FromMinutes(2));
        var late = await LocationAsync(browser, page);
        Assert.StartsWith("/signin?returnUrl=%2Fconnect%2Fauthorize", late, StringComparison.Ordinal);
        Assert.EndsWith("&done=expired", late, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_ByApi_ForARoleThatNeedsMore_SaysWhatIsMissingAndGivesNoTokens()
    {
        await using var server = await StartAsync();
        await AuditorAsync(server);
        using var http = new HttpClient { BaseAddress = new Uri(server.Url, "/api/identity/") };
        using (var sent = await http.PostAsJsonAsync("otp/generate", new { email = Email, purpose = "login" }, TestContext.Current.CancellationToken))
        {
            Assert.Equal(HttpStatusCode.OK, sent.StatusCode);
        }

        using var verified = await http.PostAsJsonAsync("otp/verify", new { email = Email, purpose = "login", code = await server.ReadCodeAsync(Email) }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, verified.StatusCode);
        var body = JsonNode.Parse(await verified.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        Assert.Equal("mfa_required", (string)body["errorCode"]!);
        Assert.Equal("A second factor is required, and the account has none yet: add one with login/enrol/totp or login/enrol/passkey, or in a browser.", (string)body["message"]!);
        Assert.Empty(body["methods"]!.AsArray());

        // Its ticket is none for the second step.
        var mfaToken = (string)body["mfaToken"]!;
        foreach (var (route, more) in ((string, object)[])[("login", new { mfaToken, code = "123456" }), ("login/code", new { mfaToken, method = "email" }), ("login/passkey", new { mfaToken })])
        {
            using var refused = await http.PostAsJsonAsync(route, more, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.Equal("invalid_mfa_token", (string)JsonNode.Parse(await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["errorCode"]!);
        }
    }

    [Fact]
    public async Task FirstFactor_OfAnotherSignIn_IsAddedToTheAccountOfThatSignIn()
    {
        await using var server = await StartAsync();
        var account = await AuditorAsync(server);
        await server.RegisterAsync("bob@example.com", Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync("bob@example.com", Password);
        await CodeAsync(server, browser, "/account");
        var app = await AuthenticatorApp.ScanAsync(browser, "/account/security/authenticator");
        await app.ConfirmAsync(browser, TimeProvider.System.GetUtcNow());
        using var page = await browser.GetAsync("/account");
        Assert.Equal(Email, new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).QuerySelector(".page-head bdi")!.TextContent);
        Assert.Single(await server.Services.GetRequiredService<Identity.Accounts.SecondFactors.ISecondFactorStore>().ListAsync(account.Id, TestContext.Current.CancellationToken));

        // Whoever goes to their own account instead has left that sign-in.
        await server.RegisterAsync("eve@example.com", Password);
        using var other = new Browser(server.Url);
        await other.SignInAsync("bob@example.com", Password);
        await AuditorAsync(server, "grace@example.com");
        await CodeAsync(server, other, "/account", "grace@example.com");
        using (var left = await other.GetAsync("/account/security"))
        {
            Assert.Equal(HttpStatusCode.OK, left.StatusCode);
        }

        using var own = await other.GetAsync("/account/security/authenticator");
        Assert.Contains("bob@example.com", await own.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    private static Task<HostedServer> StartAsync(TimeProvider? time = null) => HostedServer.StartAsync(Clients, time: time, settings: new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["Accounts:AllowCodeSignIn"] = "true",
        ["Accounts:OneTimeCodesPerAccount"] = "1000",
        ["SecondFactors:RequiredForRoles:0"] = "auditor",
    });

    private static async Task<Account> AuditorAsync(HostedServer server, string email = Email)
    {
        var account = await server.RegisterAsync(email, Password);
        await server.Services.GetRequiredService<RoleCatalog>().PutAsync("auditor", description: null, CancellationToken.None);
        var changed = await server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { Roles = ["auditor"] }, null, new Caller(null, null), CancellationToken.None);
        Assert.IsType<AccountChangeResult.Changed>(changed);
        return account;
    }

    /// <summary>Signs in by a code; where that leads.</summary>
    private static async Task<string> CodeAsync(HostedServer server, Browser browser, string returnUrl, string email = Email)
    {
        var start = "/signin/code";
        if (returnUrl.StartsWith("/connect/", StringComparison.Ordinal))
        {
            start += (await LocationAsync(browser, returnUrl))["/signin".Length..];
        }

        var last = await LastCodeAsync(server, email);
        using var sent = await browser.SubmitAsync(start, new() { ["Email"] = email });
        Assert.True(sent.StatusCode == HttpStatusCode.SeeOther, $"{(int)sent.StatusCode} {await sent.Content.ReadAsStringAsync()}");
        using var answer = await browser.SubmitAsync(sent.Headers.Location!.OriginalString, new() { ["Code"] = await server.ReadCodeAsync(email, last) });
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return answer.Headers.Location!.OriginalString;
    }

    private static async Task<string?> LastCodeAsync(HostedServer server, string email) =>
        Directory.Exists(server.OutboxDirectory) && Directory.GetFiles(server.OutboxDirectory, "*.eml").Any(file => File.ReadAllText(file) is var text && text.Contains(email, StringComparison.Ordinal) && System.Text.RegularExpressions.Regex.IsMatch(text, @"\b\d{6}\b")) ? await server.ReadCodeAsync(email) : null;

    private static async Task<IReadOnlyList<string>> LinksAsync(Browser browser, string page)
    {
        using var response = await browser.GetAsync(page);
        return [.. new HtmlParser().ParseDocument(await response.Content.ReadAsStringAsync()).QuerySelectorAll("a").Select(link => link.GetAttribute("href") ?? "")];
    }

    private static async Task<string> LocationAsync(Browser browser, string url)
    {
        using var response = await browser.GetAsync(url);
        return response.Headers.Location?.OriginalString ?? throw new InvalidOperationException($"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }
}
