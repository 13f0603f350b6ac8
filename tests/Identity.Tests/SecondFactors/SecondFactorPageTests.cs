// Security catalogue, Web: no session before the second factor; remembered browsers; the account's own page asks for fresh proof.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Pages;
using Microsoft.Extensions.DependencyInjection;
using OtpNet;

namespace Identity.Tests.SecondFactors;

[Collection(PagesCollection.Name)]
public sealed class SecondFactorPageTests(PagesFixture fixture)
{
    private static readonly Dictionary<string, string> None = new(StringComparer.Ordinal);

    [Fact]
    public async Task SignIn_WithAnAuthenticator_AsksForItBeforeThereIsASession()
    {
        var ada = await ArmAsync();
        using var browser = fixture.Browser();
        var first = await browser.SignInAsync(ada.Email, PagesFixture.Password, Uri.EscapeDataString("/account/sessions"));
        Assert.Equal(HttpStatusCode.SeeOther, first.StatusCode);
        Assert.Equal("/signin/second-factor?returnUrl=%2Faccount%2Fsessions", first.Headers.Location!.OriginalString);
        Assert.DoesNotContain("identity", browser.Cookies.Keys, StringComparer.Ordinal);
        Assert.False(await browser.IsSignedInAsync());
        var cookie = Assert.Single(first.Headers.GetValues("Set-Cookie"), line => line.StartsWith("identity-half=", StringComparison.Ordinal)).ToLowerInvariant();
        Assert.Contains("httponly", cookie, StringComparison.Ordinal);
        Assert.Contains("samesite=lax", cookie, StringComparison.Ordinal);

        var page = first.Headers.Location!.OriginalString;
        var wrong = await browser.SubmitAsync(page, Answer("Code", "000000"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.StatusCode);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await browser.SubmitAsync(page, Answer("Code", ""))).StatusCode);
        var done = await browser.SubmitAsync(page, Answer("Code", await ada.NextCodeAsync()));
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);
        Assert.Equal("/account/sessions", done.Headers.Location!.OriginalString);
        Assert.True(await browser.IsSignedInAsync());
        Assert.DoesNotContain("identity-half", browser.Cookies.Keys, StringComparer.Ordinal);
        Assert.DoesNotContain("identity-remembered", browser.Cookies.Keys, StringComparer.Ordinal);
    }

    [Fact]
    public async Task SecondFactorPage_WithoutAFirstFactor_LeadsToSignIn()
    {
        using var browser = fixture.Browser();
        var response = await browser.GetAsync("/signin/second-factor?returnUrl=%2Faccount%2Fsessions");
        Assert.Equal("/signin?returnUrl=%2Faccount%2Fsessions&done=expired", response.Headers.Location!.OriginalString);
        browser.Cookies["identity-half"] = "CfDJ8nonsense";
        Assert.StartsWith("/signin?", (await browser.GetAsync("/signin/second-factor")).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HalfCookie_WhenReplayedAfterTheSignIn_IsWorthNothing()
    {
        var ada = await ArmAsync();
        using var browser = fixture.Browser();
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        var half = browser.Cookies["identity-half"];
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SubmitAsync("/signin/second-factor?way=recovery_code", Answer("Code", ada.RecoveryCodes[0]))).StatusCode);
        using var thief = fixture.Browser();
        thief.Cookies["identity-half"] = half;
        Assert.StartsWith("/signin?", (await thief.GetAsync("/signin/second-factor")).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Browser_WhenRemembered_IsNotAskedAgainUntilForgottenOrThePasswordChanges()
    {
        var ada = await ArmAsync();
        using var browser = fixture.Browser();
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        await browser.SubmitAsync("/signin/second-factor?way=recovery_code", new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = ada.RecoveryCodes[0], ["Remember"] = "true" });
        Assert.Contains("identity-remembered", browser.Cookies.Keys, StringComparer.Ordinal);
        await browser.SubmitAsync("/signout", None);
        Assert.Equal("/account", (await browser.SignInAsync(ada.Email, PagesFixture.Password)).Headers.Location!.OriginalString);

        // One factor and a memory are one factor: the session says so.
        var sessions = await fixture.Server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(ada.Account.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken);
        Assert.Contains(sessions, session => session.Acr == SessionService.SingleFactor && session.Amr.SequenceEqual(["pwd"], StringComparer.Ordinal));

        // Another browser is not remembered, nor another account at this one.
        using var other = fixture.Browser();
        Assert.StartsWith("/signin/second-factor", (await other.SignInAsync(ada.Email, PagesFixture.Password)).Headers.Location!.OriginalString, StringComparison.Ordinal);
        var bob = await ArmAsync();
        using var shared = fixture.Browser();
        shared.Cookies["identity-remembered"] = browser.Cookies["identity-remembered"];
        Assert.StartsWith("/signin/second-factor", (await shared.SignInAsync(bob.Email, PagesFixture.Password)).Headers.Location!.OriginalString, StringComparison.Ordinal);

        // It is listed on the account's page, and forgotten there.
        var page = await browser.ReadAsync("/account/security");
        Assert.Contains("Remembered browsers", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.Equal("/account/security?done=BrowserForgotten", (await browser.SubmitAsync("/account/security", None, "handler=Forget")).Headers.Location!.OriginalString);
        await browser.SubmitAsync("/signout", None);
        Assert.StartsWith("/signin/second-factor", (await browser.SignInAsync(ada.Email, PagesFixture.Password)).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("everywhere")]
    [InlineData("admin")]
    [InlineData("password")]
    [InlineData("factor added")]
    [InlineData("factor removed")]
    public async Task Browser_WhenRemembered_IsForgottenBy(string what)
    {
        var ada = await ArmAsync();
        if (what == "factor removed")
        {
            await VerifyAsync(ada.Email);
            await ada.Browser.SubmitAsync("/account/security", None, "handler=Channel");
        }

        using var browser = fixture.Browser();
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        await browser.SubmitAsync("/signin/second-factor?way=recovery_code", new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = ada.RecoveryCodes[0], ["Remember"] = "true" });
        var services = fixture.Server.Services;
        var proofs = services.GetRequiredService<Identity.Accounts.SecondFactors.IFactorProofStore>();
        var browsers = async () => (await proofs.ListRememberedAsync(ada.Account.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken)).Count;
        Assert.Equal(1, await browsers());
        var password = PagesFixture.Password;
        switch (what)
        {
            case "everywhere":
                Assert.Equal(HttpStatusCode.SeeOther, (await ada.Browser.SubmitAsync("/account/sessions", None, "handler=EndOthers")).StatusCode);
                break;
            case "admin":
                await services.GetRequiredService<Identity.Accounts.Administration.AccountAdministration>().SignOutAsync(ada.Account.Id, new Caller(null, null), TestContext.Current.CancellationToken);
                break;
            case "password":
                password = "another pass phrase 8";
                var (_, fields) = PageClient.Form(await ada.Browser.ReadAsync("/account/password"), action: null, "CurrentPassword");
                (fields["CurrentPassword"], fields["NewPassword"]) = (PagesFixture.Password, password);
                Assert.Equal(HttpStatusCode.SeeOther, (await ada.Browser.PostAsync("/account/password", fields)).StatusCode);
                break;
            case "factor added":
                await VerifyAsync(ada.Email);
                Assert.Equal("/account/security?done=FactorAdded", (await ada.Browser.SubmitAsync("/account/security", None, "handler=Channel")).Headers.Location!.OriginalString);
                break;
            default:
                Assert.Equal("/account/security?done=FactorRemoved", (await ada.Browser.SubmitAsync("/account/security", None, "handler=Remove")).Headers.Location!.OriginalString);
                break;
        }

        if (what != "password")
        {
            Assert.Equal(0, await browsers());
        }

        browser.Cookies.Remove("identity");
        Assert.StartsWith("/signin/second-factor", (await browser.SignInAsync(ada.Email, password)).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SecurityPage_ForTheFirstFactor_EnrolsItAndShowsRecoveryCodesOnce()
    {
        var ada = await ArmAsync();
        Assert.Equal(10, ada.RecoveryCodes.Distinct(StringComparer.Ordinal).Count());
        var page = await ada.Browser.ReadAsync("/account/security");
        Assert.Contains("Authenticator app", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.Contains("10 left", page.Body.TextContent, StringComparison.Ordinal);
        Assert.All(ada.RecoveryCodes, code => Assert.DoesNotContain(code, page.Body.TextContent, StringComparison.Ordinal));
    }

    [Fact]
    public async Task AuthenticatorPage_WithAWrongCode_KeepsTheSameSecret()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var (target, fields) = PageClient.Form(await browser.ReadAsync("/account/security/authenticator"), "authenticator");
        fields["Code"] = "12";
        var again = PageClient.Parse(await (await browser.PostAsync(target, fields)).Content.ReadAsStringAsync());
        Assert.Equal(fields["Ticket"], PageClient.Form(again, "authenticator").Fields["Ticket"]);
        Assert.NotNull(again.QuerySelector(".qr svg path"));

        // A ticket that is not ours gets a new secret, not an error page.
        fields["Ticket"] = "CfDJ8nonsense";
        var fresh = await browser.PostAsync(target, fields);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, fresh.StatusCode);
        var document = PageClient.Parse(await fresh.Content.ReadAsStringAsync());
        Assert.NotEqual("CfDJ8nonsense", PageClient.Form(document, "authenticator").Fields["Ticket"]);
    }

    [Fact]
    public async Task Removal_WithoutAProof_AsksForOneAndThenWorks()
    {
        var ada = await ArmAsync();

        // Another session of the same person: remembered, so that it proved nothing but the password.
        using var browser = fixture.Browser();
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        await browser.SubmitAsync("/signin/second-factor?way=recovery_code", new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = ada.RecoveryCodes[0], ["Remember"] = "true" });
        await browser.SubmitAsync("/signout", None);
        await browser.SignInAsync(ada.Email, PagesFixture.Password);

        var refused = await browser.SubmitAsync("/account/security", None, "handler=Remove");
        Assert.Equal("/account/security/confirm?returnUrl=%2Faccount%2Fsecurity&strength=2", refused.Headers.Location!.OriginalString);
        Assert.Equal("/account/security/confirm?returnUrl=%2Faccount%2Fsecurity&strength=2", (await browser.SubmitAsync("/account/security", None, "handler=RecoveryCodes")).Headers.Location!.OriginalString);
        Assert.StartsWith("/account/security/confirm", (await browser.GetAsync("/account/security/passkey")).Headers.Location!.OriginalString, StringComparison.Ordinal);
        var confirm = refused.Headers.Location.OriginalString;
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await browser.SubmitAsync(confirm, Answer("Code", "000000"), "confirm")).StatusCode);
        var proven = await browser.SubmitAsync(confirm, Answer("Code", await ada.NextCodeAsync()), "confirm");
        Assert.Equal("/account/security?done=Proven", proven.Headers.Location!.OriginalString);
        Assert.Equal("/account/security?done=FactorRemoved", (await browser.SubmitAsync("/account/security", Answer("sure", "1"), "handler=Remove")).Headers.Location!.OriginalString);
        using var after = fixture.Browser();
        Assert.Equal("/account", (await after.SignInAsync(ada.Email, PagesFixture.Password)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task ProfilePage_WhereCodesGoToTheAddress_AsksForTheSecondStepBeforeItChanges()
    {
        var ada = await ArmAsync();
        await VerifyAsync(ada.Email);
        await ada.Browser.SubmitAsync("/account/security", None, "handler=Channel");

        // Whoever added the factor proved it just now.
        Assert.Null((await ada.Browser.ReadAsync("/account")).QuerySelector("a[href^='/account/security/confirm']"));
        using var browser = fixture.Browser();
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        await browser.SubmitAsync("/signin/second-factor?way=recovery_code", new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = ada.RecoveryCodes[0], ["Remember"] = "true" });
        await browser.SubmitAsync("/signout", None);
        await browser.SignInAsync(ada.Email, PagesFixture.Password);

        var (_, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Version");
        fields["Form.Email"] = PagesFixture.NewEmail();
        fields["Form.Nickname"] = "Countess";
        var refused = await browser.PostAsync("/account", fields);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        var page = PageClient.Parse(await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Contains("Nothing was saved", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.Equal("Countess", page.QuerySelector("[name='Form.Nickname']")!.GetAttribute("value"));
        var confirm = page.QuerySelector("a[href^='/account/security/confirm']")!.GetAttribute("href")!;
        Assert.Equal("/account?done=Proven", (await browser.SubmitAsync(confirm, Answer("Code", await ada.NextCodeAsync()), "confirm")).Headers.Location!.OriginalString);
        Assert.Equal("/account/pending/email", (await browser.PostAsync("/account", fields)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task StepUp_OfASessionWithOneFactor_ProvesTheSecondAndTheSessionGoesOn()
    {
        var ada = await ArmAsync();
        using var browser = fixture.Browser();
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        await browser.SubmitAsync("/signin/second-factor?way=recovery_code", new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = ada.RecoveryCodes[0], ["Remember"] = "true" });
        await browser.SubmitAsync("/signout", None);
        await browser.SignInAsync(ada.Email, PagesFixture.Password);
        var store = fixture.Server.Services.GetRequiredService<ISessionStore>();
        var before = (await store.ListLiveAsync(ada.Account.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken)).Single(session => session.Acr == SessionService.SingleFactor && session.CreatedAt > ada.At);

        var page = "/signin/second-factor?returnUrl=" + Uri.EscapeDataString("/account/sessions");
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync(page)).StatusCode);
        Assert.Equal("/account/sessions", (await browser.SubmitAsync(page, Answer("Code", await ada.NextCodeAsync()))).Headers.Location!.OriginalString);
        var after = (await store.FindAsync(before.Id, TestContext.Current.CancellationToken))!;
        Assert.Null(after.EndedAt);
        Assert.Equal("urn:identity:acr:2fa", after.Acr);
        Assert.Equal(["pwd", "otp", "mfa"], after.Amr);
        Assert.True(after.AuthenticatedAt > before.AuthenticatedAt);
    }

    [Fact]
    public async Task Connections_ProvenByAPassword_AskForTheSecondFactorAndComeBack()
    {
        var ada = await ArmAsync();
        Task<HttpResponseMessage> ProveAsync(PageClient browser, Dictionary<string, string> fields) => browser.PostAsync("/account/connections?handler=Prove", fields);
        var fields = PageClient.Form(await ada.Browser.ReadAsync("/account/sessions")).Fields;
        fields["Password"] = "not the password 1";
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await ProveAsync(ada.Browser, fields)).StatusCode);
        fields["Password"] = PagesFixture.Password;
        var first = await ProveAsync(ada.Browser, fields);
        Assert.Equal(HttpStatusCode.SeeOther, first.StatusCode);
        Assert.Equal("/signin/second-factor?returnUrl=%2Faccount%2Fconnections", first.Headers.Location!.OriginalString);
        var done = await ada.Browser.SubmitAsync(first.Headers.Location.OriginalString, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await ada.NextCodeAsync(), ["Remember"] = "true" });
        Assert.Equal("/account/connections", done.Headers.Location!.OriginalString);

        // A browser that need not prove it for a while is not asked here either.
        fields = PageClient.Form(await ada.Browser.ReadAsync("/account/sessions")).Fields;
        fields["Password"] = PagesFixture.Password;
        Assert.Equal("/account/connections", (await ProveAsync(ada.Browser, fields)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Connections_WhenTooManyTried_SayHowLongToWait()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:SignInsPerAddress"] = "2" });
        await server.RegisterAsync("ada@example.com", PagesFixture.Password, "Ada", "Lovelace");
        using var browser = new PageClient(server.Url);
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync("ada@example.com", PagesFixture.Password)).StatusCode);
        var answer = await browser.GetAsync("/account/connections");
        for (var i = 0; i < 3 && (int)answer.StatusCode != 429; i++)
        {
            var fields = PageClient.Form(await browser.ReadAsync("/account/sessions")).Fields;
            fields["Password"] = "not the password 1";
            answer = await browser.PostAsync("/account/connections?handler=Prove", fields);
        }

        Assert.Equal(429, (int)answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Theory]
    [InlineData("en", "Do not ask again in this browser for 1 day")]
    [InlineData("de", "In diesem Browser erst nach 1 Tag wieder fragen")]
    public async Task Remembering_ForADay_IsToldAsTheLanguageCounts(string language, string text)
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RememberedBrowserDays"] = "1" });
        var ada = await ArmAsync(server);
        using var browser = new PageClient(server.Url);
        var page = await browser.ReadAsync((await browser.SignInAsync(ada.Email, PagesFixture.Password)).Headers.Location!.OriginalString + "?ui_locales=" + language);
        Assert.Equal(text, page.QuerySelector("label.check span")!.TextContent);
    }

    private async Task VerifyAsync(string email)
    {
        var codes = fixture.Server.Services.GetRequiredService<Identity.Accounts.OneTimeCodes.OneTimeCodeService>();
        var recipient = new Identity.Accounts.OneTimeCodes.CodeRecipient(null, email, null);
        await codes.GenerateAsync(recipient, "email", "verification", new Caller(null, null), TestContext.Current.CancellationToken);
        Assert.IsType<Identity.Accounts.OneTimeCodes.TriedCode.Verified>(await codes.VerifyAsync(recipient, "verification", await fixture.Server.ReadCodeAsync(email), new Caller(null, null), TestContext.Current.CancellationToken));
    }

    private static Dictionary<string, string> Answer(string name, string value) => new(StringComparer.Ordinal) { [name] = value };

    /// <summary>Somebody with an authenticator app, enrolled on the pages.</summary>
    private Task<Armed> ArmAsync() => ArmAsync(fixture.Server);

    private static async Task<Armed> ArmAsync(HostedServer server)
    {
        var email = PagesFixture.NewEmail();
        var account = await server.RegisterAsync(email, PagesFixture.Password, "Ada", "Lovelace");
        var browser = new PageClient(server.Url);
        await browser.SignInAsync(email, PagesFixture.Password);
        var page = await browser.ReadAsync("/account/security/authenticator");
        var secret = Base32Encoding.ToBytes(page.QuerySelector(".reference code")!.TextContent.Replace(" ", "", StringComparison.Ordinal));
        var (target, fields) = PageClient.Form(page, "authenticator");

        // The step before: so that the one of now is still to be used.
        fields["Code"] = new Totp(secret).ComputeTotp(TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(-30));
        var done = await browser.PostAsync(target, fields);
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);
        var codes = (await browser.ReadAsync(done.Headers.Location!.OriginalString)).QuerySelectorAll(".codes code").Select(code => code.TextContent).ToArray();
        return new Armed(email, account, secret, codes, browser, TimeProvider.System.GetUtcNow());
    }

    private sealed record Armed(string Email, Account Account, byte[] Secret, string[] RecoveryCodes, PageClient Browser, DateTimeOffset At)
    {
        /// <summary>A code that was not used yet: of now.</summary>
        public Task<string> NextCodeAsync() => Task.FromResult(new Totp(Secret).ComputeTotp(TimeProvider.System.GetUtcNow().UtcDateTime));
    }
}
