// Content Security Policy Level 3; WCAG 2.2 §3.1.1 (language); the wire contract's settings: branding.
using System.Net;
using System.Text.RegularExpressions;
using Identity.Server.Pages.Branding;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.Options;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed partial class PageHeaderTests(PagesFixture fixture)
{
    [Theory]
    [InlineData("/", 200)]
    [InlineData("/signin", 200)]
    [InlineData("/register", 200)]
    [InlineData("/forgot-password", 200)]
    [InlineData("/reset-password", 200)]
    [InlineData("/verify-email", 200)]
    [InlineData("/signed-out", 200)]
    [InlineData("/no-such-page", 404)]
    [InlineData("/status/500", 404)]
    [InlineData("/connect/authorize?client_id=nobody", 400)]
    public async Task Page_RefusesFramesCachesAndInlineCode(string url, int status)
    {
        using var browser = fixture.Browser();
        var response = await browser.GetAsync(url);
        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("base-uri 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("DENY", Assert.Single(response.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.True(response.Headers.CacheControl!.NoStore);

        var page = PageClient.Parse(await response.Content.ReadAsStringAsync());
        Assert.Empty(page.QuerySelectorAll("[style], style, [onclick], [onload], [onsubmit], script:not([src])"));
        Assert.Single(page.QuerySelectorAll("h1"));
        Assert.Equal("en", page.DocumentElement.GetAttribute("lang"));
        Assert.Equal("ltr", page.DocumentElement.GetAttribute("dir"));
    }

    [Fact]
    public async Task NotFound_WithoutHtmlWanted_HasNoPage()
    {
        using var http = new HttpClient { BaseAddress = fixture.Server.Url };
        http.DefaultRequestHeaders.Accept.ParseAdd("application/json");
        var response = await http.GetAsync("/no-such-page");
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Policy_LetsAnswersThroughToTheApplicationAndNobodyElse()
    {
        using var browser = fixture.Browser();
        var location = (await browser.GetAsync(PagesFixture.AuthorizeUrl)).Headers.Location!.OriginalString;
        Assert.Contains("form-action 'self' https:;", Assert.Single((await browser.GetAsync(location)).Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Contains("form-action 'self';", Assert.Single((await browser.GetAsync("/signin")).Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
    }

    // A registration may have addresses of 2,000 characters; of several, the request alone tells which one is answered.
    [Fact]
    public async Task Policy_WhereTheAnswersAddressIsLong_LetsItThroughAllTheSame()
    {
        var address = "http://127.0.0.1:4711/" + new string('a', 1900);
        await using var server = await HostedServer.StartAsync($$"""
            [{"client_id":"atlas","token_endpoint_auth_method":"none","redirect_uris":["https://atlas.example.com/callback","{{address}}"],"post_logout_redirect_uris":["{{address}}"],"scope":"openid"}]
            """);
        using var browser = new PageClient(server.Url);
        var location = (await browser.GetAsync($"/connect/authorize?client_id=atlas&response_type=code&redirect_uri={Uri.EscapeDataString(address)}&scope=openid&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256")).Headers.Location!.OriginalString;
        Assert.Contains("form-action 'self' http:;", Assert.Single((await browser.GetAsync(location)).Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        await server.RegisterAsync("ada@example.com", PagesFixture.Password, "Ada", "Lovelace");
        await browser.SignInAsync("ada@example.com", PagesFixture.Password);
        location = (await browser.GetAsync($"/connect/endsession?client_id=atlas&post_logout_redirect_uri={Uri.EscapeDataString(address)}")).Headers.Location!.OriginalString;
        Assert.Contains("form-action 'self' http:;", Assert.Single((await browser.GetAsync(location)).Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
    }

    // As the files of clients and APIs: where the process runs, and not where its program lies.
    [Fact]
    public async Task Logo_OfARelativePath_IsLookedForWhereTheProcessRuns()
    {
        var name = $"logo-{Guid.NewGuid():N}.svg";
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["Branding:LogoFile"] = name };
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => HostedServer.StartAsync(settings: settings));
        Assert.Equal($"Branding:LogoFile: expected a file of at most 512 KB that can be read: {Path.GetFullPath(name)}", Assert.Single(failure.Failures));
        var directory = Directory.CreateTempSubdirectory("identity-logo-test-");
        await File.WriteAllTextAsync(Path.Combine(directory.FullName, name), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
        settings["Branding:LogoFile"] = Path.GetRelativePath(Environment.CurrentDirectory, Path.Combine(directory.FullName, name));
        await using var server = await HostedServer.StartAsync(settings: settings);
        using var browser = new PageClient(server.Url);
        var logo = await browser.GetAsync("/brand/logo");
        Assert.Equal((HttpStatusCode.OK, "image/svg+xml"), (logo.StatusCode, logo.Content.Headers.ContentType!.MediaType));
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Stylesheet_IsUnder20KilobytesAndNeedsNothingElse()
    {
        using var browser = fixture.Browser();
        var css = await (await browser.GetAsync("/css/identity.css")).Content.ReadAsStringAsync();
        Assert.InRange(css.Length, 1000, 20 * 1024);
        Assert.DoesNotContain("url(", css, StringComparison.Ordinal);
        Assert.DoesNotContain("@import", css, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Accent_WithTooLittleContrast_StopsTheStartAndNamesOneThatWillDo()
    {
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Branding:AccentColor"] = "#ffdd00" }));
        var line = Assert.Single(failure.Failures);
        Assert.StartsWith("Branding:AccentColor: expected a contrast of 4.5:1 against white", line, StringComparison.Ordinal);
        Assert.True(Colour.TryParse(Suggestion().Match(line).Value, out var suggested));
        Assert.True(suggested.ContrastWith(Colour.White) >= 4.5);
    }

    [Theory]
    [InlineData("#3050d8")]
    [InlineData("#7a0019")]
    [InlineData("#00695c")]
    [InlineData("#000000")]
    [InlineData("#767676")]
    public void Brand_OfAnyAllowedAccent_CanBeReadInLightAndDark(string accent)
    {
        var css = new Brand(Options.Create(new BrandingOptions { AccentColor = accent })).Stylesheet;
        var modes = css.Split("@media");
        Assert.Equal(2, modes.Length);
        foreach (var (mode, surface) in new[] { (modes[0], "#ffffff"), (modes[1], "#16191f") })
        {
            Colour Of(string property) => Colour.TryParse(Regex.Match(mode, $"--{property}:(#[0-9a-f]{{6}})", RegexOptions.None, TimeSpan.FromSeconds(1)).Groups[1].Value, out var colour) ? colour : throw new InvalidOperationException(property);
            Assert.True(Colour.TryParse(surface, out var on));
            Assert.True(Of("accent-text").ContrastWith(on) >= 4.5, mode);
            Assert.True(Of("accent-text").ContrastWith(Of("accent-soft")) >= 4.5, mode);
            Assert.True(Of("on-accent").ContrastWith(Of("accent")) >= 4.5, mode);
            Assert.True(Of("on-accent").ContrastWith(Of("accent-hover")) >= 4.5, mode);
            Assert.True(Of("focus").ContrastWith(on) >= 3, mode);
        }
    }

    [GeneratedRegex("#[0-9a-f]{6}$")]
    private static partial Regex Suggestion();
}
