// OAuth 2.0 for Browser-Based Applications and the Fetch Standard (CORS): oidc-client-ts in Chromium, at another origin than the server.
using System.Text.Json;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class SinglePageAppTests(BrowserFixture fixture)
{
    [Fact]
    public async Task App_WhenItSignsInByRedirect_ShowsThePersonAndSignsThemOutEverywhere()
    {
        await using var visit = await fixture.VisitAsync();
        await SignInAsync(visit);
        var user = await UserAsync(visit);
        Assert.Equal(visit.Email, user.GetProperty("profile").GetProperty("email").GetString());
        Assert.Equal("Ada Lovelace", user.GetProperty("profile").GetProperty("name").GetString());

        await PressAsync(visit, "Sign out");
        await visit.Page.ArriveAtAsync(fixture.SinglePageApp.AbsoluteUri + "*");
        await ExpectAsync(visit, "Signed out");

        // The server's own session is over, and what the application held is worth nothing.
        await PressAsync(visit, "Renew silently");
        await ExpectAsync(visit, "Failed: login_required");
        Assert.Equal(401, (await UserInfoAsync(visit, user)).GetProperty("status").GetInt32());
    }

    [Fact]
    public async Task App_WhenItRenewsInAFrame_GetsNewTokensOfTheSameSession()
    {
        await using var visit = await fixture.VisitAsync();
        await SignInAsync(visit);
        var before = await UserAsync(visit);
        Assert.False(before.TryGetProperty("refresh_token", out var none) && none.ValueKind == JsonValueKind.String);

        await PressAsync(visit, "Renew silently");
        await visit.Page.WaitForFunctionAsync("async before => (await user())?.access_token !== before", before.GetProperty("access_token").GetString());
        var after = await UserAsync(visit);
        Assert.Equal(before.GetProperty("profile").GetProperty("sid").GetString(), after.GetProperty("profile").GetProperty("sid").GetString());
        Assert.Equal(200, (await UserInfoAsync(visit, after)).GetProperty("status").GetInt32());
        await ExpectAsync(visit, "Signed in as " + visit.Email);
    }

    [Fact]
    public async Task App_WhenItHoldsARefreshToken_RenewsWithItAndRevokesIt()
    {
        await using var visit = await fixture.VisitAsync();
        await SignInAsync(visit, "openid profile email offline_access");
        var before = await UserAsync(visit);
        var refreshToken = before.GetProperty("refresh_token").GetString();

        await PressAsync(visit, "Renew silently");
        await visit.Page.WaitForFunctionAsync("async before => (await user())?.refresh_token !== before", refreshToken);
        var after = await UserAsync(visit);

        await PressAsync(visit, "Revoke");
        await ExpectAsync(visit, "Revoked");
        var refused = await UserInfoAsync(visit, after);
        Assert.Equal(401, refused.GetProperty("status").GetInt32());
        Assert.Contains("error=\"invalid_token\"", refused.GetProperty("challenge").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task App_WhenItSignsInAndOutInAPopup_StaysWhereItIs()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        await visit.GotoAsync(fixture.SinglePageApp.AbsoluteUri);
        await ExpectAsync(visit, "Signed out");

        var popup = await visit.Page.RunAndWaitForPopupAsync(() => PressAsync(visit, "Sign in in a popup"));
        await FillAsync(popup, visit.Email);
        await ExpectAsync(visit, "Signed in as " + visit.Email);
        Assert.Equal(fixture.SinglePageApp.AbsoluteUri, visit.Page.Url);
        Assert.True(popup.IsClosed);

        var second = await visit.Page.RunAndWaitForPopupAsync(() => PressAsync(visit, "Sign out in a popup"));
        await ExpectAsync(visit, "Signed out");
        Assert.True(second.IsClosed);
        await PressAsync(visit, "Renew silently");
        await ExpectAsync(visit, "Failed: login_required");
    }

    [Fact]
    public async Task Endpoints_FromTheClientsOwnOrigin_MayBeReadAndNeverWithCookies()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.GotoAsync(fixture.SinglePageApp.AbsoluteUri);
        await ExpectAsync(visit, "Signed out");
        Assert.Equal("200", await TryAsync(visit, "/.well-known/openid-configuration"));
        Assert.Equal("200", await TryAsync(visit, "/connect/jwks"));
        Assert.Equal("400 invalid_grant", await TryAsync(visit, "/connect/token", Form("grant_type=authorization_code&client_id=notes&code=x&redirect_uri=x&code_verifier=" + new string('v', 43))));
        Assert.Equal("200", await TryAsync(visit, "/connect/revoke", Form("client_id=notes&token=x")));

        // Authorization makes it a request that is asked about first (preflight).
        Assert.Equal("401 invalid_token", await TryAsync(visit, "/connect/userinfo", "{ headers: { Authorization: 'Bearer x' } }"));
        Assert.Equal("refused", await TryAsync(visit, "/connect/token", Form("grant_type=authorization_code&client_id=notes", "credentials: 'include',")));
        Assert.Equal("refused", await TryAsync(visit, "/connect/token", Form("grant_type=authorization_code&client_id=elsewhere")));
        await AssertPagesRefusedAsync(visit);
    }

    [Fact]
    public async Task Endpoints_FromAnAllowedOrigin_MayBeRead()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.GotoAsync(fixture.Elsewhere.AbsoluteUri);
        await ExpectAsync(visit, "Signed out");
        Assert.Equal("400 invalid_grant", await TryAsync(visit, "/connect/token", Form("grant_type=authorization_code&client_id=elsewhere&code=x&redirect_uri=x&code_verifier=" + new string('v', 43))));
        Assert.Equal("refused", await TryAsync(visit, "/connect/token", Form("grant_type=authorization_code&client_id=notes")));
        await AssertPagesRefusedAsync(visit);
    }

    [Fact]
    public async Task Endpoints_FromAStrangersOrigin_AreNotRead()
    {
        await using var visit = await fixture.VisitAsync();
        await SignInAsync(visit);
        var token = (await UserAsync(visit)).GetProperty("access_token").GetString();
        await visit.GotoAsync(fixture.Stranger.AbsoluteUri);
        await ExpectAsync(visit, "Signed out");
        Assert.Equal("200", await TryAsync(visit, "/.well-known/openid-configuration"));
        Assert.Equal("200", await TryAsync(visit, "/connect/jwks"));
        Assert.Equal("refused", await TryAsync(visit, "/connect/token", Form("grant_type=authorization_code&client_id=notes&code=x")));
        Assert.Equal("refused", await TryAsync(visit, "/connect/revoke", Form("client_id=notes&token=x")));
        Assert.Equal("refused", await TryAsync(visit, "/connect/userinfo", $"{{ headers: {{ Authorization: 'Bearer {token}' }} }}"));
        Assert.Equal("refused", await TryAsync(visit, "/connect/introspect", Form("token=x")));
        await AssertPagesRefusedAsync(visit);
    }

    [Theory]
    [InlineData("/signin")]
    [InlineData("/register")]
    [InlineData("/account")]
    [InlineData("/connect/authorize")]
    public async Task Pages_WhenAnotherSiteFramesThem_StayEmpty(string path)
    {
        await using var visit = await fixture.VisitAsync();
        await visit.GotoAsync(fixture.SinglePageApp.AbsoluteUri);
        await ExpectAsync(visit, "Signed out");
        var asked = visit.Page.WaitForRequestAsync(fixture.Server.Url + path[1..]);
        await visit.Page.EvaluateAsync("url => { const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame); return new Promise(done => frame.onload = () => done()); }", fixture.Server.Url + path[1..]);
        await asked;
        Assert.Equal(2, visit.Page.Frames.Count);
        Assert.DoesNotContain(visit.Page.Frames.Skip(1), frame => frame.Url.StartsWith(fixture.Server.Url.AbsoluteUri, StringComparison.Ordinal));
    }

    private async Task SignInAsync(Visit visit, string? scope = null)
    {
        await visit.RegisterAccountAsync();
        await visit.GotoAsync(fixture.SinglePageApp.AbsoluteUri);
        if (scope is not null)
        {
            await visit.Page.EvaluateAsync("scope => sessionStorage.setItem('scope', scope)", scope);
            await visit.Page.ReloadAsync();
        }

        await ExpectAsync(visit, "Signed out");
        await PressAsync(visit, "Sign in");
        await FillAsync(visit.Page, visit.Email);
        await ExpectAsync(visit, "Signed in as " + visit.Email);
    }

    private static async Task FillAsync(IPage page, string email)
    {
        await page.GetByLabel("E-mail address or user name").FillAsync(email);
        await page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in", Exact = true }).ClickAsync();
    }

    private static Task PressAsync(Visit visit, string button) => visit.PressAsync(button);

    private static Task ExpectAsync(Visit visit, string status) => Assertions.Expect(visit.Page.Locator("#status")).ToHaveTextAsync(status, new() { Timeout = Visit.Patience });

    private static Task<JsonElement> UserAsync(Visit visit) => visit.Page.EvaluateAsync<JsonElement>("() => user()");

    private Task<JsonElement> UserInfoAsync(Visit visit, JsonElement user) =>
        visit.Page.EvaluateAsync<JsonElement>("([url, token]) => tryFetch(url, { headers: { Authorization: `Bearer ${token}` } })", new[] { fixture.Server.Url + "connect/userinfo", user.GetProperty("access_token").GetString() });

    private static string Form(string body, string more = "") => $"{{ method: 'POST', {more} body: new URLSearchParams('{body}') }}";

    /// <summary>Status and error code as the page's script may read them; "refused" where the browser keeps them from it.</summary>
    private async Task<string> TryAsync(Visit visit, string path, string init = "{}")
    {
        var answer = await visit.Page.EvaluateAsync<JsonElement>($"url => tryFetch(url, {init})", new Uri(fixture.Server.Url, path).AbsoluteUri);
        if (answer.TryGetProperty("refused", out _))
        {
            return "refused";
        }

        var (status, body) = (answer.GetProperty("status").GetInt32(), answer.GetProperty("body").GetString()!);
        if (status == 200)
        {
            return "200";
        }

        var error = body.StartsWith('{') ? JsonDocument.Parse(body).RootElement.GetProperty("error").GetString() : null;
        return $"{status} {error}";
    }

    private async Task AssertPagesRefusedAsync(Visit visit)
    {
        foreach (var path in (string[])["/connect/authorize?client_id=notes&response_type=code&prompt=none", "/connect/endsession", "/signin", "/register", "/account"])
        {
            Assert.Equal("refused", await TryAsync(visit, path));
            Assert.Equal("refused", await TryAsync(visit, path, "{ credentials: 'include' }"));
        }
    }
}
