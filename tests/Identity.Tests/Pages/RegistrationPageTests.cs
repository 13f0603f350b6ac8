// Complaints: confirming the code after registering led to the sign-in page. It signs in, and only the browser that registered.
using System.Net;
using Identity.Accounts;
using Microsoft.Extensions.DependencyInjection;

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

        // The owner asks for a code; it does not sign in the browser of whoever registered the address again: the mailbox has to set a password.
        using var owner = fixture.Browser();
        await owner.SubmitAsync($"/verify-email?email={Uri.EscapeDataString(email)}&sent=1", new Dictionary<string, string>(StringComparer.Ordinal), "handler=Send");
        var answer = await browser.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email) });
        Assert.StartsWith("/reset-password?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.False(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Code_OfAnAccountThatAStrangerMade_PutsTheStrangerOut_AndLeadsToANewPassword()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var stranger = fixture.Browser();
        await stranger.SignInAsync(email, PagesFixture.Password);
        Assert.True(await stranger.IsSignedInAsync());

        // The owner registers too, gets no code by that, and asks for one.
        using var owner = fixture.Browser();
        var verify = await RegisterAsync(owner, email, PagesFixture.AuthorizeUrl);
        await owner.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal), "handler=Send");
        var code = await fixture.Server.ReadCodeAsync(email);
        var answer = await owner.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = code });
        Assert.StartsWith("/reset-password?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.False(await owner.IsSignedInAsync());
        Assert.False(await stranger.IsSignedInAsync());
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await stranger.SignInAsync(email, PagesFixture.Password)).StatusCode);
        var account = (await fixture.Server.Services.GetRequiredService<IAccountStore>().FindByEmailAsync(email.ToUpperInvariant(), TestContext.Current.CancellationToken))!;
        Assert.Equal((true, null, null), (account.EmailVerified, account.FirstName, account.LastName));

        var done = await owner.SubmitAsync(answer.Headers.Location.OriginalString, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email, code), ["Password"] = "another pass phrase 8" });
        Assert.Equal(PagesFixture.AuthorizeUrl, done.Headers.Location!.OriginalString);
        Assert.True(await owner.IsSignedInAsync());
    }

    [Fact]
    public async Task Code_OfAnAccountThatAStrangerMade_WhenSomebodyElseIsSignedIn_PutsTheStrangerOutAllTheSame()
    {
        var (email, other) = (PagesFixture.NewEmail(), PagesFixture.NewEmail());
        await fixture.RegisterAsync(email);
        await fixture.RegisterAsync(other);
        using var stranger = fixture.Browser();
        await stranger.SignInAsync(email, PagesFixture.Password);
        using var owner = fixture.Browser();
        var verify = await RegisterAsync(owner, email);
        await owner.SignInAsync(other, PagesFixture.Password);
        await owner.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal), "handler=Send");
        var answer = await owner.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email) });
        Assert.StartsWith("/reset-password?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.False(await stranger.IsSignedInAsync());
    }

    [Fact]
    public async Task Registration_MadeTwiceInOneBrowser_IsTheFirstOne()
    {
        using var browser = fixture.Browser();
        var email = PagesFixture.NewEmail();
        await RegisterAsync(browser, email);
        var code = await fixture.Server.ReadCodeAsync(email);
        var verify = await RegisterAsync(browser, email);
        await browser.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal), "handler=Send");
        var answer = await browser.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email, code) });
        Assert.Equal("/account", answer.Headers.Location!.OriginalString);
        Assert.True(await browser.IsSignedInAsync());
    }

    [Fact]
    public async Task Code_OfAnAccountThatIsProvenAlready_LeavesItAsItIs()
    {
        var email = PagesFixture.NewEmail();
        using var first = fixture.Browser();
        await first.SubmitAsync(await RegisterAsync(first, email), new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email) });
        Assert.True(await first.IsSignedInAsync());
        var before = await fixture.Server.ReadCodeAsync(email);

        // Somebody who has forgotten that they registered, in another browser.
        using var second = fixture.Browser();
        var verify = await RegisterAsync(second, email);
        await second.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal), "handler=Send");
        var answer = await second.SubmitAsync(verify, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = await fixture.Server.ReadCodeAsync(email, before) });
        Assert.Equal("/verify-email?done=1", answer.Headers.Location!.OriginalString);
        Assert.True(await first.IsSignedInAsync());
        Assert.Equal(HttpStatusCode.SeeOther, (await second.SignInAsync(email, PagesFixture.Password)).StatusCode);
    }

    private static async Task<string> RegisterAsync(PageClient browser, string email, string? returnUrl = null)
    {
        var answer = await browser.SubmitAsync("/register" + (returnUrl is null ? "" : "?returnUrl=" + Uri.EscapeDataString(returnUrl)), new Dictionary<string, string>(StringComparer.Ordinal) { ["Email"] = email, ["Password"] = PagesFixture.Password });
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.StartsWith("/verify-email?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        return answer.Headers.Location.OriginalString;
    }
}
