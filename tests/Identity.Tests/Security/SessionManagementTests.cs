// Security catalogue, sign-out: OpenID Connect Session Management 1.0. Off by default; on, its cookie and its values tell nothing but whether a sign-in is still the same.
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Sessions;
using Identity.Server.Hosting;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>What the frame's script does is done here by hand: SessionManagementTests of the browser tests run it.</summary>
public sealed class SessionManagementTests
{
    private const string Frame = "/connect/checksession";
    private const string CookieName = "identity-state";

    [Fact]
    public async Task SessionManagement_WhenNobodyTurnedItOn_IsNotThere()
    {
        await using var server = await StartAsync(isOn: false);
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        using var answer = await browser.GetAsync(node.AuthorizeUrl("spa", "openid"));
        Assert.DoesNotContain("session_state", Node.Query(answer.Headers.Location).Keys);
        Assert.Null(State(browser));
        using var frame = await browser.GetAsync(Frame);
        Assert.Equal(HttpStatusCode.NotFound, frame.StatusCode);
        Assert.Null((await MetadataAsync(server))["check_session_iframe"]);
    }

    [Fact]
    public async Task Answer_ToAnOpenIdRequest_HasAStateThatTheFrameCanCompare()
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        Assert.Equal(server.Url.GetLeftPart(UriPartial.Authority) + Frame, (string?)(await MetadataAsync(server))["check_session_iframe"]);
        var state = State(browser)!;
        Assert.Matches("^[A-Za-z0-9_-]{43}$", state);

        var first = await AnswerAsync(browser, node.AuthorizeUrl("spa", "openid"));
        Assert.Equal(Expected("spa", "http://127.0.0.1:4711", state, first), first);

