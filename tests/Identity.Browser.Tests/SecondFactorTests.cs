// WCAG 2.2 §2.1.1 (keyboard), NIST SP 800-63B-4 §4: second factors from enrolment to recovery, by somebody without a mouse.
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class SecondFactorTests(BrowserFixture fixture)
{
    [Fact]
    public async Task Authenticator_WithNothingButAKeyboard_IsAddedAndSignsInAndIsRemembered()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.RegisterAccountAsync();
        await PasswordAsync(visit);
        await page.ArriveAtAsync("**/account");

        // Enrolment, with a mistake on the way.
        await page.EnterAsync("Sign-in security");
        await page.ArriveAtAsync("**/account/security");
        await AssertSoundAsync(visit);
        await page.EnterAsync("Add: Authenticator app");
        await page.ArriveAtAsync("**/account/security/authenticator");
        await AssertSoundAsync(visit);
        var secret = (await page.Locator(".reference code").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        await page.TypeIntoAsync("Six-digit code", "000000");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator(".error-summary")).ToBeFocusedAsync();
        await AssertSoundAsync(visit);
        await page.TypeIntoAsync("Six-digit code", Visit.Totp(secret));
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        await AssertSoundAsync(visit);
        var recovery = await page.Locator(".codes code").AllTextContentsAsync();
        await page.EnterAsync("I have saved them");
        await page.ArriveAtAsync("**/account/security?done=FactorAdded");
        await AssertSoundAsync(visit);
        await SignOutAsync(visit);

        // The second factor, with a mistake, and the browser remembered.
        await PasswordAsync(visit);
        await page.ArriveAtAsync("**/signin/second-factor");
        await AssertSoundAsync(visit);
        await page.TypeIntoAsync("Six-digit code", "000000");
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator(".error-summary")).ToBeFocusedAsync();
        await AssertSoundAsync(visit);
        await page.TypeIntoAsync("Six-digit code", Visit.Totp(secret, steps: 1));
        await page.TabToAsync("Do not ask again in this browser for 30 days");
        await page.Keyboard.PressAsync("Space");
        await page.EnterAsync("Confirm");
        await page.ArriveAtAsync("**/account");
        await SignOutAsync(visit);
        await PasswordAsync(visit);
        await page.ArriveAtAsync("**/account");

        // Forgotten again, by its owner, it is asked: a recovery code lets them in, once.
        await visit.GotoAsync("/account/security");
        await AssertSoundAsync(visit);
        await page.TabToAsync(await page.GetByRole(AriaRole.Button, new() { NameRegex = new("^Forget: ") }).GetAttributeAsync("aria-label") ?? "");
        await page.Keyboard.PressAsync("Enter");
        await page.ArriveAtAsync("**/account/security?done=BrowserForgotten");
        await SignOutAsync(visit);
        await PasswordAsync(visit);
        await page.ArriveAtAsync("**/signin/second-factor");
        await RecoverAsync(visit, recovery[0]);
        await page.ArriveAtAsync("**/account");
        await SignOutAsync(visit);
        await PasswordAsync(visit);
        await page.ArriveAtAsync("**/signin/second-factor");
        await RecoverAsync(visit, recovery[0]);
        await Assertions.Expect(page.GetByText("This recovery code does not work.").First).ToBeVisibleAsync();
        await AssertSoundAsync(visit);
        await page.TypeIntoAsync("Recovery code", recovery[1].ToUpperInvariant());
        await page.EnterAsync("Confirm");
        await page.ArriveAtAsync("**/account");

        // New ones in place of the old: a recovery code was just the proof for that.
        await visit.GotoAsync("/account/security");
        await page.EnterAsync("Make new recovery codes");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        Assert.DoesNotContain(recovery[2], await page.Locator(".codes code").AllTextContentsAsync(), StringComparer.Ordinal);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Application_ThatAsksForAPasskey_LeadsToOne_AndGoesOnWithIt()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await VirtualAuthenticator.AddAsync(page);
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl(more: Visit.EssentialAcr("phr")));
        await page.ArriveAtAsync("**/signin/add-factor?*");
        await AssertSoundAsync(visit);
        await page.EnterAsync("Add a passkey");
        await page.ArriveAtAsync("**/account/security/passkey?*");
        await AssertSoundAsync(visit);
        await page.EnterAsync("Create passkey");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        await AssertSoundAsync(visit);
        await page.EnterAsync("I have saved them");
        await page.ArriveAtAsync("**/consent?*");
        await visit.PressAsync("Allow");
        Assert.NotEmpty((await visit.CalledBackAsync())["code"]);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Application_ThatAsksForMore_IsAnsweredWithAnAuthenticatorThatIsAddedOnTheWay()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl(more: Visit.EssentialAcr("urn:identity:acr:2fa")));
        await page.EnterAsync("Add an authenticator app");
        await page.ArriveAtAsync("**/account/security/authenticator?*");
        await AssertSoundAsync(visit);
        var secret = (await page.Locator(".reference code").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        await page.TypeIntoAsync("Six-digit code", Visit.Totp(secret));
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        await page.EnterAsync("I have saved them");
        await page.ArriveAtAsync("**/consent?*");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task FirstFactor_ThatARoleNeeds_IsAddedByKeyboardInTheMiddleOfTheSignIn_AndThePersonGoesOn()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.GotoAsync(visit.AuthorizeUrl());
        await visit.BeginFirstFactorAsync(page.Url.Replace("/signin?", "/signin/code?", StringComparison.Ordinal));
        await AssertSoundAsync(visit);
        await page.EnterAsync("Add an authenticator app");
        await page.ArriveAtAsync("**/account/security/authenticator?*");
        await AssertSoundAsync(visit);
        var secret = (await page.Locator(".reference code").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        await page.TypeIntoAsync("Six-digit code", Visit.Totp(secret));
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        await AssertSoundAsync(visit);
        await page.EnterAsync("I have saved them");
        await page.ArriveAtAsync("**/consent?*");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task FirstFactor_ThatARoleNeeds_MayBeAPasskey()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        var authenticator = await VirtualAuthenticator.AddAsync(page);
        await visit.BeginFirstFactorAsync();
        await page.EnterAsync("Add a passkey");
        await page.ArriveAtAsync("**/account/security/passkey*");
        await visit.PressAsync("Create passkey");
        await Assertions.Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        await page.EnterAsync("I have saved them");
        await page.ArriveAtAsync("**/account");
        Assert.Single(await authenticator.PasskeysAsync());
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task ForgottenPassword_WithNothingButAKeyboard_IsReplaced_AndTheSecondFactorStillAsked()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.AddAuthenticatorAsync();
        var recovery = await page.Locator(".codes code").AllTextContentsAsync();
        var verified = await visit.VerifyEmailAsync();
        await SignOutAsync(visit);
        await visit.GotoAsync("/signin");
        await page.EnterAsync("Forgot your password?");
        await page.ArriveAtAsync("**/forgot-password*");
        await page.TypeIntoAsync("E-mail address", visit.Email);
        await page.Keyboard.PressAsync("Enter");
        await page.ArriveAtAsync("**/reset-password?*");
        await AssertSoundAsync(visit);
        await page.TypeIntoAsync("Six-digit code", await fixture.Server.ReadCodeAsync(visit.Email, verified));
        await page.TypeIntoAsync("New password", "copper lantern meadow");
        await page.Keyboard.PressAsync("Enter");
        await page.ArriveAtAsync("**/signin/second-factor*");
        await page.EnterAsync("Use a recovery code");
        await page.ArriveAtAsync("**/signin/second-factor?way=recovery_code");
        await page.TypeIntoAsync("Recovery code", recovery[0]);
        await page.EnterAsync("Confirm");
        await page.ArriveAtAsync("**/account");
        visit.AssertPolicyHeld();
    }

    private static async Task RecoverAsync(Visit visit, string code)
    {
        var page = visit.Page;
        await page.EnterAsync("Use a recovery code");
        await page.ArriveAtAsync("**/signin/second-factor?way=recovery_code");
        await AssertSoundAsync(visit);
        await page.TypeIntoAsync("Recovery code", code);
        await page.EnterAsync("Confirm");
    }

    private static async Task PasswordAsync(Visit visit)
    {
        var page = visit.Page;
        await visit.GotoAsync("/signin");
        await page.TypeIntoAsync("E-mail address or user name", visit.Email);
        await page.TypeIntoAsync("Password", BrowserFixture.Password);
        await page.Keyboard.PressAsync("Enter");
    }

    private static async Task SignOutAsync(Visit visit)
    {
        await visit.GotoAsync("/signout");
        await visit.Page.EnterAsync("Sign out");
        await visit.Page.ArriveAtAsync("**/signed-out*");
    }

    private static async Task AssertSoundAsync(Visit visit)
    {
        await visit.Page.LoadAsync();
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
    }
}
