// SAML 2.0 Web Browser SSO and Single Logout as the service provider of npm samlify, an identity provider that others wrote.
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using Identity.Tests.Api;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.External;

/// <summary>One provider process, and one server that knows each of its providers.</summary>
public sealed class StockSamlFixture : IAsyncLifetime
{
    private static readonly string[] s_names = ["saml-redirect", "saml-post", "saml-both-signed", "saml-encrypted", "saml-encrypted-gcm", "saml-sha512"];
    private string? _missing;

    public StockProvider Provider { get; private set; } = null!;

    public HostedServer Server { get; private set; } = null!;

    public CapturedLogs Logs { get; } = new();

    public async ValueTask InitializeAsync()
    {
        _missing = StockProvider.Missing("samlify");
        if (_missing is not null)
        {
            return;
        }

        using var key = RSA.Create(2048);
        Provider = await StockProvider.StartAsync("saml-provider.mjs");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in s_names)
        {
            var metadata = new Uri(Provider.Address, name + "/metadata").AbsoluteUri;
            foreach (var (setting, value) in SamlWorld.Settings(name, metadata, metadata, ("RequestBinding", name == "saml-post" ? "post" : "redirect")))
            {
                settings[setting] = value;
            }
        }

        settings.Remove("PUBLIC_URL");
        Server = await HostedServer.StartAsync(settings: settings);
        Server.Services.GetRequiredService<ILoggerFactory>().AddProvider(Logs);
        await Provider.ServeAsync(new JsonObject { ["clientUrl"] = Server.Url.AbsoluteUri.TrimEnd('/'), ["key"] = key.ExportRSAPrivateKeyPem(), ["certificate"] = SamlIdp.CertificateOf(key) });
    }

    /// <summary>Skips where npm's packages are not there.</summary>
    public void Require()
    {
        Assert.SkipWhen(_missing is not null && Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") != "1", _missing ?? "");
        Assert.Null(_missing);
    }

    /// <summary>What the provider took and verified.</summary>
    public async Task<string[]> SeenAsync()
    {
        using var http = new HttpClient();
        return (await http.GetFromJsonAsync<string[]>(new Uri(Provider.Address, "control/seen")))!;
    }

    public async ValueTask DisposeAsync()
    {
        if (_missing is null)
        {
            await Server.DisposeAsync();
            await Provider.DisposeAsync();
        }
    }
}

