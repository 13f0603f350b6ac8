// WebAuthn Level 3 §5.1, §7.1, §7.2, NIST SP 800-63B-4 §4: passkeys from their making to their end, by Chromium itself. The relying party is localhost: an IP address cannot be one.
using Identity.Accounts;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class PasskeyTests(BrowserFixture fixture)
{
    [Theory]
    [InlineData(false, "hwk")]
    [InlineData(true, "swk")]
    public async Task Passkey_MadeOnTheAccountPage_SignsInAlone(bool synchronised, string method)
    {
        await using var visit = await fixture.VisitAsync();
        var device = await VirtualAuthenticator.AddAsync(visit.Page, synchronised);
        await EnrolAsync(visit);
        var passkey = Assert.Single(await device.PasskeysAsync());
        Assert.True(passkey.GetProperty("isResidentCredential").GetBoolean());
        Assert.Equal("localhost", passkey.GetProperty("rpId").GetString());

        await SignOutAsync(visit);
        await WithoutOffersAsync(visit);
        await visit.GotoAsync("/signin");
        await visit.PressAsync("Sign in with a passkey");
        await visit.Page.ArriveAtAsync("**/account");
        var session = await NewestSessionAsync(visit);
        Assert.Equal("phr", session.Acr);
        Assert.Equal([method, "mfa"], session.Amr);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Passkey_OfferedAmongTheNames_SignsInWithoutAPress()
    {
        await using var visit = await fixture.VisitAsync();
        await VirtualAuthenticator.AddAsync(visit.Page);
        await EnrolAsync(visit);
        await SignOutAsync(visit);

        // Whoever touches the device as soon as the page offers it has chosen the passkey among the names that the browser fills in.
        await visit.GotoAsync(visit.AuthorizeUrl());
        await visit.Page.ArriveAtAsync("**/consent?*");
        Assert.Equal("phr", (await NewestSessionAsync(visit)).Acr);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Passkey_AfterThePassword_IsTheSecondFactor()
    {
        await using var visit = await fixture.VisitAsync();
        var device = await VirtualAuthenticator.AddAsync(visit.Page);
        await EnrolAsync(visit);
        await SignOutAsync(visit);
        await PasswordAsync(visit, device);

        await visit.Page.ArriveAtAsync("**/signin/second-factor");
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        await visit.PressAsync("Use your passkey");
        await visit.Page.ArriveAtAsync("**/account");
        var session = await NewestSessionAsync(visit);
        Assert.Equal("phr", session.Acr);
        Assert.Equal(["pwd", "hwk", "mfa"], session.Amr);
        visit.AssertPolicyHeld();
    }

    [Theory]
    [InlineData("/signin", "Sign in with a passkey")]
    [InlineData("/signin/second-factor", "Use your passkey")]
    public async Task Ceremony_WhenCancelled_SaysSoKindlyAndCanBeTriedAgain(string at, string button)
    {
        await using var visit = await fixture.VisitAsync();
        var device = await VirtualAuthenticator.AddAsync(visit.Page);
        await EnrolAsync(visit);
        await SignOutAsync(visit);
        await device.TouchAsync(false);
        if (at == "/signin")
        {
            await visit.GotoAsync(at);
        }
        else
        {
            await PasswordAsync(visit, device);
            await visit.Page.ArriveAtAsync("**" + at);
        }

        await device.RecogniseAsync(false);
        await device.TouchAsync(true);
        await visit.PressAsync(button);
        await Assertions.Expect(visit.Page.GetByText("No passkey was used. Try again, or sign in another way.")).ToBeVisibleAsync();
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());

        await device.RecogniseAsync(true);
        await visit.PressAsync(button);
        await visit.Page.ArriveAtAsync("**/account");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Making_WhenCancelled_SaysSoKindlyAndCanBeTriedAgain()
    {
        await using var visit = await fixture.VisitAsync();
        var device = await VirtualAuthenticator.AddAsync(visit.Page);
        await visit.SignInAsync();
        await visit.GotoAsync("/account/security/passkey");
        await device.RecogniseAsync(false);
        await visit.PressAsync("Create passkey");
        await Assertions.Expect(visit.Page.GetByText("No passkey was made. Try again when you are ready.")).ToBeVisibleAsync();
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        Assert.Empty(await device.PasskeysAsync());

        await device.RecogniseAsync(true);
        await visit.PressAsync("Create passkey");
        await Assertions.Expect(visit.Page.Locator(".codes code")).ToHaveCountAsync(10);
        visit.AssertPolicyHeld();
    }

    // The button is out of sight until the script knows that the browser has passkeys.
    [Fact]
    public async Task SecondFactor_ByPasskey_TakesTheFocusOnceItIsThere()
    {
        await using var visit = await fixture.VisitAsync();
        var device = await VirtualAuthenticator.AddAsync(visit.Page);
        await EnrolAsync(visit);
        await SignOutAsync(visit);
        // The script comes when the page is there already: what asks for the focus by itself has been passed over by then.
        await visit.Page.RouteAsync("**/js/passkey.js*", async route =>
        {
            await visit.Page.WaitForFunctionAsync("() => performance.getEntriesByType('paint').length > 0");
            await route.ContinueAsync();
        });
        await PasswordAsync(visit, device);
        await visit.Page.ArriveAtAsync("**/signin/second-factor");
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Use your passkey" })).ToBeFocusedAsync();
    }

    [Fact]
    public async Task Making_WithoutJavaScript_SaysWhyNotAndLeadsBack()
    {
        await using var visit = await fixture.VisitAsync(javaScript: false);
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl(more: Visit.EssentialAcr("urn:identity:acr:2fa")));
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Add a passkey" }).ClickAsync();

        // By its place: Playwright looks for no text within noscript.
        var notice = visit.Page.Locator("noscript > .notice");
        await Assertions.Expect(notice).ToBeVisibleAsync();
        var (above, below) = (await visit.Page.Locator(".card > header").BoundingBoxAsync(), await notice.BoundingBoxAsync());
        Assert.True(below!.Y - above!.Y - above.Height >= 16);
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Cancel" }).ClickAsync();
        await visit.Page.ArriveAtAsync("**/signin/add-factor?*");
    }

    [Fact]
    public async Task Device_ThatHasAPasskeyAlready_MakesNoSecondOne()
    {
        await using var visit = await fixture.VisitAsync();
        var device = await VirtualAuthenticator.AddAsync(visit.Page);
        await EnrolAsync(visit);
        await visit.GotoAsync("/account/security/passkey");
        await visit.PressAsync("Create passkey");
        await Assertions.Expect(visit.Page.GetByText("This device already has a passkey for your account.")).ToBeVisibleAsync();
        Assert.Single(await device.PasskeysAsync());
    }

    [Fact]
    public async Task Passkey_RemovedInASessionThatProvedLess_NeedsAProofAsStrong()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        var device = await VirtualAuthenticator.AddAsync(page);
        await EnrolAsync(visit);
        var secret = await visit.AddAuthenticatorAsync();

        // A remembered browser signs in by the password alone.
        await SignOutAsync(visit);
        await PasswordAsync(visit, device);
        await page.GetByLabel("Do not ask again in this browser for 30 days").CheckAsync();
        await visit.PressAsync("Use your passkey");
        await page.ArriveAtAsync("**/account");
        await SignOutAsync(visit);
        await PasswordAsync(visit, device);
        await page.ArriveAtAsync("**/account");

        await visit.GotoAsync("/account/security");
        await RemovePasskeyAsync(page);
        await page.ArriveAtAsync("**/account/security/confirm?*");
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());

        // The authenticator is the weaker of the two: it is not offered, and is no proof for this where it was given before.
        await Assertions.Expect(page.GetByText("Use your authenticator app")).ToHaveCountAsync(0);
        await Assertions.Expect(page.GetByText("Use a recovery code")).ToHaveCountAsync(1);
        await visit.GotoAsync("/account/security/confirm?way=totp&returnUrl=%2Faccount%2Fsecurity");
        await page.GetByLabel("Six-digit code").FillAsync(Visit.Totp(secret, steps: 1));
        await visit.PressAsync("Confirm");
        await Assertions.Expect(page.GetByText("Not used yet")).ToHaveCountAsync(0);
        await RemovePasskeyAsync(page);
        await page.ArriveAtAsync("**/account/security/confirm?*");

        await visit.PressAsync("Use your passkey");
        await page.ArriveAtAsync("**/account/security?done=Proven");
        await RemovePasskeyAsync(page);
        await page.ArriveAtAsync("**/account/security?done=FactorRemoved");

        // It signs in no more.
        await SignOutAsync(visit);
        await WithoutOffersAsync(visit);
        await visit.GotoAsync("/signin");
        await visit.PressAsync("Sign in with a passkey");
        await Assertions.Expect(page.GetByText("That passkey does not sign in here.")).ToBeVisibleAsync();
        visit.AssertPolicyHeld();
    }

    private static async Task EnrolAsync(Visit visit)
    {
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.GotoAsync("/account/security");
        await page.Locator("a[href='/account/security/passkey']").ClickAsync();
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        await page.GetByLabel("Name of this passkey").FillAsync("Ada's laptop");
        await visit.PressAsync("Create passkey");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        await page.GetByRole(AriaRole.Link, new() { Name = "I have saved them" }).ClickAsync();
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Ada's laptop" })).ToBeVisibleAsync();
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
    }

    private static Task RemovePasskeyAsync(IPage page) => page.GetByRole(AriaRole.Button, new() { Name = "Remove: Ada's laptop" }).ClickAsync();

    private static async Task SignOutAsync(Visit visit)
    {
        await visit.GotoAsync("/signout");
        await visit.PressAsync("Sign out");
        await visit.Page.ArriveAtAsync("**/signed-out*");
    }

    // A browser that offers no passkeys among the names: else the page signs in by one before its button is pressed.
    private static Task WithoutOffersAsync(Visit visit) => visit.Page.AddInitScriptAsync("PublicKeyCredential.isConditionalMediationAvailable = async () => false;");

    // Nobody touches the device: else the page would sign in by it before the password is typed.
    private static async Task PasswordAsync(Visit visit, VirtualAuthenticator device)
    {
        await device.TouchAsync(false);
        await visit.GotoAsync("/signin");
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");
        await visit.Page.WaitForURLAsync(url => !url.EndsWith("/signin", StringComparison.Ordinal));
        await device.TouchAsync(true);
    }

    private async Task<Session> NewestSessionAsync(Visit visit)
    {
        var services = fixture.Server.Services;
        var account = await services.GetRequiredService<AccountLookup>().FindAsync(new Identity.Accounts.OneTimeCodes.CodeRecipient(null, visit.Email, null), TestContext.Current.CancellationToken);
        return (await services.GetRequiredService<ISessionStore>().ListLiveAsync(account!.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken)).MaxBy(session => session.CreatedAt)!;
    }
}
