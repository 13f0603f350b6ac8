// Security catalogue: a form that has grown old never loses work and says what to do; signing in elsewhere meanwhile continues.
using System.Net;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class OldFormTests(PagesFixture fixture)
{
    [Theory]
    [InlineData("/signin")]
    [InlineData("/register")]
    public async Task Form_WhenAnotherTabSignedInMeanwhile_GoesOnToTheApplication(string page)
    {
        using var browser = fixture.Browser();
        var email = await PersonAsync();
        var authorize = PagesFixture.AuthorizeUrl;
        var (action, fields) = PageClient.Form(await browser.ReadAsync($"{page}?returnUrl={Uri.EscapeDataString(authorize)}"));
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync(email, PagesFixture.Password)).StatusCode);

        fields["Email"] = fields["Login"] = email;
        fields["Password"] = PagesFixture.Password;
        var answer = await browser.PostAsync(action, fields);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal(authorize, answer.Headers.Location!.OriginalString);
        Assert.StartsWith("/consent?", (await browser.GetAsync(authorize)).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    // RFC 9110 §15.5.14. It was told as an outage once, and as an address that is not there.
    [Theory]
    [InlineData("/signin")]
    [InlineData("/register")]
    public async Task Form_WhenItIsFarTooLong_IsToldAsThat(string page)
    {
        using var browser = fixture.Browser();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(page, UriKind.Relative)) { Content = new FormUrlEncodedContent([KeyValuePair.Create("Login", new string('a', 5 * 1024 * 1024))]) };

        // Asks before it sends, so that the answer is not lost with a connection that is closed in its face.
        request.Headers.ExpectContinue = true;
        var answer = await browser.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
        Assert.Null(answer.Headers.RetryAfter);
    }

    [Fact]
    public async Task SignIn_WhenAnotherTabSignedOutMeanwhile_SignsIn()
    {
        using var browser = fixture.Browser();
        var email = await PersonAsync();
        await browser.SignInAsync(email, PagesFixture.Password);
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/signin?returnUrl=" + Uri.EscapeDataString(PagesFixture.AuthorizeUrl)));
        await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        Assert.False(await browser.IsSignedInAsync());
        (fields["Login"], fields["Password"]) = (email, PagesFixture.Password);
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.PostAsync(action, fields)).StatusCode);
        Assert.True(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Consent_WhenSomebodyElseSignedInMeanwhile_GrantsNothingAndAsksThem()
    {
        using var browser = fixture.Browser();
        var (first, second) = (await PersonAsync(), await PersonAsync());
        await browser.SignInAsync(first, PagesFixture.Password);
        var consent = (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString;
        var (action, fields) = PageClient.Form(await browser.ReadAsync(consent));
        await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        await browser.SignInAsync(second, PagesFixture.Password);

        var answer = await browser.PostAsync(action, fields);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.StartsWith("/connect/authorize?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var again = (await browser.GetAsync(answer.Headers.Location.OriginalString)).Headers.Location!.OriginalString;
        Assert.StartsWith("/consent?", again, StringComparison.Ordinal);
        Assert.Contains(second, await (await browser.GetAsync(again)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Consent_WhenSignedInAnewAsTheSamePerson_IsTaken()
    {
        using var browser = fixture.Browser();
        var email = await PersonAsync();
        await browser.SignInAsync(email, PagesFixture.Password);
        var consent = (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString;
        var (action, fields) = PageClient.Form(await browser.ReadAsync(consent));
        await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        await browser.SignInAsync(email, PagesFixture.Password);
        var answer = await browser.PostAsync(action, fields);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.StartsWith("https://atlas.example.com/callback?", (await browser.GetAsync(answer.Headers.Location!.OriginalString)).Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SignOut_WhenAnotherTabSignedOutMeanwhile_IsDone()
    {
        using var browser = fixture.Browser();
        await browser.SignInAsync(await PersonAsync(), PagesFixture.Password);
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/signout"));
        await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        var answer = await browser.PostAsync(action, fields);
        Assert.Equal("/signed-out", answer.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task SignOut_WhenSomebodyElseSignedInMeanwhile_AsksThem()
    {
        using var browser = fixture.Browser();
        await browser.SignInAsync(await PersonAsync(), PagesFixture.Password);
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/signout"));
        await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        await browser.SignInAsync(await PersonAsync(), PagesFixture.Password);
        Assert.Equal("/signout", (await browser.PostAsync(action, fields)).Headers.Location!.OriginalString);
        Assert.True(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Account_WhenSignedInAnewAsTheSamePerson_IsSaved()
    {
        using var browser = fixture.Browser();
        var email = await PersonAsync();
        await browser.SignInAsync(email, PagesFixture.Password);
        var (_, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Version");
        await browser.SignInAgainAsync(email, PagesFixture.Password);
        fields["Form.Nickname"] = "Countess";
        Assert.Equal("/account?done=Saved", (await browser.PostAsync("/account", fields)).Headers.Location!.OriginalString);
        Assert.Contains("Countess", await (await browser.GetAsync("/account")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Account_WhenSomebodyElseSignedInMeanwhile_ChangesNobody()
    {
        using var browser = fixture.Browser();
        var (first, second) = (await PersonAsync(), await PersonAsync());
        await browser.SignInAsync(first, PagesFixture.Password);
        var (_, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Version");
        await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        await browser.SignInAsync(second, PagesFixture.Password);
        fields["Form.Nickname"] = "Countess";
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.PostAsync("/account", fields)).StatusCode);
        var shown = await (await browser.GetAsync("/account")).Content.ReadAsStringAsync();
        Assert.Contains(second, shown, StringComparison.Ordinal);
        Assert.DoesNotContain("Countess", shown, StringComparison.Ordinal);
    }

    // What was typed is gone, and the sign-in page alone did not say so.
    [Theory]
    [InlineData("/account", "Form.Version", true)]
    [InlineData("/account/password", "NewPassword", true)]
    [InlineData("/account", "Form.Version", false)]
    [InlineData("/account/password", "NewPassword", false)]
    public async Task Account_WhenSignedOutMeanwhile_SaysThatNothingWasSavedAndComesBack(string path, string field, bool isOfThisBrowser)
    {
        using var browser = fixture.Browser();
        var email = await PersonAsync();
        await browser.SignInAsync(email, PagesFixture.Password);
        var (_, fields) = PageClient.Form(await browser.ReadAsync(path), field: field);
        if (isOfThisBrowser)
        {
            await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal));
        }
        else
        {
            using var other = fixture.Browser();
            await other.SignInAsync(email, PagesFixture.Password);
            await other.SubmitAsync("/account/sessions", new Dictionary<string, string>(StringComparer.Ordinal), "Others");
        }

        var at = (await browser.PostAsync(path, fields)).Headers.Location!.OriginalString;
        Assert.Equal($"/signin?returnUrl={Uri.EscapeDataString(path)}&done=over", at);
        var page = await browser.ReadAsync(at);
        Assert.Equal("You were signed out meanwhile, and nothing was saved. Sign in, then try again.", page.QuerySelector("[role=status]")!.TextContent);
        Assert.Equal(path, (await browser.SubmitAsync(at, new Dictionary<string, string>(StringComparer.Ordinal) { ["Login"] = email, ["Password"] = PagesFixture.Password })).Headers.Location!.OriginalString);
    }

    // To reload what a form was answered with sends the form again, and is refused again.
    [Fact]
    public async Task Account_WhenChangedInAnotherTabMeanwhile_KeepsWhatWasTypedAndLinksToThePageAsItIs()
    {
        using var browser = fixture.Browser();
        await browser.SignInAsync(await PersonAsync(), PagesFixture.Password);
        var (_, fields) = PageClient.Form(await browser.ReadAsync("/account"), field: "Form.Version");
        fields["Form.Nickname"] = "Countess";
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.PostAsync("/account", fields)).StatusCode);
        fields["Form.Nickname"] = "Lady";
        var answer = await browser.PostAsync("/account", fields);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        var page = PageClient.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal("Lady", page.QuerySelector("#Form_Nickname")!.GetAttribute("value"));
        Assert.Equal("/account", page.QuerySelector(".error-summary a")?.GetAttribute("href"));
        Assert.Equal("Countess", (await browser.ReadAsync("/account")).QuerySelector("#Form_Nickname")!.GetAttribute("value"));
    }

    [Theory]
    [InlineData("/signin", "Login")]
    [InlineData("/register", "Email")]
    [InlineData("/forgot-password", "Email")]
    [InlineData("/reset-password?email=x%40example.com", "Email")]
    public async Task Form_WhenTheBrowserSendsNoCookies_SaysSoAndKeepsWhatWasTyped(string page, string field)
    {
        using var browser = fixture.Browser();
        var (action, fields) = PageClient.Form(await browser.ReadAsync(page));
        browser.Cookies.Clear();
        fields[field] = "typed@example.com";
        fields["Password"] = "typed secret phrase";
        var answer = await browser.PostAsync(action, fields);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var shown = await answer.Content.ReadAsStringAsync();
        Assert.Contains("Allow cookies for this site", shown, StringComparison.Ordinal);
        Assert.Contains("typed@example.com", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("typed secret phrase", shown, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/signout")]
    [InlineData("/account/sessions")]
    public async Task Form_ThatCannotBeKept_LeadsBackToItsPage(string page)
    {
        using var browser = fixture.Browser();
        await browser.SignInAsync(await PersonAsync(), PagesFixture.Password);
        var (action, fields) = PageClient.Form(await browser.ReadAsync(page));
        fields.Remove("__RequestVerificationToken");
        var answer = await browser.PostAsync(action, fields);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var shown = PageClient.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Contains(shown.Links, link => link.GetAttribute("href") == action);
    }

    [Fact]
    public async Task Form_OfAnotherKeyThanTheCookies_IsKeptAndWorksAtTheSecondTry()
    {
        // As after a browser's restart, which brings back its pages without their cookies.
        using var browser = fixture.Browser();
        var email = await PersonAsync();
        var (action, fields) = PageClient.Form(await browser.ReadAsync("/signin"));
        browser.Cookies.Clear();
        await browser.ReadAsync("/signin");
        (fields["Login"], fields["Password"]) = (email, PagesFixture.Password);
        var refused = await browser.PostAsync(action, fields);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        var shown = PageClient.Parse(await refused.Content.ReadAsStringAsync());
        Assert.Contains("open for too long", shown.Body!.TextContent, StringComparison.Ordinal);
        (action, fields) = PageClient.Form(shown);
        Assert.Equal(email, fields["Login"]);
        fields["Password"] = PagesFixture.Password;
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.PostAsync(action, fields)).StatusCode);
        Assert.True(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task ChangePassword_AtItsWellKnownAddress_LeadsToThePage()
    {
        using var browser = fixture.Browser();
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Head])
        {
            var answer = await browser.SendAsync(new HttpRequestMessage(method, "/.well-known/change-password"));
            Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
            Assert.Equal("/account/password", answer.Headers.Location!.OriginalString);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await browser.GetAsync("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200")).StatusCode);
    }

    private async Task<string> PersonAsync()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        return email;
    }
}