/// <summary>The provider verifies what we sign, and we what it signs.</summary>
public sealed class StockSamlTests(StockSamlFixture fixture) : IClassFixture<StockSamlFixture>
{
    [Theory]
    [InlineData("saml-redirect", "redirect")]
    [InlineData("saml-post", "post")]
    [InlineData("saml-both-signed", "redirect")]
    [InlineData("saml-encrypted", "redirect")]
    [InlineData("saml-encrypted-gcm", "redirect")]
    [InlineData("saml-sha512", "redirect")]
    public async Task StockProvider_SignsIn_OnceAskedForALogin_ThenByItsSession(string name, string binding)
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, name, "alice"));
        Assert.Equal($"alice@{name}.example.com", await ExternalWorld.PersonAsync(browser));
        Assert.Contains($"{name} AuthnRequest by {binding}", await fixture.SeenAsync());

        // It knows her by now, and asks nothing.
        using var other = new Browser(fixture.Server.Url);
        foreach (var cookie in browser.Cookies.GetCookies(new Uri(fixture.Provider.Address, name)).Cast<Cookie>())
        {
            other.Cookies.Add(fixture.Provider.Address, new Cookie(cookie.Name, cookie.Value, "/" + name));
        }

        Assert.Equal("/account", await SignInAsync(other, name, login: null));
        Assert.Equal($"alice@{name}.example.com", await ExternalWorld.PersonAsync(other));
    }

    [Fact]
    public async Task SignInAnew_WhenTheApplicationWantsIt_AsksAnew()
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, "saml-sha512", "anew"));
        Assert.Equal("/connect/authorize?client_id=x&prompt=login", await SignInAsync(browser, "saml-sha512", "anew", "/connect/authorize?client_id=x&prompt=login"));
        Assert.Contains("saml-sha512 AuthnRequest by redirect, anew", await fixture.SeenAsync());
    }

    [Fact]
    public async Task SignOut_Here_EndsTheProvidersSessionByASignedRequestWithItsIndex_AndComesBack()
    {
        fixture.Require();
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, "saml-redirect", "bob"));
        using var signedOut = await browser.SubmitAsync("/signout", []);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var page = await browser.GetAsync(signedOut.Headers.Location!.OriginalString);
        var address = page.Headers.GetValues("Refresh").Single()["0; url=".Length..];
        using var there = await browser.GetAsync(address);
        Assert.True(there.Headers.Location is not null, await there.Content.ReadAsStringAsync());
        Assert.Contains("saml-redirect LogoutRequest by redirect, of 1 session", await fixture.SeenAsync());
        using var back = await browser.GetAsync(there.Headers.Location.AbsoluteUri);
        Assert.StartsWith("/external/saml-redirect/signed-out?state=", back.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var end = await browser.GetAsync(back.Headers.Location.OriginalString);
        Assert.Equal("/signed-out", end.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("")]
    [InlineData("?post")]
    public async Task SignOut_There_EndsTheSessionHereByRedirectAndPost_AndIsAnswered(string how)
    {
        fixture.Require();
        var name = how.Length == 0 ? "saml-both-signed" : "saml-post";
        using var browser = new Browser(fixture.Server.Url);
        Assert.Equal("/account", await SignInAsync(browser, name, "carol"));
        using var begun = await browser.GetAsync(new Uri(fixture.Provider.Address, $"{name}/sign-out{how}").AbsoluteUri);
        using var answer = begun.Headers.Location is { } to
            ? await browser.GetAsync(to.AbsoluteUri)
            : await PressAsync(browser, fixture.Provider.Address, await begun.Content.ReadAsStringAsync());
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var done = await browser.GetAsync(answer.Headers.Location!.AbsoluteUri);
        Assert.Contains("Signed out everywhere", await done.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains($"{name} LogoutResponse by redirect", await fixture.SeenAsync());
    }

    private async Task<string> SignInAsync(Browser browser, string name, string? login, string returnUrl = "/account")
    {
        var answer = await browser.GetAsync($"/external/{name}?returnUrl={Uri.EscapeDataString(returnUrl)}");
        var at = fixture.Server.Url;
        for (var step = 0; step < 8; step++)
        {
            if (answer.Headers.Location is { } location)
            {
                at = new Uri(at, location);
                if (at.Port == fixture.Server.Url.Port && !at.AbsolutePath.EndsWith("/continue", StringComparison.Ordinal))
                {
                    answer.Dispose();
                    return at.PathAndQuery;
                }

                answer.Dispose();
                answer = await browser.GetAsync(at.AbsoluteUri);
                continue;
            }

            var html = await answer.Content.ReadAsStringAsync();
            answer.Dispose();
            (answer, at) = (await PressAsync(browser, at, html, login), new Uri(at, new HtmlParser().ParseDocument(html).QuerySelector("form")?.GetAttribute("action") ?? throw new InvalidOperationException(html)));
        }

        throw new InvalidOperationException("It leads nowhere: " + at);
    }

    // The only form of a page.
    private static async Task<HttpResponseMessage> PressAsync(Browser browser, Uri at, string html, string? login = null)
    {
        var form = new HtmlParser().ParseDocument(html).QuerySelector("form") ?? throw new InvalidOperationException(html);
        var fields = form.QuerySelectorAll("input").Select(input => KeyValuePair.Create(input.GetAttribute("name")!, input.GetAttribute("name") == "login" ? login ?? throw new InvalidOperationException("It asks who it is.") : input.GetAttribute("value") ?? ""));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(at, form.GetAttribute("action")!)) { Content = new FormUrlEncodedContent([.. fields]) };
        return await browser.SendAsync(request);
    }
}
