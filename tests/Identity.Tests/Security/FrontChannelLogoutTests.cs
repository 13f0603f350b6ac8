// Security catalogue, sign-out: OpenID Connect Front-Channel Logout 1.0. The browser tells the clients of the session that it ended, those alone, and no link of somebody else's makes it.
using System.Net;
using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>Clients that are told by the browser, one that is not, and one that takes no part.</summary>
public sealed class FrontChannelLogoutTests
{
    private const string Bye = "http://127.0.0.1:4711/bye";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SignOut_WhenAnApplicationAsksForIt_OpensEachClientsAddressOnceAndGoesBack(bool proven)
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser, "spa", "openid");
        await node.CodeAsync(browser, "second", "openid", ("redirect_uri", "http://localhost:4712/callback"));
        await node.TokensAsync(browser, "silent", "openid");
        var sid = (string)Node.Payload((string)tokens["id_token"]!)["sid"]!;

        // Without a live session of its own the hint proves nothing, and the person is asked.
        var hint = (string)tokens["id_token"]!;
        if (!proven)
        {
            using var other = await node.SignedInAsync();
            hint = (string)(await node.TokensAsync(other, "spa", "openid"))["id_token"]!;
        }

        var url = $"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}&state=s%2F1";
        var answer = await browser.GetAsync(url);
        if (!proven)
        {
            Assert.StartsWith("/signout?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
            answer = await browser.SubmitAsync(answer.Headers.Location.OriginalString, []);
            answer = await browser.GetAsync(answer.Headers.Location!.OriginalString);
        }

        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        var address = answer.Headers.Location!.OriginalString;
        Assert.StartsWith("/signed-out?returnUrl=", address, StringComparison.Ordinal);
        using var page = await browser.GetAsync(address);
        var issuer = Uri.EscapeDataString(server.Url.GetLeftPart(UriPartial.Authority));
        Assert.Equal(
            [$"http://127.0.0.1:4711/out?a=b&iss={issuer}&sid={sid}", $"http://localhost:4712/out?iss={issuer}&sid={sid}"],
            await FramesAsync(page));
        Assert.Contains("; frame-src http://127.0.0.1:4711 http://localhost:4712; ", Policy(page), StringComparison.Ordinal);

        using var back = await browser.GetAsync((await NextAsync(page))!);
        Assert.Equal(Bye + "?state=s%2F1", back.Headers.Location!.OriginalString);

        // Told once.
        using var again = await browser.GetAsync(address);
        Assert.Empty(await FramesAsync(again));
        Assert.DoesNotContain("frame-src", Policy(again), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/signout")]
    [InlineData("/account/sessions")]
    public async Task SignOut_AtAPageOfOurs_OpensTheAddressesAndStays(string path)
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        await node.TokensAsync(browser, "spa", "openid");
        using var answer = await browser.SubmitAsync(path, [], button: "Sign out");
        using var page = await browser.GetAsync(answer.Headers.Location!.OriginalString);
        Assert.Single(await FramesAsync(page));
        Assert.Null(await NextAsync(page));
    }

    [Fact]
    public async Task SignOut_WhenNoClientWantsToBeTold_GoesStraightBack()
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser, "silent", "openid");
        using var answer = await browser.GetAsync($"/connect/endsession?id_token_hint={tokens["id_token"]}&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}");
        Assert.Equal(Bye, answer.Headers.Location!.OriginalString);
        Assert.DoesNotContain(answer.Headers.GetValues("Set-Cookie"), line => line.StartsWith("identity-ended", StringComparison.Ordinal));
    }

    // A frame with a sid signs somebody out: what stands in it must not be somebody else's to choose.
    [Theory]
    [InlineData("/signed-out?sid={0}")]
    [InlineData("/signed-out?returnUrl=%2Fconnect%2Fendsession%3Fclient_id%3Dspa")]
    public async Task Link_ThatSomebodyElseMade_OpensNothing(string link)
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser, "spa", "openid");
        var sid = (string)Node.Payload((string)tokens["id_token"]!)["sid"]!;
        browser.Cookies.Add(server.Url, new Cookie("identity-ended", sid));
        using var page = await browser.GetAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, link, sid));
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Empty(await FramesAsync(page));
        Assert.DoesNotContain("frame-src", Policy(page), StringComparison.Ordinal);
        Assert.NotNull(await node.CodeAsync(browser, "spa", "openid"));
    }

    [Theory]
    [InlineData("%2Fsignin%3Fx%3D%C3%A9")]
    [InlineData("%2Fsignin%3Fx%3D%E2%80%AE")]
    [InlineData("%2F%2Fevil.example%2F")]
    [InlineData("https%3A%2F%2Fevil.example%2F")]
    public async Task ReturnUrl_OfAnyForm_LeadsNowhereElseAndFailsNothing(string returnUrl)
    {
        await using var server = await StartAsync();
        using var browser = new Browser(server.Url);
        using var page = await browser.GetAsync("/signed-out?returnUrl=" + returnUrl);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.DoesNotContain("evil", await NextAsync(page) ?? "", StringComparison.Ordinal);
    }

    private static Task<HostedServer> StartAsync()
    {
        JsonObject Client(string id, string redirect, string? address) => new()
        {
            ["client_id"] = id,
            ["token_endpoint_auth_method"] = "none",
            ["grant_types"] = new JsonArray("authorization_code"),
            ["redirect_uris"] = new JsonArray(redirect),
            ["post_logout_redirect_uris"] = new JsonArray(Bye),
            ["scope"] = "openid email",
            ["frontchannel_logout_uri"] = address,
        };
        return HostedServer.StartAsync(new JsonArray(
            Client("spa", Node.RedirectUri, "http://127.0.0.1:4711/out?a=b"),
            Client("second", "http://localhost:4712/callback", "http://localhost:4712/out"),
            Client("silent", Node.RedirectUri, address: null),
            Client("elsewhere", Node.RedirectUri, "http://127.0.0.1:4711/other")).ToJsonString());
    }

    private static string Policy(HttpResponseMessage page) => Assert.Single(page.Headers.GetValues("Content-Security-Policy"));

    private static async Task<string?> NextAsync(HttpResponseMessage page) =>
        new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync()).QuerySelector("noscript meta[http-equiv=refresh]")?.GetAttribute("content")?["1; url=".Length..];

    private static async Task<IEnumerable<string?>> FramesAsync(HttpResponseMessage page) =>
        new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync()).QuerySelectorAll("iframe").Select(frame => frame.GetAttribute("src"));
}
