// NIST SP 800-63B-4 §3.2.2, OWASP ASVS 5.0 §6.3.8: the pages that wait for a phone, after the password and instead of it; the latter tell strangers nothing.
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Kit.Push;
using Identity.Tests.Pages;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Push;

/// <summary>A server with push messages on, whose clock a test moves, its pages and its phones.</summary>
public sealed class PhoneServer : IAsyncLifetime
{
    public const string Password = "violet tram harbour";

    public StandInFcm Fcm { get; private set; } = null!;

    public HostedServer Server { get; private set; } = null!;

    public OffsetTimeProvider Time { get; } = new(TimeSpan.Zero);

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Fcm = await StandInFcm.StartAsync();
        Server = await HostedServer.StartAsync(time: Time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["FIREBASE_CREDENTIALS"] = Fcm.Credentials, ["FCM_ENDPOINT"] = Fcm.Address.AbsoluteUri });
        Http = new HttpClient { BaseAddress = Server.Url };
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        await Fcm.DisposeAsync();
    }

    /// <summary>Somebody with a phone, and what they set for it.</summary>
    public async Task<(Account Account, SimulatedDevice Phone)> PersonAsync(bool isFactor = true, bool withoutPassword = true)
    {
        var account = await Server.RegisterAsync(PagesFixture.NewEmail(), Password);
        using var login = await Http.PostAsJsonAsync("/api/identity/login", new { email = account.Email, password = Password });
        var phone = new SimulatedDevice();
        var access = (string)(await JsonAsync(login))["accessToken"]!;
        phone.Id = (string)(await SendAsync(HttpMethod.Post, "devices", phone.Registration, access))["id"]!;
        if (isFactor)
        {
            await SendAsync(HttpMethod.Post, "factors/push", body: null, access);
            await SendAsync(HttpMethod.Put, "factors/push", new { withoutPassword }, access);
        }

        return (account, phone);
    }

    /// <summary>The sign-in page's other button.</summary>
    public async Task<HttpResponseMessage> AskAsync(PageClient browser, string login, string returnUrl = "")
    {
        var page = await browser.ReadAsync("/signin" + returnUrl);
        var target = page.QuerySelector("button[formaction*='handler=Phone']")!.GetAttribute("formaction")!;
        var (_, fields) = PageClient.Form(page);
        (fields["Login"], fields["Password"]) = (login, "");
        return await browser.PostAsync(target, fields);
    }

    public Task<JsonArray> PendingAsync(SimulatedDevice phone) => phone.PendingAsync(Http, Time.GetUtcNow());

    public static async Task<JsonNode> JsonAsync(HttpResponseMessage answer) => JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;

    private async Task<JsonNode> SendAsync(HttpMethod method, string path, object? body, string access)
    {
        using var request = new HttpRequestMessage(method, "/api/identity/" + path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new("Bearer", access);
        using var answer = await Http.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {(int)answer.StatusCode}");
        return await JsonAsync(answer);
    }
}

