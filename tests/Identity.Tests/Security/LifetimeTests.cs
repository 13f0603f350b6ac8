// Security catalogue: what the passing of time changes, and what it does not. OpenID Connect Core §3.1.2.1, §3.1.3.7, RFC 9068 §4, RFC 9700 §4.14.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>A server whose clock a test moves on.</summary>
public sealed class LifetimeTests
{
    private static readonly string s_clients = new JsonArray(new JsonObject
    {
        ["client_id"] = "spa",
        ["token_endpoint_auth_method"] = "none",
        ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["post_logout_redirect_uris"] = new JsonArray("http://127.0.0.1:4711/bye"),
        ["scope"] = "openid email offline_access",
    }).ToJsonString();

    [Fact]
    public async Task Tokens_WhenTimePasses_EndWhenTheySay()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time);
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var code = await node.CodeAsync(browser);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("invalid_grant", (string?)(await node.RedeemAsync(code)).Body["error"]);

        var tokens = await node.TokensAsync(browser);
        Assert.Equal(3600, (int)tokens["expires_in"]!);
        time.Advance(TimeSpan.FromMinutes(60) - TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)tokens["access_token"]!));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync((string)tokens["access_token"]!));

        // Used every day, the family still ends a week after it began.
        var token = (string)tokens["refresh_token"]!;
        for (var day = 0; day < 6; day++)
        {
            time.Jump(TimeSpan.FromDays(1));
            var (status, body) = await node.RefreshAsync(token);
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            token = (string)body["refresh_token"]!;
        }

        time.Jump(TimeSpan.FromDays(1) - TimeSpan.FromHours(1));
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync(token)).Body["error"]);
    }

    // The default window is ten seconds.
    [Fact]
    public async Task Refresh_WhenRepeatedInsideTheWindow_GivesTheSameSuccessorAndDoesNotRenewTheWindow()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time);
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var first = (string)(await node.TokensAsync(browser))["refresh_token"]!;
        var second = (string)(await node.RefreshAsync(first)).Body["refresh_token"]!;
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(second, (string?)(await node.RefreshAsync(first)).Body["refresh_token"]);
        time.Advance(TimeSpan.FromSeconds(1));

        // Now it is reuse, also where the request is wrong otherwise.
        Assert.NotEqual(HttpStatusCode.OK, (await node.RefreshAsync(first, "spa", ("scope", "admin"))).Status);
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync(second)).Body["error"]);
    }

    [Fact]
    public async Task Refresh_ByClientsRegisteredWithoutRotation_RotatesForPublicOnesNevertheless()
    {
        var clients = JsonNode.Parse(s_clients)!.AsArray();
        clients[0]!["rotate_refresh_tokens"] = false;
        var web = clients[0]!.DeepClone();
        (web["client_id"], web["token_endpoint_auth_method"], web["client_secret"]) = ("web", "client_secret_post", Node.Secret);
        clients.Add(web);
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(clients.ToJsonString(), time: time);
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var code = await node.CodeAsync(browser, "web");
        var kept = (string)(await node.RedeemAsync(code, "web", ("client_secret", Node.Secret))).Body["refresh_token"]!;
        for (var i = 0; i < 3; i++)
        {
            time.Advance(TimeSpan.FromMinutes(10));
            Assert.Equal(kept, (string?)(await node.RefreshAsync(kept, "web", ("client_secret", Node.Secret))).Body["refresh_token"]);
        }

        var first = (string)(await node.TokensAsync(browser))["refresh_token"]!;
        Assert.NotEqual(first, (string?)(await node.RefreshAsync(first)).Body["refresh_token"]);
    }

    [Fact]
    public async Task IdTokenHint_WhenItHasExpired_IsStillAHint()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time);
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        using var other = await node.SignedInAsync();
        var hint = (string)(await node.TokensAsync(browser))["id_token"]!;
        time.Jump(TimeSpan.FromHours(2));
        Assert.True((long)RunningServer.Payload(hint)["exp"]! < time.GetUtcNow().ToUnixTimeSeconds());

        using var own = await browser.GetAsync(node.AuthorizeUrl(changes: [("prompt", "none"), ("id_token_hint", hint)]));
        Assert.Contains("code", RunningServer.Query(own.Headers.Location).Keys);
        using var foreign = await other.GetAsync(node.AuthorizeUrl(changes: [("prompt", "none"), ("id_token_hint", hint)]));
        Assert.Equal("login_required", RunningServer.Query(foreign.Headers.Location)["error"]);
        using var signedOut = await browser.GetAsync($"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString("http://127.0.0.1:4711/bye")}&state=s9");
        Assert.Equal("http://127.0.0.1:4711/bye?state=s9", signedOut.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Lockout_WhenItsTimeIsOver_LetsTheRightPasswordIn()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(time: time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:LockoutThreshold"] = "3", ["Accounts:LockoutDuration"] = "00:15:00" });
        using var node = new AddressedNode(server.Url);
        var (_, email) = await node.RegisterAsync();
        using var browser = new Browser(node.Address);
        for (var i = 0; i < 3; i++)
        {
            using var wrong = await browser.SubmitAsync("/signin", new() { ["username"] = email, ["current-password"] = "not the one" });
            Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.StatusCode);
        }

        using var locked = await browser.SubmitAsync("/signin", new() { ["username"] = email, ["current-password"] = Node.Password });
        Assert.Equal(HttpStatusCode.UnprocessableEntity, locked.StatusCode);
        time.Advance(TimeSpan.FromMinutes(15));
        Assert.Equal("/account", (await browser.SignInAsync(email, Node.Password)).OriginalString);
    }
}