        // Each answer another value, and each client's its own.
        var second = await AnswerAsync(browser, node.AuthorizeUrl("spa", "openid"));
        Assert.Equal(Expected("spa", "http://127.0.0.1:4711", state, second), second);
        Assert.NotEqual(first, second);
        var other = await AnswerAsync(browser, node.AuthorizeUrl("second", "openid", ("redirect_uri", "http://localhost:4712/callback")));
        Assert.Equal(Expected("second", "http://localhost:4712", state, other), other);
        Assert.Equal(state, State(browser));
    }

    [Fact]
    public async Task Error_OfAnOpenIdRequest_HasAStateOnlyWhereSomebodyIsSignedIn()
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var url = node.AuthorizeUrl("spa", "openid", ("prompt", "none"), ("max_age", "0"));
        var told = await AnswerAsync(browser, url, error: "login_required");
        Assert.Equal(Expected("spa", "http://127.0.0.1:4711", State(browser)!, told), told);
        using var nobody = new Browser(server.Url);
        Assert.Null(await AnswerAsync(nobody, url, error: "login_required"));
        Assert.Null(State(nobody));
    }

    [Theory]
    [InlineData("spa", "email", null)]
    [InlineData("app", "openid", "com.example.app:/callback")]
    public async Task Answer_WhereNoScriptCouldAsk_HasNoState(string client, string scope, string? redirect)
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        Assert.Null(await AnswerAsync(browser, node.AuthorizeUrl(client, scope, ("redirect_uri", redirect ?? Node.RedirectUri))));
    }

    [Fact]
    public async Task Cookie_AtEachSignInAndAtSignOut_ChangesAndNamesNobody()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await StartAsync(time: time);
        using var node = new AddressedNode(server.Url);
        var (_, email) = await node.RegisterAsync();
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(email, Node.Password);
        var first = State(browser)!;
        var sid = (string)Node.Payload((string)(await node.TokensAsync(browser, "spa", "openid"))["id_token"]!)["sid"]!;
        Assert.DoesNotContain(sid, first, StringComparison.Ordinal);

        // The same session, proven again.
        time.Advance(TimeSpan.FromSeconds(5));
        using var asked = await browser.GetAsync(node.AuthorizeUrl("spa", "openid", ("prompt", "login")));
        await browser.SignInAtAsync(asked.Headers.Location!, email, Node.Password);
        var second = State(browser)!;
        Assert.NotEqual(first, second);

        using (await browser.SubmitAsync("/signout", []))
        {
        }

        Assert.Equal("none", State(browser));
        await browser.SignInAsync(email, Node.Password);
        Assert.DoesNotContain(State(browser), (string[])[first, second, "none"]);
    }

    [Theory]
    [InlineData("document", true)]
    [InlineData("iframe", false)]
    public async Task Cookie_OfASessionThatEndedElsewhere_IsPutRightWhereThePersonGoes(string destination, bool isPutRight)
    {
        await using var server = await StartAsync();
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var sid = (string)Node.Payload((string)(await node.TokensAsync(browser, "spa", "openid"))["id_token"]!)["sid"]!;
        var before = State(browser);
        await server.Services.GetRequiredService<SessionService>().EndAsync(sid, SessionEndReasons.Revoked, new Caller(null, null), TestContext.Current.CancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Get, node.AuthorizeUrl("spa", "openid", ("prompt", "none")));
        request.Headers.Add("Sec-Fetch-Dest", destination);
        using (await browser.SendAsync(request))
        {
        }

        Assert.Equal(isPutRight ? "none" : before, State(browser));
    }

    [Fact]
    public async Task Cookie_OverHttps_IsTheOneThatScriptsAndOtherSitesFramesMaySee()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["PUBLIC_URL"] = "https://id.example.com", ["OAuth:SessionManagement"] = "true" });
        var account = await server.RegisterAsync("ada@example.com", Node.Password);
        var (session, _) = (await server.Services.GetRequiredService<SessionService>().StartAsync(account, ["pwd"], new Caller(null, null), TestContext.Current.CancellationToken))!.Value;
        var context = new DefaultHttpContext { RequestServices = server.Services };
        await server.Services.GetRequiredService<BrowserSession>().StartAsync(context, session);
        var lines = context.Response.Headers.SetCookie.Select(line => line!.ToLowerInvariant()).ToArray();
        var shown = Assert.Single(lines, line => line.StartsWith("__host-identity-state=", StringComparison.Ordinal));
        Assert.Equal(["max-age=34560000", "path=/", "secure", "samesite=none"], shown.Split("; ")[1..]);
        Assert.All(lines.Where(line => line != shown), line => Assert.Contains("httponly", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Frame_AloneOfAllPages_MayBeFramedAndDoesNothing()
    {
        await using var server = await StartAsync();
        using var browser = new Browser(server.Url);
        using var frame = await browser.GetAsync(Frame);
        Assert.Equal("default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *", Assert.Single(frame.Headers.GetValues("Content-Security-Policy")));
        Assert.False(frame.Headers.Contains("X-Frame-Options"));
        Assert.False(frame.Headers.Contains("Set-Cookie"));
        using var script = await browser.GetAsync("/js/check-session.js");
        Assert.Equal(HttpStatusCode.OK, script.StatusCode);
        foreach (var path in (string[])["/", "/signin", "/signout", "/signed-out", "/connect/authorize", "/connect/checksession/x"])
        {
            using var page = await browser.GetAsync(path);
            Assert.Contains("frame-ancestors 'none'", Assert.Single(page.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
            Assert.Equal("DENY", Assert.Single(page.Headers.GetValues("X-Frame-Options")));
        }
    }

    private static Task<HostedServer> StartAsync(bool isOn = true, TimeProvider? time = null)
    {
        JsonObject Client(string id, string redirect) => new()
        {
            ["client_id"] = id,
            ["token_endpoint_auth_method"] = "none",
            ["redirect_uris"] = new JsonArray(redirect),
            ["scope"] = "openid email",
        };
        return HostedServer.StartAsync(
            new JsonArray(Client("spa", Node.RedirectUri), Client("second", "http://localhost:4712/callback"), Client("app", "com.example.app:/callback")).ToJsonString(),
            time: time,
            settings: isOn ? new Dictionary<string, string>(StringComparer.Ordinal) { ["OAuth:SessionManagement"] = "true" } : null);
    }

    private static string? State(Browser browser) => browser.Cookies.GetCookies(browser.Address)[CookieName]?.Value;

    private static async Task<string?> AnswerAsync(Browser browser, string url, string? error = null)
    {
        using var answer = await browser.GetAsync(url);
        var query = Node.Query(answer.Headers.Location);
        Assert.Equal(error, query.GetValueOrDefault("error"));
        Assert.True(error is not null || query.ContainsKey("code"), answer.Headers.Location?.OriginalString);
        return query.GetValueOrDefault("session_state");
    }

    private static string Expected(string client, string origin, string state, string? sessionState)
    {
        var salt = sessionState!.Split('.')[1];
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{client} {origin} {state} {salt}"))) + "." + salt;
    }

    private static async Task<JsonNode> MetadataAsync(HostedServer server)
    {
        using var http = new HttpClient { BaseAddress = server.Url };
        return JsonNode.Parse(await http.GetStringAsync(new Uri("/.well-known/openid-configuration", UriKind.Relative), TestContext.Current.CancellationToken))!;
    }
}
