// OpenID Connect Discovery 1.0 §4, RFC 7517 §5, Back-Channel Logout 1.0 §2.7: a provider that is away, slow or talks nonsense, and one that ends its sessions.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>Whatever becomes of the provider: a page, and no restart.</summary>
public sealed class OidcProviderTests
{
    private const string Discovery = "GET /openam/oauth2/.well-known/openid-configuration";
    private const string Keys = "GET /openam/oauth2/connect/jwk_uri";
    private const string Tokens = "POST /openam/oauth2/access_token";
    private const string UserInfo = "GET /openam/oauth2/userinfo";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero);

    [Fact]
    public async Task Provider_WhenAnyOfItsAddressesIsSlowOrTalksNonsense_GivesAPage_AndNeedsNoRestart()
    {
        using var key = new TestKey();
        var settings = ExternalWorld.Root("rp-nocons");
        settings["Federation:Providers:openam:Timeout"] = "00:00:00.500";
        await using var world = await ExternalWorld.StartAsync(s_time, settings);
        var asked = new TaskCompletionSource();
        foreach (var route in (string[])[Discovery, Keys, Tokens, UserInfo])
        {
            foreach (var how in (string[])["slow", "a page", "an error", "nothing", "no object", "endless"])
            {
                // What was said before is forgotten by now; and it is the recorded hour once more.
                await Ready(world, key);
                world.Time.Jump(TimeSpan.FromDays(2));
                Serve(world, key, world.Time.GetUtcNow());
                world.Provider.Routes[route] = async _ =>
                {
                    await (how == "slow" ? asked.Task : Task.CompletedTask);
                    return how switch
                    {
                        "a page" => new StubAnswer(200, "<!DOCTYPE html><title>Sign in</title>", "text/html"),
                        "an error" => new StubAnswer(503, "<html>", "text/html"),
                        "nothing" => new StubAnswer(200, ""),
                        "no object" => new StubAnswer(200, "[1]"),
                        _ => new StubAnswer(200, "{\"x\":\"" + new string('x', 2_000_000) + "\"}"),
                    };
                };
                using var browser = world.NewBrowser();
                var problem = await ExternalWorld.ProblemAsync(browser, await TryAsync(world, browser));
                Assert.True(problem == "Unavailable" || (problem == "Refused" && route is Tokens or UserInfo), $"{route} {how}: {problem}");
                Assert.Null(await ExternalWorld.PersonAsync(browser));
            }
        }

        asked.SetResult();
        await Ready(world, key);
    }

    [Fact]
    public async Task Provider_ThatGoesAway_IsKnownForADayByWhatItSaidLast()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        await Ready(world, key);
        world.Provider.On(Discovery, new StubAnswer(503, ""));
        world.Time.Jump(TimeSpan.FromHours(23));
        Serve(world, key, world.Time.GetUtcNow(), documents: false);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);
        world.Time.Jump(TimeSpan.FromHours(2));
        using var late = world.NewBrowser();
        Assert.Equal("Unavailable", await ExternalWorld.ProblemAsync(late, await TryAsync(world, late)));
    }

    [Fact]
    public async Task Keys_ThatChangeWhileTheyCannotBeFetched_GiveAPage_AndWorkOnceTheyCan()
    {
        using var key = new TestKey();
        using var next = new TestKey { Kid = "next" };
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        await Ready(world, key);
        Serve(world, next, world.Time.GetUtcNow());
        world.Provider.On(Keys, new StubAnswer(200, "<html>", "text/html"));
        world.Time.Jump(TimeSpan.FromSeconds(11));
        using var browser = world.NewBrowser();
        Assert.Equal("Unavailable", await ExternalWorld.ProblemAsync(browser, await TryAsync(world, browser)));
        world.Provider.On(Keys, new StubAnswer(200, next.Jwks()));
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);

        // The old key is worth nothing from then on.
        Serve(world, key, world.Time.GetUtcNow(), documents: false);
        world.Time.Jump(TimeSpan.FromSeconds(11));
        using var late = world.NewBrowser();
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(late, await TryAsync(world, late)));
    }

    [Fact]
    public async Task ForgedKeyIds_HoweverMany_AskTheProviderForItsKeysOnce()
    {
        using var key = new TestKey();
        using var foreign = new TestKey { Kid = "nobody" };
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        await Ready(world, key);
        world.Time.Jump(TimeSpan.FromSeconds(11));
        Serve(world, foreign, world.Time.GetUtcNow(), documents: false);
        var before = world.Provider.Requests.Count(request => request.Path.EndsWith("/jwk_uri", StringComparison.Ordinal));
        for (var i = 0; i < 5; i++)
        {
            using var browser = world.NewBrowser();
            Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, await TryAsync(world, browser)));
        }

        Assert.Equal(before + 1, world.Provider.Requests.Count(request => request.Path.EndsWith("/jwk_uri", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task SignOut_There_EndsTheTokensToo()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"), Clients);
        using var node = new AddressedNode(world.Server.Url);
        using var browser = world.NewBrowser();
        Serve(world, key, s_time);
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);
        var tokens = await node.TokensAsync(browser, scope: "openid offline_access");
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)tokens["access_token"]!));
        var refreshed = await node.RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.OK, refreshed.Status);

        var token = new JsonObject
        {
            ["iss"] = ExternalWorld.Issuer,
            ["aud"] = "rp-nocons",
            ["realm"] = "/",
            ["jti"] = "j1",
            ["sid"] = "upstream-1",
            ["iat"] = s_time.ToUnixTimeSeconds(),
            ["exp"] = s_time.AddMinutes(5).ToUnixTimeSeconds(),
            ["events"] = new JsonObject { ["http://schemas.openid.net/event/backchannel-logout"] = new JsonObject() },
        };
        using var content = new FormUrlEncodedContent([new("logout_token", key.Sign(token))]);
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

        Assert.Null(await ExternalWorld.PersonAsync(browser));
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync((string)tokens["access_token"]!));
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync((string)refreshed.Body["refresh_token"]!)).Body["error"]);
    }

    // Back-Channel Logout 1.0 §2.4 and §2.7: a provider may name a session in its logout tokens that its ID tokens did not name.
    [Theory]
    [InlineData(null, "alice", true)]
    [InlineData(null, "bob", false)]
    [InlineData("upstream-1", "alice", true)]
    [InlineData("upstream-2", "alice", false)]
    public async Task SignOut_There_OfAPersonsSession_EndsItAndThoseThatCameWithoutAName(string? sid, string whose, bool ends)
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"), Clients);
        using var browser = world.NewBrowser();
        Serve(world, key, s_time, sid: sid);
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);
        using var content = new FormUrlEncodedContent([new("logout_token", key.Sign(new JsonObject
        {
            ["iss"] = ExternalWorld.Issuer,
            ["aud"] = "rp-nocons",
            ["realm"] = "/",
            ["jti"] = "j4",
            ["sub"] = whose == "alice" ? (string)Recording.Read("oidc/variants/username-upper-token.http").Claims["sub"]! : whose,
            ["sid"] = "upstream-1",
            ["iat"] = s_time.ToUnixTimeSeconds(),
            ["exp"] = s_time.AddMinutes(5).ToUnixTimeSeconds(),
            ["events"] = new JsonObject { ["http://schemas.openid.net/event/backchannel-logout"] = new JsonObject() },
        }))]);
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(ends, await ExternalWorld.PersonAsync(browser) is null);
    }

    // A grant prolongs the session: where it came from has to be known for as long.
    [Fact]
    public async Task SignOut_There_AfterTheSessionsFirstLife_EndsWhatWasGrantedInItToo()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"), Clients);
        using var node = new AddressedNode(world.Server.Url);
        using var browser = world.NewBrowser();
        Serve(world, key, s_time);
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);
        world.Time.Jump(TimeSpan.FromHours(23));
        var tokens = await node.TokensAsync(browser, scope: "openid offline_access");
        world.Time.Jump(TimeSpan.FromDays(7) - TimeSpan.FromHours(22));
        var (cleanUp, cancel) = (world.Server.Services.GetRequiredService<StoreCleanUp>(), TestContext.Current.CancellationToken);
        await cleanUp.RunAsync(cancel);
        var refreshed = await node.RefreshAsync((string)tokens["refresh_token"]!);
        Assert.Equal(HttpStatusCode.OK, refreshed.Status);

        var now = world.Time.GetUtcNow();
        var token = new JsonObject
        {
            ["iss"] = ExternalWorld.Issuer,
            ["aud"] = "rp-nocons",
            ["realm"] = "/",
            ["jti"] = "j3",
            ["sid"] = "upstream-1",
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = now.AddMinutes(5).ToUnixTimeSeconds(),
            ["events"] = new JsonObject { ["http://schemas.openid.net/event/backchannel-logout"] = new JsonObject() },
        };
        using var content = new FormUrlEncodedContent([new("logout_token", key.Sign(token))]);
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content, cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync((string)refreshed.Body["refresh_token"]!)).Body["error"]);
    }

    // A token that was noted as used before its session ended would be refused when the provider sends it again.
    [Fact]
    public async Task SignOut_There_WhileTheStoreFails_IsDoneWhenTheProviderSendsItAgain_AndThenNoMore()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"), Clients);
        using var browser = world.NewBrowser();
        Serve(world, key, s_time);
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);
        var token = key.Sign(new JsonObject
        {
            ["iss"] = ExternalWorld.Issuer,
            ["aud"] = "rp-nocons",
            ["realm"] = "/",
            ["jti"] = "j2",
            ["sid"] = "upstream-1",
            ["iat"] = s_time.ToUnixTimeSeconds(),
            ["exp"] = s_time.AddMinutes(5).ToUnixTimeSeconds(),
            ["events"] = new JsonObject { ["http://schemas.openid.net/event/backchannel-logout"] = new JsonObject() },
        });
        var database = world.Server.Services.GetRequiredService<StoreDatabase>();
        await database.WriteAsync((context, cancel) => context.Database.ExecuteSqlRawAsync("CREATE TRIGGER away BEFORE UPDATE OF ended_at ON sessions BEGIN SELECT RAISE(ABORT, 'away'); END", cancel), TestContext.Current.CancellationToken);
        Assert.InRange((int)await SendAsync(), 500, 503);
        Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        await database.WriteAsync((context, cancel) => context.Database.ExecuteSqlRawAsync("DROP TRIGGER away", cancel), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, await SendAsync());
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync());

        async Task<HttpStatusCode> SendAsync()
        {
            using var content = new FormUrlEncodedContent([new("logout_token", token)]);
            using var http = new HttpClient();
            using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task Freshness_AskedOfAProviderThatIsNoOpenAm_AsksForTheTimeOfTheSignInToo()
    {
        using var key = new TestKey();
        var settings = ExternalWorld.Root("rp-nocons");
        settings.Remove("Federation:Providers:openam:Preset");
        await using var world = await ExternalWorld.StartAsync(s_time, settings);
        world.ServeRoot(key.Jwks());
        using var browser = world.NewBrowser();
        var sent = await ExternalWorld.BeginAsync(browser, returnUrl: "/connect/authorize?client_id=x&prompt=login");
        Assert.Equal(("login", "0"), (sent["prompt"], sent["max_age"]));
        Assert.False((await ExternalWorld.BeginAsync(browser)).ContainsKey("max_age"));
    }

    // FAPI clients push every request: what stands in it counts at the provider as it does here.
    [Theory]
    [InlineData("prompt", "login", "login", null)]
    [InlineData("max_age", "0", "login", null)]
    [InlineData("max_age", "60", null, "60")]
    [InlineData("scope", "openid", null, "300")]
    public async Task Freshness_AskedForInAPushedRequestOrByTheClient_IsAskedOfTheProvider_AndHeldAgainstItsAnswer(string name, string value, string? prompt, string? maxAge)
    {
        using var key = new TestKey();
        var clients = JsonNode.Parse(Clients)!.AsArray();
        if (name == "scope")
        {
            clients[0]!["default_max_age"] = 300;
        }

        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"), clients.ToJsonString());
        using var node = new AddressedNode(world.Server.Url);
        var fields = Node.Query(new Uri(node.AuthorizeUrl(scope: "openid"), UriKind.Relative));
        fields["login_hint"] = "alice@example.org";
        fields[name] = value;
        var (_, pushed) = await node.PostAsync("/connect/par", client: null, [.. fields.Select(field => (field.Key, field.Value))]);
        var returnUrl = $"/connect/authorize?client_id=spa&request_uri={Uri.EscapeDataString((string)pushed["request_uri"]!)}";
        using var browser = world.NewBrowser();
        using var led = await browser.GetAsync(returnUrl);
        returnUrl = Node.Query(led.Headers.Location)["returnUrl"];

        // The person is at the provider since an hour ago.
        Serve(world, key, s_time, authenticated: s_time.AddHours(-1));
        world.Time.Advance(TimeSpan.FromSeconds(5));
        var sent = await ExternalWorld.BeginAsync(browser, returnUrl: returnUrl);
        Assert.Equal((prompt, maxAge, "alice@example.org"), (sent.GetValueOrDefault("prompt"), sent.GetValueOrDefault("max_age"), sent["login_hint"]));
        using var answer = await browser.GetAsync($"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(sent["state"])}");
        Assert.Equal("NotFresh", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));

        // From a provider that proves them anew they go on.
        Serve(world, key, world.Time.GetUtcNow());
        sent = await ExternalWorld.BeginAsync(browser, returnUrl: returnUrl);
        using var done = await browser.GetAsync($"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(sent["state"])}");
        using var granted = await browser.GetAsync(done.Headers.Location!.OriginalString);
        Assert.Contains("code", Node.Query(granted.Headers.Location).Keys);
    }

    [Theory]
    [InlineData("application/json", "{\"logout_token\":\"x\"}")]
    [InlineData("application/x-www-form-urlencoded", "")]
    [InlineData("application/x-www-form-urlencoded", "logout_token=")]
    [InlineData("application/x-www-form-urlencoded", "logout_token=a.b.c&logout_token=a.b.c")]
    [InlineData("application/x-www-form-urlencoded", "logout_token=not-a-token")]
    [InlineData("multipart/form-data; boundary=x", "--x\r\nbroken")]
    public async Task LogoutToken_ThatIsNone_IsABadRequest(string type, string body)
    {
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
        using var content = new StringContent(body);
        content.Headers.ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(type);
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("invalid_request", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":"!","e":"AQAB"}""")]
    [InlineData("""{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":"","e":""}""")]
    [InlineData("""{"kty":"RSA","use":"sig","alg":"RS256","kid":"k"}""")]
    [InlineData("""{"kty":"EC","use":"sig","alg":"RS256","crv":"P-256","kid":"k"}""")]
    [InlineData("null")]
    public async Task LogoutToken_OfAKeyThatTheProviderPublishesBroken_IsNoFaultOfOurs(string jwk)
    {
        using var key = new TestKey { Kid = "k" };
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        world.ServeRoot("{\"keys\":[" + jwk + "]}");
        using var content = new FormUrlEncodedContent([new("logout_token", key.Sign(new JsonObject { ["iss"] = ExternalWorld.Issuer, ["aud"] = "rp-nocons" }))]);
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content, TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.ServiceUnavailable, answer.StatusCode.ToString());
    }

    // A token, and with the hint a person, would go to wherever the document says in clear.
    [Theory]
    [InlineData("userinfo_endpoint", "ftp://openam.example.org/userinfo")]
    [InlineData("end_session_endpoint", "javascript:alert(1)")]
    public async Task Address_InDiscoveryThatIsNone_IsNotUsed(string member, string address)
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        Serve(world, key, s_time);
        var document = JsonNode.Parse(Recording.Text("oidc/discovery-root.json"))!;
        document[member] = address;
        world.Provider.On(Discovery, new StubAnswer(200, document.ToJsonString()));
        using var browser = world.NewBrowser();
        var location = await TryAsync(world, browser);
        if (member == "userinfo_endpoint")
        {
            Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, location));
            return;
        }

        Assert.Equal("/account", location.OriginalString);
        using var left = await browser.SubmitAsync("/signout", []);
        Assert.StartsWith("/signed-out", left.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UserInfo_WithHalfACharacter_GivesAPage()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"));
        Serve(world, key, s_time);
        world.Provider.On(UserInfo, new StubAnswer(200, "{\"sub\":\"ALICE\",\"given_name\":\"\\ud800\"}"));
        using var browser = world.NewBrowser();
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, await TryAsync(world, browser)));
    }

    private static string Clients { get; } = new JsonArray(new JsonObject
    {
        ["client_id"] = "spa",
        ["token_endpoint_auth_method"] = "none",
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
        ["scope"] = "openid offline_access",
    }).ToJsonString();

    private static async Task Ready(ExternalWorld world, TestKey key)
    {
        Serve(world, key, world.Time.GetUtcNow());
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await TryAsync(world, browser)).OriginalString);
    }

    // A recorded answer, at this hour.
    private static void Serve(ExternalWorld world, TestKey key, DateTimeOffset now, bool documents = true, DateTimeOffset? authenticated = null, string? sid = "upstream-1")
    {
        if (documents)
        {
            world.ServeRoot(key.Jwks());
        }

        var recorded = Recording.Read("oidc/variants/username-upper-token.http");
        var (json, claims) = (recorded.Json, recorded.Claims);
        claims["iat"] = now.ToUnixTimeSeconds();
        claims["auth:time"] = (authenticated ?? now).ToUnixTimeSeconds();
        claims["exp"] = now.AddMinutes(30).ToUnixTimeSeconds();
        claims.Remove("sid");
        if (sid is not null)
        {
            claims["sid"] = sid;
        }

        json["id_token"] = key.Sign(claims);
        world.Provider.On(Tokens, new StubAnswer(200, json.ToJsonString()));
        world.Provider.On(UserInfo, StubAnswer.Of(Recording.Read("oidc/variants/username-upper-userinfo.http")));
        world.Ids.Nonce = (string)claims["nonce"]!;
    }

    private static async Task<Uri> TryAsync(ExternalWorld world, Browser browser)
    {
        using var begun = await browser.GetAsync("/external/openam?returnUrl=/account");
        if (begun.StatusCode != HttpStatusCode.Redirect)
        {
            return begun.Headers.Location!;
        }

        var state = Node.Query(begun.Headers.Location)["state"];
        using var answer = await browser.GetAsync($"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(state)}");
        return answer.Headers.Location!;
    }
}
