// Security catalogue, Web: antiforgery on sign-in, consent, sign-out and account pages: missing, another session's, cross-origin: 400.
using System.Net;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed class AntiforgeryTests(PagesFixture fixture)
{
    public static TheoryData<string> Forms =>
    [
        "/signin", "/register", "/forgot-password", "/reset-password?email=ada%40example.com", "/verify-email?email=ada%40example.com",
        "/signout", "/consent", "/account", "/account/password", "/account/sessions",
    ];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Post_WithoutToken_Is400(string page)
    {
        using var browser = await OpenAsync(page);
        var (action, fields) = await FormAsync(browser, page);
        fields.Remove("__RequestVerificationToken");
        Assert.Equal(HttpStatusCode.BadRequest, (await browser.PostAsync(action, fields)).StatusCode);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Post_WithAnotherBrowsersToken_Is400(string page)
    {
        using var victim = await OpenAsync(page);
        using var other = await OpenAsync(page);
        var (action, fields) = await FormAsync(victim, page);
        fields["__RequestVerificationToken"] = (await FormAsync(other, page)).Fields["__RequestVerificationToken"];
        Assert.Equal(HttpStatusCode.BadRequest, (await victim.PostAsync(action, fields)).StatusCode);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Post_FromAnotherOrigin_Is400(string page)
    {
        using var browser = await OpenAsync(page);
        var (action, fields) = await FormAsync(browser, page);
        foreach (var origin in (string[])["https://evil.example", "null", "http://localhost:1", "http://localhost.evil.example"])
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await browser.PostAsync(action, fields, request => request.Headers.Add("Origin", origin))).StatusCode);
        }

        foreach (var site in (string[])["cross-site", "same-site"])
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await browser.PostAsync(action, fields, request => request.Headers.Add("Sec-Fetch-Site", site))).StatusCode);
        }

        var origins = fixture.Server.Url.GetLeftPart(UriPartial.Authority);
        Assert.NotEqual(HttpStatusCode.BadRequest, (await browser.PostAsync(action, fields, request => request.Headers.Add("Origin", origins))).StatusCode);
    }

    private async Task<PageClient> OpenAsync(string page)
    {
        var browser = fixture.Browser();
        if (page is "/signout" or "/consent" || page.StartsWith("/account", StringComparison.Ordinal))
        {
            var email = PagesFixture.NewEmail();
            await fixture.RegisterAsync(email);
            Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync(email, PagesFixture.Password)).StatusCode);
        }

        return browser;
    }

    private static async Task<(string Action, Dictionary<string, string> Fields)> FormAsync(PageClient browser, string page)
    {
        if (page == "/consent")
        {
            page = (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString;
            Assert.StartsWith("/consent?", page, StringComparison.Ordinal);
        }

        return PageClient.Form(await browser.ReadAsync(page));
    }
}
