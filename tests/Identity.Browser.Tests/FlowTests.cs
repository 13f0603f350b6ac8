// WCAG 2.2 §2.1.1 (keyboard), §2.4.7 (focus visible); OpenID Connect Core §3.1: the way of a person through the pages, to the application.
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class FlowTests(BrowserFixture fixture)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task NewPerson_SignsUpVerifiesAndAllows_WithAndWithoutJavaScript(bool javaScript)
    {
        await using var visit = await fixture.VisitAsync(javaScript);
        var page = visit.Page;
        await visit.GotoAsync(visit.AuthorizeUrl());
        await Assertions.Expect(page.GetByText("to continue to Atlas")).ToBeVisibleAsync();

        await page.GetByRole(AriaRole.Link, new() { Name = "Create an account" }).ClickAsync();
        await page.GetByLabel("E-mail address").FillAsync(visit.Email);
        await page.GetByLabel("First name").FillAsync("Ada");
        await page.GetByLabel("New password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Create account");

        await page.ArriveAtAsync("**/verify-email?*");
        await page.GetByLabel("Six-digit code").FillAsync(await fixture.Server.ReadCodeAsync(visit.Email));
        await visit.PressAsync("Confirm");

        // The browser that registered is signed in by its code, and goes on to where it came from.
        await Assertions.Expect(page.GetByText("Atlas would like to:")).ToBeVisibleAsync();
        await visit.PressAsync("Allow");
        var answer = await visit.CalledBackAsync();
        Assert.NotEmpty(answer["code"]);
        Assert.Equal("st/1", answer["state"]);
        Assert.Equal(fixture.Server.Url.AbsoluteUri.TrimEnd('/'), answer["iss"]);
        visit.AssertPolicyHeld();

        // Allowed once, and signed in: nobody is asked again.
        await visit.GotoAsync(visit.AuthorizeUrl());
        Assert.NotEmpty((await visit.CalledBackAsync())["code"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FormPost_WithAndWithoutJavaScript_CarriesTheAnswerBack(bool javaScript)
    {
        await using var visit = await fixture.VisitAsync(javaScript);
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl(more: "&response_mode=form_post"));
        await visit.PressAsync("Allow");
        if (!javaScript)
        {
            await visit.PressAsync("Continue");
        }

        await visit.Page.ArriveAtAsync(fixture.Callback);
        await Assertions.Expect(visit.Page.Locator("output")).ToHaveTextAsync("code iss state");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Person_WithNothingButAKeyboard_SignsInAndAllows()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        var page = visit.Page;
        await visit.GotoAsync(visit.AuthorizeUrl());

        // The first field has the focus on arrival.
        await page.Locator("input[autocomplete~=username]:focus").WaitForAsync();
        await page.Keyboard.TypeAsync(visit.Email);
        await page.TabToAsync("Password");
        await page.Keyboard.TypeAsync(BrowserFixture.Password);
        await page.TabToAsync("Sign in");
        await page.Keyboard.PressAsync("Enter");
        await page.ArriveAtAsync("**/consent?*");
        await page.TabToAsync("Allow");
        await page.Keyboard.PressAsync("Enter");
        Assert.NotEmpty((await visit.CalledBackAsync())["code"]);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task ErrorSummary_AfterAMistake_TakesTheFocusAndLeadsToTheField()
    {
        await using var visit = await fixture.VisitAsync();
        var page = visit.Page;
        await visit.GotoAsync("/register");
        await page.GetByLabel("E-mail address").FillAsync("ada");
        await visit.PressAsync("Create account");

        await Assertions.Expect(page.Locator(".error-summary")).ToBeFocusedAsync();
        await Assertions.Expect(page).ToHaveTitleAsync("Error: Create an account – Identity");
        await page.GetByRole(AriaRole.Link, new() { Name = "Enter an e-mail address like name@example.com" }).PressAsync("Enter");
        var field = page.GetByLabel("E-mail address");
        await Assertions.Expect(field).ToBeFocusedAsync();
        await Assertions.Expect(field).ToHaveValueAsync("ada");
        await Assertions.Expect(field).ToHaveAttributeAsync("aria-invalid", "true");
        await Assertions.Expect(field).ToHaveAccessibleDescriptionAsync("Enter an e-mail address like name@example.com");
        visit.AssertPolicyHeld();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Device_WhoseCodeIsTyped_IsLetInAfterAYes(bool javaScript)
    {
        await using var visit = await fixture.VisitAsync(javaScript);
        await visit.RegisterAccountAsync();
        var page = visit.Page;
        var (device, code, _) = await visit.BeginDeviceAsync();
        await visit.GotoAsync("/connect/verify");
        await page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");

        await page.GetByLabel("Code on the device").FillAsync(code.ToLowerInvariant());
        await visit.PressAsync("Continue");
        await Assertions.Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Living room TV" })).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByText(code, new() { Exact = false })).ToBeVisibleAsync();
        Assert.Equal("authorization_pending", await visit.PollDeviceAsync(device));
        await visit.PressAsync("Allow");
        await Assertions.Expect(page.GetByText("go back to your device")).ToBeVisibleAsync();
        Assert.Null(await visit.PollDeviceAsync(device));
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Device_ByItsLinkAndTheKeyboardAlone_IsToldNo()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        var (device, _, link) = await visit.BeginDeviceAsync();
        await visit.GotoAsync(link);
        await visit.Page.TabToAsync("Do not allow");
        await visit.Page.Keyboard.PressAsync("Enter");
        await visit.Page.ArriveAtAsync("**/connect/verify?done=denied");
        Assert.Equal("access_denied", await visit.PollDeviceAsync(device));
        visit.AssertPolicyHeld();
    }

    [Theory]
    [InlineData("/signin")]
    [InlineData("/consent")]
    public async Task Person_WhoSaysNo_IsTakenBackWithAccessDenied(string at)
    {
        await using var visit = await fixture.VisitAsync();
        if (at == "/consent")
        {
            await visit.SignInAsync();
        }

        await visit.GotoAsync(visit.AuthorizeUrl());
        Assert.Contains(at, visit.Page.Url, StringComparison.Ordinal);
        await visit.PressAsync(at == "/consent" ? "Do not allow" : "Back to Atlas");
        var answer = await visit.CalledBackAsync();
        Assert.Equal("access_denied", answer["error"]);
        Assert.Equal("st/1", answer["state"]);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task ForgottenPassword_WithTheCodeFromTheMail_IsReplaced()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        var page = visit.Page;
        await visit.GotoAsync(visit.AuthorizeUrl());
        await page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.PressAsync("Forgot your password?");
        await page.ArriveAtAsync("**/forgot-password?*");
        await Assertions.Expect(page.GetByLabel("E-mail address")).ToHaveValueAsync(visit.Email);
        await visit.PressAsync("Send code");
        await page.ArriveAtAsync("**/reset-password?*");
        await page.GetByLabel("Six-digit code").FillAsync(await fixture.Server.ReadCodeAsync(visit.Email));
        await page.GetByLabel("New password", new() { Exact = true }).FillAsync("copper lantern meadow");
        await visit.PressAsync("Set new password");

        // The new password is known: nobody types it again.
        await page.ArriveAtAsync("**/consent?*");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Person_WithoutAPassword_SignsInWithACode()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        var page = visit.Page;

        // Codes to sign in with go to confirmed addresses only.
        await visit.GotoAsync("/verify-email?email=" + Uri.EscapeDataString(visit.Email));
        await visit.PressAsync("Send a new code");
        var first = await fixture.Server.ReadCodeAsync(visit.Email);
        await page.GetByLabel("Six-digit code").FillAsync(first);
        await visit.PressAsync("Confirm");
        await Assertions.Expect(page.GetByText("Your e-mail address is confirmed")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Sign in" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Send me a code by e-mail" }).ClickAsync();
        await page.GetByLabel("E-mail address").FillAsync(visit.Email);
        await visit.PressAsync("Send code");
        await page.ArriveAtAsync("**/signin/code?*");
        var code = await fixture.Server.ReadCodeAsync(visit.Email, not: first);

        // Pasted as it stands in some mails.
        await page.GetByLabel("Six-digit code").FillAsync(code[..3] + " " + code[3..]);
        await visit.PressAsync("Sign in");
        await page.ArriveAtAsync("**/account");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Password_WhenShown_CanBeReadAndIsSentAsBefore()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        var page = visit.Page;
        await visit.GotoAsync("/signin");
        await page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        var field = page.GetByLabel("Password", new() { Exact = true });
        await field.FillAsync(BrowserFixture.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Show: Password" }).ClickAsync();
        await Assertions.Expect(field).ToHaveAttributeAsync("type", "text");
        await page.GetByRole(AriaRole.Button, new() { Name = "Hide: Password" }).ClickAsync();
        await Assertions.Expect(field).ToHaveAttributeAsync("type", "password");
        await visit.PressAsync("Sign in");
        await page.ArriveAtAsync("**/account");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Profile_WhenSaved_IsKept()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        var page = visit.Page;
        await page.GetByLabel("Nickname").FillAsync("Countess");
        await page.GetByLabel("Phone number").FillAsync("+44 20 7946 0958");
        await page.GetByText("About you").ClickAsync();
        await page.GetByLabel("Date of birth").FillAsync("1985-12-10");
        await page.GetByLabel("Time zone").SelectOptionAsync("Europe/London");
        await page.GetByText("Postal address").ClickAsync();
        await page.GetByLabel("City").FillAsync("London");
        await visit.PressAsync("Save changes");
        await Assertions.Expect(page.GetByText("Confirm your new phone number")).ToBeVisibleAsync();
        await page.GetByLabel("Six-digit code").FillAsync(await fixture.Server.ReadSmsCodeAsync("+442079460958"));
        await visit.PressAsync("Confirm");
        await Assertions.Expect(page.GetByText("Your new phone number is confirmed.")).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByLabel("Nickname")).ToHaveValueAsync("Countess");
        await Assertions.Expect(page.GetByLabel("Phone number")).ToHaveValueAsync("+442079460958");
        await Assertions.Expect(page.GetByLabel("Date of birth")).ToHaveValueAsync("1985-12-10");
        await Assertions.Expect(page.GetByLabel("Time zone")).ToHaveValueAsync("Europe/London");
        await Assertions.Expect(page.GetByLabel("City")).ToHaveValueAsync("London");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Session_EndedFromAnotherBrowser_IsSignedOut()
    {
        await using var first = await fixture.VisitAsync();
        await first.SignInAsync();
        await using var second = await fixture.VisitAsync();
        await second.GotoAsync("/signin");
        await second.Page.GetByLabel("E-mail address or user name").FillAsync(first.Email);
        await second.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await second.PressAsync("Sign in");
        await second.Page.ArriveAtAsync("**/account");

        await second.GotoAsync("/account/sessions");
        await Assertions.Expect(second.Page.GetByText("This browser")).ToHaveCountAsync(1);
        await second.PressAsync("Sign out everywhere else");
        await Assertions.Expect(second.Page.GetByText("You are signed out everywhere else.")).ToBeVisibleAsync();

        await first.GotoAsync("/account");
        Assert.Contains("/signin", first.Page.Url, StringComparison.Ordinal);
        second.AssertPolicyHeld();
    }

    // The way back follows a form, and a browser that holds it to a page's form-action would leave the button dead.
    [Fact]
    public async Task SignOut_WithTheHintOfAnEarlierSignInAndNoClientId_LeadsBackToTheApplication()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl());
        await visit.PressAsync("Allow");
        var hint = (await visit.RedeemAsync((await visit.CalledBackAsync())["code"])).GetProperty("id_token").GetString()!;
        await visit.GotoAsync("/signout");
        await visit.PressAsync("Sign out");
        await visit.Page.ArriveAtAsync("**/signed-out*");
        await visit.GotoAsync("/signin");
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");
        await visit.Page.ArriveAtAsync("**/account*");
        await visit.GotoAsync(visit.AuthorizeUrl());
        await visit.CalledBackAsync();

        await visit.GotoAsync($"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString(fixture.Callback)}&state=bye");
        await visit.Page.ArriveAtAsync("**/signout?*");
        await visit.PressAsync("Sign out");
        Assert.Equal("bye", (await visit.CalledBackAsync())["state"]);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Account_ThatAnotherProviderKnows_IsConnectedWithNothingButAKeyboard()
    {
        await using var visit = await fixture.VisitAsync();
        await fixture.ComeFromTheProviderAsync(visit);
        await visit.Page.TypeIntoAsync("Password", "not the one");
        await visit.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(visit.Page.Locator(".error-summary")).ToBeFocusedAsync();
        await visit.Page.EnterAsync("Send me a code instead");
        await visit.Page.ArriveAtAsync("**/external/link?*sent=1*");
        await visit.Page.TypeIntoAsync("Six-digit code", await fixture.FederatedServer.ReadCodeAsync(visit.Email));
        await visit.Page.Keyboard.PressAsync("Enter");
        await visit.Page.ArriveAtAsync("**/account*");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task App_WhenDisconnected_AsksAgain()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        await visit.GotoAsync(visit.AuthorizeUrl());
        await visit.PressAsync("Allow");
        await visit.CalledBackAsync();

        await visit.GotoAsync("/account/apps");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Disconnect: Atlas" }).ClickAsync();
        await Assertions.Expect(visit.Page.GetByText("The app is disconnected.")).ToBeVisibleAsync();
        await visit.GotoAsync(visit.AuthorizeUrl());
        Assert.Contains("/consent", visit.Page.Url, StringComparison.Ordinal);
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Texts_FollowUiLocalesBeforeTheBrowser()
    {
        await using var german = await fixture.VisitAsync(locale: "de-AT");
        await german.GotoAsync("/signin");
        await Assertions.Expect(german.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("Anmelden");
        Assert.Equal("de-AT", await german.Page.Locator("html").GetAttributeAsync("lang"));

        await using var english = await fixture.VisitAsync();
        await english.GotoAsync(english.AuthorizeUrl(more: "&ui_locales=it%20de"));
        await Assertions.Expect(english.Page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToHaveTextAsync("Anmelden");
        await english.PressAsync("Anmelden");
        await Assertions.Expect(english.Page.Locator(".error-summary")).ToContainTextAsync("Geben Sie Ihr Passwort ein");
    }

    [Fact]
    public async Task Device_ForWhoIsSomebodyElse_LeadsToSignInAndBackToItsCode()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.SignInAsync();
        var (_, code, link) = await visit.BeginDeviceAsync();
        await visit.GotoAsync(link);
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Use another account" }).ClickAsync();
        await visit.Page.ArriveAtAsync("**/signin?*");
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");
        await Assertions.Expect(visit.Page.Locator(".user-code")).ToContainTextAsync(code);
    }
}
