// OpenID Connect Core 1.0, and what OpenAM 16.0.5 does beside it: its recorded answers, at their time.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>Every recorded success signs in, every recorded fault gives its page; a test for each difference that touches us.</summary>
public sealed class OpenAmOidcTests
{
    private const string TokenRoute = "POST /openam/oauth2/realms/root/realms/partners/access_token";
    private const string RootTokenRoute = "POST /openam/oauth2/access_token";

    // Within the validity of everything recorded under the own key.
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 3, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("flow-sub-own-key-rp-nc/02-token.http", "rp-nc")]
    [InlineData("flow-sub-own-key-rp-es256/02-token.http", "rp-es256")]
    public async Task RecordedSignIn_WhenReplayed_SignsIn_AlsoWhereTheKidNamesTheOtherKey(string file, string client)
    {
        var token = Recording.Read("oidc/" + file);
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners(client));
        world.ServePartners();
        world.Provider.On(TokenRoute, StubAnswer.Of(token));
        using var browser = world.NewBrowser();

        var location = await world.SignInAsync(browser, (string)token.Claims["nonce"]!);

        Assert.Equal("/account", location.OriginalString);
        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
        var redeemed = world.Provider.Requests.Single(request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        Assert.StartsWith("Basic ", redeemed.Headers["Authorization"], StringComparison.Ordinal);
        Assert.Contains("code_verifier=", redeemed.Body, StringComparison.Ordinal);
        Assert.DoesNotContain("client_secret", redeemed.Body, StringComparison.Ordinal);
        Assert.Contains("redirect_uri=http%3A%2F%2Flocalhost", redeemed.Body, StringComparison.Ordinal);

        // The refresh token that nobody asked for is given back.
        Assert.Contains(world.Provider.Requests, request => request.Path.EndsWith("/token/revoke", StringComparison.Ordinal) && request.Body.Contains((string)token.Json["refresh_token"]!, StringComparison.Ordinal));
        AssertNothingLeaked(world, token);
    }

    [Fact]
    public async Task IssuerByHostHeader_WhenThePortIsWrittenOut_IsTheProvidersWhereTheSettingsListIt()
    {
        var token = Recording.Read("oidc/variants/token-other-host-header.http");
        var settings = ExternalWorld.Partners("rp-nc");
        settings["Federation:Providers:openam:Issuers:0"] = "http://OpenAM.example.org/openam/oauth2/realms/root/realms/partners";
        await using var world = await ExternalWorld.StartAsync(s_time, settings);
        world.ServePartners();
        world.Provider.On(TokenRoute, StubAnswer.Of(token));
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await world.SignInAsync(browser, (string)token.Claims["nonce"]!)).OriginalString);

        await using var strict = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        strict.ServePartners();
        strict.Provider.On(TokenRoute, StubAnswer.Of(token));
        using var other = strict.NewBrowser();
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(other, await strict.SignInAsync(other, (string)token.Claims["nonce"]!)));
        Assert.True(strict.LoggedReason("iss"));
    }

    [Fact]
    public async Task ShippedKey_WhenItSignedTheIdToken_IsRefusedAndTheLogSaysHowToMendIt()
    {
        var token = Recording.Read("oidc/flow-root-rs256/05-token.http");
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 22, 32, 0, TimeSpan.Zero), ExternalWorld.Root("rp-rs256"));
        world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
        world.Provider.On(RootTokenRoute, StubAnswer.Of(token));
        using var browser = world.NewBrowser();

        var location = await world.SignInAsync(browser, (string)token.Claims["nonce"]!, ExternalWorld.Issuer);

        Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, location));
        Assert.True(world.LoggedReason("shipped_key"));
        Assert.Contains(world.Logs.Lines, line => line.Contains("docs/openam.md", StringComparison.Ordinal));
        Assert.Null(await ExternalWorld.PersonAsync(browser));

        var check = await world.Server.Services.GetRequiredService<Server.External.FederationCheck>().RunAsync("openam", CancellationToken.None);
        Assert.Contains(check, finding => finding.IsProblem && finding.Text.Contains("'test'", StringComparison.Ordinal));
        AssertNothingLeaked(world, token);
    }

    [Fact]
    public async Task Hs256_WhichIsOpenAmsDefault_IsRefusedAndTheLogNamesTheSetting()
    {
        var token = Recording.Read("oidc/flow-root-hs256-default/05-token.http");
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 22, 32, 0, TimeSpan.Zero), ExternalWorld.Root((string)token.Claims["aud"]!));
        world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
        world.Provider.On(RootTokenRoute, StubAnswer.Of(token));
        using var browser = world.NewBrowser();

        Assert.Equal("Setup", await ExternalWorld.ProblemAsync(browser, await world.SignInAsync(browser, (string)token.Claims["nonce"]!, ExternalWorld.Issuer)));
        Assert.True(world.LoggedReason("alg"));
        Assert.Contains(world.Logs.Lines, line => line.Contains("RS256", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Subject_HoweverTheNameWasTyped_IsOneAccount()
    {
        // The root realm signed with the shipped key, which is refused: the payloads are the recorded ones, to the byte, under a key of the test's.
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero), ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(key.Jwks());
        var people = new List<string?>();
        foreach (var spelling in (string[])["upper", "mixed", "space"])
        {
            people.Add(await SignInAsync(world, key, spelling));
        }

        Assert.All(people, person => Assert.Equal("alice@example.org", person));
        var account = await FindAsync(world, "alice@example.org");
        Assert.Single(await world.Server.Services.GetRequiredService<ExternalIdentities>().ListAsync(account.Id, CancellationToken.None));
        Assert.Equal("joerg@example.org", await SignInAsync(world, key, "nonascii"));
        Assert.Equal("dave@example.org", await SignInAsync(world, key, "specials"));
        Assert.Equal("O'Brien & Sons <x>", (await FindAsync(world, "dave@example.org")).LastName);
    }

    [Fact]
    public async Task Person_WhomTheProviderKnowsNoAddressOf_GetsAnAccountAllTheSame()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero), ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(key.Jwks());
        var first = await SignInAsync(world, key, "nomail");
        Assert.EndsWith("@openam.invalid", first, StringComparison.Ordinal);
        Assert.Equal(first, await SignInAsync(world, key, "nomail"));
        Assert.False((await FindAsync(world, first!)).EmailVerified);
    }

    [Fact]
    public async Task Email_WhichOpenAmNeverCallsVerified_IsVerifiedOnlyWhereTheSettingsTrustIt()
    {
        foreach (var trusted in (bool[])[false, true])
        {
            using var key = new TestKey();
            var settings = ExternalWorld.Root("rp-nocons");
            settings["Federation:Providers:openam:TrustEmail"] = trusted.ToString();
            await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero), settings);
            world.ServeRoot(key.Jwks());
            await SignInAsync(world, key, "upper");
            Assert.Equal(trusted, (await FindAsync(world, "alice@example.org")).EmailVerified);
        }
    }

    [Fact]
    public async Task LoginRequired_OnAMaxAgeThatPassed_LeadsToOneOrdinarySignIn()
    {
        using var key = new TestKey();
        var token = Recording.Read("oidc/variants/username-upper-token.http");
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 5, 12, TimeSpan.Zero), ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(key.Jwks());
        Serve(world, key, "upper");
        world.Ids.Nonce = (string)token.Claims["nonce"]!;
        using var browser = world.NewBrowser();
        var sent = await ExternalWorld.BeginAsync(browser, returnUrl: "/connect/authorize?client_id=x&max_age=60");
        Assert.Equal("60", sent["max_age"]);

        // As recorded: no iss in an error.
        using var no = await browser.GetAsync($"/cb?error_description=The%20request%20requires%20login.&state={Uri.EscapeDataString(sent["state"])}&error=login_required");
        Assert.Equal(HttpStatusCode.Redirect, no.StatusCode);
        var again = Node.Query(no.Headers.Location);
        Assert.False(again.ContainsKey("max_age"));
        Assert.False(again.ContainsKey("prompt"));
        using var done = await browser.GetAsync($"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(again["state"])}");
        Assert.StartsWith("/connect/authorize?", done.Headers.Location!.OriginalString, StringComparison.Ordinal);

        // Not twice: a provider that keeps saying no gets a page, not a loop.
        using var other = world.NewBrowser();
        sent = await ExternalWorld.BeginAsync(other, returnUrl: "/connect/authorize?client_id=x&max_age=60");
        using var first = await other.GetAsync($"/cb?error=login_required&state={Uri.EscapeDataString(sent["state"])}");
        using var second = await other.GetAsync($"/cb?error=login_required&state={Uri.EscapeDataString(Node.Query(first.Headers.Location)["state"])}");
        Assert.Equal("NotFresh", await ExternalWorld.ProblemAsync(other, second.Headers.Location!));
    }

    [Fact]
    public async Task AuthTime_WhichOpenAmCallsAuthColonTime_TellsAnOldSignInFromANewOne()
    {
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 20, 0, TimeSpan.Zero), ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(key.Jwks());
        Serve(world, key, "upper");
        using var browser = world.NewBrowser();
        var nonce = (string)Recording.Read("oidc/variants/username-upper-token.http").Claims["nonce"]!;

        // Fifteen minutes old: good for an ordinary sign-in, not for one that had to be new.
        Assert.Equal("NotFresh", await ExternalWorld.ProblemAsync(browser, await world.SignInAsync(browser, nonce, ExternalWorld.Issuer, returnUrl: "/connect/authorize?client_id=x&prompt=login")));
        Assert.Equal("NotFresh", await ExternalWorld.ProblemAsync(browser, await world.SignInAsync(browser, nonce, ExternalWorld.Issuer, returnUrl: "/connect/authorize?client_id=x&max_age=60")));
        Assert.StartsWith("/connect/authorize", (await world.SignInAsync(browser, nonce, ExternalWorld.Issuer, returnUrl: "/connect/authorize?client_id=x&max_age=3600")).OriginalString, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("authorize-denied", "Denied")]
    [InlineData("authorize-bad-scope", "Setup")]
    [InlineData("authorize-bad-response-type", "Setup")]
    [InlineData("authorize-prompt-none-login", "Refused")]
    [InlineData("authorize-prompt-none-no-consent", "Denied")]
    public async Task AuthorizeError_AsRecorded_GivesItsPage(string file, string problem)
    {
        var recorded = Node.Query(new Uri(Recording.Read($"oidc/errors/{file}.http").Header("Location")!));
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        world.ServePartners();
        using var browser = world.NewBrowser();
        var sent = await ExternalWorld.BeginAsync(browser);
        using var answer = await browser.GetAsync($"/cb?error={recorded["error"]}&error_description={Uri.EscapeDataString(recorded["error_description"])}&state={Uri.EscapeDataString(sent["state"])}");
        Assert.Equal(problem, await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
    }

    [Theory]
    [InlineData("token-bad-code", "Expired")]
    [InlineData("token-expired-code", "Expired")]
    [InlineData("token-bad-secret-basic", "Setup")]
    [InlineData("token-bad-secret-post-registered-post", "Setup")]
    [InlineData("token-wrong-redirect", "Setup")]
    [InlineData("token-rp-es256-default-keys", "Unavailable")]
    public async Task TokenError_AsRecorded_GivesItsPage(string file, string problem)
    {
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        world.ServePartners();
        world.Provider.On(TokenRoute, StubAnswer.Of(Recording.Read($"oidc/errors/{file}.http")));
        using var browser = world.NewBrowser();
        Assert.Equal(problem, await ExternalWorld.ProblemAsync(browser, await world.SignInAsync(browser, "n")));
    }

    [Theory]
    [InlineData("root-at-context")]
    [InlineData("root-host-127")]
    [InlineData("unknown-realm")]
    [InlineData("sub-realms-path")]
    public async Task Discovery_WhenItIsAFaultOrAnotherRealms_GivesAPageAndRecovers(string file)
    {
        var recording = Recording.Read($"oidc/discovery/{file}.http");
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nc"));
        world.Provider.On("GET /openam/oauth2/.well-known/openid-configuration", StubAnswer.Of(recording));
        using var browser = world.NewBrowser();
        using var answer = await browser.GetAsync("/external/openam");
        Assert.Equal(recording.Status == 200 ? "Setup" : "Unavailable", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));

        world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
        using var later = await browser.GetAsync("/external/openam");
        Assert.Equal(HttpStatusCode.Redirect, later.StatusCode);
    }

    [Theory]
    [InlineData(HttpStatusCode.MovedPermanently, "")]
    [InlineData(HttpStatusCode.OK, "<!DOCTYPE html><title>Sign in</title>")]
    [InlineData(HttpStatusCode.OK, "[]")]
    [InlineData(HttpStatusCode.InternalServerError, "<html>")]
    public async Task Provider_WhenItAnswersNonsense_GivesAPage(HttpStatusCode status, string body)
    {
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        world.ServePartners();
        world.Provider.On(TokenRoute, new StubAnswer((int)status, body, "text/html", [new("Location", "http://evil.example/")]));
        using var browser = world.NewBrowser();
        Assert.Contains(await ExternalWorld.ProblemAsync(browser, await world.SignInAsync(browser, "n")), (string[])["Unavailable", "Refused"]);
        Assert.DoesNotContain(world.Provider.Requests, request => request.Headers["Host"].Contains("evil", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Provider_WhenItIsDownAndComesBack_NeedsNoRestart()
    {
        var token = Recording.Read("oidc/flow-sub-own-key-rp-nc/02-token.http");
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        world.ServePartners();
        world.Provider.On(TokenRoute, StubAnswer.Of(token));
        world.Provider.IsDown = true;
        using var browser = world.NewBrowser();
        using var down = await browser.GetAsync("/external/openam");
        Assert.Equal("Unavailable", await ExternalWorld.ProblemAsync(browser, down.Headers.Location!));
        world.Provider.IsDown = false;
        Assert.Equal("/account", (await world.SignInAsync(browser, (string)token.Claims["nonce"]!)).OriginalString);
    }

    [Fact]
    public async Task Key_WhenOpenAmChangesItAndDropsTheOldOne_IsAskedForAgain()
    {
        using var key = new TestKey();
        using var next = new TestKey { Kid = "next" };
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero), ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(key.Jwks());
        Assert.NotNull(await SignInAsync(world, key, "upper"));
        world.ServeRoot(next.Jwks());
        world.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.NotNull(await SignInAsync(world, next, "mixed"));
    }

    private static async Task<string?> SignInAsync(ExternalWorld world, TestKey key, string spelling)
    {
        Serve(world, key, spelling);
        var nonce = (string)Recording.Read($"oidc/variants/username-{spelling}-token.http").Claims["nonce"]!;
        using var browser = world.NewBrowser();
        var location = await world.SignInAsync(browser, nonce, ExternalWorld.Issuer);
        Assert.Equal("/account", location.OriginalString);
        return await ExternalWorld.PersonAsync(browser);
    }

    private static void Serve(ExternalWorld world, TestKey key, string spelling)
    {
        var json = Recording.Read($"oidc/variants/username-{spelling}-token.http").Json;
        json["id_token"] = key.Resign((string)json["id_token"]!);
        world.Provider.On(RootTokenRoute, new StubAnswer(200, json.ToJsonString()));
        world.Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read($"oidc/variants/username-{spelling}-userinfo.http")));
    }

    private static async Task<Account> FindAsync(ExternalWorld world, string email)
    {
        var services = world.Server.Services;
        var normalized = services.GetRequiredService<ILookupNormalizer>().NormalizeEmail(email)!;
        return (await services.GetRequiredService<IAccountStore>().FindByEmailAsync(normalized, CancellationToken.None))!;
    }

    private static void AssertNothingLeaked(ExternalWorld world, Recording token)
    {
        foreach (var secret in (string[])[token.IdToken, (string)token.Json["access_token"]!, (string)token.Json["refresh_token"]!, "rp-secret-78"])
        {
            Assert.DoesNotContain(world.Logs.Lines, line => line.Contains(secret, StringComparison.Ordinal) && line.Contains("Identity.", StringComparison.Ordinal));
        }
    }
}
