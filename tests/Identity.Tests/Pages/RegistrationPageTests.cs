// Complaints: confirming the code after registering led to the sign-in page. It signs in, and only the browser that registered.
using System.Net;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class RegistrationPageTests(PagesFixture fixture)
{
    [Fact]
    public async Task Code_ConfirmedWhereTheAccountWasRegistered_SignsInAndGoesOnToTheApplication()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        var verify = await RegisterAsync(browser, email, PagesFixture.AuthorizeUrl);
        var answer = await browser.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email) });
        Assert.Equal(PagesFixture.AuthorizeUrl, answer.Headers.Location!.OriginalString);
        Assert.True(await browser.IsSignedInAsync());
        Assert.StartsWith("/consent?", (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.DoesNotContain("identity-registered", browser.Cookies.Keys);
    }

    [Fact]
    public async Task Code_ConfirmedElsewhere_SignsNobodyIn()
    {
        using var registering = fixture.Browser();
        using var other = fixture.Browser();
        var email = PagesFixture.NewEmail();
        var verify = await RegisterAsync(registering, email);
        var code = await fixture.Server.ReadCodeAsync(email);

        // The ticket of another account is worth nothing either.
        await RegisterAsync(other, PagesFixture.NewEmail());
        var answer = await other.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = code });
        Assert.Equal("/verify-email?done=1", answer.Headers.Location!.OriginalString);
        Assert.False(await other.IsSignedInAsync());
        Assert.False(await registering.IsSignedInAsync());
    }

    [Fact]
    public async Task Code_ThatIsWrong_SignsNobodyIn()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        var verify = await RegisterAsync(browser, email);
        var code = await fixture.Server.ReadCodeAsync(email);
        var answer = await browser.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = code == "111111" ? "222222" : "111111" });
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.False(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Code_ConfirmedFiftyTimesAtOnce_SignsInOnce()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        var verify = await RegisterAsync(browser, email);
        var (action, fields) = PageClient.Form(await browser.ReadAsync(verify));
        fields["Code"] = await fixture.Server.ReadCodeAsync(email);
        var cookies = string.Join("; ", browser.Cookies.Select(cookie => $"{cookie.Key}={cookie.Value}"));
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = fixture.Server.Url };
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, action) { Content = new FormUrlEncodedContent(fields) };
            request.Headers.Add("Cookie", cookies);
            return await http.SendAsync(request, TestContext.Current.CancellationToken);
        }));
        Assert.Single(answers, answer => answer.Headers.TryGetValues("Set-Cookie", out var set) && set.Any(line => line.StartsWith("identity=", StringComparison.Ordinal)));
        Assert.Equal(49, answers.Count(answer => answer.StatusCode == HttpStatusCode.UnprocessableEntity));
    }

    [Fact]
    public async Task Registration_OfATakenAddress_GivesATicketThatIsWorthNothing()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        var verify = await RegisterAsync(browser, email);
        Assert.Contains("identity-registered", browser.Cookies.Keys);

        // The owner asks for a code; it does not sign in the browser of whoever registered the address again.
        using var owner = fixture.Browser();
        await owner.SubmitAsync($"/verify-email?email={Uri.EscapeDataString(email)}&sent=1", new Dictionary<string, string>(StringComparer.Ordinal), "handler=Send");
        var answer = await browser.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email) });
        Assert.Equal("/verify-email?done=1", answer.Headers.Location!.OriginalString);
        Assert.False(await browser.IsSignedInAsync());
    }

    private static async Task<string> RegisterAsync(PageClient browser, string email, string? returnUrl = null)
    {
        var answer = await browser.SubmitAsync("/register" + (returnUrl is null ? "" : "?returnUrl=" + Uri.EscapeDataString(returnUrl)), new Dictionary<string, string>(StringComparer.Ordinal) { ["Email"] = email, ["Password"] = PagesFixture.Password });
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.StartsWith("/verify-email?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        return answer.Headers.Location.OriginalString;
    }
}
