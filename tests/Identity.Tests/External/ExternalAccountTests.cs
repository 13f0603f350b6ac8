// NIST SP 800-63C-4 §3.8: which account a provider's person is, and who decides.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>Making, linking, unlinking and disabling; roles; sign-out from both ends.</summary>
public sealed class ExternalAccountTests
{
    private const string TokenRoute = "POST /openam/oauth2/access_token";
    private const string Password = "a sound pass phrase 7";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero);

    [Fact]
    public async Task ExistingAccount_WithTheProvidersAddress_IsLinkedOnlyByItsPassword()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        await world.Server.RegisterAsync("alice@example.org", Password);
        using var browser = world.NewBrowser();
        var location = await SignInAsync(world, key, browser);
        Assert.StartsWith("/external/link?id=", location.OriginalString, StringComparison.Ordinal);
        Assert.Null(await ExternalWorld.PersonAsync(browser));

        // Another browser cannot go on with it.
        using (var stranger = world.NewBrowser())
        {
            using var stolen = await stranger.GetAsync(location.OriginalString);
            Assert.StartsWith("/external/problem?", stolen.Headers.Location!.OriginalString, StringComparison.Ordinal);
        }

        using (var wrong = await browser.SubmitAsync(location.OriginalString, new() { ["current-password"] = "not the password 1" }))
        {
            Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.StatusCode);
        }

        using (var right = await browser.SubmitAsync(location.OriginalString, new() { ["current-password"] = Password }))
        {
            Assert.Equal("/account", right.Headers.Location!.OriginalString);
        }

        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));

        // From then on nobody is asked; and the page was good for once.
        using var other = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, other)).OriginalString);
        using var again = await browser.GetAsync(location.OriginalString);
        Assert.StartsWith("/external/problem?", again.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ExistingAccount_WhoseAddressNobodyHadProved_LosesItsPasswordWhenACodeProvesIt()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);

        // Somebody registered her address first, and is signed in.
        await world.Server.RegisterAsync("alice@example.org", Password);
        using var squatter = world.NewBrowser();
        await squatter.SignInAsync("alice@example.org", Password);
        using var browser = world.NewBrowser();
        var location = await SignInAsync(world, key, browser);
        using (var sent = await browser.SubmitAsync(location.OriginalString, [], button: "Send me a code instead", change: fields => fields.Remove("Password")))
        {
            // The main form of the page is the password's: an empty one is refused, and the code has a form of its own.
            Assert.True(sent.StatusCode is HttpStatusCode.SeeOther or HttpStatusCode.UnprocessableEntity);
        }

        using (var asked = await PostSendAsync(browser, location))
        {
            Assert.Equal(HttpStatusCode.SeeOther, asked.StatusCode);
            var code = await world.Server.ReadCodeAsync("alice@example.org");
            using var right = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, new() { ["one-time-code"] = code });
            Assert.True(right.Headers.Location?.OriginalString == "/account", $"{right.StatusCode} {await right.Content.ReadAsStringAsync()}");
        }

        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
        Assert.Null(await ExternalWorld.PersonAsync(squatter));
        using var back = await squatter.SubmitAsync("/signin", new() { ["username"] = "alice@example.org", ["current-password"] = Password });
        Assert.Equal(HttpStatusCode.UnprocessableEntity, back.StatusCode);
    }

    [Fact]
    public async Task FirstSignIn_When50ComeAtOnce_MakesOneAccount()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var service = world.Server.Services.GetRequiredService<ExternalSignInService>();
        var person = new ExternalPerson { Subject = new ExternalSubject("openam", "/", "carol", IgnoreCase: true), Email = "carol@example.org", MayCreateAccount = true };
        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => service.SignInAsync(person with { Subject = person.Subject with { Subject = i % 2 == 0 ? "carol" : "CAROL" } }, new Caller(null, null), CancellationToken.None)));
        var ids = results.Select(result => Assert.IsType<ExternalSignInResult.SignedIn>(result).Account.Id).Distinct().ToArray();
        Assert.Single(ids);
    }

    [Theory]
    [InlineData("alice", "ALICE", true)]
    [InlineData("jörg", "JÖRG", true)]
    [InlineData("jörg", "jo\u0308rg", true)]
    [InlineData("σίσυφος", "ΣΊΣΥΦΟΣ", true)]
    [InlineData("kelvin", "\u212Aelvin", true)]
    [InlineData("ali", "alı", false)]
    [InlineData("alice", "alice2", false)]
    public void Subject_WhenCaseDoesNotCount_IsFoldedAsUnicodeSays(string one, string other, bool same)
    {
        Assert.Equal(same, new ExternalSubject("p", "/", one, true).Key == new ExternalSubject("p", "/", other, true).Key);
        Assert.NotEqual(new ExternalSubject("p", "/", one, false).Key, new ExternalSubject("p", "/", other, false).Key);
        Assert.Equal(new ExternalSubject("p", "/Partners", one, true).Key, new ExternalSubject("p", "/partners", one, true).Key);
        Assert.NotEqual(new ExternalSubject("p", "/", one, true).Key, new ExternalSubject("p", "/partners", one, true).Key);
        Assert.NotEqual(new ExternalSubject("p", "/", one, true).Key, new ExternalSubject("q", "/", one, true).Key);
    }

    [Fact]
    public async Task Account_WhenDisabled_IsRefusedAndTheProviderCannotHelpIt()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        var account = await AccountAsync(world);
        await world.Server.Services.GetRequiredService<IAccountChanges>().ChangeAsync(account.Id, new AccountChange { IsActive = false }, null, new Caller(null, null), CancellationToken.None);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        Assert.Equal("Disabled", await ExternalWorld.ProblemAsync(browser, await SignInAsync(world, key, browser)));
    }

    [Fact]
    public async Task Provider_WhenDisabledOrUnknown_HasNoButtonAndNoWayIn()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:Enabled", "false"));
        using var browser = world.NewBrowser();
        using var page = await browser.GetAsync("/signin");
        Assert.DoesNotContain("/external/", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        foreach (var name in (string[])["openam", "nobody"])
        {
            using var answer = await browser.GetAsync("/external/" + name);
            Assert.Equal("Unknown", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        }
    }

    [Fact]
    public async Task Accounts_WhereTheyAreNotMade_AreNotMade()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:CreateAccounts", "false"));
        using var browser = world.NewBrowser();
        Assert.Equal("NoAccount", await ExternalWorld.ProblemAsync(browser, await SignInAsync(world, key, browser)));
    }

    [Fact]
    public async Task Roles_WhereClaimsMapThem_ComeAndGoWithTheClaim_AndOthersStay()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:Roles:0:Claim", "groups"), ("Federation:Providers:openam:Roles:0:Value", "editors"), ("Federation:Providers:openam:Roles:0:Role", "editor"));
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["groups"] = new JsonArray("staff", "editors");
        await SignInAsync(world, key, browser, claims);
        var account = await AccountAsync(world);
        Assert.Equal(["editor"], account.Roles);
        var roles = world.Server.Services.GetRequiredService<RoleCatalog>();
        await roles.PutAsync("editor", description: null, CancellationToken.None);
        await roles.PutAsync("auditor", description: null, CancellationToken.None);
        await world.Server.Services.GetRequiredService<IAccountChanges>().ChangeAsync(account.Id, new AccountChange { Roles = ["editor", "auditor"] }, null, new Caller(null, null), CancellationToken.None);
        claims["groups"] = new JsonArray("staff");
        await SignInAsync(world, key, browser, claims);
        Assert.Equal(["auditor"], (await AccountAsync(world)).Roles);
    }

    [Fact]
    public async Task Connection_OnTheAccountPage_IsMadeSoonAfterASignInAndTakenAwayUnlessItIsTheLastWayIn()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        await world.Server.RegisterAsync("bob@example.com", Password);
        using var browser = world.NewBrowser();
        await browser.SignInAsync("bob@example.com", Password);

        // Bob, whose address is another there, connects by himself.
        using (var page = await browser.GetAsync("/account/connections"))
        {
            var html = await page.Content.ReadAsStringAsync();
            var link = new AngleSharp.Html.Parser.HtmlParser().ParseDocument(html).QuerySelector("a[href^='/external/openam?link=']")!.GetAttribute("href")!;
            Serve(world, key, claims: null);
            using var go = await browser.GetAsync(link);
            var sent = Node.Query(go.Headers.Location);
            using var done = await browser.GetAsync(Callback(sent["state"]));
            Assert.Equal("/account/connections?done=Connected", done.Headers.Location!.OriginalString);

            // A link of his does nothing for somebody else, nor later.
            using var stranger = world.NewBrowser();
            using var stolen = await stranger.GetAsync(link);
            Assert.Equal("Expired", await ExternalWorld.ProblemAsync(stranger, stolen.Headers.Location!));
            world.Time.Advance(TimeSpan.FromMinutes(11));
            using var late = await browser.GetAsync(link);
            Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, late.Headers.Location!));
        }

        using (var old = await browser.GetAsync("/account/connections"))
        {
            Assert.DoesNotContain("?link=", await old.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        using var other = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, other)).OriginalString);
        Assert.Equal("bob@example.com", await ExternalWorld.PersonAsync(other));
        using (var proved = await browser.SubmitAsync("/account/connections", new() { ["current-password"] = Password }))
        {
            Assert.Equal("/account/connections", proved.Headers.Location!.OriginalString);
        }

        using var gone = await browser.SubmitAsync("/account/connections", [], button: "Disconnect");
        Assert.Equal("/account/connections?done=Disconnected", gone.Headers.Location!.OriginalString);
        Assert.Equal("alice@example.org", await SignInAndTellAsync(world, key));

        // She has no password: her only connection stays, also when two are taken away at once.
        var alice = await AccountAsync(world);
        var service = world.Server.Services.GetRequiredService<ExternalSignInService>();
        var only = Assert.Single(await service.ListAsync(alice.Id, CancellationToken.None));
        Assert.Equal(Unlinking.LastWayIn, await service.UnlinkAsync(alice.Id, only.Key, new Caller(null, null), CancellationToken.None));
        await service.LinkAsync(new ExternalPerson { Subject = new ExternalSubject("openam", "/", "alice-2", true) }, alice, new Caller(null, null), CancellationToken.None);
        var keys = (await service.ListAsync(alice.Id, CancellationToken.None)).Select(identity => identity.Key).ToArray();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => service.UnlinkAsync(alice.Id, keys[i % 2], new Caller(null, null), CancellationToken.None)));
        Assert.Single(outcomes, outcome => outcome == Unlinking.Done);
        Assert.Single(await service.ListAsync(alice.Id, CancellationToken.None));
    }

    [Fact]
    public async Task SignOut_Here_GoesOnToTheProviderByGetWithTheHintAndComesBack()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        using var signedOut = await browser.SubmitAsync("/signout", []);
        Assert.StartsWith("/external/signout?id=", signedOut.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var page = await browser.GetAsync(signedOut.Headers.Location.OriginalString);
        var address = new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]);
        Assert.Equal(ExternalWorld.Issuer + "/connect/endSession", address.GetLeftPart(UriPartial.Path));
        var query = Node.Query(address);
        Assert.Equal("ALICE", (string)Node.Payload(query["id_token_hint"])["sub"]!);
        Assert.EndsWith("/external/openam/signed-out", query["post_logout_redirect_uri"], StringComparison.Ordinal);
        using var back = await browser.GetAsync("/external/openam/signed-out?state=" + query["state"]);
        Assert.Equal("/signed-out", back.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("good", 200)]
    [InlineData("again", 400)]
    [InlineData("id token", 400)]
    [InlineData("nonce", 400)]
    [InlineData("no event", 400)]
    [InlineData("old", 400)]
    [InlineData("other audience", 400)]
    [InlineData("other key", 400)]
    [InlineData("nobody", 400)]
    public async Task BackChannelLogout_EndsTheSessionAndItsCookie_ByASoundTokenOnly(string kind, int status)
    {
        using var key = new TestKey();
        using var foreign = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["sid"] = "upstream-1";
        await SignInAsync(world, key, browser, claims);
        Assert.NotNull(await ExternalWorld.PersonAsync(browser));
        var token = new JsonObject
        {
            ["iss"] = ExternalWorld.Issuer,
            ["aud"] = kind == "other audience" ? "rp-x" : "rp-nocons",
            ["realm"] = "/",
            ["jti"] = "j1",
            ["sid"] = "upstream-1",
            ["iat"] = s_time.AddMinutes(kind == "old" ? -30 : 0).ToUnixTimeSeconds(),
            ["exp"] = s_time.AddMinutes(5).ToUnixTimeSeconds(),
        };
        if (kind is not "no event")
        {
            token["events"] = new JsonObject { ["http://schemas.openid.net/event/backchannel-logout"] = new JsonObject() };
        }

        if (kind == "nonce")
        {
            token["nonce"] = "n";
        }

        if (kind == "nobody")
        {
            token.Remove("sid");
        }

        var jwt = kind == "id token" ? key.Sign(claims) : (kind == "other key" ? foreign : key).Sign(token);
        using var http = new HttpClient();
        async Task<int> SendAsync()
        {
            using var content = new FormUrlEncodedContent([new("logout_token", jwt)]);
            using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content);
            Assert.Contains("no-store", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
            return (int)answer.StatusCode;
        }

        if (kind == "again")
        {
            Assert.Equal(200, await SendAsync());
            await SignInAsync(world, key, browser, claims);
        }

        Assert.Equal(status, await SendAsync());
        Assert.Equal(status == 200, await ExternalWorld.PersonAsync(browser) is null);
    }

    [Fact]
    public async Task SignInPage_ForAnAddressOfTheProvider_SuggestsIt_AndLeadsThereAtOnceWhereTold()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:Domains:0", "example.org"));
        using var browser = world.NewBrowser();
        using (var page = await browser.SubmitAsync("/signin", new() { ["username"] = "ALICE@Example.org" }))
        {
            Assert.Contains("belongs to this provider", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        await using var direct = await StartAsync(key, ("Federation:DirectTo", "openam"));
        using var other = direct.NewBrowser();
        using var led = await other.GetAsync("/signin?returnUrl=/account/password");
        Assert.Equal("/external/openam?returnUrl=%2Faccount%2Fpassword", led.Headers.Location!.OriginalString);
        using var here = await other.GetAsync("/signin?here=1");
        Assert.Equal(HttpStatusCode.OK, here.StatusCode);
    }

    private static async Task<ExternalWorld> StartAsync(TestKey key, params (string Name, string Value)[] more)
    {
        var settings = ExternalWorld.Root("rp-nocons");
        foreach (var (name, value) in more)
        {
            settings[name] = value;
        }

        var world = await ExternalWorld.StartAsync(s_time, settings);
        world.ServeRoot(key.Jwks());
        return world;
    }

    private static void Serve(ExternalWorld world, TestKey key, JsonObject? claims)
    {
        var recorded = Recording.Read("oidc/variants/username-upper-token.http");
        var json = recorded.Json;
        json["id_token"] = claims is null ? key.Resign(recorded.IdToken) : key.Sign(claims);
        world.Provider.On(TokenRoute, new StubAnswer(200, json.ToJsonString()));
        world.Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read("oidc/variants/username-upper-userinfo.http")));
        world.Ids.Nonce = (string)recorded.Claims["nonce"]!;
    }

    private static async Task<Uri> SignInAsync(ExternalWorld world, TestKey key, Browser browser, JsonObject? claims = null)
    {
        Serve(world, key, claims);
        return await world.SignInAsync(browser, world.Ids.Nonce!, ExternalWorld.Issuer);
    }

    private static async Task<string?> SignInAndTellAsync(ExternalWorld world, TestKey key)
    {
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        return await ExternalWorld.PersonAsync(browser);
    }

    private static string Callback(string state) => $"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(state)}";

    private static async Task<HttpResponseMessage> PostSendAsync(Browser browser, Uri link)
    {
        using var page = await browser.GetAsync(link.OriginalString);
        var document = new AngleSharp.Html.Parser.HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync());
        var form = document.Forms.Single(candidate => candidate.Action.Contains("handler=Send", StringComparison.Ordinal));
        var fields = form.QuerySelectorAll("input").Select(input => KeyValuePair.Create(input.GetAttribute("name")!, input.GetAttribute("value") ?? ""));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(browser.Address, form.GetAttribute("action")!)) { Content = new FormUrlEncodedContent(fields) };
        return await browser.SendAsync(request);
    }

    private static async Task<Account> AccountAsync(ExternalWorld world) => (await world.Server.Services.GetRequiredService<IAccountStore>().FindByEmailAsync("ALICE@EXAMPLE.ORG", CancellationToken.None))!;
}
