// Security catalogue, "What people and operators were bitten by elsewhere": what stock clients and libraries send, one case each.
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Repository;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>Clients as Grafana, Argo CD, Auth.js, kubectl and old libraries are: what they send must not end in a dead end.</summary>
public sealed class ClientHabitTests(ClientHabitTests.World world) : IClassFixture<ClientHabitTests.World>
{
    private const string Bye = "http://127.0.0.1:4711/bye";

    [Theory]
    [InlineData("basic", "/connect/token", "grant_type=client_credentials")]
    [InlineData("post", "/connect/token", "grant_type=client_credentials")]
    [InlineData("basic", "/connect/introspect", "token=nonsense")]
    [InlineData("post", "/connect/introspect", "token=nonsense")]
    [InlineData("basic", "/connect/revoke", "token=nonsense")]
    [InlineData("post", "/connect/revoke", "token=nonsense")]
    public async Task Secret_SentTheOtherWayThanRegistered_ProvesTheClient(string client, string path, string form)
    {
        foreach (var inBody in (bool[])[true, false])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Node.Address, path));
            request.Content = new StringContent(inBody ? $"{form}&client_id={client}&client_secret={Node.Secret}" : form, new MediaTypeHeaderValue("application/x-www-form-urlencoded"));
            request.Headers.Authorization = inBody ? null : Node.Basic(client, Node.Secret);
            using var answer = await world.Node.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{client} {path} {(inBody ? "in the body" : "by Basic")}: {await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
        }
    }

    [Fact]
    public async Task Roles_OfAClientThatMayHaveThem_AreInIdTokenAndUserInfo()
    {
        using var browser = await EditorAsync();
        var tokens = await world.Node.TokensAsync(browser, "grafana", "openid roles groups");
        Assert.Equal("openid roles groups", (string?)tokens["scope"] ?? "openid roles groups");
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Node.Address, "/connect/userinfo"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
        using var answer = await world.Node.Http.SendAsync(request, TestContext.Current.CancellationToken);
        foreach (var claims in (JsonObject[])[Node.Payload((string)tokens["id_token"]!), JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsObject()])
        {
            Assert.Equal("""["editor"]""", claims["roles"]?.ToJsonString());
            Assert.Equal("""["editor"]""", claims["groups"]?.ToJsonString());
        }
    }

    [Theory]
    [InlineData("openid groups", "openid")]
    [InlineData("openid roles groups phone address", "openid")]
    [InlineData("openid email groups", "openid email")]
    public async Task Scope_ThatClientsSendByDefaultAndMayNotHave_IsLeftOutOfTheGrant(string asked, string granted)
    {
        using var browser = await EditorAsync();
        var tokens = await world.Node.TokensAsync(browser, "plain", asked);
        Assert.Equal(granted, (string?)tokens["scope"]);
        var claims = Node.Payload((string)tokens["id_token"]!);
        Assert.False(claims.ContainsKey("roles") || claims.ContainsKey("groups"));
    }

    // RFC 6749 §3.2: omniauth and others repeat there what they asked at the authorize endpoint.
    [Fact]
    public async Task Scope_BesideACode_IsIgnored()
    {
        using var browser = await EditorAsync();
        var (status, tokens) = await world.Node.RedeemAsync(await world.Node.CodeAsync(browser, "plain", "openid email"), "plain", ("scope", "openid email profile"));
        Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());
        Assert.Equal("openid email", (string?)tokens["scope"] ?? "openid email");
    }

    // OpenID Connect Core §11: the request for a refresh token is ignored where none can come of it.
    [Fact]
    public async Task OfflineAccess_OfAClientWithoutTheRefreshGrant_IsLeftOutOfTheGrant()
    {
        using var browser = await EditorAsync();
        var tokens = await world.Node.TokensAsync(browser, "plain", "openid email offline_access");
        Assert.Equal("openid email", (string?)tokens["scope"]);
        Assert.Null(tokens["refresh_token"]);

        var (pushed, par) = await world.Node.PostAsync(
            "/connect/par", client: null, ("client_id", "plain"), ("response_type", "code"), ("redirect_uri", Node.RedirectUri), ("scope", "openid offline_access"), ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"));
        Assert.True(pushed == HttpStatusCode.Created, par.ToJsonString());
        var (device, asked) = await world.Node.PostAsync("/connect/device", client: null, ("client_id", "television"), ("scope", "openid offline_access"));
        Assert.True(device == HttpStatusCode.OK, asked.ToJsonString());
        var (service, token) = await world.Node.PostAsync("/connect/token", "basic", ("grant_type", "client_credentials"), ("scope", "identity.users.read offline_access"));
        Assert.Equal((HttpStatusCode.OK, "identity.users.read"), (service, (string?)token["scope"]));
    }

    // What was left out at the sign-in is asked again by libraries that send their scope with each refresh.
    [Fact]
    public async Task Scope_ThatWasLeftOutOfTheGrant_IsLeftOutOfARefreshToo()
    {
        using var browser = await EditorAsync();
        const string asked = "openid email groups offline_access";
        var tokens = await world.Node.TokensAsync(browser, "keeper", asked);
        var (status, fresh) = await world.Node.RefreshAsync((string)tokens["refresh_token"]!, "keeper", ("scope", asked));
        Assert.True(status == HttpStatusCode.OK, fresh.ToJsonString());

        // Nothing of what was granted is asked for here.
        Assert.Equal("invalid_scope", (string?)(await world.Node.RefreshAsync((string)fresh["refresh_token"]!, "keeper", ("scope", "groups"))).Body["error"]);
    }

    [Fact]
    public async Task Scope_NotAsked_IsTheClientsOwnAndToldInTheAnswer()
    {
        var (status, service) = await world.Node.PostAsync("/connect/token", "basic", ("grant_type", "client_credentials"));
        Assert.Equal((HttpStatusCode.OK, "identity.users.read identity.users.write"), (status, (string?)service["scope"]));

        using var browser = await EditorAsync();
        var (_, tokens) = await world.Node.RedeemAsync(await world.Node.CodeAsync(browser, "plain", "", ("scope", null)), "plain");
        Assert.Equal("email", (string?)tokens["scope"]);
        Assert.Null(tokens["id_token"]);
    }

    [Fact]
    public async Task ResponseModeFragment_AnswersBehindTheHash_SuccessAndError()
    {
        using var browser = await EditorAsync();
        using var answer = await browser.GetAsync(world.Node.AuthorizeUrl("plain", "openid", ("response_mode", "fragment")));
        var location = answer.Headers.Location!.AbsoluteUri;
        Assert.StartsWith(Node.RedirectUri + "#", location, StringComparison.Ordinal);
        var parameters = Node.Query(new Uri("/?" + location.Split('#')[1], UriKind.Relative));
        Assert.Equal("s1", parameters["state"]);
        Assert.Equal(HttpStatusCode.OK, (await world.Node.RedeemAsync(parameters["code"], "plain")).Status);

        using var stranger = new Browser(world.Node.Address);
        using var refused = await stranger.GetAsync(world.Node.AuthorizeUrl("plain", "openid", ("response_mode", "fragment"), ("prompt", "none")));
        var error = Node.Query(new Uri("/?" + refused.Headers.Location!.AbsoluteUri.Split('#')[1], UriKind.Relative));
        Assert.Equal(("login_required", "s1", world.Issuer), (error["error"], error["state"], error["iss"]));
    }

    [Fact]
    public async Task PromptCreate_ShowsTheRegistration_AndGoesOnToTheApplication()
    {
        using var browser = new Browser(world.Node.Address);
        using var answer = await browser.GetAsync(world.Node.AuthorizeUrl("plain", "openid", ("prompt", "create")));
        var page = answer.Headers.Location!.OriginalString;
        Assert.StartsWith("/register?", page, StringComparison.Ordinal);
        using var shown = await browser.GetAsync(page);
        Assert.Equal(HttpStatusCode.OK, shown.StatusCode);

        // Whoever is signed in makes another account all the same, if that is what was asked.
        using var signedIn = await EditorAsync();
        using var again = await signedIn.GetAsync(world.Node.AuthorizeUrl("plain", "openid", ("prompt", "create")));
        Assert.StartsWith("/register?", again.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/.well-known/openid-configuration")]
    [InlineData("/.well-known/oauth-authorization-server")]
    [InlineData("/connect/jwks")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/connect/userinfo")]
    [InlineData("/signin")]
    public async Task Head_WhereGetAnswers_IsAnsweredAlikeWithoutABody(string path)
    {
        using var browser = await EditorAsync();
        var token = path == "/connect/userinfo" ? (string)(await world.Node.TokensAsync(browser, "plain", "openid email"))["access_token"]! : null;
        async Task<(HttpStatusCode Status, string? Type, int Length)> AskAsync(HttpMethod method)
        {
            using var request = new HttpRequestMessage(method, new Uri(world.Node.Address, path));
            request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
            using var answer = await world.Node.Http.SendAsync(request, TestContext.Current.CancellationToken);
            return (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType, (await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken)).Length);
        }

        var (get, head) = (await AskAsync(HttpMethod.Get), await AskAsync(HttpMethod.Head));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (get.Status, head.Status));
        Assert.Equal(get.Type, head.Type);
        Assert.True(get.Length > 0);
        Assert.Equal(0, head.Length);
    }

    [Theory]
    [InlineData("/.well-known/oauth-protected-resource")]
    [InlineData("/.well-known/oauth-protected-resource/api/identity")]
    [InlineData("/.well-known/change-password")]
    [InlineData("/connect/authorize")]
    [InlineData("/connect/authorize?client_id=plain&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcb&response_type=code&scope=openid")]
    [InlineData("/connect/endsession")]
    [InlineData("/connect/logout")]
    [InlineData("/connect/verify")]
    [InlineData("/connect/token")]
    [InlineData("/connect/introspect")]
    public async Task Head_WhateverGetAnswers_IsThatWithoutABody(string path)
    {
        async Task<(HttpStatusCode Status, string? Location, string? Allow, string? Type)> AskAsync(HttpMethod method)
        {
            using var request = new HttpRequestMessage(method, new Uri(world.Node.Address, path));
            using var answer = await world.Node.Http.SendAsync(request, TestContext.Current.CancellationToken);
            if (method == HttpMethod.Head)
            {
                Assert.Empty(await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
            }

            // A return address holds the moment at which it was made.
            return (answer.StatusCode, answer.Headers.Location?.OriginalString.Split('?')[0], answer.Content.Headers.Allow.Count == 0 ? null : string.Join(',', answer.Content.Headers.Allow), answer.Content.Headers.ContentType?.MediaType);
        }

        Assert.Equal(await AskAsync(HttpMethod.Get), await AskAsync(HttpMethod.Head));
    }

    [Theory]
    [InlineData("/connect/introspect", "POST")]
    [InlineData("/connect/authorize", "GET, HEAD, POST")]
    [InlineData("/connect/endsession", "GET, HEAD, POST")]
    public async Task Options_WhereNoScriptMayCome_Is405(string path, string allow)
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, new Uri(world.Node.Address, path));
        using var answer = await world.Node.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Equal(allow, string.Join(", ", answer.Content.Headers.Allow));
    }

    [Theory]
    [InlineData("GET", 1000)]
    [InlineData("POST", 1000)]
    [InlineData("POST", 7000)]
    public async Task Request_WithALongState_SignsInThroughShortLocations_AndBringsItBackWhole(string method, int length)
    {
        var state = """{"returnTo":"/a b/ü","pad":"}""" + new string('"', length);
        var (_, email) = await world.Node.RegisterAsync();
        using var browser = new Browser(world.Node.Address);
        var url = world.Node.AuthorizeUrl("plain", "openid", ("state", state), ("response_mode", "form_post"));
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(world.Node.Address, method == "GET" ? url : "/connect/authorize"));
        request.Content = method == "GET" ? null : new StringContent(url.Split('?')[1], new MediaTypeHeaderValue("application/x-www-form-urlencoded"));
        using var first = await browser.SendAsync(request);
        var next = Short(first);
        for (var hop = 0; !next.StartsWith("/signin", StringComparison.Ordinal); hop++)
        {
            Assert.InRange(hop, 0, 5);
            using var answer = await browser.GetAsync(next);
            next = Short(answer);
        }

        next = (await browser.SignInAtAsync(new Uri(next, UriKind.Relative), email, Node.Password)).OriginalString;
        Assert.InRange(next.Length, 1, 4000);
        for (var hop = 0; ; hop++)
        {
            Assert.InRange(hop, 0, 5);
            using var answer = await browser.GetAsync(next);
            if (answer.StatusCode == HttpStatusCode.OK)
            {
                var form = Assert.Single(new HtmlParser().ParseDocument(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Forms);
                Assert.Equal(state, form.QuerySelectorAll("input").OfType<IHtmlInputElement>().Single(input => input.Name == "state").Value);
                return;
            }

            next = Short(answer);
        }

        // Proxies keep 4 KB for the headers of an answer.
        static string Short(HttpResponseMessage answer)
        {
            var location = answer.Headers.Location?.OriginalString ?? throw new InvalidOperationException($"{(int)answer.StatusCode}");
            Assert.InRange(location.Length, 1, 3500);
            return location;
        }
    }

    [Fact]
    public async Task SignOut_WithTheHintOfAnEarlierSignInAndNoClientId_LeadsBackToTheApplication()
    {
        using var browser = await EditorAsync();
        var first = await world.Node.TokensAsync(browser, "plain", "openid");
        using (var out1 = await browser.SubmitAsync("/signout", []))
        {
            Assert.Equal(HttpStatusCode.SeeOther, out1.StatusCode);
        }

        var (_, email) = await world.Node.RegisterAsync();
        await browser.SignInAsync(email, Node.Password);
        await world.Node.TokensAsync(browser, "plain", "openid");

        var url = $"/connect/endsession?id_token_hint={(string)first["id_token"]!}&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}&state=s2";
        using var asked = await browser.GetAsync(url);
        var page = asked.StatusCode == HttpStatusCode.OK ? url : asked.Headers.Location!.OriginalString;
        using var shown = await browser.GetAsync(page);

        // The way back follows the form, and Chromium holds it to the page's policy: an application's scheme is in it, or the button is dead.
        Assert.Contains("form-action 'self' http:;", Assert.Single(shown.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        using var done = await browser.SubmitAsync(page, []);
        using var back = await browser.GetAsync(done.Headers.Location!.OriginalString);
        Assert.Equal(Bye + "?state=s2", back.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("/connect/authorize?client_id=plain&kept=AAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("/connect/endsession?kept=AAAAAAAAAAAAAAAAAAAAAA")]
    public async Task Request_ThatIsNotKeptAnyMore_IsToldOnAPage(string url)
    {
        using var browser = new Browser(world.Node.Address);
        using var answer = await browser.GetAsync(url);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
    }

    [Fact]
    public async Task SignOut_WithALongState_GoesThroughShortLocations_AndBringsItBackWhole()
    {
        using var browser = await EditorAsync();
        var state = new string('"', 3000);
        var hint = (string)(await world.Node.TokensAsync(browser, "plain", "openid"))["id_token"]!;
        using (var first = await browser.SubmitAsync("/signout", []))
        {
            Assert.Equal(HttpStatusCode.SeeOther, first.StatusCode);
        }

        // Somebody else by now, so they are asked.
        var (_, email) = await world.Node.RegisterAsync();
        await browser.SignInAsync(email, Node.Password);
        using var asked = await browser.GetAsync($"/connect/endsession?id_token_hint={hint}&client_id=plain&post_logout_redirect_uri={Uri.EscapeDataString(Bye)}&state={Uri.EscapeDataString(state)}");
        using var confirm = await browser.GetAsync(asked.Headers.Location!.OriginalString);
        var page = confirm.Headers.Location!.OriginalString;
        Assert.All((string[])[asked.Headers.Location.OriginalString, page], location => Assert.InRange(location.Length, 1, 3500));
        using var done = await browser.SubmitAsync(page, []);
        using var back = await browser.GetAsync(done.Headers.Location!.OriginalString);
        Assert.Equal(Bye + "?state=" + Uri.EscapeDataString(state), back.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("/connect/authorize", "")]
    [InlineData("/connect/endsession", "")]
    [InlineData("/connect/logout", "")]
    [InlineData("/connect/authorize", "state")]
    [InlineData("/connect/endsession", "state")]
    public async Task Request_WithLongParametersThatNobodyKnows_IsKeptWithoutThem(string path, string known)
    {
        var pad = new string('x', 3000);
        using var browser = new Browser(world.Node.Address);
        var query = path == "/connect/authorize" ? world.Node.AuthorizeUrl("plain", "openid").Split('?')[1].Replace("state=s1", "short=1", StringComparison.Ordinal) : "client_id=plain&short=1";
        using var answer = await PostAsync(browser, path, query + string.Concat(Enumerable.Range(0, 8).Select(i => $"&a{i}={pad}")) + (known.Length > 0 ? $"&{known}={pad}" : ""));
        var location = answer.Headers.Location!.OriginalString;
        Assert.InRange(location.Length, 1, 2400);
        Assert.DoesNotContain("a0=", location, StringComparison.Ordinal);
        Assert.Contains("short=1", location, StringComparison.Ordinal);
        Assert.Equal(known.Length > 0, location.Contains("kept=", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("&client_id=nobody")]
    [InlineData("&client_id=nobody&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fbye")]
    [InlineData("&id_token_hint=eyJhbGciOiJub25lIn0.e30.")]
    public async Task SignOut_OfNoClientThatThereIs_IsNotKept(string whose)
    {
        using var browser = new Browser(world.Node.Address);
        using var answer = await PostAsync(browser, "/connect/endsession", $"state={new string('x', 5000)}{whose}");
        Assert.DoesNotContain("kept=", answer.Headers.Location?.OriginalString ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_LongerThanWhatIsKept_IsRefused()
    {
        using var browser = new Browser(world.Node.Address);
        using var answer = await PostAsync(browser, "/connect/authorize", world.Node.AuthorizeUrl("plain", "openid", ("state", new string('x', 20_000)), ("nonce", new string('x', 20_000))).Split('?')[1]);
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
        using var leaving = await PostAsync(browser, "/connect/endsession", $"client_id=plain&state={new string('x', 20_000)}&logout_hint={new string('x', 20_000)}");
        Assert.DoesNotContain("kept=", leaving.Headers.Location?.OriginalString ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task SampleProxy_HasRoomForLongRequestsAndAnswers_AtEachOfItsAddresses()
    {
        var servers = (await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "deploy", "nginx.conf"), TestContext.Current.CancellationToken)).Split("server {").Skip(1).ToArray();
        Assert.Equal(2, servers.Length);
        Assert.All(servers, server => Assert.All((string[])["large_client_header_buffers 4 32k;", "proxy_buffer_size 16k;", "proxy_buffers 8 16k;"], line => Assert.Contains(line, server, StringComparison.Ordinal)));
    }

    private async Task<HttpResponseMessage> PostAsync(Browser browser, string path, string form)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Node.Address, path)) { Content = new StringContent(form, new MediaTypeHeaderValue("application/x-www-form-urlencoded")) };
        return await browser.SendAsync(request);
    }

    private async Task<Browser> EditorAsync()
    {
        var (id, email) = await world.Node.RegisterAsync();
        var services = world.Server.Services;
        await services.GetRequiredService<RoleCatalog>().PutAsync("editor", description: null, CancellationToken.None);
        Assert.IsType<AccountChangeResult.Changed>(await services.GetRequiredService<AccountChangeService>().ChangeAsync(Guid.Parse(id), new AccountChange { Roles = ["editor"] }, null, new Caller(null, null), CancellationToken.None));
        var browser = new Browser(world.Node.Address);
        await browser.SignInAsync(email, Node.Password);
        return browser;
    }

    public sealed class World : IAsyncLifetime
    {
        internal HostedServer Server { get; private set; } = null!;

        internal Node Node { get; private set; } = null!;

        internal string Issuer => Server.Url.GetLeftPart(UriPartial.Authority);

        public async ValueTask InitializeAsync()
        {
            static JsonObject Web(string id, string scope) => new()
            {
                ["client_id"] = id,
                ["token_endpoint_auth_method"] = "none",
                ["grant_types"] = new JsonArray("authorization_code"),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
                ["post_logout_redirect_uris"] = new JsonArray(Bye),
                ["scope"] = scope,
            };
            static JsonObject Service(string id, string method) => new()
            {
                ["client_id"] = id,
                ["client_secret"] = Node.Secret,
                ["token_endpoint_auth_method"] = method,
                ["grant_types"] = new JsonArray("client_credentials"),
                ["scope"] = "identity.users.read identity.users.write",
            };
            var keeper = Web("keeper", "openid email offline_access");
            keeper["grant_types"] = new JsonArray("authorization_code", "refresh_token");
            var television = Web("television", "openid offline_access");
            television["grant_types"] = new JsonArray("urn:ietf:params:oauth:grant-type:device_code");
            television.Remove("redirect_uris");
            television.Remove("post_logout_redirect_uris");
            Server = await HostedServer.StartAsync(new JsonArray(keeper, television, Web("grafana", "openid roles groups"), Web("plain", "openid email"), Service("basic", "client_secret_basic"), Service("post", "client_secret_post")).ToJsonString());
            Node = new AddressedNode(Server.Url);
        }

        public async ValueTask DisposeAsync()
        {
            Node.Dispose();
            await Server.DisposeAsync();
        }
    }
}
