// NIST SP 800-63B-4 §3.1.3: sign-in by a yes on a phone, end to end: a person at Chromium, and their phone that holds its key.
using Identity.Accounts;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class PhoneTests(BrowserFixture fixture)
{
    [Fact]
    public async Task Phone_AfterThePassword_SignsInWhenTheNumberIsPicked()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        using var phone = await visit.AddPhoneAsync();
        await visit.GotoAsync(visit.AuthorizeUrl());
        await PasswordAsync(visit);
        await visit.Page.ArriveAtAsync("**/signin/second-factor*");
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        await visit.PressAsync("Ask my phone");
        var number = await NumberAsync(visit);
        await Assertions.Expect(visit.Page.GetByRole(AriaRole.Status)).ToHaveTextAsync("Waiting for your phone");
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());

        // The phone names the application, and from where; the page goes on by itself.
        await visit.Page.GetByLabel("Do not ask again in this browser for 30 days").CheckAsync();
        var shown = await visit.AnswerAsync(phone, _ => number);
        Assert.Equal("Atlas", (string)shown["app"]!);
        Assert.Contains((string)shown["ip"]!, (string[])["127.0.0.1", "::1"]);
        Assert.Contains("Chrome", (string)shown["userAgent"]!, StringComparison.Ordinal);
        Assert.Contains(number, shown["numbers"]!.AsArray().Select(choice => (string)choice!));
        await visit.Page.ArriveAtAsync("**/consent?*");
        var session = await NewestSessionAsync(visit);
        Assert.Equal("pwd pop mfa", string.Join(' ', session.Amr));
        Assert.Equal("urn:identity:acr:2fa", session.Acr);

        // The browser was remembered.
        await visit.GotoAsync("/signout");
        await visit.PressAsync("Sign out");
        await visit.GotoAsync("/signin");
        await PasswordAsync(visit);
        await visit.Page.ArriveAtAsync("**/account");
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Phone_InsteadOfThePassword_SignsIn()
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        using var phone = await visit.AddPhoneAsync(withoutPassword: true);
        await visit.GotoAsync("/signin");
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.PressAsync("Sign in with your phone");
        var number = await NumberAsync(visit);
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        var shown = await visit.AnswerAsync(phone, _ => number, userVerified: true);
        Assert.True((bool)shown["needsUserVerification"]!);
        await visit.Page.ArriveAtAsync("**/account");
        Assert.Equal("pop mfa", string.Join(' ', (await NewestSessionAsync(visit)).Amr));
        visit.AssertPolicyHeld();
    }

    [Fact]
    public async Task Phone_WithoutJavaScript_GoesOnByTheButton()
    {
        await using var visit = await fixture.VisitAsync(javaScript: false);
        await visit.RegisterAccountAsync();
        using var phone = await visit.AddPhoneAsync();
        await visit.GotoAsync("/signin");
        await PasswordAsync(visit);
        await visit.PressAsync("Ask my phone");
        var number = await NumberAsync(visit);

        // Too early it waits on; then the page, which asks every five seconds, has a button to go on with.
        await visit.PressAsync("I have picked it");
        Assert.Equal(number, await NumberAsync(visit));
        await visit.AnswerAsync(phone, _ => number);
        await Assertions.Expect(visit.Page.GetByText("Your phone says yes.")).ToBeVisibleAsync(new() { Timeout = Visit.Patience });
        await visit.PressAsync("Go on");
        await Assertions.Expect(visit.Page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/account$"));
    }

    [Theory]
    [InlineData(false, "The answer on your phone was no.")]
    [InlineData(true, "That was another number. Look at this page when you pick one.")]
    public async Task Phone_WhenTheAnswerIsNoOrWrong_SaysSoAndAsksAgainLater(bool isPicked, string told)
    {
        await using var visit = await fixture.VisitAsync();
        await visit.RegisterAccountAsync();
        using var phone = await visit.AddPhoneAsync();
        await visit.GotoAsync("/signin");
        await PasswordAsync(visit);
        await visit.PressAsync("Ask my phone");
        var number = await NumberAsync(visit);
        await visit.AnswerAsync(phone, signIn => isPicked ? signIn["numbers"]!.AsArray().Select(choice => (string)choice!).First(choice => choice != number) : null);
        await Assertions.Expect(visit.Page.GetByText(told)).ToBeVisibleAsync(new() { Timeout = Visit.Patience });
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        await visit.PressAsync("Ask my phone again");
        await Assertions.Expect(visit.Page.Locator(".error-summary")).ToContainTextAsync("Too many attempts");
        Assert.Empty(await visit.FindAccessibilityProblemsAsync());
        visit.AssertPolicyHeld();
    }

    private static async Task PasswordAsync(Visit visit)
    {
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");
    }

    private static async Task<string> NumberAsync(Visit visit)
    {
        await Assertions.Expect(visit.Page.Locator(".push-number b")).ToBeVisibleAsync();
        return (await visit.Page.Locator(".push-number b").TextContentAsync())!;
    }

    private async Task<Session> NewestSessionAsync(Visit visit)
    {
        var services = fixture.Server.Services;
        var account = (await services.GetRequiredService<IAccountStore>().FindByEmailAsync(visit.Email.ToUpperInvariant(), CancellationToken.None))!;
        return (await services.GetRequiredService<ISessionStore>().ListLiveAsync(account.Id, DateTimeOffset.UtcNow, CancellationToken.None))[0];
    }
}
