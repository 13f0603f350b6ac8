// OpenID Connect Core §3.1.2.1 (acr_values), §5.5.1.1 (essential acr): who is signed in with one factor is asked for another where a client needs it.
using System.Text.Json.Nodes;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using OtpNet;

namespace Identity.Tests.SecondFactors;

public sealed class StepUpTests
{
    private const string Email = "ada@example.com";
    private const string Password = "correct horse battery 7";
    private const string Callback = "http://127.0.0.1:4711/callback";
    private const string Request = "/connect/authorize?response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcallback&scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    private static readonly string s_clients = new JsonArray(Client("bank"), Client("blog")).ToJsonString();

    [Fact]
    public async Task Client_ThatRequiresASecondFactor_LeadsSomebodyWithoutToEnrolOne_AndGoesOn()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RequiredForClients:0"] = "bank" });
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        Assert.StartsWith(Callback + "?code=", await LocationAsync(browser, Request + "&client_id=blog"), StringComparison.Ordinal);

        // Nothing can be shown: the client is told that something has to be.
        Assert.Contains("error=interaction_required", await LocationAsync(browser, Request + "&client_id=blog&prompt=none" + Essential("phr")), StringComparison.Ordinal);

        var page = await LocationAsync(browser, Request + "&client_id=bank");
        Assert.StartsWith("/signin/add-factor?returnUrl=", page, StringComparison.Ordinal);
        var links = await LinksAsync(browser, page);
        Assert.Contains(links, link => link.StartsWith("/account/security/passkey?returnUrl=", StringComparison.Ordinal));
        var (answer, next) = await EnrolAsync(browser, links.Single(link => link.StartsWith("/account/security/authenticator?returnUrl=", StringComparison.Ordinal)));

        // The recovery codes are shown, and lead on to the application: nobody is asked for the new factor again at once.
        Assert.Equal(10, answer.QuerySelectorAll(".codes code").Length);
        Assert.StartsWith("/connect/authorize?", next, StringComparison.Ordinal);
        Assert.StartsWith(Callback + "?code=", await LocationAsync(browser, next), StringComparison.Ordinal);
        Assert.StartsWith(Callback + "?code=", await LocationAsync(browser, Request + "&client_id=bank&prompt=none"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Enrolment_InASessionThatIsNotFresh_AsksForThePasswordFirst_AndGoesOn()
    {
        var time = new OffsetTimeProvider(TimeSpan.Zero);
        await using var server = await HostedServer.StartAsync(s_clients, time: time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RequiredForClients:0"] = "bank" });
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        time.Advance(TimeSpan.FromMinutes(11));
        var links = await LinksAsync(browser, await LocationAsync(browser, Request + "&client_id=bank"));
        var authenticator = links.Single(link => link.StartsWith("/account/security/authenticator?", StringComparison.Ordinal));
        var confirm = await LocationAsync(browser, authenticator);
        Assert.StartsWith("/account/security/confirm?", confirm, StringComparison.Ordinal);
        using var proven = await browser.SubmitAsync(confirm, new() { ["current-password"] = Password });
        Assert.Equal(authenticator, proven.Headers.Location!.OriginalString);
        var (_, next) = await EnrolAsync(browser, authenticator, time.GetUtcNow());
        Assert.StartsWith(Callback + "?code=", await LocationAsync(browser, next), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Person_WhoWillNotEnrol_IsTakenBackToTheApplication()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RequiredForClients:0"] = "bank" });
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        using var declined = await browser.SubmitAsync(await LocationAsync(browser, Request + "&client_id=bank"), [], "Back to");
        Assert.Contains("error=access_denied", await LocationAsync(browser, declined.Headers.Location!.OriginalString), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("phr", true)]
    [InlineData("urn:identity:acr:2fa", false)]
    public async Task EssentialAcr_OfWhatTheAccountLacks_LeadsToEnrolIt(string acr, bool passkeyOnly)
    {
        await using var server = await HostedServer.StartAsync(s_clients);
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        var page = await LocationAsync(browser, Request + "&client_id=blog" + Essential(acr));
        Assert.StartsWith("/signin/add-factor?returnUrl=", page, StringComparison.Ordinal);
        Assert.Equal(passkeyOnly, !(await LinksAsync(browser, page)).Any(link => link.StartsWith("/account/security/authenticator", StringComparison.Ordinal)));

        // A wish is none to be enrolled for.
        Assert.StartsWith(Callback + "?code=", await LocationAsync(browser, Request + "&client_id=blog&acr_values=" + Uri.EscapeDataString(acr)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task EssentialAcr_ThatNobodyKnows_IsRefused()
    {
        await using var server = await HostedServer.StartAsync(s_clients);
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        Assert.Contains("error=unmet_authentication_requirements", await LocationAsync(browser, Request + "&client_id=blog" + Essential("urn:made:up")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AddFactorPage_WithoutARequestOrASession_LeadsAway()
    {
        await using var server = await HostedServer.StartAsync(s_clients);
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        Assert.StartsWith("/signin?", await LocationAsync(browser, "/signin/add-factor"), StringComparison.Ordinal);
        await browser.SignInAsync(Email, Password);
        Assert.Equal("/account/security", await LocationAsync(browser, "/signin/add-factor?returnUrl=https%3A%2F%2Fevil.example"));
    }

    private static string Essential(string acr) =>
        "&claims=" + Uri.EscapeDataString(new JsonObject { ["id_token"] = new JsonObject { ["acr"] = new JsonObject { ["essential"] = true, ["values"] = new JsonArray(acr) } } }.ToJsonString());

    private static async Task<IReadOnlyList<string>> LinksAsync(Browser browser, string page)
    {
        using var response = await browser.GetAsync(page);
        var document = new HtmlParser().ParseDocument(await response.Content.ReadAsStringAsync());
        return [.. document.QuerySelectorAll("a").Select(link => link.GetAttribute("href") ?? "")];
    }

    // Scans the code, enters what the app shows, and goes where the page then leads.
    private static async Task<(IHtmlDocument Page, string Next)> EnrolAsync(Browser browser, string page, DateTimeOffset? now = null)
    {
        using var shown = await browser.GetAsync(page);
        var form = new HtmlParser().ParseDocument(await shown.Content.ReadAsStringAsync());
        var secret = Base32Encoding.ToBytes(form.QuerySelector(".reference code")!.TextContent.Replace(" ", "", StringComparison.Ordinal));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(browser.Address, page))
        {
            Content = new FormUrlEncodedContent([
                .. form.QuerySelectorAll<IHtmlInputElement>("form input[type=hidden]").Select(input => KeyValuePair.Create(input.Name!, input.Value)),
                KeyValuePair.Create("Code", new Totp(secret).ComputeTotp((now ?? TimeProvider.System.GetUtcNow()).UtcDateTime)),
            ]),
        };
        using var answer = await browser.SendAsync(request);
        using var codes = await browser.GetAsync(answer.Headers.Location!.OriginalString);
        var document = new HtmlParser().ParseDocument(await codes.Content.ReadAsStringAsync());
        return (document, document.QuerySelector(".actions-row a.button:not([download])")!.GetAttribute("href")!);
    }

    private static async Task<string> LocationAsync(Browser browser, string url)
    {
        using var response = await browser.GetAsync(url);
        return response.Headers.Location?.OriginalString ?? throw new InvalidOperationException($"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }

    private static JsonObject Client(string id) => new()
    {
        ["client_id"] = id,
        ["token_endpoint_auth_method"] = "none",
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["scope"] = "openid",
    };
}
