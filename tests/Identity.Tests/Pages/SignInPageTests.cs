// Security catalogue, Web: who has an account, and in what state, cannot be told from the sign-in page; sessions are new at each sign-in.
using System.Net;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Registration;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Pages;

[Collection(PagesCollection.Name)]
public sealed partial class SignInPageTests(PagesFixture fixture)
{
    [Fact]
    public async Task Refusals_OfUnknownWrongDisabledLockedAndPasswordless_AreAlike()
    {
        var (wrong, disabled, locked, passwordless) = (PagesFixture.NewEmail(), PagesFixture.NewEmail(), PagesFixture.NewEmail(), PagesFixture.NewEmail());
        await fixture.RegisterAsync(wrong);
        await fixture.RegisterAsync(locked);
        var account = await fixture.RegisterAsync(disabled);
        await fixture.Server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { IsActive = false }, null, new Caller(null, null), CancellationToken.None);
        var created = fixture.Server.Services.GetRequiredService<RegistrationService>().Create(new NewAccount(passwordless, ""));
        await fixture.Server.Services.GetRequiredService<IAccountStore>().CreateAsync(created, new AccountCredentials(created.Id, null, null), [], CancellationToken.None);
        using (var attacker = fixture.Browser())
        {
            for (var i = 0; i < 3; i++)
            {
                await attacker.SignInAsync(locked, "not the one");
            }
        }

        var answers = new List<string>();
        foreach (var (email, password) in new[] { (PagesFixture.NewEmail(), PagesFixture.Password), (wrong, "not the one"), (disabled, PagesFixture.Password), (locked, PagesFixture.Password), (passwordless, PagesFixture.Password) })
        {
            using var browser = fixture.Browser();
            var response = await browser.SignInAsync(email, password);
            answers.Add(await DescribeAsync(response, email));
            Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
            Assert.DoesNotContain("identity", browser.Cookies.Keys, StringComparer.Ordinal);
        }

        Assert.Single(answers.Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Registration_OfATakenAddress_IsAnsweredAsAnyOther()
    {
        var (taken, fresh) = (PagesFixture.NewEmail(), PagesFixture.NewEmail());
        await fixture.RegisterAsync(taken);
        var answers = new List<string>();
        foreach (var email in new[] { taken, fresh })
        {
            using var browser = fixture.Browser();
            var response = await browser.SubmitAsync("/register", new Dictionary<string, string>(StringComparer.Ordinal) { ["Email"] = email, ["Password"] = "copper lantern meadow" });
            Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
            answers.Add(await DescribeAsync(response, email));
            answers.Add(await DescribeAsync(await browser.GetAsync(response.Headers.Location!.OriginalString), email));
        }

        Assert.Equal(answers[0], answers[2]);
        Assert.Equal(answers[1], answers[3]);

        // The new one got its code; the owner of the other was told, and still has the old password.
        Assert.NotEmpty(await fixture.Server.ReadCodeAsync(fresh));
        using var owner = fixture.Browser();
        Assert.Equal(HttpStatusCode.SeeOther, (await owner.SignInAsync(taken, PagesFixture.Password)).StatusCode);
        var mails = await Task.WhenAll(Directory.GetFiles(fixture.Server.OutboxDirectory, "*.eml").Select(file => File.ReadAllTextAsync(file)));
        var told = Assert.Single(mails, mail => mail.Contains("To: " + taken, StringComparison.Ordinal));
        Assert.Contains("You already have an account", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ForgottenPassword_OfAnUnknownAddress_IsAnsweredAsAnyOther()
    {
        var (known, unknown) = (PagesFixture.NewEmail(), PagesFixture.NewEmail());
        await fixture.RegisterAsync(known);
        var answers = new List<string>();
        foreach (var email in new[] { known, unknown })
        {
            using var browser = fixture.Browser();
            var response = await browser.SubmitAsync("/forgot-password", new Dictionary<string, string>(StringComparer.Ordinal) { ["Email"] = email });
            answers.Add(await DescribeAsync(response, email));
            answers.Add(await DescribeAsync(await browser.GetAsync(response.Headers.Location!.OriginalString), email));
            answers.Add(await DescribeAsync(
                await browser.SubmitAsync(response.Headers.Location!.OriginalString, new Dictionary<string, string>(StringComparer.Ordinal) { ["Code"] = "000000", ["Password"] = "copper lantern meadow" }), email));
        }

        Assert.Equal(answers[..3], answers[3..]);
    }

    [Fact]
    public async Task SessionCookies_AreNewAtEachSignIn_AndTheOldOneIsDead()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        await browser.SignInAsync(email, PagesFixture.Password);
        var first = browser.Cookies["identity"];
        Assert.True(await browser.IsSignedInAsync());

        var again = (await browser.GetAsync(PagesFixture.AuthorizeUrl + "&prompt=login")).Headers.Location!.OriginalString;
        Assert.StartsWith("/signin?", again, StringComparison.Ordinal);
        await browser.SubmitAsync(again, new Dictionary<string, string>(StringComparer.Ordinal) { ["Login"] = email, ["Password"] = PagesFixture.Password });
        var second = browser.Cookies["identity"];
        Assert.NotEqual(first, second);
        Assert.True(await browser.IsSignedInAsync());

        using var thief = fixture.Browser();
        thief.Cookies["identity"] = first;
        Assert.False(await thief.IsSignedInAsync());

        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SubmitAsync("/signout", new Dictionary<string, string>(StringComparer.Ordinal))).StatusCode);
        Assert.DoesNotContain("identity", browser.Cookies.Keys, StringComparer.Ordinal);
        thief.Cookies["identity"] = second;
        Assert.False(await thief.IsSignedInAsync());
    }

