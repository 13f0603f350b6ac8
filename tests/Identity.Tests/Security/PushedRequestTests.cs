// Security catalogue: pushed authorization requests. RFC 9126, RFC 9101 §6.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.OAuth;
using Identity.Server.Hosting;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>Requests that are pushed first, at a server whose clock a test moves.</summary>
public sealed class PushedRequestTests(PushedRequestTests.World world) : IClassFixture<PushedRequestTests.World>
{
    [Fact]
    public async Task Push_WhenSound_IsCreatedForAMinuteInNoCache()
    {
        using var form = new FormUrlEncodedContent(Parameters("web").Select(pair => KeyValuePair.Create(pair.Name, pair.Value)));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Node.Address, "/connect/par")) { Content = form };
        request.Headers.Authorization = Node.Basic("web", Node.Secret);
        using var answer = await world.Node.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal(60, (int)body["expires_in"]!);
        Assert.StartsWith("urn:ietf:params:oauth:request_uri:", (string)body["request_uri"]!, StringComparison.Ordinal);
        using var read = await world.Node.Http.GetAsync(new Uri(world.Node.Address, "/connect/par"));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, read.StatusCode);
    }

    [Fact]
    public async Task Push_WhenUsed_LeadsToTokensOnce()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        using var first = await browser.GetAsync(Go(reference));
        var code = RunningServer.Query(first.Headers.Location)["code"];
        Assert.Equal("s1", RunningServer.Query(first.Headers.Location)["state"]);
        Assert.Equal(HttpStatusCode.OK, (await world.Node.RedeemAsync(code, "spa")).Status);
        using var again = await browser.GetAsync(Go(reference));
        Assert.DoesNotContain("code", RunningServer.Query(again.Headers.Location).Keys);
    }

    [Fact]
    public async Task Push_WhenReloadedBeforeSignIn_StillWorks()
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        var reference = await PushAsync();
        using var once = await browser.GetAsync(Go(reference));
        using var twice = await browser.GetAsync(Go(reference));
        var back = await browser.SignInAtAsync(twice.Headers.Location!, email, Node.Password);
        using var answered = await browser.GetAsync(back.OriginalString);
        Assert.Contains("code", RunningServer.Query(answered.Headers.Location).Keys);
    }

    // What was pushed was not meant for the address line, nor for what a browser keeps.
    [Fact]
    public async Task Push_OnItsWayThroughThePages_IsInNoAddressAndNoCookie()
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        using var asked = await browser.GetAsync(Go(await PushAsync("asks"), "asks"));
        var places = new List<string> { asked.Headers.Location!.OriginalString };
        var back = await browser.SignInAtAsync(asked.Headers.Location, email, Node.Password);
        places.Add(back.OriginalString);
        using var consent = await browser.GetAsync(back.OriginalString);
        places.Add(consent.Headers.Location!.OriginalString);
        using var allowed = await browser.SubmitAsync(consent.Headers.Location.OriginalString, [], "Allow");
        places.Add(allowed.Headers.Location!.OriginalString);
        foreach (var place in places)
        {
            var address = RunningServer.Query(new Uri(world.Node.Address, place)).GetValueOrDefault("returnUrl", place);
            Assert.Equal(["client_id", "interaction", "request_uri"], RunningServer.Query(new Uri(world.Node.Address, address)).Keys.Order(StringComparer.Ordinal));
        }

        var cookies = Uri.UnescapeDataString(browser.Cookies.GetCookieHeader(world.Node.Address));
        Assert.NotEmpty(cookies);
        Assert.All((string[])["urn:ietf:params:oauth:request_uri", "callback", "state=s1", Node.Challenge], value => Assert.DoesNotContain(value, cookies, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Push_WhenUsedFiftyTimesAtOnce_LeadsToOneCode()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        var codes = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var answer = await browser.GetAsync(Go(reference));
            return RunningServer.Query(answer.Headers.Location).GetValueOrDefault("code");
        }));
        Assert.Single(codes, code => code is not null);
    }

    [Fact]
    public async Task Push_WhenItsMinuteIsOver_IsWorthNothing()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        world.Time.Advance(TimeSpan.FromSeconds(61));
        using var answer = await browser.GetAsync(Go(reference));
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
    }

    // RFC 9101 §7, FAPI 2.0: what OpenID Connect wants repeated in the address says where to tell it.
    [Theory]
    [InlineData("expired", "invalid_request_uri")]
    [InlineData("used", "invalid_request_uri")]
    [InlineData("never was", "invalid_request_uri")]
    [InlineData("of another client", "invalid_request")]
    public async Task Push_WhenWorthNothingAndTheAddressNamesARedirectUri_TellsTheClientSo(string how, string error)
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = how == "never was" ? "urn:ietf:params:oauth:request_uri:x" : await PushAsync(how == "of another client" ? "other" : "spa");
        if (how == "used")
        {
            using var used = await browser.GetAsync(Go(reference));
            Assert.Contains("code", RunningServer.Query(used.Headers.Location).Keys);
        }
        else if (how == "expired")
        {
            world.Time.Advance(TimeSpan.FromSeconds(61));
        }

        using var answer = await browser.GetAsync(Go(reference) + "&response_type=code&scope=openid&redirect_uri=" + Uri.EscapeDataString(Node.RedirectUri));
        Assert.StartsWith(Node.RedirectUri, answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal(error, RunningServer.Query(answer.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Push_WhenThePersonTakesLongerThanItsMinute_SurvivesSignInAndConsent()
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        using var asked = await browser.GetAsync(Go(await PushAsync("asks"), "asks"));
        world.Time.Advance(TimeSpan.FromMinutes(29));
        await world.CleanUpAsync();
        var back = await browser.SignInAtAsync(asked.Headers.Location!, email, Node.Password);
        using var consent = await browser.GetAsync(back.OriginalString);
        Assert.Contains("/consent", consent.Headers.Location!.OriginalString, StringComparison.Ordinal);
        world.Time.Advance(TimeSpan.FromMinutes(30));
        await world.CleanUpAsync();
        using var allowed = await browser.SubmitAsync(consent.Headers.Location.OriginalString, [], "Allow");
        using var answered = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        Assert.Equal(HttpStatusCode.OK, (await world.Node.RedeemAsync(RunningServer.Query(answered.Headers.Location)["code"], "asks")).Status);
        using var again = await browser.GetAsync(allowed.Headers.Location.OriginalString);
        Assert.DoesNotContain("code", RunningServer.Query(again.Headers.Location).Keys);
    }

    [Fact]
    public async Task Push_WhenItsMinuteIsOverAndThePersonComesBackFiftyTimesAtOnce_LeadsToOneCode()
    {
        var (browser, back) = await SignedInLateAsync(TimeSpan.FromMinutes(5));
        using (browser)
        {
            var codes = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
            {
                using var answer = await browser.GetAsync(back);
                return RunningServer.Query(answer.Headers.Location).GetValueOrDefault("code");
            }));
            Assert.Single(codes, code => code is not null);
        }
    }

    [Fact]
    public async Task Push_WhenThePersonSaysNoAfterItsMinute_TellsTheClient()
    {
        using var browser = await world.Node.SignedInAsync();
        using var consent = await browser.GetAsync(Go(await PushAsync("asks"), "asks"));
        world.Time.Advance(TimeSpan.FromMinutes(5));
        using var declined = await browser.SubmitAsync(consent.Headers.Location!.OriginalString, [], "Do not allow");
        using var answered = await browser.GetAsync(declined.Headers.Location!.OriginalString);
        Assert.Equal("access_denied", RunningServer.Query(answered.Headers.Location)["error"]);
    }

    [Theory]
    [InlineData("spa")]
    [InlineData("web")]
    public async Task Push_LongerThanWhatIsStored_IsRefused(string client)
    {
        (string, string)[] proof = client == "web" ? [("client_secret", Node.Secret)] : [];
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, [.. Parameters(client), .. proof, ("nonce", new string('n', 20_000)), ("unknown", new string('x', 20_000))]);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, "invalid_request"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Push_LongAndOftenInAPublicClientsName_IsRefused()
    {
        (string, string)[] much = [("nonce", new string('n', 5000))];
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => world.Node.PostAsync("/connect/par", client: null, [.. Parameters("spa"), .. much])));
        Assert.Equal(World.LongPushes, answers.Count(answer => answer.Status == HttpStatusCode.Created));
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.Created), answer => Assert.Equal((HttpStatusCode.TooManyRequests, "temporarily_unavailable"), (answer.Status, (string?)answer.Body["error"])));

        // Short ones, and whoever proves itself, are not held up by strangers.
        await PushAsync();
        Assert.Equal(HttpStatusCode.Created, (await world.Node.PostAsync("/connect/par", client: null, [.. Parameters("web"), ("client_secret", Node.Secret), .. much])).Status);
    }

    // A browser holds a form to the page's policy, also where its redirects lead: without the answer's scheme in it the button is dead.
    [Fact]
    public async Task Push_OfAClientWithSeveralAddresses_IsKnownToThePages()
    {
        var (_, body) = await world.Node.PostAsync("/connect/par", client: null, [.. Parameters("two"), ("login_hint", "ada.pushed@example.com")]);
        using var browser = new Browser(world.Node.Address);
        using var asked = await browser.GetAsync(Go((string)body["request_uri"]!, "two"));
        using var page = await browser.GetAsync(asked.Headers.Location!.OriginalString);
        Assert.Contains("form-action 'self' http:;", Assert.Single(page.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Contains("ada.pushed@example.com", await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Push_WhenThePersonComesBackAfterAnHour_IsOver()
    {
        var (browser, back) = await SignedInLateAsync(TimeSpan.FromSeconds(3601));
        using (browser)
        {
            await RefusesAsync(browser, back);
        }
    }

    [Fact]
    public async Task Push_WhenItsMinuteIsOver_GoesOnOnlyInTheBrowserThatPresentedIt()
    {
        var (browser, back) = await SignedInLateAsync(TimeSpan.FromMinutes(5));
        using (browser)
        {
            using var stranger = await world.Node.SignedInAsync();
            await RefusesAsync(stranger, back);
            using var newcomer = new Browser(world.Node.Address);
            await RefusesAsync(newcomer, back);
            using var own = await browser.GetAsync(back);
            Assert.Contains("code", RunningServer.Query(own.Headers.Location).Keys);
        }
    }

    [Fact]
    public async Task Push_WhenItsMinuteIsOver_IsRevivedByNoOtherRequestsTicketAndByNoRefusal()
    {
        var late = await PushAsync();
        var (browser, back) = await SignedInLateAsync(TimeSpan.FromMinutes(5));
        using (browser)
        {
            var ticket = "&interaction=" + Uri.EscapeDataString(RunningServer.Query(new Uri(world.Node.Address, back))["interaction"]);
            await RefusesAsync(browser, Go(late));
            await RefusesAsync(browser, Go(late) + ticket);
            await RefusesAsync(browser, back.Replace("client_id=spa", "client_id=other", StringComparison.Ordinal));
            await RefusesAsync(browser, world.TicketOfNow(browser, late));
            await RefusesAsync(browser, world.Decline(browser, Go(late)));
        }
    }

    [Fact]
    public async Task Push_WhenAnotherClientUsesIt_IsRefusedAndStaysGood()
    {
        using var browser = await world.Node.SignedInAsync();
        var reference = await PushAsync();
        using var stolen = await browser.GetAsync(Go(reference, "other"));
        Assert.DoesNotContain("code", RunningServer.Query(stolen.Headers.Location).Keys);
        using var own = await browser.GetAsync(Go(reference));
        Assert.Contains("code", RunningServer.Query(own.Headers.Location).Keys);
    }

    [Fact]
    public async Task Push_WhenTheAddressAddsOrChangesParameters_CountsAsPushed()
    {
        using var browser = await world.Node.SignedInAsync();
        using var answer = await browser.GetAsync(Go(await PushAsync()) + "&state=other&redirect_uri=https%3A%2F%2Fevil.example%2F&scope=openid%20notes.write");
        Assert.StartsWith(Node.RedirectUri, answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal("s1", RunningServer.Query(answer.Headers.Location)["state"]);
    }

    [Theory]
    [InlineData("request_uri", "urn:ietf:params:oauth:request_uri:x", "invalid_request")]
    [InlineData("request", "eyJhbGciOiJub25lIn0.e30.", "invalid_request_object")]
    [InlineData("redirect_uri", "https://evil.example/cb", "invalid_request")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    [InlineData("scope", "openid nothing.of.ours", "invalid_scope")]
    [InlineData("prompt", "none login", "invalid_request")]
    public async Task Push_WhenTheRequestIsWrong_TellsTheClientAtOnce(string name, string value, string error)
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, [.. Parameters("spa").Where(pair => pair.Name != name), (name, value)]);
        Assert.Equal((HttpStatusCode.BadRequest, error), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Push_WhenTheClientIsNotProven_IsRefused()
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, [.. Parameters("web"), ("client_secret", "not the secret")]);
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
        (status, body) = await world.Node.PostAsync("/connect/par", client: null, Parameters("web"));
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Reference_WhenFedIntoAnotherSlot_IsRefused()
    {
        var reference = await PushAsync();
        foreach (var value in (string[])[reference, reference[(reference.LastIndexOf(':') + 1)..]])
        {
            Assert.Equal("invalid_grant", (string?)(await world.Node.RedeemAsync(value)).Body["error"]);
            Assert.Equal("invalid_grant", (string?)(await world.Node.RefreshAsync(value)).Body["error"]);
            Assert.Equal(HttpStatusCode.Unauthorized, await world.Node.UserInfoAsync(value));
        }
    }

    private static (string Name, string Value)[] Parameters(string client) =>
    [
        ("client_id", client), ("redirect_uri", Node.RedirectUri), ("response_type", "code"), ("scope", "openid email"), ("state", "s1"),
        ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"),
    ];

    private static string Go(string reference, string client = "spa") => $"/connect/authorize?client_id={client}&request_uri={Uri.EscapeDataString(reference)}";

    // Somebody who was led to the sign-in in time, and has signed in only now; where the page sends them.
    private async Task<(Browser Browser, string Back)> SignedInLateAsync(TimeSpan after)
    {
        var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        var reference = await PushAsync();
        world.Time.Advance(TimeSpan.FromSeconds(30));
        using var asked = await browser.GetAsync(Go(reference));
        world.Time.Advance(after);
        return (browser, (await browser.SignInAtAsync(asked.Headers.Location!, email, Node.Password)).OriginalString);
    }

    private static async Task RefusesAsync(Browser browser, string address)
    {
        using var answer = await browser.GetAsync(address);
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
    }

    private async Task<string> PushAsync(string client = "spa")
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, Parameters(client));
        Assert.True(status == HttpStatusCode.Created, body.ToJsonString());
        return (string)body["request_uri"]!;
    }

    public sealed class World : IAsyncLifetime
    {
        public const int LongPushes = 7;

        private HostedServer? _server;
        private AddressedNode? _node;

        public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

        internal Node Node => _node!;

        /// <summary>The request as it would come back to this browser if it had led to a page only now.</summary>
        public string TicketOfNow(Browser browser, string reference)
        {
            var context = ContextOf(browser);
            var parameters = RequestParameters.Read([KeyValuePair.Create("client_id", (IReadOnlyList<string?>)["spa"]), KeyValuePair.Create("request_uri", (IReadOnlyList<string?>)[reference])]).Value;
            return _server!.Services.GetRequiredService<Interactions>().ReturnUrl(context, parameters, Time.GetUtcNow());
        }

        /// <summary>Where a page leads whoever says no on the way to this address.</summary>
        public string Decline(Browser browser, string returnUrl) => _server!.Services.GetRequiredService<Interactions>().Decline(ContextOf(browser), returnUrl);

        private static DefaultHttpContext ContextOf(Browser browser)
        {
            var context = new DefaultHttpContext();
            context.Request.Headers.Cookie = browser.Cookies.GetCookieHeader(browser.Address);
            return context;
        }

        public Task<int> CleanUpAsync() => _server!.Services.GetRequiredService<StoreCleanUp>().RunAsync(TestContext.Current.CancellationToken);

        public async ValueTask InitializeAsync()
        {
            JsonObject Client(string id) => new()
            {
                ["client_id"] = id,
                ["token_endpoint_auth_method"] = "none",
                ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
                ["scope"] = "openid email offline_access",
            };
            var web = Client("web");
            (web["token_endpoint_auth_method"], web["client_secret"]) = ("client_secret_basic", Node.Secret);
            var asks = Client("asks");
            asks["require_consent"] = true;
            var two = Client("two");
            two["redirect_uris"]!.AsArray().Add("https://client.example.com/cb");
            _server = await HostedServer.StartAsync(new JsonArray(Client("spa"), Client("other"), asks, web, two).ToJsonString(), time: Time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["OAuth:LongPushesPerAddress"] = "7" });
            _node = new AddressedNode(_server.Url);
        }

        public async ValueTask DisposeAsync()
        {
            _node?.Dispose();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }
    }
}
