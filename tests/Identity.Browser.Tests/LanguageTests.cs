// WCAG 2.2 §3.1.1 (language), §2.1.1 (keyboard): the languages as a person meets them, right to left too; and what helps with a new password.
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class LanguageTests(BrowserFixture fixture)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Language_ChosenOnAPage_IsKeptOnTheWayToTheApplication_WithAndWithoutJavaScript(bool javaScript)
    {
        await using var visit = await fixture.VisitAsync(javaScript);
        await visit.RegisterAccountAsync();
        var page = visit.Page;
        await visit.GotoAsync(visit.AuthorizeUrl());
        var at = page.Url;
        await visit.PressAsync("العربية");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("تسجيل الدخول");
        Assert.Equal(at, page.Url);
        Assert.Equal("rtl", await page.Locator("html").GetAttributeAsync("dir"));
        await page.Locator("#Login").FillAsync(visit.Email);
        await page.Locator("#Password").FillAsync(BrowserFixture.Password);
        await visit.PressAsync("تسجيل الدخول");
        await page.ArriveAtAsync("**/consent?*");
        Assert.Equal("rtl", await page.Locator("html").GetAttributeAsync("dir"));
        await visit.PressAsync("السماح");
        Assert.NotEmpty((await visit.CalledBackAsync())["code"]);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Language_WithNothingButAKeyboard_IsChosen()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.GotoAsync("/signin");
        await visit.Page.EnterAsync("Français");
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("Se connecter");
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Français" })).ToHaveAttributeAsync("aria-current", "true");
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
    }

    [Theory]
    [InlineData("/signin")]
    [InlineData("/register")]
    [InlineData("/forgot-password")]
    [InlineData("/account")]
    [InlineData("/account/sessions")]
    [InlineData("/account/security")]
    public async Task Page_InArabic_FitsAt320PixelsAndStandsOnTheRight(string url)
    {
        await using var visit = await fixture.VisitAsync(locale: "ar-EG");
        if (url.StartsWith("/account", StringComparison.Ordinal))
        {
            await visit.RegisterAccountAsync();
            await visit.GotoAsync("/signin");
            await visit.Page.Locator("#Login").FillAsync(visit.Email);
            await visit.Page.Locator("#Password").FillAsync(BrowserFixture.Password);
            await visit.PressAsync("تسجيل الدخول");
            await visit.Page.ArriveAtAsync("**/account");
        }

        await visit.GotoAsync(url);
        await visit.Page.SetViewportSizeAsync(320, 640);
        Assert.True(await visit.Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= innerWidth"));
        Assert.Equal("right", await visit.Page.EvaluateAsync<string>("() => { const style = getComputedStyle(document.querySelector('label, h2')); return style.textAlign === 'start' && style.direction === 'rtl' ? 'right' : style.textAlign; }"));
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
    }

    [Fact]
    public async Task NewPassword_WhileItIsTyped_IsCountedAndJudgedAndSaysWhy()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.GotoAsync("/register");
        await page.GetByLabel("E-mail address").FillAsync(visit.Email);
        var field = page.GetByLabel("New password", new() { Exact = true });
        await Assertions.Expect(page.Locator("meter")).ToBeHiddenAsync();
        await field.PressSequentiallyAsync("1234567");
        await Assertions.Expect(page.GetByText("Length: 7 (at least 8)")).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByText("Very weak. It is too short.")).ToBeVisibleAsync();
        await field.FillAsync("12345678910");
        await Assertions.Expect(page.GetByText("Very weak. Attackers try this one first: it will not be taken.")).ToBeVisibleAsync();
        await field.FillAsync("sunshine monkey");
        await Assertions.Expect(page.GetByText("Common words, names and passwords are guessed first.")).ToBeVisibleAsync();
        await field.FillAsync("violet tram harbour");
        await Assertions.Expect(page.GetByText("Length: 19 (at least 8)")).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByText("Very good", new() { Exact = true })).ToBeVisibleAsync();
        Assert.Equal(4, await page.Locator("meter").EvaluateAsync<int>("meter => meter.value"));
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task CapsLock_WhileItIsOn_IsTold()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.GotoAsync("/signin");
        var told = page.GetByText("Caps Lock is on");
        foreach (var (on, expected) in new[] { (true, true), (false, false) })
        {
            // A key of a keyboard whose light is on: browsers tell it with every key.
            await page.Locator("#Password").EvaluateAsync("(field, on) => field.dispatchEvent(new KeyboardEvent('keydown', { key: 'A', bubbles: true, modifierCapsLock: on }))", on);
            await Assertions.Expect(told).ToBeVisibleAsync(new() { Visible = expected });
        }

        visit.AssertPolicyHeld();
    }

    // UAX #44 (Nd): keyboards of these languages write digits of their own.
    [Theory]
    [InlineData("١٢٣ ٤٥٦")]
    [InlineData("۱۲۳-۴۵۶")]
    [InlineData("１２３４５６")]
    public async Task Code_TypedInDigitsOfTheLanguage_IsKept(string typed)
    {
        await using var visit = await fixture.VisitAsync();
        await visit.GotoAsync("/verify-email?email=ada%40example.com&sent=1");
        var field = visit.Page.Locator("input.otp");
        await field.PressSequentiallyAsync(typed);
        await Assertions.Expect(field).ToHaveValueAsync("123456");
    }

    [Fact]
    public async Task RecoveryCodes_FromRightToLeft_ReadFromLeftToRight()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        await visit.GotoAsync("/language?to=ar&from=" + Uri.EscapeDataString("/account/security/authenticator"));
        var secret = (await visit.Page.Locator(".reference code").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        await visit.Page.Locator("input.otp").FillAsync(Visit.Totp(secret));
        await visit.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(visit.Page.Locator(".codes code")).ToHaveCountAsync(10);
        Assert.Equal("ltr isolate", await visit.Page.Locator(".codes code").First.EvaluateAsync<string>("code => getComputedStyle(code).direction + ' ' + getComputedStyle(code).unicodeBidi"));
        await visit.GotoAsync("/signin/second-factor?way=recovery_code");
        Assert.Equal("ltr", await visit.Page.Locator("#Code").EvaluateAsync<string>("code => getComputedStyle(code).direction"));
    }

    [Theory]
    [InlineData("en")]
    [InlineData("de")]
    [InlineData("ar")]
    public async Task Tabs_OfTheAccount_AreAllInSightOnADesk(string language)
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        await visit.GotoAsync("/language?to=" + language + "&from=%2Faccount");
        Assert.True(await visit.Page.Locator(".tabs").EvaluateAsync<bool>("tabs => tabs.scrollWidth <= tabs.clientWidth"));
        await visit.Page.EmulateMediaAsync(new() { ForcedColors = ForcedColors.Active });
        Assert.Equal("solid", await visit.Page.Locator(".tabs [aria-current]").EvaluateAsync<string>("tab => getComputedStyle(tab).outlineStyle"));
    }
}