    [Fact]
    public async Task SessionCookie_IsOutOfReachOfScriptsAndOfOtherSitesForms()
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        var response = await browser.SignInAsync(email, PagesFixture.Password);
        var cookie = Assert.Single(response.Headers.GetValues("Set-Cookie"), line => line.StartsWith("identity=", StringComparison.Ordinal)).ToLowerInvariant();
        Assert.Contains("httponly", cookie, StringComparison.Ordinal);
        Assert.Contains("samesite=lax", cookie, StringComparison.Ordinal);
        Assert.Contains("path=/", cookie, StringComparison.Ordinal);
        Assert.DoesNotContain("domain=", cookie, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("//e")]
    [InlineData("/\\e")]
    [InlineData("/%5ce")]
    [InlineData("/%09/e")]
    [InlineData("https:e")]
    [InlineData("/..//e")]
    [InlineData("\t//e")]
    [InlineData("https://evil.example/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("/\n/e")]
    public async Task ReturnUrl_ThatLeadsAway_BecomesTheAccountPage(string returnUrl)
    {
        var email = PagesFixture.NewEmail();
        await fixture.RegisterAsync(email);
        using var browser = fixture.Browser();
        var response = await browser.SignInAsync(email, PagesFixture.Password, Uri.EscapeDataString(returnUrl));
        Assert.Equal(HttpStatusCode.SeeOther, response.StatusCode);
        Assert.Equal("/account", response.Headers.Location!.OriginalString);

        // Sent with the form itself, past the page, it fares no better.
        using var direct = fixture.Browser();
        var (_, fields) = PageClient.Form(await direct.ReadAsync("/signin"));
        (fields["Login"], fields["Password"], fields["returnUrl"]) = (email, PagesFixture.Password, returnUrl);
        Assert.Equal("/account", (await direct.PostAsync("/signin", fields)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task ReturnUrl_OfOurOwn_IsKeptByEveryLink()
    {
        using var browser = fixture.Browser();
        var at = await browser.ReadAsync("/signin?returnUrl=%2Faccount%2Fsessions");
        Assert.Contains(at.Links, link => link.GetAttribute("href") == "/register?returnUrl=%2Faccount%2Fsessions");
        var forgot = await browser.SubmitAsync("/signin?returnUrl=%2Faccount%2Fsessions", new Dictionary<string, string>(StringComparer.Ordinal) { ["to"] = "forgot" });
        Assert.Equal("/forgot-password?returnUrl=%2Faccount%2Fsessions", forgot.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Hints_WithMarkup_AreEscaped()
    {
        using var browser = fixture.Browser();
        const string evil = "\"><script>alert(1)</script>\u202e";
        var location = (await browser.GetAsync(PagesFixture.AuthorizeUrl + "&login_hint=" + Uri.EscapeDataString(evil) + "&ui_locales=" + Uri.EscapeDataString(evil))).Headers.Location!.OriginalString;
        var page = await browser.ReadAsync(location);
        Assert.Equal(evil, page.QuerySelector("#Login")!.GetAttribute("value"));
        Assert.All(page.Scripts, script => Assert.StartsWith("/js/", script.Source, StringComparison.Ordinal));
    }

    [Fact]
    public async Task CodePage_WhereCodesDoNotSignIn_IsAbsent()
    {
        using var browser = fixture.Browser();
        Assert.Equal(HttpStatusCode.NotFound, (await browser.GetAsync("/signin/code")).StatusCode);
        var page = await browser.ReadAsync("/signin");
        Assert.DoesNotContain(page.Links, link => link.GetAttribute("href")!.Contains("code", StringComparison.Ordinal));
    }

    // All that a stranger sees: status, headers, body; what differs by chance (tokens, ids, the address typed) put aside.
    private static async Task<string> DescribeAsync(HttpResponseMessage response, string email)
    {
        var headers = response.Headers.Concat(response.Content.Headers).Where(header => header.Key is not ("Date" or "Content-Length"))
            .OrderBy(header => header.Key, StringComparer.Ordinal).Select(header => header.Key + ": " + string.Join(", ", header.Value));
        var text = $"{(int)response.StatusCode}\n{string.Join('\n', headers)}\n\n{await response.Content.ReadAsStringAsync()}";
        return Chance().Replace(text.Replace(Uri.EscapeDataString(email), "EMAIL", StringComparison.Ordinal).Replace(email, "EMAIL", StringComparison.Ordinal), "CHANCE");
    }

    [GeneratedRegex("CfDJ8[A-Za-z0-9_-]+|(?<=&quot;challenge&quot;:&quot;)[A-Za-z0-9_-]+")]
    private static partial Regex Chance();
}
