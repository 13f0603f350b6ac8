// What people meet on their way: no page is a dead end, none forgets what it knew, and each says what is true now.
using System.Net;
using AngleSharp.Html.Dom;
using Identity.Tests.Kit.Hosting;
using OtpNet;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class WayOutTests(PagesFixture fixture)
{
    private const string Authenticator = "/account/security/authenticator";
    private const string Codes = "/account/security/recovery-codes";
    private static readonly string s_fromAtlas = "returnUrl=" + Uri.EscapeDataString(PagesFixture.AuthorizeUrl);

    [Fact]
    public async Task Authenticator_OnceAdded_IsNeverCalledOld_AndItsCodesStayUntilTheyAreSaved()
    {
        using var browser = await SignedInAsync();
        var (target, fields) = await ScanAsync(browser);
        var added = await browser.PostAsync(target, fields);
        Assert.Equal((HttpStatusCode.SeeOther, Codes + "?added=totp"), (added.StatusCode, added.Headers.Location!.OriginalString));
        var shown = await browser.ReadAsync(Codes + "?added=totp");
        Assert.Equal(10, shown.QuerySelectorAll(".codes code").Length);
        Assert.StartsWith("Save your recovery codes", shown.Title, StringComparison.Ordinal);
        Assert.Equal("Save your recovery codes", shown.QuerySelector("[tabindex='-1'][autofocus]")!.TextContent);
        Assert.NotNull(shown.QuerySelector(".notice-success"));

        // A reload shows the same ones, and a file of them needs no script.
        Assert.Equal(Shown(shown), Shown(await browser.ReadAsync(Codes)));
        var file = await browser.GetAsync(shown.QuerySelector("a[download]")!.GetAttribute("href")!);
        Assert.Equal(("text/plain", "attachment"), (file.Content.Headers.ContentType!.MediaType, file.Content.Headers.ContentDisposition!.DispositionType));
        Assert.Equal(Shown(shown), (await file.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries));

        // Back, and sent again: the entry in the app is the account's.
        Assert.Equal("/account/security", (await browser.GetAsync(Authenticator)).Headers.Location!.OriginalString);
        Assert.Equal("/account/security", (await browser.PostAsync(target, fields)).Headers.Location!.OriginalString);

        // Another account sees nothing of them, and nobody does once they are saved.
        using var other = await SignedInAsync();
        other.Cookies["identity-recovery"] = browser.Cookies["identity-recovery"];
        Assert.Equal("/account/security", (await other.GetAsync(Codes)).Headers.Location!.OriginalString);
        await browser.GetAsync(shown.QuerySelector(".actions-row a.button:not([download])")!.GetAttribute("href")!);
        Assert.Equal("/account/security", (await browser.GetAsync(Codes)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task RecoveryCodes_WhenRenewed_AreMadeOnceHoweverOftenTheirPageIsReloaded()
    {
        using var browser = await SignedInAsync();
        var (target, fields) = await ScanAsync(browser);
        await browser.PostAsync(target, fields);
        var before = Shown(await browser.ReadAsync(Codes));
        var renewed = await browser.SubmitAsync("/account/security", new Dictionary<string, string>(StringComparer.Ordinal), "handler=RecoveryCodes");
        Assert.Equal(Codes, renewed.Headers.Location?.OriginalString);
        var codes = Shown(await browser.ReadAsync(Codes));
        Assert.Empty(codes.Intersect(before, StringComparer.Ordinal));
        Assert.Equal(codes, Shown(await browser.ReadAsync(Codes)));
    }

    [Theory]
    [InlineData("/verify-email?email=ada@example.com&sent=1", "sent=1")]
    [InlineData("/reset-password?email=ada@example.com", "")]
    public async Task CodePage_AfterARefusedCode_KnowsWhoseItIsInAnotherLanguageToo(string url, string more)
    {
        using var browser = fixture.Browser();
        var refused = PageClient.Parse(await (await browser.SubmitAsync(url, Fields(("Code", "12")))).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.NotNull(refused.QuerySelector(".error-summary"));
        var from = ((IHtmlInputElement)refused.QuerySelector(".languages input[name=from]")!).Value;
        Assert.Contains("email=ada", from, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(more, from, StringComparison.Ordinal);
    }

    [Fact]
    public async Task VerifyEmail_OfAnAddressThatIsKnown_AsksForTheCodeAlone()
    {
        using var browser = fixture.Browser();
        var page = await browser.ReadAsync("/verify-email?email=ada@example.com");
        Assert.Contains("ada@example.com", page.QuerySelector(".card-header")!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain("Enter your e-mail address", page.Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Registration_OfAnAddressWithAnAccount_LeadsToTheSamePageAsANewOne_WhichAlsoSaysWhatAnOwnerDoes()
    {
        var (known, unknown) = (PagesFixture.NewEmail(), PagesFixture.NewEmail());
        await fixture.RegisterAsync(known);
        var pages = new List<string>();
        foreach (var email in new[] { known, unknown })
        {
            using var browser = fixture.Browser();
            var at = (await browser.SubmitAsync("/register", Fields(("Email", email), ("Password", PagesFixture.Password)))).Headers.Location!.OriginalString;
            var page = await browser.ReadAsync(at);
            Assert.NotNull(page.QuerySelector(".card p a[href^='/signin?']"));
            foreach (var token in page.QuerySelectorAll("input[name=__RequestVerificationToken]"))
            {
                token.Remove();
            }

            pages.Add(page.Body!.InnerHtml.Replace(email, "", StringComparison.OrdinalIgnoreCase));
        }

        Assert.Equal(pages[1], pages[0]);
        Assert.Contains("If the mail says that you have an account already", pages[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Consent_ForWhoIsSomebodyElse_LeadsToSignInAndBack()
    {
        using var browser = await SignedInAsync();
        var consent = (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString;
        var link = (await browser.ReadAsync(consent)).QuerySelector(".card-header a[href^='/signin?returnUrl=']")!.GetAttribute("href")!;
        var page = await browser.ReadAsync(link);
        Assert.NotNull(page.QuerySelector("#Password"));
        Assert.Contains("Atlas", page.QuerySelector(".card-header")!.TextContent, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/verify-email?email=ada@example.com&sent=1&")]
    [InlineData("/forgot-password?")]
    [InlineData("/reset-password?email=ada@example.com&")]
    public async Task Page_OnTheWayFromAnApplication_ShowsIt_AndLeadsBackToIt(string url)
    {
        using var browser = fixture.Browser();
        var page = await browser.ReadAsync(url + s_fromAtlas);
        Assert.Equal("A", page.QuerySelector(".card-header .client-mark")?.TextContent);
        Assert.Contains(page.QuerySelectorAll("form button"), button => button.TextContent == "Back to Atlas");
        var (action, fields) = PageClient.Form(page, "handler=Decline");
        var answer = await browser.PostAsync(action, fields);
        Assert.StartsWith("/connect/authorize?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Contains("error=access_denied", (await browser.GetAsync(answer.Headers.Location.OriginalString)).Headers.Location!.Query, StringComparison.Ordinal);
    }

    [Fact]
    public async Task VerifyEmail_OfAMistypedAddress_LeadsBackToRegistering()
    {
        using var browser = fixture.Browser();
        var page = await browser.ReadAsync("/verify-email?email=ada@example.com&sent=1");
        Assert.Equal("Use another e-mail address", page.QuerySelector("a[href^='/register']")?.TextContent);
    }

    [Fact]
    public async Task Problems_StandInTheOrderOfTheFields()
    {
        using var browser = fixture.Browser();
        var registration = PageClient.Parse(await (await browser.SubmitAsync("/register", Fields(("Email", "ada"), ("FirstName", new string('a', 101)), ("Password", "short")))).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        AssertInOrder(registration);

        using var ada = await SignedInAsync();
        var (_, fields) = PageClient.Form(await ada.ReadAsync("/account"), field: "Form.Version");
        foreach (var name in new[] { "Form.Nickname", "Form.FullName", "Form.MiddleName", "Form.Gender" })
        {
            fields[name] = new string('a', 201);
        }

        (fields["Form.UserName"], fields["Form.Email"], fields["Form.PhoneNumber"], fields["Form.Birthdate"], fields["Form.ZoneInfo"], fields["Form.Website"]) = ("a@b", "ada", "12", "2999-01-01", "Nowhere", "ada");
        AssertInOrder(PageClient.Parse(await (await ada.PostAsync("/account", fields)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
    }

    // The rule is one for every door (AccountRules); what a browser's maxlength keeps out, another program sends.
    [Theory]
    [InlineData(101, "Use at most 100 characters")]
    [InlineData(0, "Write it in one line, without tabs or other invisible characters")]
    public async Task Name_ThatNoDoorTakes_IsRefusedByThePagesToo(int letters, string told)
    {
        var name = letters > 0 ? new string('a', letters) : "Ada\tB";
        using var browser = fixture.Browser();
        var registration = await browser.SubmitAsync("/register", Fields(("Email", PagesFixture.NewEmail()), ("FirstName", name), ("LastName", name), ("Password", PagesFixture.Password)));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, registration.StatusCode);
        var page = PageClient.Parse(await registration.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal([told, told], page.QuerySelectorAll("#FirstName-error, #LastName-error").Select(error => error.TextContent));

        using var ada = await SignedInAsync();
        var (_, fields) = PageClient.Form(await ada.ReadAsync("/account"), field: "Form.Version");
        (fields["Form.FirstName"], fields["Form.LastName"]) = (name, name);
        var saved = await ada.PostAsync("/account", fields);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, saved.StatusCode);
        page = PageClient.Parse(await saved.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal([told, told], page.QuerySelectorAll("#Form_FirstName-error, #Form_LastName-error").Select(error => error.TextContent));
        Assert.All(["FirstName", "LastName"], field => Assert.Equal("100", page.QuerySelector("#Form_" + field)!.GetAttribute("maxlength")));
    }

    [Theory]
    [InlineData("en", "Use 3 to 64 letters, digits, dots, dashes or underscores")]
    [InlineData("de", "Verwenden Sie 3 bis 64 Buchstaben, Ziffern, Punkte, Bindestriche oder Unterstriche")]
    public async Task UserName_ThatIsNone_IsToldWhatOneIs(string language, string told)
    {
        using var ada = await SignedInAsync();
        var (_, fields) = PageClient.Form(await ada.ReadAsync("/account"), field: "Form.Version");
        foreach (var typed in (string[])["ab", "a b", "a@b", new string('a', 65)])
        {
            fields["Form.UserName"] = typed;
            var page = PageClient.Parse(await (await ada.PostAsync("/account?ui_locales=" + language, fields)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
            Assert.Equal(told, page.QuerySelector("#Form_UserName-error")!.TextContent);
            Assert.Equal("64", page.QuerySelector("#Form_UserName")!.GetAttribute("maxlength"));
        }
    }

    [Fact]
    public async Task SignOut_AskedForByAnApplication_WhenThePersonStays_LeadsBackToIt()
    {
        using var browser = await SignedInAsync();
        var asked = await browser.GetAsync("/connect/endsession?client_id=atlas");
        var page = await browser.ReadAsync(asked.Headers.Location!.OriginalString);
        Assert.Equal("https://atlas.example.com/", page.QuerySelector(".actions a.button")!.GetAttribute("href"));
        Assert.Equal("/account", (await browser.ReadAsync("/signout")).QuerySelector(".actions a.button")!.GetAttribute("href"));
    }

    [Fact]
    public async Task LastSecondFactor_IsRemovedOnlyOnceThePersonSaysSoAgain()
    {
        using var browser = await SignedInAsync();
        var (target, fields) = await ScanAsync(browser);
        await browser.PostAsync(target, fields);
        var asked = await browser.SubmitAsync("/account/security", Fields(), "handler=Remove");
        var page = PageClient.Parse(await asked.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpStatusCode.OK, asked.StatusCode);
        Assert.Contains("usual sign-in alone", page.QuerySelector(".card")!.TextContent, StringComparison.Ordinal);
        Assert.NotNull(page.QuerySelector("a[href='/account/security']"));
        Assert.Contains("Authenticator app", (await browser.ReadAsync("/account/security")).QuerySelector(".rows")!.TextContent, StringComparison.Ordinal);

        var (action, again) = PageClient.Form(page, "handler=Remove");
        Assert.Equal("/account/security?done=FactorRemoved", (await browser.PostAsync(action, again)).Headers.Location?.OriginalString);
        Assert.Null((await browser.ReadAsync("/account/security")).QuerySelector("form[action*='handler=Remove']"));
    }

    [Fact]
    public async Task NewAddress_WhenItIsConfirmedOrGivenUp_SaysWhatIsTrueNow()
    {
        var email = PagesFixture.NewEmail();
        using var browser = await SignedInAsync(email);
        var next = "new." + email;
        await AskAsync(next);
        var kept = (await browser.SubmitAsync("/account/pending/email", Fields(), "handler=Cancel")).Headers.Location!.OriginalString;
        Assert.Contains("keep", (await browser.ReadAsync(kept)).QuerySelector(".notice-success")!.TextContent, StringComparison.Ordinal);
        await AskAsync(next);
        var confirmed = (await EnterAsync("/account/pending/email", await fixture.Server.ReadCodeAsync(next))).Headers.Location!.OriginalString;
        Assert.Equal("Your new e-mail address is confirmed.", (await browser.ReadAsync(confirmed)).QuerySelector(".notice-success")!.TextContent);

        // A number is asked for in an SMS: the page speaks of no mail.
        var (_, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Version");
        fields["Form.PhoneNumber"] = "+4930" + Random.Shared.Next(1_000_000, 9_999_999).ToString(System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal("/account/pending/phone", (await browser.PostAsync("/account", fields)).Headers.Location!.OriginalString);
        var phone = PageClient.Parse(await (await EnterAsync("/account/pending/phone", "12")).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.DoesNotContain("mail", phone.QuerySelector(".card")!.TextContent, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("SMS", phone.QuerySelector(".card")!.TextContent, StringComparison.Ordinal);

        async Task<HttpResponseMessage> EnterAsync(string page, string code)
        {
            var (_, fields) = PageClient.Form(await browser.ReadAsync(page), field: "Code");
            fields["Code"] = code;
            return await browser.PostAsync(page, fields);
        }

        async Task AskAsync(string address)
        {
            var (_, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Version");
            fields["Form.Email"] = address;
            Assert.Equal("/account/pending/email", (await browser.PostAsync("/account", fields)).Headers.Location!.OriginalString);
        }
    }

    [Fact]
    public async Task SecondFactor_AfterAWrongCode_StillRemembersThatTheBrowserIsToBeRemembered()
    {
        var email = PagesFixture.NewEmail();
        using var browser = await SignedInAsync(email);
        var (target, fields) = await ScanAsync(browser);
        await browser.PostAsync(target, fields);
        using var other = fixture.Browser();
        var at = (await other.SignInAsync(email, PagesFixture.Password)).Headers.Location!.OriginalString;
        var wrong = PageClient.Parse(await (await other.SubmitAsync(at, Fields(("Code", "000000"), ("Remember", "true")))).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.True(((IHtmlInputElement)wrong.QuerySelector("input[name=Remember]")!).IsChecked);
    }

    [Fact]
    public async Task Data_OfAPerson_IsTheirsToTake()
    {
        var email = PagesFixture.NewEmail();
        using var browser = await SignedInAsync(email);
        var copy = await browser.PostAsync("/account/data?handler=Export", PageClient.Form(await browser.ReadAsync("/account/data")).Fields);
        Assert.Equal((HttpStatusCode.OK, "application/json", "attachment"), (copy.StatusCode, copy.Content.Headers.ContentType!.MediaType, copy.Content.Headers.ContentDisposition!.DispositionType));
        Assert.Contains(email, await copy.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        var profile = await browser.ReadAsync("/account");
        Assert.NotNull(profile.QuerySelector("a[href='/account/data']"));
    }

    // Enter in a field presses its form's first button, and a form is sent but once in a while: the two have nothing in common.
    [Fact]
    public async Task DataPage_WhereAProofIsDue_AsksForItInTheFormOfEach()
    {
        var time = new Kit.FakeTimeProvider(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        await using var server = await HostedServer.StartAsync(time: time);
        await server.RegisterAsync("ada@example.com", PagesFixture.Password, "Ada", "Lovelace");
        using var browser = new PageClient(server.Url);
        await browser.SignInAsync("ada@example.com", PagesFixture.Password);
        time.Advance(TimeSpan.FromHours(1));
        var page = await browser.ReadAsync("/account/data");
        var export = page.Forms.Single(form => form.Action.Contains("handler=Export", StringComparison.Ordinal));
        var delete = page.Forms.Single(form => form.Action.Contains("handler=Delete", StringComparison.Ordinal));
        Assert.Null(export.QuerySelector("#Confirmation"));
        Assert.Single(export.QuerySelectorAll("button"));
        Assert.Single(delete.QuerySelectorAll("button"));
        Assert.Equal(page.QuerySelectorAll("[id]").Length, page.QuerySelectorAll("[id]").Select(element => element.Id).Distinct(StringComparer.Ordinal).Count());

        var unproven = PageClient.Parse(await (await browser.SubmitAsync("/account/data", Fields(("Confirmation", "ada@example.com")), "handler=Delete")).Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        var passwords = page.QuerySelectorAll("input[type=password]").Select(input => (input.GetAttribute("name")!, input.Closest("form") == export)).ToDictionary(pair => pair.Item2, pair => pair.Item1);
        Assert.Equal("#" + passwords[false], unproven.QuerySelector(".error-summary a")!.GetAttribute("href"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await browser.SubmitAsync("/account/data", Fields((passwords[true], "not the password 1")), "handler=Export")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await browser.SubmitAsync("/account/data", Fields((passwords[true], PagesFixture.Password)), "handler=Export")).StatusCode);
        Assert.Equal("/signed-out?done=deleted", (await browser.SubmitAsync("/account/data", Fields(("Confirmation", "ada@example.com"), (passwords[false], PagesFixture.Password)), "handler=Delete")).Headers.Location?.OriginalString);
    }

    [Fact]
    public async Task Account_IsDeletedByWhoTypesItsAddress_AndNotByASlip()
    {
        var email = PagesFixture.NewEmail();
        using var browser = await SignedInAsync(email);
        foreach (var typed in (string[])["", "ada@example.com"])
        {
            Assert.Equal(HttpStatusCode.UnprocessableEntity, (await browser.SubmitAsync("/account/data", Fields(("Confirmation", typed)), "handler=Delete")).StatusCode);
        }

        Assert.True(await browser.IsSignedInAsync());
        var deleted = await browser.SubmitAsync("/account/data", Fields(("Confirmation", email.ToUpperInvariant())), "handler=Delete");
        Assert.Equal("/signed-out?done=deleted", deleted.Headers.Location?.OriginalString);
        var page = await browser.ReadAsync("/signed-out?done=deleted");
        Assert.Equal("Your account is deleted", page.QuerySelector("h1")!.TextContent);
        Assert.Equal("Use another account", page.QuerySelector(".actions a")!.TextContent);
        Assert.False(await browser.IsSignedInAsync());
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await browser.SignInAsync(email, PagesFixture.Password)).StatusCode);
    }

    private async Task<PageClient> SignedInAsync(string? email = null)
    {
        email ??= PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        var browser = fixture.Browser();
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync(email, PagesFixture.Password)).StatusCode);
        return browser;
    }

    private static async Task<(string Target, Dictionary<string, string> Fields)> ScanAsync(PageClient browser)
    {
        var page = await browser.ReadAsync(Authenticator);
        var (target, fields) = PageClient.Form(page, "authenticator");
        var secret = Base32Encoding.ToBytes(page.QuerySelector(".reference code")!.TextContent.Replace(" ", "", StringComparison.Ordinal));
        fields["Code"] = new Totp(secret).ComputeTotp(TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(-30));
        return (target, fields);
    }

    private static string[] Shown(IHtmlDocument page) => [.. page.QuerySelectorAll(".codes code").Select(code => code.TextContent)];

    private static void AssertInOrder(IHtmlDocument page)
    {
        var told = page.QuerySelectorAll(".error-summary a").Select(link => link.GetAttribute("href")!.TrimStart('#')).ToArray();
        Assert.True(told.Length >= 3, page.Body!.TextContent);
        Assert.Equal(page.QuerySelectorAll(".field [id]").Select(field => field.Id!).Where(told.Contains), told);
    }

    private static Dictionary<string, string> Fields(params (string Name, string Value)[] fields) => fields.ToDictionary(field => field.Name, field => field.Value, StringComparer.Ordinal);
}
