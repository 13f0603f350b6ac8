// What people meet on their way: nothing they typed or proved is asked of them twice.
using System.Net;
using System.Net.Http.Json;
using Identity.Accounts;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class ForgivingPageTests(PagesFixture fixture)
{
    private const string NextPassword = "copper lantern meadow";

    [Theory]
    [InlineData("ada@example.com", "&email=ada@example.com")]
    [InlineData("  Ada@Example.com ", "&email=Ada@Example.com")]
    [InlineData("ada", "")]
    [InlineData("", "")]
    public async Task ForgottenPassword_FromTheSignIn_TakesTheTypedAddressAlong(string typed, string carried)
    {
        using var browser = fixture.Browser();
        var answer = await browser.SubmitAsync("/signin?returnUrl=%2Faccount%2Fsessions", Fields(("Login", typed), ("Password", ""), ("to", "forgot")));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/forgot-password?returnUrl=%2Faccount%2Fsessions" + carried, answer.Headers.Location!.OriginalString);
        var page = await browser.ReadAsync(answer.Headers.Location.OriginalString);
        Assert.Equal(carried.Length > 0 ? typed.Trim() : null, page.QuerySelector("#Email")!.GetAttribute("value"));
    }

    [Theory]
    [InlineData("short")]
    [InlineData("password123")]
    public async Task Reset_WhoseNewPasswordIsRefused_KeepsTheCodeAndTakesItThen(string refused)
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        await VerifiedAsync(email);
        var known = await fixture.Server.ReadCodeAsync(email);
        var at = (await browser.SubmitAsync("/forgot-password", Fields(("Email", email)))).Headers.Location!.OriginalString;
        var code = await fixture.Server.ReadCodeAsync(email, not: known);
        var answer = await browser.SubmitAsync(at, Fields(("Code", code), ("Password", refused)));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        var page = PageClient.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal(code, page.QuerySelector("#Code")!.GetAttribute("value"));
        Assert.Null(page.QuerySelector("#Password")!.GetAttribute("value"));

        var (action, fields) = PageClient.Form(page, field: "Code");
        fields["Password"] = NextPassword;
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.PostAsync(action, fields)).StatusCode);
        Assert.True(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Reset_WhenDone_SignsInAndGoesOnToTheApplication()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        await VerifiedAsync(email);
        var known = await fixture.Server.ReadCodeAsync(email);
        var forgot = "/forgot-password?returnUrl=" + Uri.EscapeDataString(PagesFixture.AuthorizeUrl);
        var at = (await browser.SubmitAsync(forgot, Fields(("Email", email)))).Headers.Location!.OriginalString;
        var answer = await browser.SubmitAsync(at, Fields(("Code", await fixture.Server.ReadCodeAsync(email, not: known)), ("Password", NextPassword)));
        Assert.Equal(PagesFixture.AuthorizeUrl, answer.Headers.Location!.OriginalString);
        Assert.StartsWith("/consent?", (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reset_WithoutAnApplication_EndsAtTheAccountAndSaysThatItIsDone()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        await VerifiedAsync(email);
        var known = await fixture.Server.ReadCodeAsync(email);
        var at = (await browser.SubmitAsync("/forgot-password", Fields(("Email", email)))).Headers.Location!.OriginalString;
        var answer = await browser.SubmitAsync(at, Fields(("Code", await fixture.Server.ReadCodeAsync(email, not: known)), ("Password", NextPassword)));
        var page = await browser.ReadAsync(answer.Headers.Location!.OriginalString);
        Assert.Equal("Your password is changed. All other browsers and apps are signed out.", page.QuerySelector("[role=status]")?.TextContent);
    }

    [Fact]
    public async Task PasswordChange_WhenDone_KeepsThisBrowserAndNoOther()
    {
        var email = PagesFixture.NewEmail();
        var account = await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        using var other = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        await other.SignInAsync(email, PagesFixture.Password);
        var before = browser.Cookies["identity"];
        var answer = await ChangePasswordAsync(browser, PagesFixture.Password);
        Assert.Equal("/account/password?done=PasswordChanged", answer.Headers.Location!.OriginalString);
        Assert.Contains("Your password is changed", await (await browser.GetAsync(answer.Headers.Location.OriginalString)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False(await other.IsSignedInAsync());

        // By a session of its own: whoever had the cookie from before is out as well.
        using var thief = fixture.Browser();
        thief.Cookies["identity"] = before;
        Assert.False(await thief.IsSignedInAsync());
        Assert.Single(await fixture.Server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken));
        using var again = fixture.Browser();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await again.SignInAsync(email, PagesFixture.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await again.SignInAsync(email, NextPassword)).StatusCode);
    }

    [Fact]
    public async Task PasswordChange_WithAWrongOne_ChangesAndSignsOutNobody()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var answer = await ChangePasswordAsync(browser, "not the one");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.True(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task SignIn_WhereTheAddressMustBeProven_IsDoneByTheCodeAlone()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:RequireVerifiedEmail"] = "true" });
        var email = PagesFixture.NewEmail();
        await server.RegisterAsync(email, PagesFixture.Password);
        using var browser = new PageClient(server.Url);
        var asked = await browser.SignInAsync(email, PagesFixture.Password, "%2Faccount%2Fsessions");
        Assert.StartsWith("/verify-email?", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.False(await browser.IsSignedInAsync());
        var answer = await browser.SubmitAsync(asked.Headers.Location.OriginalString, Fields(("Code", await server.ReadCodeAsync(email))));
        Assert.Equal("/account/sessions", answer.Headers.Location!.OriginalString);
        Assert.True(await browser.IsSignedInAsync());
    }

    // Whoever registered somebody else's address may have given a number of their own with it.
    [Fact]
    public async Task SignIn_WhereTheAddressMustBeProven_IsNotDoneByACodeToANumber()
    {
        const string Number = "+4915112345678";
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:RequireVerifiedEmail"] = "true" });
        var email = PagesFixture.NewEmail();
        using var api = new HttpClient { BaseAddress = server.Url };
        using var registered = await api.PostAsJsonAsync("/api/identity/register", new { email, password = PagesFixture.Password, phoneNumber = Number }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        using var browser = new PageClient(server.Url);
        var page = (await browser.SignInAsync(email, PagesFixture.Password, "%2Faccount%2Fsessions")).Headers.Location!.OriginalString;
        Assert.StartsWith("/verify-email?", page, StringComparison.Ordinal);
        using var asked = await api.PostAsJsonAsync("/api/identity/otp/generate", new { phoneNumber = Number, channel = "sms" }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, asked.StatusCode);
        var answer = await browser.SubmitAsync(page, Fields(("Code", await server.ReadSmsCodeAsync(Number))));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.False(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Code_ConfirmedInAnotherBrowser_LeadsToNoPasswordField()
    {
        using var registering = fixture.Browser();
        using var other = fixture.Browser();
        var email = PagesFixture.NewEmail();
        var verify = (await registering.SubmitAsync("/register", Fields(("Email", email), ("Password", PagesFixture.Password)))).Headers.Location!.OriginalString;
        var answer = await other.SubmitAsync(verify, Fields(("Code", await fixture.Server.ReadCodeAsync(email))));
        Assert.Equal("/verify-email?done=1", answer.Headers.Location!.OriginalString);
        var page = await other.ReadAsync(answer.Headers.Location.OriginalString);
        Assert.Equal("Your e-mail address is confirmed", page.QuerySelector("h1")!.TextContent);
        Assert.Empty(page.QuerySelectorAll("input[type=password], #Code"));
        Assert.False(await other.IsSignedInAsync());
    }

    [Fact]
    public async Task Sessions_ThatOpenNothingAnyMore_AreNotShown()
    {
        var email = PagesFixture.NewEmail();
        var account = await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var store = fixture.Server.Services.GetRequiredService<ISessionStore>();
        var now = TimeProvider.System.GetUtcNow();
        var live = Assert.Single(await store.ListLiveAsync(account.Id, now, TestContext.Current.CancellationToken));
        foreach (var (agent, seen, until) in new[] { ("Idle/Edg/ Windows", now.AddDays(-2), now.AddDays(5)), ("Over/Firefox/ Linux", now.AddMinutes(-5), now.AddMinutes(-1)) })
        {
            var dead = live with { Id = Guid.NewGuid().ToString("N"), LastSeenAt = seen, CreatedAt = seen, AuthenticatedAt = seen, SignInUntil = until, ExpiresAt = now.AddDays(5), UserAgent = agent };
            await store.CreateAsync(dead, fixture.Server.Services.GetRequiredService<Identity.Accounts.Events.LifecycleEvents>().SessionCreated(dead), TestContext.Current.CancellationToken);
        }

        Assert.Equal(3, (await store.ListLiveAsync(account.Id, now, TestContext.Current.CancellationToken)).Count);
        var page = await browser.ReadAsync("/account/sessions");
        Assert.Single(page.QuerySelectorAll(".rows > li"));
        Assert.DoesNotContain("Edge", page.Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Profile_OfAPerson_OffersNamesInTheirLanguageAndSaysWhatIsConfirmed()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var page = await browser.ReadAsync("/account");
        Assert.Equal("Not confirmed", page.QuerySelector("label[for=Form_Email] .badge")!.TextContent);
        Assert.Null(page.QuerySelector("label[for=Form_PhoneNumber] .badge"));
        Assert.Equal("German", page.QuerySelector("#Form_Locale option[value=de]")!.TextContent);
        Assert.Contains("Germany – Berlin", page.QuerySelector("#Form_ZoneInfo option[value='Europe/Berlin']")!.TextContent, StringComparison.Ordinal);
        Assert.Contains(page.QuerySelectorAll("#countries option"), option => option.GetAttribute("value") == "Egypt");

        // What is folded is open where something is in it.
        Assert.All(page.QuerySelectorAll("details"), group => Assert.False(group.HasAttribute("open")));
        var (_, fields) = PageClient.Form(page, field: "Form.Version");
        (fields["Form.Locale"], fields["Form.ZoneInfo"], fields["Form.Country"]) = ("ar", "Africa/Cairo", "Egypt");
        Assert.Equal("/account?done=Saved", (await browser.PostAsync("/account", fields)).Headers.Location!.OriginalString);
        await browser.GetAsync("/language?to=ar&from=%2Faccount");
        page = await browser.ReadAsync("/account");
        Assert.Equal("العربية", page.QuerySelector("#Form_Locale option[selected]")!.TextContent);
        Assert.Contains("مصر – Cairo", page.QuerySelector("#Form_ZoneInfo option[selected]")!.TextContent, StringComparison.Ordinal);
        Assert.Contains(page.QuerySelectorAll("#countries option"), option => option.GetAttribute("value") == "ألمانيا");
        Assert.Single(page.QuerySelectorAll("details[open]"));
    }

    [Fact]
    public async Task Profile_WithALanguageAndZoneOfElsewhere_KeepsThem()
    {
        var email = PagesFixture.NewEmail();
        var account = await fixture.RegisterAsync(email);
        var change = new Identity.Accounts.Changes.AccountChange { Profile = new() { ["locale"] = "de-AT", ["zoneinfo"] = "Etc/GMT+3" } };
        await fixture.Server.Services.GetRequiredService<Identity.Accounts.Changes.AccountChangeService>().ChangeAsync(account.Id, change, null, new Caller(null, null), CancellationToken.None);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var page = await browser.ReadAsync("/account");
        Assert.Equal(("de-AT", "German (Austria)"), (page.QuerySelector("#Form_Locale option[selected]")!.GetAttribute("value"), page.QuerySelector("#Form_Locale option[selected]")!.TextContent));
        Assert.Equal("Etc/GMT+3", page.QuerySelector("#Form_ZoneInfo option[selected]")!.GetAttribute("value"));
    }

    // .NET remembers each zone by the name that it was asked for, and finds a file by as many slashes as there are.
    [Fact]
    public async Task Profile_WithAZoneOrLanguageOfInventedSpelling_IsToldSo()
    {
        var email = PagesFixture.NewEmail();
        var account = await fixture.RegisterAsync(email);
        var change = new Identity.Accounts.Changes.AccountChange { Profile = new() { ["locale"] = "de-u-co-hjgaxwji", ["zoneinfo"] = "Europe//Berlin" } };
        await fixture.Server.Services.GetRequiredService<Identity.Accounts.Changes.AccountChangeService>().ChangeAsync(account.Id, change, null, new Caller(null, null), CancellationToken.None);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var page = await browser.ReadAsync("/account");
        Assert.Equal("de-u-co-hjgaxwji", page.QuerySelector("#Form_Locale option[selected]")!.TextContent);
        Assert.Equal("Europe//Berlin", page.QuerySelector("#Form_ZoneInfo option[selected]")!.TextContent);
        var (_, fields) = PageClient.Form(page, field: "Form.Version");
        fields["Form.ZoneInfo"] = "Europe//Berlin";
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await browser.PostAsync("/account", fields)).StatusCode);
    }

    [Fact]
    public async Task Consent_ToAnApplication_LeadsSafelyToItsOwnPages()
    {
        const string clients = """
            [{"client_id":"atlas","client_name":"Atlas","redirect_uris":["https://atlas.example.com/callback"],"token_endpoint_auth_method":"none","scope":"openid","require_consent":true,
              "client_uri":"https://atlas.example.com/?a=1&b=\"><script>","tos_uri":"https://atlas.example.com/terms","policy_uri":"https://atlas.example.com/privacy"}]
            """;
        await using var server = await HostedServer.StartAsync(clients);
        var email = PagesFixture.NewEmail();
        await server.RegisterAsync(email, PagesFixture.Password);
        using var browser = new PageClient(server.Url);
        var signIn = await browser.ReadAsync((await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString);
        await browser.SignInAsync(email, PagesFixture.Password);
        var consent = await browser.ReadAsync((await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString);
        foreach (var page in new[] { signIn, consent })
        {
            var links = page.Links.Where(link => link.GetAttribute("href")!.StartsWith("https://atlas.example.com/", StringComparison.Ordinal)).ToList();
            Assert.Equal(["Website", "Terms", "Privacy"], links.Select(link => link.TextContent));
            Assert.All(links, link => Assert.Equal("noopener noreferrer", link.GetAttribute("rel")));
            Assert.All(page.Scripts, script => Assert.StartsWith("/js/", script.Source, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("copper lantern meadow harbour", "en", 4, "Very good")]
    [InlineData("kurz", "de", 0, "Sehr schwach. Es ist zu kurz.")]
    [InlineData("12345678910", "fr", 0, "Très faible. Les attaquants essaient celui-ci en premier : il ne sera pas accepté.")]
    public async Task Strength_OfAPassword_IsToldInTheLanguageOfThePage(string password, string language, int score, string text)
    {
        using var http = new HttpClient { BaseAddress = fixture.Server.Url };
        using var answer = await http.PostAsync("/password-strength?ui_locales=" + language, new FormUrlEncodedContent(Fields(("password", password))), TestContext.Current.CancellationToken);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        var told = System.Text.Json.Nodes.JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        Assert.Equal((score, text), ((int)told["score"]!, ((string)told["text"]!).Replace('\u00a0', ' ')));
    }

    [Fact]
    public async Task Strength_AskedFromElsewhereOrTooMuchAtOnce_IsRefused()
    {
        using var http = new HttpClient { BaseAddress = fixture.Server.Url };
        using var foreign = new HttpRequestMessage(HttpMethod.Post, "/password-strength") { Content = new FormUrlEncodedContent(Fields(("password", "x"))), Headers = { { "Sec-Fetch-Site", "cross-site" } } };
        Assert.Equal(HttpStatusCode.BadRequest, (await http.SendAsync(foreign, TestContext.Current.CancellationToken)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await http.PostAsync("/password-strength", new FormUrlEncodedContent(Fields(("password", new string('x', 9000)))), TestContext.Current.CancellationToken)).StatusCode);
        await using var server = await HostedServer.StartAsync(time: new Kit.FakeTimeProvider());
        using var busy = new HttpClient { BaseAddress = server.Url };
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 121; i++)
        {
            statuses.Add((await busy.PostAsync("/password-strength", new FormUrlEncodedContent(Fields(("password", "x"))), TestContext.Current.CancellationToken)).StatusCode);
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, statuses[^1]);
        Assert.All(statuses[..100], status => Assert.Equal(HttpStatusCode.OK, status));
    }

    [Fact]
    public async Task Message_CausedThroughTheApi_IsInTheLanguageThatTheRequestAsksFor()
    {
        using var http = new HttpClient { BaseAddress = fixture.Server.Url };
        http.DefaultRequestHeaders.AcceptLanguage.ParseAdd("it, es-MX;q=0.8, en;q=0.5");
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var asked = await http.PostAsync("/api/identity/otp/generate", new StringContent($$"""{"email":"{{email}}","channel":"email","purpose":"verification"}""", System.Text.Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.True(asked.IsSuccessStatusCode);
        await fixture.Server.ReadCodeAsync(email);
        var mails = Directory.GetFiles(fixture.Server.OutboxDirectory, "*.eml").Select(File.ReadAllText);
        Assert.Contains(mails, mail => mail.Contains("To: " + email, StringComparison.Ordinal) && mail.Contains("Escriba este código", StringComparison.Ordinal) && mail.Contains("multipart/alternative", StringComparison.Ordinal));

        // The answers themselves are for programs, and stay as they are.
        using var refused = await http.PostAsync("/api/identity/register", new StringContent($$"""{"email":"{{PagesFixture.NewEmail()}}","password":"short"}""", System.Text.Encoding.UTF8, "application/json"), TestContext.Current.CancellationToken);
        Assert.Contains("must be at least 8 characters long", await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_CausedByAPage_IsInItsLanguageAndNamesTheApplication()
    {
        using var browser = fixture.Browser();
        await browser.GetAsync("/language?to=fr&from=%2Fsignin");
        var email = PagesFixture.NewEmail();
        await browser.SubmitAsync("/register?returnUrl=" + Uri.EscapeDataString(PagesFixture.AuthorizeUrl), Fields(("Email", email), ("Password", PagesFixture.Password)));
        await fixture.Server.ReadCodeAsync(email);
        var mail = Directory.GetFiles(fixture.Server.OutboxDirectory, "*.eml").Select(File.ReadAllText).Single(text => text.Contains("To: " + email, StringComparison.Ordinal));
        Assert.Contains("confirmer votre adresse e-mail", mail, StringComparison.Ordinal);
        Assert.Contains("Application\u00a0: Atlas", mail, StringComparison.Ordinal);
        Assert.Contains("From: Identity <", mail, StringComparison.Ordinal);
    }

    private static async Task<HttpResponseMessage> ChangePasswordAsync(PageClient browser, string current)
    {
        var (_, fields) = PageClient.Form(await browser.ReadAsync("/account/password"), field: "NewPassword");
        (fields["CurrentPassword"], fields["NewPassword"]) = (current, NextPassword);
        return await browser.PostAsync("/account/password", fields);
    }

    private async Task VerifiedAsync(string email)
    {
        var account = await fixture.RegisterAsync(email);
        var codes = fixture.Server.Services.GetRequiredService<OneTimeCodeService>();
        await codes.GenerateAsync(new CodeRecipient(account.Id, null, null), "email", OneTimeCodePurposes.Verification, new Caller(null, null), CancellationToken.None);
        Assert.IsType<TriedCode.Verified>(await codes.VerifyAsync(new CodeRecipient(account.Id, null, null), OneTimeCodePurposes.Verification, await fixture.Server.ReadCodeAsync(email), new Caller(null, null, AccountId: account.Id), CancellationToken.None));
    }

    private static Dictionary<string, string> Fields(params (string Name, string Value)[] fields) => fields.ToDictionary(field => field.Name, field => field.Value, StringComparer.Ordinal);
}
