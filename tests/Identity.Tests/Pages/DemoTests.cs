using System.Net;

namespace Identity.Tests.Pages;

/// <summary>The demo client on the start page.</summary>
public sealed class DemoTests(RunningServer server)
{
    [Fact]
    public async Task StartPage_WhenTheDemoIsRunAtAClick_SignsInAndShowsTheTokens()
    {
        var (_, email) = await server.RegisterAsync();
        using var browser = new Browser(new Uri(server.Issuer));
        using var begun = await browser.SubmitAsync("/", [], "Run the demo client");
        Assert.Equal(HttpStatusCode.SeeOther, begun.StatusCode);
        Assert.StartsWith(server.Issuer + "/connect/authorize?", begun.Headers.Location!.AbsoluteUri, StringComparison.Ordinal);

        using var asked = await browser.GetAsync(begun.Headers.Location!.PathAndQuery);
        var signedIn = await browser.SignInAtAsync(asked.Headers.Location!, email, RunningServer.Password);
        using var consent = await browser.GetAsync(signedIn.OriginalString);
        using var allowed = await browser.SubmitAsync(consent.Headers.Location!.OriginalString, [], "Allow");
        using var answered = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        var callback = answered.Headers.Location!;
        Assert.StartsWith(server.Issuer + "/demo/callback?", callback.AbsoluteUri, StringComparison.Ordinal);

        using var page = await browser.GetAsync(callback.PathAndQuery);
        var html = await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.All(["The demo client has its tokens", "id_token", "access_token", "refresh_token", "/connect/userinfo", email], part => Assert.Contains(part, html, StringComparison.Ordinal));
        Assert.Contains("no-store", page.Headers.CacheControl!.ToString(), StringComparison.Ordinal);

        // Once: the request that it answers is forgotten.
        using var again = await browser.GetAsync(callback.PathAndQuery);
        Assert.DoesNotContain("access_token", await again.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    // RFC 9700 §4.7: an answer that this browser did not ask for is not exchanged.
    [Theory]
    [InlineData("code=stolen&state=other&iss=ISSUER")]
    [InlineData("code=stolen")]
    [InlineData("error=access_denied")]
    public async Task Callback_WhenThisBrowserDidNotAsk_ShowsNoTokens(string query)
    {
        using var browser = new Browser(new Uri(server.Issuer));
        using var begun = await browser.SubmitAsync("/", [], "Run the demo client");
        using var page = await browser.GetAsync("/demo/callback?" + query.Replace("ISSUER", Uri.EscapeDataString(server.Issuer), StringComparison.Ordinal));
        var html = await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("The demo client got nothing", html, StringComparison.Ordinal);
        Assert.DoesNotContain("access_token", html, StringComparison.Ordinal);
    }
}
