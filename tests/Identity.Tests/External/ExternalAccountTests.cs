// NIST SP 800-63C-4 §3.8: which account a provider's person is, and who decides.
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.Data;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Sessions;
using Identity.Tests.SecondFactors;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>Making, linking, unlinking and disabling; roles; sign-out from both ends.</summary>
public sealed class ExternalAccountTests
{
    private const string TokenRoute = "POST /openam/oauth2/access_token";
    private const string Password = "a sound pass phrase 7";
    private const string AuthorizeUrl = "/connect/authorize?client_id=atlas&response_type=code&redirect_uri=https%3A%2F%2Fatlas.example.com%2Fcallback&scope=openid&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    private const string Clients = """[{"client_id":"atlas","client_name":"Atlas","redirect_uris":["https://atlas.example.com/callback"],"token_endpoint_auth_method":"none","scope":"openid"}]""";
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

    // The password began a session, which no browser would have.
    [Fact]
    public async Task Proof_ThatComesToNothing_LeavesNoSessionBehind()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var alice = await world.Server.RegisterAsync("alice@example.org", Password);
        var bob = await world.Server.RegisterAsync("bob@example.com", Password);
        using var browser = world.NewBrowser();
        var location = await SignInAsync(world, key, browser);
        var subject = new ExternalSubject("openam", "/", (string)Recording.Read("oidc/variants/username-upper-token.http").Claims["sub"]!, IgnoreCase: true);
        await world.Server.Services.GetRequiredService<ExternalSignInService>().LinkAsync(new ExternalPerson { Subject = subject }, bob, new Caller(null, null), CancellationToken.None);
        using var right = await browser.SubmitAsync(location.OriginalString, new() { ["current-password"] = Password });
        Assert.Equal("Taken", await ExternalWorld.ProblemAsync(browser, right.Headers.Location!));
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        var live = await world.Server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Sessions.CountAsync(session => session.AccountId == alice.Id && session.EndedAt == null, token), TestContext.Current.CancellationToken);
        Assert.Equal(0, live);
    }

    [Fact]
    public async Task Person_WhoSaysNoThere_CanStillGoBackToTheApplication()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        var asked = await browser.GetAsync(AuthorizeUrl);
        var returnUrl = Node.Query(asked.Headers.Location!)["returnUrl"];
        var sent = await ExternalWorld.BeginAsync(browser, returnUrl: returnUrl);
        using var denied = await browser.GetAsync($"/cb?error=access_denied&state={Uri.EscapeDataString(sent["state"])}");
        Assert.Equal("Denied", await ExternalWorld.ProblemAsync(browser, denied.Headers.Location!));
        using var declined = await browser.SubmitAsync(denied.Headers.Location!.OriginalString, [], "Back to Atlas");
        using var told = await browser.GetAsync(declined.Headers.Location!.OriginalString);
        Assert.StartsWith("https://atlas.example.com/callback?error=access_denied", told.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ExistingAccount_ThatIsNotTheirs_LeavesAWayOut()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        await world.Server.RegisterAsync("alice@example.org", Password);
        using var browser = world.NewBrowser();
        var asked = await browser.GetAsync(AuthorizeUrl);
        Serve(world, key, claims: null);
        var location = await world.SignInAsync(browser, world.Ids.Nonce!, ExternalWorld.Issuer, returnUrl: Node.Query(asked.Headers.Location!)["returnUrl"]);
        using var shown = await browser.GetAsync(location.OriginalString);
        var page = new AngleSharp.Html.Parser.HtmlParser().ParseDocument(await shown.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("A", page.QuerySelector(".client-mark")?.TextContent);
        Assert.StartsWith("/signin?returnUrl=%2Fconnect%2Fauthorize", page.QuerySelector(".below a")!.GetAttribute("href"), StringComparison.Ordinal);
        Assert.Equal("alice@example.org", page.QuerySelector("form input[autocomplete=username]")!.GetAttribute("value"));
        using (var wrong = await browser.SubmitAsync(location.OriginalString, new() { ["current-password"] = "not the password 1" }))
        {
            Assert.Contains("let us send you a code", await wrong.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        using var declined = await PostAsync(browser, location.OriginalString, "handler=Decline");
        using var told = await browser.GetAsync(declined.Headers.Location!.OriginalString);
        Assert.StartsWith("https://atlas.example.com/callback?error=access_denied", told.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AccountWithoutAPassword_OnItsOwnPages_IsAskedForNone_AndCanChooseOne()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:TrustEmail", "true"));
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, browser)).OriginalString);
        world.Time.Advance(TimeSpan.FromMinutes(11));

        // What needs a fresh proof offers the one that there is, and what else there could be.
        var confirm = await ReadAsync(browser, "/account/security/confirm?returnUrl=%2Faccount%2Fsecurity");
        Assert.Null(confirm.QuerySelector("input[type=password]"));
        var proof = confirm.QuerySelector("a[href^='/external/openam?']")!;
        Assert.Equal("Continue with Example OpenAM", proof.TextContent.Trim());
        Assert.NotNull(confirm.QuerySelector("a[href='/account/password']"));
        var profile = await ReadAsync(browser, "/account");
        Assert.Null(profile.QuerySelector("input[type=password]"));
        Assert.NotNull(profile.QuerySelector("a[href^='/external/openam?']"));
        using (var saved = await browser.SubmitAsync("/account", new() { ["Form.UserName"] = "alicia" }, "Save changes"))
        {
            Assert.Equal(HttpStatusCode.UnprocessableEntity, saved.StatusCode);
            Assert.Contains("/account/password", new AngleSharp.Html.Parser.HtmlParser().ParseDocument(await saved.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).QuerySelector(".card")!.InnerHtml, StringComparison.Ordinal);
        }

        // Nor is anything given out or deleted without one.
        Assert.NotNull((await ReadAsync(browser, "/account/data")).QuerySelector("a[href^='/external/openam?']"));
        using (var copy = await PostAsync(browser, "/account/data", "handler=Delete", "/account/data?handler=Export"))
        {
            Assert.Equal(HttpStatusCode.UnprocessableEntity, copy.StatusCode);
        }

        // The provider is asked to look again: its sign-in of long ago would not do.
        using (var go = await browser.GetAsync(proof.GetAttribute("href")!))
        {
            Assert.Equal("600", Node.Query(go.Headers.Location)["max_age"]);
        }

        // And the password that it never had is set with a code from the mailbox.
        var page = await ReadAsync(browser, "/account/password");
        Assert.Equal("Set a password", page.QuerySelector(".card h2")!.TextContent);
        Assert.Null(page.QuerySelector("input[type=password]"));
        using var mailed = await PostAsync(browser, "/account/password", "handler=Set");
        using var done = await browser.SubmitAsync(mailed.Headers.Location!.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org"), ["new-password"] = Password });
        Assert.StartsWith("/account/password?done=", done.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.NotNull((await ReadAsync(browser, "/account/password")).QuerySelector("#CurrentPassword"));
        Assert.Equal("alice@example.org", await SignInAndTellAsync(world, key));
    }

    [Fact]
    public async Task Proof_WhileAnotherPersonOfTheProviderComesInTheSameBrowser_LinksWhoItWasBegunFor()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var alice = await world.Server.RegisterAsync("alice@example.org", Password);
        using var browser = world.NewBrowser();
        var first = await SignInAsync(world, key, browser);
        Assert.StartsWith("/external/link?id=", first.OriginalString, StringComparison.Ordinal);

        // Somebody at the provider who writes her address into their own entry, and comes while her page stands open.
        var (claims, told) = (Recording.Read("oidc/variants/username-upper-token.http").Claims, JsonNode.Parse(Recording.Read("oidc/variants/username-upper-userinfo.http").Body)!);
        (claims["sub"], told["sub"]) = ("mallory", "mallory");
        Serve(world, key, claims);
        world.Provider.On("GET /openam/oauth2/userinfo", new StubAnswer(200, told.ToJsonString()));
        var second = await world.SignInAsync(browser, world.Ids.Nonce!, ExternalWorld.Issuer);
        Assert.StartsWith("/external/link?id=", second.OriginalString, StringComparison.Ordinal);
        Assert.NotEqual(first, second);

        using (var right = await browser.SubmitAsync(first.OriginalString, new() { ["current-password"] = Password }))
        {
            Assert.Equal("/account", right.Headers.Location!.OriginalString);
        }

        var service = world.Server.Services.GetRequiredService<ExternalSignInService>();
        Assert.Equal("ALICE", Assert.Single(await service.ListAsync(alice.Id, CancellationToken.None)).Subject, ignoreCase: true);

        // Once the provider is switched off, what it said before counts no more.
        world.Server.Services.GetRequiredService<Identity.Server.External.FederationOptions>().Providers["openam"].Enabled = false;
        using var late = await browser.GetAsync(second.OriginalString);
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, late.Headers.Location!));
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

    // Whoever registered her address gave their own number with it: a code that comes there is no proof of her mailbox.
    [Theory]
    [InlineData("in force")]
    [InlineData("waiting")]
    public async Task ExistingAccount_OfWhoeverRegisteredTheAddress_IsNotConnectedByACodeToTheirNumber(string how)
    {
        const string Number = "+4915112345678";
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var api = new HttpClient { BaseAddress = world.Server.Url };
        using (var registered = await api.PostAsJsonAsync("/api/identity/register", how == "in force" ? new { email = "alice@example.org", password = Password, phoneNumber = Number } : (object)new { email = "alice@example.org", password = Password }))
        {
            Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
        }

        var account = await AccountAsync(world);
        if (how == "in force")
        {
            using var asked = await api.PostAsJsonAsync("/api/identity/otp/generate", new { phoneNumber = Number, channel = "sms" });
            Assert.Equal(HttpStatusCode.OK, asked.StatusCode);
        }
        else
        {
            using var login = await api.PostAsJsonAsync("/api/identity/login", new { email = "alice@example.org", password = Password });
            using var change = new HttpRequestMessage(HttpMethod.Put, $"/api/identity/users/{account.Id:D}") { Content = JsonContent.Create(new { phoneNumber = Number }) };
            change.Headers.Authorization = new("Bearer", (string?)JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]);
            using var changed = await api.SendAsync(change);
            Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        }

        var code = await world.Server.ReadSmsCodeAsync(Number);
        using var browser = world.NewBrowser();
        var location = await SignInAsync(world, key, browser);
        using var answer = await browser.SubmitAsync(location.OriginalString + "&sent=1", new() { ["one-time-code"] = code });
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        Assert.False((await AccountAsync(world)).EmailVerified);
        Assert.Equal(AccountClaim.Unproven, (await AccountAsync(world)).Claim);
        Assert.Empty(await world.Server.Services.GetRequiredService<ExternalSignInService>().ListAsync(account.Id, CancellationToken.None));

        // Nothing was spent on it: where it is asked for it is good.
        using var verified = await api.PostAsJsonAsync("/api/identity/otp/verify", new { userId = account.Id, code });
        Assert.Equal(HttpStatusCode.OK, verified.StatusCode);
    }

    [Fact]
    public async Task Account_WithASecondFactor_IsAskedForItAfterTheProvider_AndTheProviderStillEndsTheSession()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["sid"] = "upstream-1";
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser, claims);
        var app = await AuthenticatorApp.ScanAsync(browser, "/account/security/authenticator");
        await app.ConfirmAsync(browser, world.Time.GetUtcNow());
        world.Time.Advance(TimeSpan.FromSeconds(60));

        using var other = world.NewBrowser();
        var page = await SignInAsync(world, key, other, claims);
        Assert.Equal("/signin/second-factor", page.OriginalString);
        Assert.Null(await ExternalWorld.PersonAsync(other));
        using (var wrong = await other.SubmitAsync(page.OriginalString, new() { ["Code"] = "000000" }))
        {
            Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.StatusCode);
        }

        using (var right = await other.SubmitAsync(page.OriginalString, new() { ["Code"] = app.Code(world.Time.GetUtcNow()) }))
        {
            Assert.Equal("/account", right.Headers.Location?.OriginalString);
        }

        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(other));
        var account = await AccountAsync(world);
        var sessions = await world.Server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, world.Time.GetUtcNow(), CancellationToken.None);
        Assert.Contains(sessions, session => session.Acr == "urn:identity:acr:2fa" && session.Amr.Contains("fed", StringComparer.Ordinal) && session.Amr.Contains("otp", StringComparer.Ordinal));

        // It is the provider's session as well.
        Assert.Equal(2, await world.Server.Services.GetRequiredService<ExternalSessions>().EndAsync("openam", subject: null, "upstream-1", new Caller(null, null), CancellationToken.None));
        Assert.Null(await ExternalWorld.PersonAsync(other));

        // A provider that says it asked for two factors is believed.
        claims["amr"] = new JsonArray("pwd", "mfa");
        using var third = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, third, claims)).OriginalString);
    }

    [Fact]
    public async Task ExistingAccount_WithASecondFactor_IsLinkedOnlyByBoth()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var alice = await world.Server.RegisterAsync("alice@example.org", Password);
        var codes = world.Server.Services.GetRequiredService<Identity.Accounts.OneTimeCodes.OneTimeCodeService>();
        var recipient = new Identity.Accounts.OneTimeCodes.CodeRecipient(alice.Id, null, null);
        await codes.GenerateAsync(recipient, "email", "verification", new Caller(null, null), CancellationToken.None);
        var first = await world.Server.ReadCodeAsync("alice@example.org");
        Assert.IsType<Identity.Accounts.OneTimeCodes.TriedCode.Verified>(await codes.VerifyAsync(recipient, "verification", first, new Caller(null, null) { AccountId = alice.Id }, CancellationToken.None));
        using var own = world.NewBrowser();
        await own.SignInAsync("alice@example.org", Password);
        var app = await AuthenticatorApp.ScanAsync(own, "/account/security/authenticator");
        await app.ConfirmAsync(own, world.Time.GetUtcNow());
        world.Time.Advance(TimeSpan.FromSeconds(60));

        using var browser = world.NewBrowser();
        var page = await SignInAsync(world, key, browser);
        using (var password = await browser.SubmitAsync(page.OriginalString, new() { ["current-password"] = Password }))
        {
            Assert.Equal("/signin/second-factor", password.Headers.Location?.OriginalString);
        }

        var service = world.Server.Services.GetRequiredService<ExternalSignInService>();
        var account = await AccountAsync(world);
        Assert.Empty(await service.ListAsync(account.Id, CancellationToken.None));
        using (var right = await browser.SubmitAsync("/signin/second-factor", new() { ["Code"] = app.Code(world.Time.GetUtcNow()) }))
        {
            Assert.Equal("/account", right.Headers.Location?.OriginalString);
        }

        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
        Assert.Single(await service.ListAsync(account.Id, CancellationToken.None));
        world.Time.Advance(TimeSpan.FromSeconds(60));

        // By a code to the mailbox, which is then no second factor, it is the same.
        await service.UnlinkAsync(account.Id, (await service.ListAsync(account.Id, CancellationToken.None))[0].Key, new Caller(null, null), CancellationToken.None);
        using var third = world.NewBrowser();
        page = await SignInAsync(world, key, third);
        using var asked = await PostSendAsync(third, page);
        using (var code = await third.SubmitAsync(asked.Headers.Location!.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org", first) }))
        {
            Assert.Equal("/signin/second-factor", code.Headers.Location?.OriginalString);
        }

        Assert.Empty(await service.ListAsync(account.Id, CancellationToken.None));
    }

    [Fact]
    public async Task Role_ThatRequiresASecondFactor_OfSomebodyWhoseProviderTellsNoAddress_LeadsToAddingOne()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("SecondFactors:RequiredForRoles:0", "editor"), ("Federation:Providers:openam:Roles:0:Claim", "groups"), ("Federation:Providers:openam:Roles:0:Value", "editors"), ("Federation:Providers:openam:Roles:0:Role", "editor"));
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["groups"] = new JsonArray("editors");

        // A mailbox is one: the ordinary second factor of who has none.
        Assert.Equal("/signin/second-factor", (await SignInAsync(world, key, browser, claims)).OriginalString);
        Assert.Null(await ExternalWorld.PersonAsync(browser));

        var nobody = new ExternalPerson { Subject = new ExternalSubject("openam", "/", "dave", IgnoreCase: true), MayCreateAccount = true, Roles = ["editor"] };
        var due = Assert.IsType<ExternalSignInResult.SecondFactorDue>(await world.Server.Services.GetRequiredService<ExternalSignInService>().SignInAsync(nobody, new Caller(null, null), CancellationToken.None));
        Assert.True(due.Half.Enrols);
        Assert.Empty(due.Half.Methods);
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
    [InlineData("alice\ufffe", "ALICE\ufffe", true)]
    [InlineData("alice\ud800", "alice", false)]
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
        await world.Server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { IsActive = false }, null, new Caller(null, null), CancellationToken.None);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        Assert.Equal("Disabled", await ExternalWorld.ProblemAsync(browser, await SignInAsync(world, key, browser)));
    }

    // Guesses at its password are no matter of the provider's; a lock that somebody decided on is.
    [Fact]
    public async Task Account_WhenLocked_IsSignedInAfterGuessesAndRefusedWhereSomebodyDecidedIt()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        var account = await AccountAsync(world);
        var accounts = world.Server.Services.GetRequiredService<IAccountStore>();
        await accounts.SetLockoutAsync(account.Id, world.Time.GetUtcNow() + TimeSpan.FromMinutes(15), [], CancellationToken.None);
        using var guessed = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, guessed)).OriginalString);
        await accounts.SetLockoutAsync(account.Id, world.Time.GetUtcNow() + TimeSpan.FromDays(1), [], CancellationToken.None);
        using var decided = world.NewBrowser();
        Assert.Equal("Disabled", await ExternalWorld.ProblemAsync(decided, await SignInAsync(world, key, decided)));
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
        await world.Server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { Roles = ["editor", "auditor"] }, null, new Caller(null, null), CancellationToken.None);
        claims["groups"] = new JsonArray("staff");
        await SignInAsync(world, key, browser, claims);
        Assert.Equal(["auditor"], (await AccountAsync(world)).Roles);
    }

    // Whoever stops before the second factor is connected to nothing, so nobody would ever take these roles back; nor is it theirs to take any away.
    [Fact]
    public async Task Roles_WhereClaimsMapThem_AreAsTheyWereUntilTheConnectionIsMade()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(
            key,
            ("Federation:Providers:openam:Roles:0:Claim", "groups"), ("Federation:Providers:openam:Roles:0:Value", "editors"), ("Federation:Providers:openam:Roles:0:Role", "editor"),
            ("Federation:Providers:openam:Roles:1:Claim", "groups"), ("Federation:Providers:openam:Roles:1:Value", "auditors"), ("Federation:Providers:openam:Roles:1:Role", "auditor"));
        var (services, caller) = (world.Server.Services, new Caller(null, null));
        foreach (var role in (string[])["editor", "auditor"])
        {
            await services.GetRequiredService<RoleCatalog>().PutAsync(role, description: null, CancellationToken.None);
        }

        var alice = await world.Server.RegisterAsync("alice@example.org", Password);
        await services.GetRequiredService<AccountChangeService>().ChangeAsync(alice.Id, new AccountChange { Roles = ["auditor"] }, null, caller, CancellationToken.None);
        var codes = services.GetRequiredService<Identity.Accounts.OneTimeCodes.OneTimeCodeService>();
        var recipient = new Identity.Accounts.OneTimeCodes.CodeRecipient(alice.Id, null, null);
        await codes.GenerateAsync(recipient, "email", "verification", caller, CancellationToken.None);
        var first = await world.Server.ReadCodeAsync("alice@example.org");
        Assert.IsType<Identity.Accounts.OneTimeCodes.TriedCode.Verified>(await codes.VerifyAsync(recipient, "verification", first, caller with { AccountId = alice.Id }, CancellationToken.None));
        using var own = world.NewBrowser();
        await own.SignInAsync("alice@example.org", Password);
        var app = await AuthenticatorApp.ScanAsync(own, "/account/security/authenticator");
        await app.ConfirmAsync(own, world.Time.GetUtcNow());
        world.Time.Advance(TimeSpan.FromSeconds(60));

        // By the mailbox alone.
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["groups"] = new JsonArray("editors");
        using var browser = world.NewBrowser();
        var page = await SignInAsync(world, key, browser, claims);
        using var asked = await PostSendAsync(browser, page);
        using (var code = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org", first) }))
        {
            Assert.Equal("/signin/second-factor", code.Headers.Location?.OriginalString);
        }

        Assert.Equal(["auditor"], (await AccountAsync(world)).Roles);
        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(own));

        using (var right = await browser.SubmitAsync("/signin/second-factor", new() { ["Code"] = app.Code(world.Time.GetUtcNow()) }))
        {
            Assert.Equal("/account", right.Headers.Location?.OriginalString);
        }

        Assert.Equal(["editor"], (await AccountAsync(world)).Roles);
        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
    }

    // Who left the provider with the roles would keep them for ever: nobody there could take them back.
    [Fact]
    public async Task Roles_WhereClaimsMapThem_GoWithTheConnection_AndOthersStay()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:Roles:0:Claim", "groups"), ("Federation:Providers:openam:Roles:0:Value", "editors"), ("Federation:Providers:openam:Roles:0:Role", "editor"));
        var (services, caller) = (world.Server.Services, new Caller(null, null));
        foreach (var role in (string[])["editor", "auditor"])
        {
            await services.GetRequiredService<RoleCatalog>().PutAsync(role, description: null, CancellationToken.None);
        }

        var bob = await world.Server.RegisterAsync("bob@example.com", Password);
        await services.GetRequiredService<AccountChangeService>().ChangeAsync(bob.Id, new AccountChange { Roles = ["auditor"] }, null, caller, CancellationToken.None);
        var service = services.GetRequiredService<ExternalSignInService>();
        var person = new ExternalPerson { Subject = new ExternalSubject("openam", "/", "bob", true), Roles = ["editor"], ManagedRoles = ["editor"] };
        await service.LinkAsync(person, bob, caller, CancellationToken.None);
        var signedIn = Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(person, caller, CancellationToken.None));
        Assert.Equal(["auditor", "editor"], signedIn.Account.Roles);

        Assert.Equal(Unlinking.Done, await service.UnlinkAsync(bob.Id, Assert.Single(await service.ListAsync(bob.Id, CancellationToken.None)).Key, caller, CancellationToken.None));
        Assert.Equal(["auditor"], (await services.GetRequiredService<IAccountStore>().FindAsync(bob.Id, CancellationToken.None))!.Roles);
    }

    // A connection to a provider that the settings have no more, or switched off, lets nobody in.
    [Fact]
    public async Task Connection_WhereTheOtherProvidersIsSwitchedOff_IsTheLastWayIn()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, browser)).OriginalString);
        var (alice, caller) = (await AccountAsync(world), new Caller(null, null));
        var service = world.Server.Services.GetRequiredService<ExternalSignInService>();
        await service.LinkAsync(new ExternalPerson { Subject = new ExternalSubject("gone", "", "alice", IgnoreCase: false) }, alice, caller, CancellationToken.None);
        var all = await service.ListAsync(alice.Id, CancellationToken.None);
        Assert.Equal(Unlinking.LastWayIn, await service.UnlinkAsync(alice.Id, all.Single(each => each.Provider == "openam").Key, caller, CancellationToken.None));
        Assert.Equal(Unlinking.Done, await service.UnlinkAsync(alice.Id, all.Single(each => each.Provider == "gone").Key, caller, CancellationToken.None));
    }

    // An operator's slip keeps nobody out, and what the provider took away is not kept for it.
    [Fact]
    public async Task Roles_WhereAMappedOneWasNeverMade_KeepNobodyOut_AndTheOthersGoWithTheirClaim()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(
            key,
            ("Federation:Providers:openam:Roles:0:Claim", "groups"), ("Federation:Providers:openam:Roles:0:Value", "editors"), ("Federation:Providers:openam:Roles:0:Role", "editor"),
            ("Federation:Providers:openam:Roles:1:Claim", "groups"), ("Federation:Providers:openam:Roles:1:Value", "chiefs"), ("Federation:Providers:openam:Roles:1:Role", "chief"));
        await world.Server.Services.GetRequiredService<RoleCatalog>().PutAsync("chief", description: null, CancellationToken.None);
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["groups"] = new JsonArray("chiefs");
        await SignInAsync(world, key, browser, claims);
        Assert.Equal(["chief"], (await AccountAsync(world)).Roles);

        claims["groups"] = new JsonArray("editors");
        using var later = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, later, claims)).OriginalString);
        Assert.Empty((await AccountAsync(world)).Roles);
    }

    [Fact]
    public async Task Roles_WhereTheLastAdministratorsClaimIsGone_KeepThemIn()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:Roles:0:Claim", "groups"), ("Federation:Providers:openam:Roles:0:Value", "admins"), ("Federation:Providers:openam:Roles:0:Role", "admin"));
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["groups"] = new JsonArray("admins");
        await SignInAsync(world, key, browser, claims);
        var changes = world.Server.Services.GetRequiredService<AccountChangeService>();
        var accounts = world.Server.Services.GetRequiredService<IAccountStore>();
        foreach (var other in (await accounts.SearchAsync(new(null, "admin", true), after: null, 10, CancellationToken.None)).Where(account => account.Email != "alice@example.org"))
        {
            await changes.ChangeAsync(other.Id, new AccountChange { Roles = [] }, expectedVersion: null, new Caller(null, null), CancellationToken.None);
        }

        claims["groups"] = new JsonArray("staff");
        using var later = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, later, claims)).OriginalString);
        Assert.Equal(["admin"], (await AccountAsync(world)).Roles);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Address_WhereOneMustBeVerified_IsTheProvidersWordOrACodes(bool isTold)
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Accounts:RequireVerifiedEmail", "true"));
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["email_verified"] = isTold;
        var location = await SignInAsync(world, key, browser, claims);
        if (!isTold)
        {
            Assert.StartsWith("/verify-email?", location.OriginalString, StringComparison.Ordinal);
            Assert.Null(await ExternalWorld.PersonAsync(browser));
            using var proven = await browser.SubmitAsync(location.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org") });
            Assert.Equal("/account", proven.Headers.Location!.OriginalString);

            // From then on nobody is asked.
            using var other = world.NewBrowser();
            Assert.Equal("/account", (await SignInAsync(world, key, other, claims)).OriginalString);
        }

        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
    }

    [Fact]
    public async Task ExistingAccount_WhoseDomainTheProviderWritesInLettersOfItsOwn_CanBeConnected()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        await world.Server.RegisterAsync("alice@b\u00fccher.example", Password);
        using var browser = world.NewBrowser();
        var location = await SignInAsync(world, key, browser, claims: null, info => info["email"] = "alice@b\u00fccher.example");
        Assert.StartsWith("/external/link?id=", location.OriginalString, StringComparison.Ordinal);
        using var right = await browser.SubmitAsync(location.OriginalString, new() { ["current-password"] = Password });
        Assert.Equal("/account", right.Headers.Location!.OriginalString);
        Assert.Equal("alice@xn--bcher-kva.example", await ExternalWorld.PersonAsync(browser));
    }

    // Anybody can reckon the name that an account without an address gets, and register it.
    [Fact]
    public async Task Person_WithoutAnAddress_GetsIn_AlsoWhereAStrangerRegisteredTheNameThatTheyWouldGet()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var taken = new ExternalSubject("openam", "/", "ALICE", IgnoreCase: true).Key[..32].ToLowerInvariant() + "@openam.invalid";
        await world.Server.RegisterAsync(taken, Password);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, browser, claims: null, info => info.Remove("email"))).OriginalString);
        var first = await ExternalWorld.PersonAsync(browser);
        Assert.EndsWith("@openam.invalid", first, StringComparison.Ordinal);
        Assert.NotEqual(taken, first);

        // Nor is an address that leads nowhere one that a provider can know of.
        using var other = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, other, claims: null, info => info["email"] = taken)).OriginalString);
        Assert.Equal(first, await ExternalWorld.PersonAsync(other));
    }

    [Fact]
    public async Task Name_OfTheProvider_IsKeptAsOneThatEveryOtherDoorTakes()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await SignInAsync(world, key, browser, claims: null, info => (info["given_name"], info["family_name"]) = ("Al\0\nice", new string('a', 300)))).OriginalString);
        var account = await AccountAsync(world);
        Assert.NotNull(AccountRules.PersonName(account.FirstName));
        Assert.NotNull(AccountRules.PersonName(account.LastName));
    }

    // Core §5.1: it tells of the claim email, whatever other claim the settings take the address from.
    [Theory]
    [InlineData("upn", "mallory@example.com", "mallory@example.com", false)]
    [InlineData("upn", "alice@example.org", "alice@example.org", true)]
    [InlineData("email", "mallory@example.com", "alice@example.org", true)]
    public async Task Email_FromAClaim_CountsAsVerifiedOnlyWhereEmailVerifiedTellsOfIt(string claim, string upn, string email, bool isVerified)
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Federation:Providers:openam:Claims:email", claim));
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser, claims: null, info => (info["upn"], info["email_verified"]) = (upn, true));
        var account = await world.Server.Services.GetRequiredService<IAccountStore>().FindByEmailAsync(email.ToUpperInvariant(), CancellationToken.None);
        Assert.Equal(isVerified, account!.EmailVerified);
    }

    [Fact]
    public async Task Address_ProvenOnTheWayIn_LeavesTheSessionTheProviders()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key, ("Accounts:RequireVerifiedEmail", "true"));
        using var browser = world.NewBrowser();
        var claims = Recording.Read("oidc/variants/username-upper-token.http").Claims;
        claims["sid"] = "upstream-1";
        var location = await SignInAsync(world, key, browser, claims);
        using (var proven = await browser.SubmitAsync(location.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org") }))
        {
            Assert.Equal("/account", proven.Headers.Location!.OriginalString);
        }

        Assert.Equal("alice@example.org", await ExternalWorld.PersonAsync(browser));
        using var content = new FormUrlEncodedContent([new("logout_token", key.Sign(new JsonObject
        {
            ["iss"] = ExternalWorld.Issuer,
            ["aud"] = "rp-nocons",
            ["realm"] = "/",
            ["jti"] = "j1",
            ["sid"] = "upstream-1",
            ["iat"] = s_time.ToUnixTimeSeconds(),
            ["exp"] = s_time.AddMinutes(5).ToUnixTimeSeconds(),
            ["events"] = new JsonObject { ["http://schemas.openid.net/event/backchannel-logout"] = new JsonObject() },
        }))]);
        using var http = new HttpClient();
        using var answer = await http.PostAsync(new Uri(world.Server.Url, "/external/openam/backchannel-logout"), content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
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
    public async Task Connection_AddedByAnIntruder_IsToldWithALink_AndGoneOnceTheOwnerSaysSo()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var bob = await world.Server.RegisterAsync("bob@example.com", Password);
        var services = world.Server.Services;
        var (service, recovery) = (services.GetRequiredService<ExternalSignInService>(), services.GetRequiredService<Identity.Accounts.Profile.AccessRecovery>());
        var caller = new Caller(null, null);
        var stranger = new ExternalPerson { Subject = new ExternalSubject("openam", "/", "mallory", true) };
        world.Time.Jump(TimeSpan.FromDays(1));
        Assert.Equal(Linking.Done, await service.LinkAsync(stranger with { Subject = stranger.Subject with { Subject = "bob" } }, bob, caller, CancellationToken.None));
        var old = await world.Server.ReadTicketAsync("bob@example.com", "A new way to sign in");
        world.Time.Jump(TimeSpan.FromDays(8));
        Assert.Equal(Linking.Done, await service.LinkAsync(stranger, bob, caller, CancellationToken.None));
        var ticket = await world.Server.ReadTicketAsync("bob@example.com", "A new way to sign in", old);
        Assert.Null(await recovery.DisownAsync(old, caller, CancellationToken.None));
        Assert.Equal("bob@example.com", await recovery.DisownAsync(ticket, caller, CancellationToken.None));

        // What had stood for longer is the owner's.
        Assert.Equal("bob", Assert.Single(await service.ListAsync(bob.Id, CancellationToken.None)).Subject);
        Assert.IsType<ExternalSignInResult.NoAccount>(await service.SignInAsync(stranger, caller, CancellationToken.None));

        // Taken away it is told too.
        await service.LinkAsync(stranger with { Subject = stranger.Subject with { Subject = "bob-2" } }, bob, caller, CancellationToken.None);
        var all = await service.ListAsync(bob.Id, CancellationToken.None);
        Assert.Equal(Unlinking.Done, await service.UnlinkAsync(bob.Id, all[0].Key, caller, CancellationToken.None));
        Assert.NotEmpty(await world.Server.ReadTicketAsync("bob@example.com", "A way to sign in was taken away"));
    }

    [Theory]
    [InlineData("reset")]
    [InlineData("link")]
    public async Task Connection_OfWhoeverRegisteredTheAddressFirst_IsGoneWhenItsOwnerProvesIt(string how)
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var victim = await world.Server.RegisterAsync("alice@example.org", Password);
        var services = world.Server.Services;
        var service = services.GetRequiredService<ExternalSignInService>();
        var (caller, stranger) = (new Caller(null, null), new ExternalPerson { Subject = new ExternalSubject("openam", "/", "mallory", true) });
        await service.LinkAsync(stranger, victim, caller, CancellationToken.None);
        Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(stranger, caller, CancellationToken.None));
        await ProveAsync(world, key, how);
        Assert.DoesNotContain(await service.ListAsync(victim.Id, CancellationToken.None), identity => identity.Subject == "mallory");
        Assert.IsNotType<ExternalSignInResult.SignedIn>(await service.SignInAsync(stranger, caller, CancellationToken.None));
    }

    [Theory]
    [InlineData("reset")]
    [InlineData("link")]
    [InlineData("code, then reset")]
    [InlineData("code, then link")]
    public async Task Account_MadeOfAnAddressThatTheProviderDidNotProve_IsItsOwnersAloneOnceTheyDo(string how)
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var services = world.Server.Services;
        var service = services.GetRequiredService<ExternalSignInService>();

        // At the provider anybody writes any address into their own entry.
        var (caller, stranger) = (new Caller(null, null), new ExternalPerson { Subject = new ExternalSubject("openam", "/", "mallory", true), Email = "alice@example.org", FirstName = "Eve", MayCreateAccount = true });
        var made = Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(stranger, caller, CancellationToken.None));
        Assert.False(made.Account.EmailVerified);
        string? first = null;
        world.Time.Advance(TimeSpan.FromSeconds(1));
        if (how.StartsWith("code", StringComparison.Ordinal))
        {
            // By a client of the old service, which confirms codes without a token.
            var (codes, recipient) = (services.GetRequiredService<Identity.Accounts.OneTimeCodes.OneTimeCodeService>(), new Identity.Accounts.OneTimeCodes.CodeRecipient(made.Account.Id, null, null));
            await codes.GenerateAsync(recipient, "email", "verification", caller, CancellationToken.None);
            first = await world.Server.ReadCodeAsync("alice@example.org");
            Assert.IsType<Identity.Accounts.OneTimeCodes.TriedCode.Verified>(await codes.VerifyAsync(recipient, "verification", first, caller, CancellationToken.None));
            world.Time.Advance(TimeSpan.FromSeconds(1));
        }

        await ProveAsync(world, key, how, first);
        Assert.DoesNotContain(await service.ListAsync(made.Account.Id, CancellationToken.None), identity => identity.Subject == "mallory");
        Assert.Null(await services.GetRequiredService<SessionService>().FindLiveAsync(made.Session.Id, CancellationToken.None));
        Assert.IsNotType<ExternalSignInResult.SignedIn>(await service.SignInAsync(stranger, caller, CancellationToken.None));
        var account = await AccountAsync(world);
        Assert.True(account.EmailVerified);
        Assert.Equal(first is null ? null : "Eve", account.FirstName);
    }

    [Fact]
    public async Task Account_MadeOfAnAddressThatTheProviderDidNotProve_StaysWithWhoProvesItInTheirOwnSession()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var services = world.Server.Services;
        var service = services.GetRequiredService<ExternalSignInService>();
        var (caller, person) = (new Caller(null, null), new ExternalPerson { Subject = new ExternalSubject("openam", "/", "alice", true), Email = "alice@example.org", FirstName = "Alice", MayCreateAccount = true });
        var made = Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(person, caller, CancellationToken.None));
        var (codes, recipient) = (services.GetRequiredService<Identity.Accounts.OneTimeCodes.OneTimeCodeService>(), new Identity.Accounts.OneTimeCodes.CodeRecipient(made.Account.Id, null, null));
        await codes.GenerateAsync(recipient, "email", "verification", caller, CancellationToken.None);
        var code = await world.Server.ReadCodeAsync("alice@example.org");
        Assert.IsType<Identity.Accounts.OneTimeCodes.TriedCode.Verified>(await codes.VerifyAsync(recipient, "verification", code, caller with { AccountId = made.Account.Id }, CancellationToken.None));
        world.Time.Advance(TimeSpan.FromSeconds(1));
        await ProveAsync(world, key, "reset", code);
        Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(person, caller, CancellationToken.None));
        Assert.Equal("Alice", (await AccountAsync(world)).FirstName);
    }

    [Fact]
    public async Task Account_MadeForSomebodyWhoseProviderTellsNoAddress_KeepsTheWayInWithTheAddressTheyAreGiven()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        var services = world.Server.Services;
        var service = services.GetRequiredService<ExternalSignInService>();
        var (caller, person) = (new Caller(null, null), new ExternalPerson { Subject = new ExternalSubject("openam", "/", "alice", true), FirstName = "Alice", MayCreateAccount = true });
        var made = Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(person, caller, CancellationToken.None));
        Assert.IsType<AccountChangeResult.Changed>(await services.GetRequiredService<AccountChangeService>().ChangeAsync(made.Account.Id, new AccountChange { Email = "alice@example.org" }, null, caller, CancellationToken.None));
        await ProveAsync(world, key, "reset");
        Assert.IsType<ExternalSignInResult.SignedIn>(await service.SignInAsync(person, caller, CancellationToken.None));
        Assert.Equal("Alice", (await AccountAsync(world)).FirstName);
    }

    [Theory]
    [InlineData("/signout")]
    [InlineData("/account/sessions")]
    public async Task SignOut_Here_GoesOnToTheProviderByGetWithTheHintAndComesBack(string from)
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        using var signedOut = await browser.SubmitAsync(from, [], button: "Sign out");
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

    [Fact]
    public async Task Deletion_OfTheAccountOfSomebodySignedInThroughTheProvider_SignsThemOutThereToo()
    {
        using var key = new TestKey();
        await using var world = await StartAsync(key);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        using var deleted = await browser.SubmitAsync("/account/data", new(StringComparer.Ordinal) { ["Confirmation"] = (await AccountAsync(world)).Email }, button: "Delete my account");
        Assert.StartsWith("/external/signout?id=", deleted.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var page = await browser.GetAsync(deleted.Headers.Location.OriginalString);
        var state = Node.Query(new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]))["state"];
        using var back = await browser.GetAsync("/external/openam/signed-out?state=" + state);
        Assert.Equal("/signed-out?done=deleted", back.Headers.Location!.OriginalString);
    }

    // RP-Initiated Logout 1.0 §3: who signs out of an application that they entered through a provider signs out there too, and then is where the application wants.
    [Theory]
    [InlineData("&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fbye&state=s%2F1", "http://127.0.0.1:4711/bye?state=s%2F1")]
    [InlineData("", "/signed-out?client_id=spa&ui_locales=de")]
    public async Task SignOut_ThatAnApplicationAsksFor_GoesOnToTheProviderAndThenWhereTheApplicationWants(string more, string end)
    {
        using var key = new TestKey();
        await using var world = await StartWithSpaAsync(key);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        using var node = new AddressedNode(world.Server.Url);
        var hint = (string)(await node.TokensAsync(browser, "spa", "openid"))["id_token"]!;
        using var signedOut = await browser.GetAsync($"/connect/endsession?id_token_hint={hint}&ui_locales=de{more}");
        Assert.Matches("^/external/signout\\?id=[^&]+&ui_locales=de$", signedOut.Headers.Location!.OriginalString);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        using var page = await browser.GetAsync(signedOut.Headers.Location.OriginalString);
        var address = new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]);
        Assert.Equal(ExternalWorld.Issuer + "/connect/endSession", address.GetLeftPart(UriPartial.Path));

        // Applications open this in a popup and wait for it: no step cuts the two apart.
        using var back = await browser.GetAsync("/external/openam/signed-out?state=" + Node.Query(address)["state"]);
        Assert.False(back.Headers.Contains("Cross-Origin-Opener-Policy"));
        if (more.Length == 0)
        {
            Assert.Equal(end, back.Headers.Location!.OriginalString);
            return;
        }

        Assert.StartsWith("/connect/endsession?", back.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var there = await browser.GetAsync(back.Headers.Location.OriginalString);
        Assert.Equal(end, there.Headers.Location!.OriginalString);
    }

    // The provider may not lead back.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SignOut_Here_WhenTheBrowserHasToTellAnApplication_TellsItBeforeItGoesToTheProvider(bool byApplication)
    {
        using var key = new TestKey();
        await using var world = await StartWithSpaAsync(key, ""","frontchannel_logout_uri":"http://127.0.0.1:4711/out" """);
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        using var node = new AddressedNode(world.Server.Url);
        var hint = (string)(await node.TokensAsync(browser, "spa", "openid"))["id_token"]!;
        using var signedOut = byApplication ? await browser.GetAsync($"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fbye") : await browser.SubmitAsync("/signout", []);
        Assert.StartsWith("/signed-out?returnUrl=%2Fexternal%2Fsignout", signedOut.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var page = await browser.GetAsync(signedOut.Headers.Location.OriginalString);
        var document = new AngleSharp.Html.Parser.HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync());
        Assert.StartsWith("http://127.0.0.1:4711/out?iss=", Assert.Single(document.QuerySelectorAll("iframe")).GetAttribute("src"), StringComparison.Ordinal);
        using var on = await browser.GetAsync(document.GetElementById("next")!.GetAttribute("href")!);
        Assert.StartsWith("0; url=" + ExternalWorld.Issuer, on.Headers.GetValues("Refresh").Single(), StringComparison.Ordinal);
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

        var world = await ExternalWorld.StartAsync(s_time, settings, Clients);
        world.ServeRoot(key.Jwks());
        return world;
    }

    private static async Task<ExternalWorld> StartWithSpaAsync(TestKey key, string more = "")
    {
        var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nocons"), $$"""
            [{"client_id":"spa","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1:4711/callback"],"post_logout_redirect_uris":["http://127.0.0.1:4711/bye"],"scope":"openid"{{more}}}]
            """);
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

    private static async Task<Uri> SignInAsync(ExternalWorld world, TestKey key, Browser browser, JsonObject? claims = null, Action<JsonObject>? userInfo = null)
    {
        Serve(world, key, claims);
        if (userInfo is not null)
        {
            var told = Recording.Read("oidc/variants/username-upper-userinfo.http").Json;
            userInfo(told);
            world.Provider.On("GET /openam/oauth2/userinfo", new StubAnswer(200, told.ToJsonString()));
        }

        return await world.SignInAsync(browser, world.Ids.Nonce!, ExternalWorld.Issuer);
    }

    private static async Task<string?> SignInAndTellAsync(ExternalWorld world, TestKey key)
    {
        using var browser = world.NewBrowser();
        await SignInAsync(world, key, browser);
        return await ExternalWorld.PersonAsync(browser);
    }

    /// <summary>The owner of alice@example.org comes by the mailbox alone: for a new password, or to connect their own way in.</summary>
    private static async Task ProveAsync(ExternalWorld world, TestKey key, string how, string? before = null)
    {
        using var browser = world.NewBrowser();
        if (how.EndsWith("reset", StringComparison.Ordinal))
        {
            using var asked = await browser.SubmitAsync("/forgot-password", new() { ["Email"] = "alice@example.org" });
            using var done = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org", before), ["new-password"] = "another pass phrase 8" });
            Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);
        }
        else
        {
            var page = await SignInAsync(world, key, browser);
            using var asked = await PostSendAsync(browser, page);
            using var done = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, new() { ["one-time-code"] = await world.Server.ReadCodeAsync("alice@example.org", before) });
            Assert.Equal("/account", done.Headers.Location?.OriginalString);
        }
    }

    private static string Callback(string state) => $"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(state)}";

    private static Task<HttpResponseMessage> PostSendAsync(Browser browser, Uri link) => PostAsync(browser, link.OriginalString, "handler=Send");

    private static async Task<AngleSharp.Html.Dom.IHtmlDocument> ReadAsync(Browser browser, string path)
    {
        using var page = await browser.GetAsync(path);
        return new AngleSharp.Html.Parser.HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync());
    }

    private static async Task<HttpResponseMessage> PostAsync(Browser browser, string path, string action, string? to = null)
    {
        var document = await ReadAsync(browser, path);
        var form = document.Forms.Single(candidate => candidate.Action.Contains(action, StringComparison.Ordinal));
        var fields = form.QuerySelectorAll("input").Select(input => KeyValuePair.Create(input.GetAttribute("name")!, input.GetAttribute("value") ?? ""));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(browser.Address, to ?? form.GetAttribute("action")!)) { Content = new FormUrlEncodedContent(fields) };
        return await browser.SendAsync(request);
    }

    private static async Task<Account> AccountAsync(ExternalWorld world) => (await world.Server.Services.GetRequiredService<IAccountStore>().FindByEmailAsync("ALICE@EXAMPLE.ORG", CancellationToken.None))!;
}
