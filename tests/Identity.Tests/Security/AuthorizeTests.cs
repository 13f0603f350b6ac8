using System.Net;
using System.Text;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>What the authorize endpoint answers (RFC 6749 §4.1.2, RFC 8252, RFC 9207, RFC 9700 §4.1, OpenID Connect Core §3.1.2).</summary>
public sealed class AuthorizeTests(RunningServer server)
{
    [Theory]
    [InlineData("https://client.example.com/cb/")]
    [InlineData("https://client.example.com/CB")]
    [InlineData("https://CLIENT.example.com/cb")]
    [InlineData("https://client.example.com.evil.com/cb")]
    [InlineData("https://evilclient.example.com/cb")]
    [InlineData("https://user@client.example.com/cb")]
    [InlineData("https://client.example.com@@evil.com/cb")]
    [InlineData("https://client.example.com/..;/cb")]
    [InlineData("https://client.example.com/x/%2f..%2fcb")]
    [InlineData("https://client.example.com/%252fcb")]
    [InlineData("https://client.example.com/cb?added=1")]
    [InlineData("https://client.example.com/cb#fragment")]
    [InlineData("https://client.example.com\\@evil.com/cb")]
    [InlineData("https://client.example.com/cb\t")]
    [InlineData("https://clíent.example.com/cb")]
    [InlineData("https://client.example.com:443/cb")]
    [InlineData("http://client.example.com/cb")]
    [InlineData("javascript:alert(1)")]
    [InlineData("data:text/html,x")]
    [InlineData("http://localhost:4711/callback")]
    [InlineData("http://127.0.0.1:4711/callback/")]
    [InlineData("http://127.0.0.1:99999/callback")]
    [InlineData("http://127.0.0.1.evil.com/callback")]
    [InlineData("http://[::1]:4711/callback")]
    public async Task Authorize_WhenTheRedirectUriIsNotRegistered_ShowsAPageAndGoesNowhere(string redirectUri)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, server.AuthorizeUrl(changes: ("redirect_uri", redirectUri))));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
    }

    [Theory]
    [InlineData("nobody")]
    [InlineData("SPA")]
    [InlineData("spa'--")]
    [InlineData(null)]
    public async Task Authorize_WhenTheClientIsUnknown_ShowsAPageAndGoesNowhere(string? client)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, server.AuthorizeUrl(changes: ("client_id", client))));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
    }

    [Theory]
    [InlineData("https://client.example.com/cb?fixed=1")]
    [InlineData("http://127.0.0.1:1/callback")]
    [InlineData("http://127.0.0.1/callback")]
    public async Task Authorize_WhenItSucceeds_KeepsTheQueryAndSendsStateAndIssuer(string redirectUri)
    {
        using var browser = await server.SignedInAsync();
        using var answer = await browser.GetAsync(server.AuthorizeUrl(changes: ("redirect_uri", redirectUri)));
        Assert.StartsWith(redirectUri, answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var query = RunningServer.Query(answer.Headers.Location);
        Assert.Equal(("s1", server.Issuer), (query["state"], query["iss"]));
        Assert.Equal(43, query["code"].Length);
    }

    [Theory]
    [InlineData("response_type", null, "invalid_request")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("response_type", "code id_token", "unsupported_response_type")]
    [InlineData("scope", "openid unknown", "invalid_scope")]
    [InlineData("prompt", "none login", "invalid_request")]
    [InlineData("prompt", "none", "login_required")]
    [InlineData("prompt", "nonsense", "invalid_request")]
    [InlineData("max_age", "-1", "invalid_request")]
    [InlineData("max_age", "abc", "invalid_request")]
    [InlineData("claims", "{", "invalid_request")]
    [InlineData("claims", "[]", "invalid_request")]
    [InlineData("claims", "{\"userinfo\":{\"name\":1}}", "invalid_request")]
    [InlineData("claims", "{\"id_token\":{\"acr\":{\"essential\":true,\"values\":[\"unreachable\"]}}}", "unmet_authentication_requirements")]
    [InlineData("code_challenge", null, "invalid_request")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    [InlineData("code_challenge_method", null, "invalid_request")]
    [InlineData("code_challenge", "short", "invalid_request")]
    [InlineData("request", "e30.e30.", "invalid_request_object")]
    [InlineData("request", "..", "invalid_request_object")]
    [InlineData("request", "x.!!!.x", "invalid_request_object")]
    [InlineData("request", "x.bnVsbA.x", "invalid_request_object")]
    [InlineData("request", "x.eyJyZXNwb25zZV9tb2RlIjpbXX0.x", "invalid_request_object")]
    [InlineData("request", "x.eyJyZXNwb25zZV9tb2RlIjoiZnJhZ21lbnQifQ.x", "invalid_request_object")]
    [InlineData("request_uri", "https://client.example.com/r", "invalid_request_uri")]
    [InlineData("registration", "{}", "registration_not_supported")]
    [InlineData("response_mode", "nonsense", "invalid_request")]
    [InlineData("claims", "{\"id_token\":{\"acr\":{\"value\":\"\\ud800\"}}}", "invalid_request")]
    [InlineData("claims", "{\"userinfo\":{\"\\ud800\":null}}", "invalid_request")]
    [InlineData("id_token_hint", "nonsense", "invalid_request")]
    [InlineData("resource", "https://unknown.example.com", "invalid_target")]
    [InlineData("resource", "notes", "invalid_target")]
    public async Task Authorize_WhenTheRequestIsWrong_TellsTheClientWithStateAndIssuer(string name, string? value, string error)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, server.AuthorizeUrl(changes: (name, value))));
        Assert.Equal(HttpStatusCode.Found, answer.StatusCode);
        Assert.StartsWith(RunningServer.RedirectUri + "?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var query = RunningServer.Query(answer.Headers.Location);
        Assert.Equal((error, "s1", server.Issuer), (query["error"], query["state"], query["iss"]));
        Assert.DoesNotContain("code", query.Keys);
    }

    [Theory]
    [InlineData("scope", "openid unknown")]
    [InlineData("prompt", "none")]
    public async Task Authorize_WhenTheClientIsNotTrustedYet_IsNoOpenRedirector(string name, string value)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, server.AuthorizeUrl("asks", changes: (name, value))));
        Assert.Null(answer.Headers.Location);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Authorize_WhenAParameterIsSentTwice_IsRefused()
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, server.AuthorizeUrl() + "&state=s2"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
    }

    [Fact]
    public async Task Authorize_WhenAnotherOriginAsks_GivesNoCorsHeader()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, server.AuthorizeUrl()));
        request.Headers.Add("Origin", "https://client.example.com");
        using var answer = await server.Http.SendAsync(request);
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Authorize_WhenAnApplicationOpensItInAPopup_DoesNotCutTheTwoApart()
    {
        using var browser = new Browser(server.Address);
        using var asked = await browser.GetAsync(server.AuthorizeUrl());
        using var page = await browser.GetAsync(asked.Headers.Location!.OriginalString);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.False(asked.Headers.Contains("Cross-Origin-Opener-Policy"));
        Assert.False(page.Headers.Contains("Cross-Origin-Opener-Policy"));
    }

    [Theory]
    [InlineData("display", "popup")]
    [InlineData("ui_locales", "se")]
    [InlineData("claims_locales", "se")]
    [InlineData("acr_values", "1 2")]
    [InlineData("extra", "foobar")]
    [InlineData("login_hint", "buffy@example.com")]
    [InlineData("claims", "{\"userinfo\":{\"name\":{\"essential\":true}}}")]
    public async Task Authorize_WhenAWishCannotBeMet_GoesOn(string name, string value)
    {
        using var browser = await server.SignedInAsync();
        using var answer = await browser.GetAsync(server.AuthorizeUrl(changes: (name, value)));
        Assert.True(RunningServer.Query(answer.Headers.Location).ContainsKey("code"), answer.Headers.Location?.OriginalString);
    }

    [Theory]
    [InlineData("prompt", "login")]
    [InlineData("max_age", "0")]
    public async Task Authorize_WhenANewSignInIsAskedFor_AuthTimeFollows(string name, string value)
    {
        var (_, email) = await server.RegisterAsync();
        using var browser = new Browser(server.Address);
        await browser.SignInAsync(email, RunningServer.Password);
        var before = await server.TokensAsync(browser);
        var first = RunningServer.Payload((string)before["id_token"]!);
        using var asked = await browser.GetAsync(server.AuthorizeUrl(changes: (name, value)));
        Assert.StartsWith("/signin?", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);

        var back = await browser.SignInAsync(email, RunningServer.Password, RunningServer.Query(asked.Headers.Location)["returnUrl"]);
        using var answer = await browser.GetAsync(back.OriginalString);
        var (_, tokens) = await server.RedeemAsync(RunningServer.Query(answer.Headers.Location)["code"]);
        var second = RunningServer.Payload((string)tokens["id_token"]!);
        Assert.True((long)second["auth_time"]! >= (long)first["auth_time"]!);

        // The same person's session goes on: what other applications hold of it stays good, and tells its own time of sign-in (OpenID Connect Core §12.2).
        Assert.Equal((string)first["sid"]!, (string)second["sid"]!);
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync((string)before["access_token"]!));
        var (status, refreshed) = await server.RefreshAsync((string)before["refresh_token"]!);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal((long)first["auth_time"]!, (long)RunningServer.Payload((string)refreshed["id_token"]!)["auth_time"]!);
    }

    [Fact]
    public async Task Authorize_WhenSomebodyElseSignsIn_TheSessionBeforeIsOver()
    {
        using var browser = await server.SignedInAsync();
        var before = await server.TokensAsync(browser);
        var (_, email) = await server.RegisterAsync();
        using var asked = await browser.GetAsync(server.AuthorizeUrl(changes: ("prompt", "login")));
        await browser.SignInAsync(email, RunningServer.Password, RunningServer.Query(asked.Headers.Location)["returnUrl"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)before["access_token"]!));
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)before["refresh_token"]!)).Body["error"]);
        Assert.NotEqual((string)RunningServer.Payload((string)before["id_token"]!)["sub"]!, (string)RunningServer.Payload((string)(await server.TokensAsync(browser))["id_token"]!)["sub"]!);
    }

    [Fact]
    public async Task IdTokenHint_WhenItNamesAnotherPerson_PromptNoneFails()
    {
        using var alice = await server.SignedInAsync();
        using var bob = await server.SignedInAsync();
        var hint = (string)(await server.TokensAsync(alice))["id_token"]!;
        using var own = await alice.GetAsync(server.AuthorizeUrl(changes: [("prompt", "none"), ("id_token_hint", hint)]));
        Assert.True(RunningServer.Query(own.Headers.Location).ContainsKey("code"));
        using var foreign = await bob.GetAsync(server.AuthorizeUrl(changes: [("prompt", "none"), ("id_token_hint", hint)]));
        Assert.Equal("login_required", RunningServer.Query(foreign.Headers.Location)["error"]);
        using var others = await alice.GetAsync(server.AuthorizeUrl("other", changes: [("prompt", "none"), ("id_token_hint", hint)]));
        Assert.Equal("invalid_request", RunningServer.Query(others.Headers.Location)["error"]);

        var parts = hint.Split('.');
        var unsigned = Base64UrlEncoder.Encode("{\"alg\":\"none\",\"typ\":\"JWT\"}") + "." + parts[1] + ".";
        using var none = await alice.GetAsync(server.AuthorizeUrl(changes: [("prompt", "none"), ("id_token_hint", unsigned)]));
        Assert.Equal("invalid_request", RunningServer.Query(none.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Authorize_WhenPostedFromAnotherSite_ComesBackAsAGetThatHasTheCookie()
    {
        using var browser = await server.SignedInAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/authorize")) { Content = new FormUrlEncodedContent(RunningServer.Query(new Uri(server.AuthorizeUrl(), UriKind.Relative))) };
        using var posted = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.SeeOther, posted.StatusCode);
        using var answer = await browser.GetAsync(posted.Headers.Location!.OriginalString);
        Assert.True(RunningServer.Query(answer.Headers.Location).ContainsKey("code"));
    }

    [Fact]
    public async Task FormPost_WhenAnswering_EscapesAndStaysOutOfTheQuery()
    {
        using var browser = await server.SignedInAsync();
        foreach (var (name, value, expected) in ((string, string, string)[])[("display", "page", "name=\"code\""), ("prompt", "none login", "value=\"invalid_request\"")])
        {
            using var answer = await browser.GetAsync(server.AuthorizeUrl(changes: [("response_mode", "form_post"), ("state", "\"><script>alert(1)</script>"), (name, value)]));
            var html = await answer.Content.ReadAsStringAsync();
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains(expected, html, StringComparison.Ordinal);
            Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
            Assert.True(answer.Headers.CacheControl!.NoStore);
            Assert.Contains("default-src 'none'", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("login_hint", "\"><script>alert(1)</script>")]
    [InlineData("state", "\u202E\u202Dabc")]
    [InlineData("ui_locales", "\"><script>")]
    [InlineData("login_hint", "a\0b")]
    public async Task Authorize_WhenAHintIsHostile_EscapesOrRefusesIt(string name, string value)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, server.AuthorizeUrl(changes: (name, value))));
        Assert.True(answer.StatusCode is HttpStatusCode.SeeOther or HttpStatusCode.Found or HttpStatusCode.BadRequest);
        if (answer.Headers.Location is { } location && !location.IsAbsoluteUri)
        {
            using var page = await server.Http.GetAsync(new Uri(server.Address, location));
            Assert.DoesNotContain("<script>alert", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Authorize_WhenAParameterHas64Kilobytes_IsRefused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/authorize")) { Content = new StringContent(server.AuthorizeUrl().Split('?')[1] + "&login_hint=" + new string('x', 64 * 1024), Encoding.UTF8, "application/x-www-form-urlencoded") };
        using var answer = await server.Http.SendAsync(request);
        Assert.InRange((int)answer.StatusCode, 400, 499);
    }

    [Theory]
    [InlineData("/signin")]
    [InlineData("/register")]
    [InlineData("/connect/authorize")]
    [InlineData("/forgot-password")]
    public async Task Pages_WhenShown_RefuseFraming(string path)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, path));
        Assert.Contains("frame-ancestors 'none'", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Equal("DENY", answer.Headers.GetValues("X-Frame-Options").Single());
    }
}