public sealed partial class PhonePageTests(PhoneServer world) : IClassFixture<PhoneServer>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Phone_InsteadOfThePassword_SignsInWithTwoFactors()
    {
        var (account, phone) = await world.PersonAsync();
        using var _ = phone;
        using var browser = new PageClient(world.Server.Url);
        var started = await world.AskAsync(browser, account.Email, "?returnUrl=%2Faccount%2Fsessions");
        Assert.Equal((HttpStatusCode.SeeOther, "/signin/phone?returnUrl=%2Faccount%2Fsessions"), (started.StatusCode, started.Headers.Location!.OriginalString));
        var page = await browser.ReadAsync(started.Headers.Location.OriginalString);
        var number = page.QuerySelector(".push-number b")!.TextContent;
        Assert.Contains("""<noscript><meta http-equiv="refresh" content="5"></noscript>""", page.DocumentElement.OuterHtml, StringComparison.Ordinal);
        Assert.Equal("waiting", await StateAsync(browser, "/signin/phone?handler=State"));

        // What goes through Google says that there is something, and nothing of it.
        var message = await ArrivedAsync(phone);
        var signIn = Assert.Single(await world.PendingAsync(phone))!;
        Assert.Equal(phone.Token, (string)message["token"]!);
        Assert.Equal(("sign_in", (string)signIn["id"]!), ((string)message["data"]!["type"]!, (string)message["data"]!["signInId"]!));
        Assert.Equal(["id", "signInId", "type"], message["data"]!.AsObject().Select(member => member.Key).Order(StringComparer.Ordinal));
        Assert.Equal("Somebody wants to sign in to your account. Open the app to answer.", (string)message["notification"]!["body"]!);
        Assert.DoesNotContain((string)signIn["nonce"]!, message.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(("Identity", true), ((string)signIn["app"]!, (bool)signIn["needsUserVerification"]!));

        // It stands for two factors, so the phone has to ask who holds it. Until it does, the question stands.
        using var unverified = await SimulatedDevice.AnswerAsync(world.Http, signIn, "approve", phone.Approval(signIn, number));
        Assert.Equal((HttpStatusCode.Forbidden, "user_verification_required"), (unverified.StatusCode, (string)(await PhoneServer.JsonAsync(unverified))["errorCode"]!));
        var early = await browser.SubmitAsync("/signin/phone?returnUrl=%2Faccount%2Fsessions", None, "/signin/phone");
        Assert.StartsWith("/signin/phone", early.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var approved = await SimulatedDevice.AnswerAsync(world.Http, signIn, "approve", phone.Approval(signIn, number, userVerified: true));
        Assert.Equal(HttpStatusCode.OK, approved.StatusCode);
        Assert.Equal("approved", await StateAsync(browser, "/signin/phone?handler=State"));
        Assert.Contains("Your phone says yes", (await browser.ReadAsync("/signin/phone")).Body!.TextContent, StringComparison.Ordinal);
        var half = browser.Cookies["identity-half"];
        var done = await browser.SubmitAsync("/signin/phone?returnUrl=%2Faccount%2Fsessions", None, "/signin/phone");
        Assert.Equal((HttpStatusCode.SeeOther, "/account/sessions"), (done.StatusCode, done.Headers.Location!.OriginalString));
        Assert.True(await browser.IsSignedInAsync());
        var sessions = await world.Server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, world.Time.GetUtcNow(), Cancel);
        Assert.Equal(("pop mfa", "urn:identity:acr:2fa"), (string.Join(' ', sessions[0].Amr), sessions[0].Acr));

        using var thief = new PageClient(world.Server.Url);
        thief.Cookies["identity-half"] = half;
        Assert.StartsWith("/signin?", (await thief.GetAsync("/signin/phone")).Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal("over", await StateAsync(thief, "/signin/phone?handler=State"));
    }

    [Fact]
    public async Task Phone_OfAnybody_LooksTheSame_UntilTheMinuteIsOver()
    {
        var (allowed, phone) = await world.PersonAsync();
        var (afterPassword, otherPhone) = await world.PersonAsync(withoutPassword: false);
        var (noFactor, thirdPhone) = await world.PersonAsync(isFactor: false);
        var plain = await world.Server.RegisterAsync(PagesFixture.NewEmail(), PhoneServer.Password);
        var browsers = new List<PageClient>();
        var seen = new List<(string Page, int CookieLength)>();
        foreach (var login in (string[])[allowed.Email, afterPassword.Email, noFactor.Email, plain.Email, "nobody@example.com", "nobody at all"])
        {
            var browser = new PageClient(world.Server.Url);
            browsers.Add(browser);
            var started = await world.AskAsync(browser, login);
            Assert.Equal((HttpStatusCode.SeeOther, "/signin/phone"), (started.StatusCode, started.Headers.Location!.OriginalString));
            seen.Add((Plain((await browser.ReadAsync("/signin/phone")).DocumentElement.OuterHtml), browser.Cookies["identity-half"].Length));
        }

        Assert.Single(seen.Select(one => one.Page).Distinct(StringComparer.Ordinal));
        Assert.InRange(seen.Max(one => one.CookieLength) - seen.Min(one => one.CookieLength), 0, 24);

        // Only who allows it was asked, and a no looks like no answer.
        Assert.Empty(await world.PendingAsync(otherPhone));
        Assert.Empty(await world.PendingAsync(thirdPhone));
        var signIn = Assert.Single(await world.PendingAsync(phone))!;
        using var denied = await SimulatedDevice.AnswerAsync(world.Http, signIn, "deny", phone.Denial(signIn));
        Assert.Equal(HttpStatusCode.OK, denied.StatusCode);
        foreach (var browser in browsers)
        {
            Assert.Equal("waiting", await StateAsync(browser, "/signin/phone?handler=State"));
        }

        // While the phone is left alone after its no, the page waits for it all the same. A stranger's denied question locks nobody.
        using var again = new PageClient(world.Server.Url);
        await world.AskAsync(again, allowed.Email);
        Assert.Equal("waiting", await StateAsync(again, "/signin/phone?handler=State"));
        Assert.Empty(await world.PendingAsync(phone));
        Assert.Equal(0, (await world.Server.Services.GetRequiredService<IAccountStore>().FindAsync(allowed.Id, Cancel))!.AccessFailedCount);

        world.Time.Advance(TimeSpan.FromSeconds(61));
        var over = new HashSet<string>(StringComparer.Ordinal);
        foreach (var browser in browsers)
        {
            over.Add(Plain((await browser.ReadAsync("/signin/phone")).DocumentElement.OuterHtml));
            Assert.Equal("over", await StateAsync(browser, "/signin/phone?handler=State"));
            browser.Dispose();
        }

        Assert.Contains("There was no yes in time", Assert.Single(over), StringComparison.Ordinal);

        // The page keeps the name, and asks once more from where it is.
        using var patient = new PageClient(world.Server.Url);
        var first = (await world.AskAsync(patient, plain.Email, "?returnUrl=%2Faccount%2Fsessions")).Headers.Location!.OriginalString;
        world.Time.Advance(TimeSpan.FromSeconds(61));
        var (action, fields) = PageClient.Form(await patient.ReadAsync(first), "handler=Phone");
        Assert.Equal(first, (await patient.PostAsync(action, fields)).Headers.Location?.OriginalString);
        phone.Dispose();
        otherPhone.Dispose();
        thirdPhone.Dispose();
    }

    [Fact]
    public async Task Phone_AskedForFiftyTimesAtOnce_RingsThreeTimes_AndEveryPageWaits()
    {
        var (account, phone) = await world.PersonAsync();
        using var _ = phone;
        using var browser = new PageClient(world.Server.Url);
        var page = await browser.ReadAsync("/signin");
        var target = page.QuerySelector("button[formaction*='handler=Phone']")!.GetAttribute("formaction")!;
        var (_, fields) = PageClient.Form(page);
        fields["Login"] = account.Email;
        var cookies = browser.Cookies.ToDictionary(StringComparer.Ordinal);
        var visitors = Enumerable.Range(0, 50).Select(_ =>
        {
            var visitor = new PageClient(world.Server.Url);
            foreach (var (name, value) in cookies)
            {
                visitor.Cookies[name] = value;
            }

            return visitor;
        }).ToArray();
        var answers = await Task.WhenAll(visitors.Select(visitor => visitor.PostAsync(target, fields)));
        Assert.All(answers, answer => Assert.Equal("/signin/phone", answer.Headers.Location!.OriginalString));
        Assert.Equal(3, (await world.PendingAsync(phone)).Count);
        foreach (var visitor in visitors)
        {
            Assert.Equal("waiting", await StateAsync(visitor, "/signin/phone?handler=State"));
            visitor.Dispose();
        }
    }

    [Fact]
    public async Task Phone_OfALockedAccount_IsNotAsked()
    {
        var (account, phone) = await world.PersonAsync();
        using var _ = phone;
        for (var i = 0; i < 10; i++)
        {
            using var wrong = await world.Http.PostAsJsonAsync("/api/identity/login", new { email = account.Email, password = "not the one" }, Cancel);
        }

        using var browser = new PageClient(world.Server.Url);
        Assert.Equal("/signin/phone", (await world.AskAsync(browser, account.Email)).Headers.Location!.OriginalString);
        Assert.Empty(await world.PendingAsync(phone));
    }

    [Fact]
    public async Task Phone_WhereItIsOff_IsNotOffered()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["FIREBASE_CREDENTIALS"] = world.Fcm.Credentials, ["PushSignIn:AllowWithoutPassword"] = "false" });
        await using var silent = await HostedServer.StartAsync();
        foreach (var url in (Uri[])[server.Url, silent.Url])
        {
            using var browser = new PageClient(url);
            var page = await browser.ReadAsync("/signin");
            Assert.Null(page.QuerySelector("button[formaction*='handler=Phone']"));
            var (_, fields) = PageClient.Form(page);
            fields["Login"] = "ada@example.com";
            Assert.Equal(HttpStatusCode.NotFound, (await browser.PostAsync("/signin?handler=Phone", fields)).StatusCode);
        }
    }

    [Fact]
    public async Task SignIn_WithoutAName_AsksForOneAndNobodysPhone()
    {
        using var browser = new PageClient(world.Server.Url);
        var answer = await world.AskAsync(browser, " ");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Contains("Enter your e-mail address or user name", await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SecondFactor_ByPhone_WaitsAndGoesOn_AndTheBrowserIsRemembered()
    {
        var (account, phone) = await world.PersonAsync(withoutPassword: false);
        using var _ = phone;
        using var browser = new PageClient(world.Server.Url);
        var first = await browser.SignInAsync(account.Email, PhoneServer.Password);
        Assert.Equal("/signin/second-factor", first.Headers.Location!.OriginalString);
        Assert.Contains("Ask my phone", (await browser.ReadAsync("/signin/second-factor")).Body!.TextContent, StringComparison.Ordinal);
        Assert.Empty(await world.PendingAsync(phone));

        var asked = await browser.SubmitAsync("/signin/second-factor", None, "handler=Ask");
        Assert.Equal("/signin/second-factor?way=push", asked.Headers.Location!.OriginalString);
        const string Page = "/signin/second-factor?way=push";
        var number = (await browser.ReadAsync(Page)).QuerySelector(".push-number b")!.TextContent;
        Assert.Equal("waiting", await StateAsync(browser, Page + "&handler=State"));
        Assert.Equal(Page, (await browser.SubmitAsync(Page, None, "way=push")).Headers.Location!.OriginalString);
        var signIn = Assert.Single(await world.PendingAsync(phone))!;
        using var denied = await SimulatedDevice.AnswerAsync(world.Http, signIn, "approve", phone.Approval(signIn, signIn["numbers"]!.AsArray().Select(choice => (string)choice!).First(choice => choice != number)));
        Assert.Equal(HttpStatusCode.Conflict, denied.StatusCode);

        // Here the password was right: what went wrong is told, and how long to wait.
        Assert.Equal("over", await StateAsync(browser, Page + "&handler=State"));
        Assert.Contains("That was another number", (await browser.ReadAsync(Page)).Body!.TextContent, StringComparison.Ordinal);
        var soon = await browser.SubmitAsync(Page, None, "handler=Ask");
        Assert.Equal(HttpStatusCode.TooManyRequests, soon.StatusCode);
        world.Time.Advance(TimeSpan.FromSeconds(61));
        await browser.SubmitAsync(Page, None, "handler=Ask");
        number = (await browser.ReadAsync(Page)).QuerySelector(".push-number b")!.TextContent;
        signIn = Assert.Single(await world.PendingAsync(phone))!;
        using var approved = await SimulatedDevice.AnswerAsync(world.Http, signIn, "approve", phone.Approval(signIn, number));
        Assert.Equal(HttpStatusCode.OK, approved.StatusCode);
        Assert.Equal("approved", await StateAsync(browser, Page + "&handler=State"));
        var done = await browser.SubmitAsync(Page, new Dictionary<string, string>(StringComparer.Ordinal) { ["Remember"] = "true" }, "way=push");
        Assert.Equal("/account", done.Headers.Location!.OriginalString);
        Assert.True(await browser.IsSignedInAsync());
        await browser.SubmitAsync("/signout", None);
        Assert.Equal("/account", (await browser.SignInAsync(account.Email, PhoneServer.Password)).Headers.Location!.OriginalString);
    }

    // Anybody can ask for a phone that lets in alone, and the owner does right to say no: that must not keep the phone from them.
    [Fact]
    public async Task SecondFactor_ByPhone_IsAskedForThoughStrangersAskedForThePhoneAlone()
    {
        var (account, phone) = await world.PersonAsync();
        using var _ = phone;
        using var stranger = new PageClient(world.Server.Url);
        for (var i = 0; i < 3; i++)
        {
            await world.AskAsync(stranger, account.Email);
        }

        var asked = await world.PendingAsync(phone);
        Assert.Equal(3, asked.Count);
        using var browser = new PageClient(world.Server.Url);
        await browser.SignInAsync(account.Email, PhoneServer.Password);
        Assert.Equal("/signin/second-factor?way=push", (await browser.SubmitAsync("/signin/second-factor?way=push", None, "handler=Ask")).Headers.Location?.OriginalString);
        Assert.Equal(4, (await world.PendingAsync(phone)).Count);

        using var denied = await SimulatedDevice.AnswerAsync(world.Http, asked[0]!, "deny", phone.Denial(asked[0]!));
        Assert.Equal(HttpStatusCode.OK, denied.StatusCode);
        using var other = new PageClient(world.Server.Url);
        await other.SignInAsync(account.Email, PhoneServer.Password);
        Assert.Equal("/signin/second-factor?way=push", (await other.SubmitAsync("/signin/second-factor?way=push", None, "handler=Ask")).Headers.Location?.OriginalString);

        // What was asked after the password counts for strangers all the same: the phone has enough of it.
        await world.AskAsync(stranger, account.Email);
        Assert.Equal(4, (await world.PendingAsync(phone)).Count);
    }

    [Fact]
    public async Task SecurityPage_ForAPhone_TurnsItOnAllowsItAloneAndProvesByIt()
    {
        var (account, phone) = await world.PersonAsync(isFactor: false);
        using var _ = phone;
        using var browser = new PageClient(world.Server.Url);
        await browser.SignInAsync(account.Email, PhoneServer.Password);
        var added = await browser.SubmitAsync("/account/security", None, "handler=Push");
        Assert.Equal(10, (await browser.ReadAsync(added.Headers.Location!.OriginalString)).QuerySelectorAll(".codes code").Length);
        Assert.Contains("It is asked after your password", (await browser.ReadAsync("/account/security")).Body!.TextContent, StringComparison.Ordinal);
        Assert.Equal("/account/security?done=PhoneAllowed", (await browser.SubmitAsync("/account/security", None, "handler=Phone")).Headers.Location!.OriginalString);
        var page = await browser.ReadAsync("/account/security?done=PhoneAllowed");
        Assert.Contains("Your phone can now sign you in without your password", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.Contains("Always ask for my password", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.Equal("/account/security?done=PhoneForbidden", (await browser.SubmitAsync("/account/security", None, "handler=Phone")).Headers.Location!.OriginalString);

        // Later it needs a proof, which the phone gives.
        world.Time.Advance(TimeSpan.FromMinutes(11));
        var confirm = (await browser.SubmitAsync("/account/security", None, "handler=Phone")).Headers.Location!.OriginalString;
        Assert.StartsWith("/account/security/confirm", confirm, StringComparison.Ordinal);
        var asked = await browser.SubmitAsync(confirm, None, "handler=Ask");
        var waiting = asked.Headers.Location!.OriginalString;
        var number = (await browser.ReadAsync(waiting)).QuerySelector(".push-number b")!.TextContent;
        Assert.Equal("waiting", await StateAsync(browser, waiting + "&handler=State"));
        var signIn = Assert.Single(await world.PendingAsync(phone))!;
        using var approved = await SimulatedDevice.AnswerAsync(world.Http, signIn, "approve", phone.Approval(signIn, number));
        Assert.Equal("/account/security?done=Proven", (await browser.SubmitAsync(waiting, None, "way=push")).Headers.Location!.OriginalString);
        Assert.Equal("/account/security?done=PhoneAllowed", (await browser.SubmitAsync("/account/security", None, "handler=Phone")).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task SecurityPage_WithoutAPhone_SaysWhereOneComesFrom()
    {
        var account = await world.Server.RegisterAsync(PagesFixture.NewEmail(), PhoneServer.Password);
        using var browser = new PageClient(world.Server.Url);
        await browser.SignInAsync(account.Email, PhoneServer.Password);
        var page = await browser.ReadAsync("/account/security");
        Assert.Contains("Sign in to our app on your phone first", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain(page.Forms, form => form.GetAttribute("action")?.Contains("handler=Push", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task Message_WhileItWaits_IsSealedAndHoldsNoNumber()
    {
        var (account, phone) = await world.PersonAsync(withoutPassword: false);
        using var _ = phone;
        using var browser = new PageClient(world.Server.Url);
        await browser.SignInAsync(account.Email, PhoneServer.Password);
        await browser.SubmitAsync("/signin/second-factor", None, "handler=Ask");
        var row = await world.Server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<PushSignInRow>().SingleAsync(r => r.AccountId == account.Id, token), Cancel);
        Assert.Equal(3, row.Choices.Split(' ').Length);
        var message = await ArrivedAsync(phone);
        Assert.Equal(row.Id.ToString(), (string)message["data"]!["signInId"]!);
        Assert.Equal("Is this you?", (string)message["notification"]!["title"]!);
        Assert.DoesNotContain(row.Nonce, message.ToJsonString(), StringComparison.Ordinal);
    }

    private static readonly Dictionary<string, string> None = new(StringComparer.Ordinal);

    // What earlier tests of the class were sent is in the line as well.
    private async Task<JsonObject> ArrivedAsync(SimulatedDevice phone)
    {
        while (true)
        {
            var message = await world.Fcm.Arrivals.ReadAsync(Cancel);
            if ((string)message["token"]! == phone.Token)
            {
                return message;
            }
        }
    }

    private static async Task<string> StateAsync(PageClient browser, string url)
    {
        using var answer = await browser.GetAsync(url);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (string)(await PhoneServer.JsonAsync(answer))["state"]!;
    }

    // Without what is another's at every visit: the number and the form's token.
    private static string Plain(string html) => Token().Replace(Number().Replace(html, "<b>"), "");

    [GeneratedRegex("<b>[0-9]{2}</b>")]
    private static partial Regex Number();

    [GeneratedRegex("name=\"(?:__RequestVerificationToken|Login)\"[^>]*>")]
    private static partial Regex Token();
}
