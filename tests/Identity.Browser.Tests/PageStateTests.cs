// WCAG 2.2 AA by axe-core, on every page in every state, light and dark, wide and narrow. With IDENTITY_UPDATE_SCREENSHOTS=1 each is kept as a picture in artifacts/screenshots; those that a document shows go to docs/screenshots by hand.
using System.Globalization;
using Identity.Tests.Kit.Push;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class PageStateTests(BrowserFixture fixture)
{
    private static readonly string Screenshots = Path.GetFullPath(Path.Combine(BrowserFixture.SourceDirectory(), "..", "..", "artifacts", "screenshots"));

    private static readonly Dictionary<string, Func<Visit, BrowserFixture, Task>> States = new(StringComparer.Ordinal)
    {
        ["start"] = (visit, _) => visit.GotoAsync("/"),
        ["demo"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/");
            await visit.PressAsync("Run the demo client");
            await visit.PressAsync("Allow");
            await Assertions.Expect(visit.Page.GetByRole(AriaRole.Heading, new() { Name = "The demo client has its tokens" })).ToBeVisibleAsync();
        },
        ["demo-failed"] = (visit, _) => visit.GotoAsync("/demo/callback?error=access_denied&state=x"),
        ["sign-in"] = (visit, _) => visit.GotoAsync("/signin"),
        ["sign-in-client"] = (visit, _) => visit.GotoAsync(visit.AuthorizeUrl(more: "&login_hint=ada%40example.com")),
        ["sign-in-empty"] = async (visit, _) =>
        {
            await visit.GotoAsync("/signin");
            await visit.PressAsync("Sign in");
        },
        ["sign-in-wrong"] = async (visit, _) =>
        {
            await visit.GotoAsync(visit.AuthorizeUrl(more: "&login_hint=ada%40example.com"));
            await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync("not the one");
            await visit.PressAsync("Sign in");
        },
        ["sign-in-reset-done"] = (visit, _) => visit.GotoAsync("/signin?done=reset&email=ada%40example.com"),
        ["sign-in-german"] = (visit, _) => visit.GotoAsync(visit.AuthorizeUrl(more: "&ui_locales=de")),
        ["sign-in-french"] = (visit, _) => visit.GotoAsync(visit.AuthorizeUrl(more: "&ui_locales=fr")),
        ["sign-in-spanish"] = (visit, _) => visit.GotoAsync(visit.AuthorizeUrl(more: "&ui_locales=es")),
        ["sign-in-arabic"] = (visit, _) => visit.GotoAsync(visit.AuthorizeUrl(more: "&ui_locales=ar&login_hint=ada%40example.com")),
        ["sign-in-arabic-wrong"] = async (visit, _) =>
        {
            await visit.GotoAsync(visit.AuthorizeUrl(more: "&ui_locales=ar&login_hint=ada%40example.com"));
            await visit.Page.Locator("#Password").FillAsync("not the one");
            await visit.PressAsync("تسجيل الدخول");
        },
        ["register-arabic"] = async (visit, _) =>
        {
            await visit.GotoAsync("/language?to=ar&from=%2Fregister");
            await visit.Page.Locator("#Password").PressSequentiallyAsync("sunshine monkey");
            await Assertions.Expect(visit.Page.GetByText("ضعيفة")).ToBeVisibleAsync();
        },
        ["register-strength"] = async (visit, _) =>
        {
            await visit.GotoAsync("/register");
            await visit.Page.GetByLabel("New password", new() { Exact = true }).PressSequentiallyAsync("sunshine monkey");
            await Assertions.Expect(visit.Page.GetByText("guessed first")).ToBeVisibleAsync();
        },
        ["verify-email-arabic"] = (visit, _) => visit.GotoAsync("/language?to=ar&from=" + Uri.EscapeDataString("/verify-email?email=ada%40example.com&sent=1")),
        ["verify-email-done"] = (visit, _) => visit.GotoAsync("/verify-email?done=1"),
        ["consent-arabic"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl("openid profile email address phone offline_access", "&ui_locales=ar"));
        },
        ["account-profile-arabic"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/language?to=ar&from=%2Faccount");
            await visit.Page.EvaluateAsync("() => document.querySelectorAll('details').forEach(group => { group.open = true; })");
        },
        ["account-security-arabic"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/language?to=ar&from=" + Uri.EscapeDataString("/account/security"));
        },
        ["account-sessions-arabic"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/language?to=ar&from=" + Uri.EscapeDataString("/account/sessions"));
        },
        ["error-request-arabic"] = (visit, _) => visit.GotoAsync("/connect/authorize?client_id=nobody&ui_locales=ar"),
        ["device-ask-arabic"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/language?to=ar&from=%2Faccount");
            await visit.GotoAsync((await visit.BeginDeviceAsync()).Link);
        },
        ["account-password-changed"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/password");
            await visit.Page.GetByLabel("Current password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
            await visit.Page.GetByLabel("New password", new() { Exact = true }).FillAsync("copper lantern meadow");
            await visit.PressAsync("Change password");
            await Assertions.Expect(visit.Page.GetByText("Your password is changed.")).ToBeVisibleAsync();
        },
        ["register"] = (visit, _) => visit.GotoAsync("/register"),
        ["register-errors"] = async (visit, _) =>
        {
            await visit.GotoAsync("/register");
            await visit.Page.GetByLabel("E-mail address").FillAsync("ada");
            await visit.Page.GetByLabel("New password", new() { Exact = true }).FillAsync("short");
            await visit.PressAsync("Create account");
        },
        ["register-common-password"] = async (visit, _) =>
        {
            await visit.GotoAsync("/register");
            await visit.Page.GetByLabel("E-mail address").FillAsync(visit.Email);
            await visit.Page.GetByLabel("New password", new() { Exact = true }).FillAsync("password123");
            await visit.PressAsync("Create account");
        },
        ["verify-email"] = (visit, _) => visit.GotoAsync("/verify-email?email=ada%40example.com&sent=1"),
        ["verify-email-unknown"] = (visit, _) => visit.GotoAsync("/verify-email"),
        ["verify-email-wrong"] = async (visit, _) =>
        {
            await visit.GotoAsync("/verify-email?email=ada%40example.com&sent=1");
            await visit.Page.GetByLabel("Six-digit code").FillAsync("000000");
            await visit.PressAsync("Confirm");
        },
        ["verify-email-sent-again"] = (visit, _) => visit.GotoAsync("/verify-email?email=ada%40example.com&sent=1&again=1"),
        ["forgot-password"] = (visit, _) => visit.GotoAsync("/forgot-password"),
        ["forgot-password-error"] = async (visit, _) =>
        {
            await visit.GotoAsync("/forgot-password");
            await visit.PressAsync("Send code");
        },
        ["reset-password"] = (visit, _) => visit.GotoAsync("/reset-password?email=ada%40example.com"),
        ["reset-password-errors"] = async (visit, _) =>
        {
            await visit.GotoAsync("/reset-password?email=ada%40example.com");
            await visit.Page.GetByLabel("Six-digit code").FillAsync("12");
            await visit.PressAsync("Set new password");
        },
        ["sign-in-code"] = (visit, _) => visit.GotoAsync("/signin/code"),
        ["sign-in-code-sent"] = (visit, _) => visit.GotoAsync("/signin/code?email=ada%40example.com&sent=1"),
        ["consent"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl("openid profile email offline_access"));
        },
        ["consent-more"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl("openid profile"));
            await visit.PressAsync("Allow");
            await visit.CalledBackAsync();
            await visit.GotoAsync(visit.AuthorizeUrl("openid profile email phone"));
        },
        ["device"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/connect/verify");
        },
        ["device-wrong"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/connect/verify");
            await visit.Page.GetByLabel("Code on the device").FillAsync("BCDF-GHJK");
            await visit.PressAsync("Continue");
        },
        ["device-ask"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync((await visit.BeginDeviceAsync()).Link);
        },
        ["device-allowed"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync((await visit.BeginDeviceAsync()).Link);
            await visit.PressAsync("Allow");
        },
        ["device-denied"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync((await visit.BeginDeviceAsync()).Link);
            await visit.PressAsync("Do not allow");
        },
        ["form-post"] = async (visit, _) =>
        {
            // The page sends itself; without its script it waits for the person.
            await visit.Page.RouteAsync("**/js/form-post.js*", route => route.AbortAsync());
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl(more: "&response_mode=form_post"));
            await visit.PressAsync("Allow");
            await Assertions.Expect(visit.Page.GetByText("Back to Atlas")).ToBeVisibleAsync();
        },
        ["sign-out"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/signout");
        },
        ["sign-out-client"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/connect/endsession?client_id=atlas");
        },
        ["signed-out"] = (visit, _) => visit.GotoAsync("/signed-out"),
        ["signed-out-client"] = (visit, _) => visit.GotoAsync("/signed-out?client_id=atlas"),
        ["not-found"] = (visit, _) => visit.GotoAsync("/no-such-page"),
        ["error-request"] = (visit, _) => visit.GotoAsync("/connect/authorize?client_id=nobody"),
        ["error-expired"] = async (visit, _) =>
        {
            await visit.GotoAsync("/signin");
            await visit.Page.EvaluateAsync("() => document.querySelectorAll('[name=__RequestVerificationToken]').forEach(token => token.remove())");
            await visit.PressAsync("Sign in");
        },
        ["too-many-attempts"] = async (visit, fixture) =>
        {
            for (var i = 0; i < 3; i++)
            {
                await visit.GotoAsync(fixture.NarrowServer.Url + "forgot-password");
                await visit.Page.GetByLabel("E-mail address").FillAsync("ada@example.com");
                await visit.PressAsync("Send code");
            }
        },
        ["account-profile"] = async (visit, _) => await visit.SignInAsync(),
        ["account-profile-step"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddMailFactorAsync();
            await visit.GotoAsync("/account");
            await Assertions.Expect(visit.Page.GetByRole(AriaRole.Link, new() { Name = "Confirm it is you" })).ToBeVisibleAsync();
        },
        ["account-profile-saved"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.Page.GetByLabel("Nickname").FillAsync("Countess");
            await visit.PressAsync("Save changes");
        },
        ["account-profile-errors"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.Page.GetByLabel("Phone number").FillAsync("12");
            await visit.Page.GetByText("Links", new() { Exact = true }).ClickAsync();
            await visit.Page.GetByLabel("Website").FillAsync("ada");
            await visit.PressAsync("Save changes");
        },
        ["account-password"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/password");
        },
        ["account-password-wrong"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/password");
            await visit.Page.GetByLabel("Current password", new() { Exact = true }).FillAsync("not the one");
            await visit.Page.GetByLabel("New password", new() { Exact = true }).FillAsync("copper lantern meadow");
            await visit.PressAsync("Change password");
        },
        ["account-sessions"] = async (visit, fixture) =>
        {
            await visit.SignInAsync();
            await using var other = await fixture.VisitAsync();
            await other.GotoAsync("/signin");
            await other.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
            await other.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
            await other.PressAsync("Sign in");
            await other.Page.ArriveAtAsync("**/account");
            await visit.GotoAsync("/account/sessions");
        },
        ["account-devices-none"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/devices");
        },
        ["account-devices"] = async (visit, fixture) =>
        {
            await visit.SignInAsync();
            await fixture.AddPushDevicesAsync(visit.Email);
            await visit.GotoAsync("/account/devices?done=DeviceRemoved");
        },
        ["account-security-none"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/security");
        },
        ["account-security"] = async (visit, _) =>
        {
            await EnrolPasskeyAsync(visit);
            await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/account/security");
        },
        ["account-authenticator"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/security/authenticator");
        },
        ["account-authenticator-wrong"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/security/authenticator");
            await visit.Page.GetByLabel("Six-digit code").FillAsync("000000");
            await visit.PressAsync("Add app");
        },
        ["account-recovery-codes"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
        },
        ["account-recovery-codes-arabic"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
            await visit.PressAsync("العربية");
            await Assertions.Expect(visit.Page.Locator(".codes code")).ToHaveCountAsync(10);
        },
        ["account-security-remove-last"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/account/security");
            await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Remove: Authenticator app" }).ClickAsync();
            await Assertions.Expect(visit.Page.GetByText("Remove Authenticator app?")).ToBeVisibleAsync();
        },
        ["account-data"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/data");
        },
        ["account-data-slip"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/data");
            await visit.PressAsync("Delete my account");
            await Assertions.Expect(visit.Page.Locator(".error-summary")).ToBeVisibleAsync();
        },
        ["account-deleted"] = (visit, _) => visit.GotoAsync("/signed-out?done=deleted"),
        ["account-passkey"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/security/passkey");
        },
        ["account-confirm-password"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/security/confirm?returnUrl=%2Faccount%2Fsecurity");
        },
        ["second-factor-passkey"] = async (visit, _) =>
        {
            await EnrolPasskeyAsync(visit);
            await visit.GotoAsync("/signin/second-factor");
        },
        ["second-factor-authenticator"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/signin/second-factor");
        },
        ["second-factor-phone"] = async (visit, _) => (await AskPhoneAsync(visit, isAsked: false)).Dispose(),
        ["second-factor-phone-waiting"] = async (visit, _) => (await AskPhoneAsync(visit)).Dispose(),
        ["second-factor-phone-approved"] = async (visit, _) =>
        {
            // The page goes on by itself; without its script it waits for the person.
            await visit.Page.RouteAsync("**/js/push.js*", route => route.AbortAsync());
            using var phone = await AskPhoneAsync(visit);
            var number = await visit.Page.Locator(".push-number b").TextContentAsync();
            await visit.AnswerAsync(phone, _ => number);
            await visit.Page.ReloadAsync();
            await Assertions.Expect(visit.Page.GetByText("Your phone says yes.")).ToBeVisibleAsync();
        },
        ["second-factor-phone-denied"] = async (visit, _) =>
        {
            using var phone = await AskPhoneAsync(visit);
            await visit.AnswerAsync(phone, _ => null);
            await Assertions.Expect(visit.Page.GetByText("The answer on your phone was no.")).ToBeVisibleAsync();
        },
        ["sign-in-phone"] = async (visit, _) =>
        {
            await visit.GotoAsync("/signin");
            await visit.Page.GetByLabel("E-mail address or user name").FillAsync("ada@example.com");
            await visit.PressAsync("Sign in with your phone");
            await Assertions.Expect(visit.Page.Locator(".push-number b")).ToBeVisibleAsync();
        },
        ["sign-in-phone-client-german"] = async (visit, _) =>
        {
            await visit.GotoAsync(visit.AuthorizeUrl(more: "&login_hint=ada%40example.com&ui_locales=de"));
            await visit.PressAsync("Mit dem Telefon anmelden");
            await Assertions.Expect(visit.Page.Locator(".push-number b")).ToBeVisibleAsync();
        },
        ["account-security-phone"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            (await visit.AddPhoneAsync(withoutPassword: true)).Dispose();
            await visit.GotoAsync("/account/security?done=PhoneAllowed");
        },
        ["account-security-phone-ready"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            (await visit.AddPhoneAsync(isFactor: false)).Dispose();
            await visit.GotoAsync("/account/security");
        },
        ["second-factor-wrong"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/signin/second-factor?way=recovery_code");
            await visit.Page.GetByLabel("Recovery code").FillAsync("aaaaa-aaaaa");
            await visit.PressAsync("Confirm");
        },
        ["add-factor"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl(more: Visit.EssentialAcr("urn:identity:acr:2fa")));
        },
        ["add-factor-passkey"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl(more: Visit.EssentialAcr("phr")));
        },
        ["add-factor-authenticator"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl(more: Visit.EssentialAcr("urn:identity:acr:2fa")));
            await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Add an authenticator app" }).ClickAsync();
        },
        ["add-factor-role"] = (visit, _) => visit.BeginFirstFactorAsync(),
        ["add-factor-role-authenticator"] = async (visit, _) =>
        {
            await visit.BeginFirstFactorAsync();
            await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Add an authenticator app" }).ClickAsync();
        },
        ["add-factor-role-passkey"] = async (visit, _) =>
        {
            await visit.BeginFirstFactorAsync();
            await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Add a passkey" }).ClickAsync();
        },
        ["sign-in-expired"] = (visit, _) => visit.GotoAsync("/signin?done=expired"),
        ["sign-in-over"] = (visit, _) => visit.GotoAsync("/signin?returnUrl=%2Faccount&done=over"),
        ["account-profile-conflict"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            var other = await visit.Page.Context.NewPageAsync();
            await other.GotoAsync("/account");
            await other.GetByLabel("Nickname").FillAsync("Countess");
            await other.GetByRole(AriaRole.Button, new() { Name = "Save changes" }).ClickAsync();
            await Assertions.Expect(other.GetByText("Your changes are saved.")).ToBeVisibleAsync();
            await other.CloseAsync();
            await visit.Page.GetByLabel("Nickname").FillAsync("Lady");
            await visit.PressAsync("Save changes");
        },
        ["account-security-remembered"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            var secret = await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/signout");
            await visit.PressAsync("Sign out");
            await visit.GotoAsync("/signin");
            await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
            await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
            await visit.PressAsync("Sign in");
            await visit.Page.ArriveAtAsync("**/signin/second-factor");
            await visit.Page.GetByLabel("Six-digit code").FillAsync(Visit.Totp(secret, steps: 1));
            await visit.Page.GetByLabel("Do not ask again in this browser for 30 days").CheckAsync();
            await visit.PressAsync("Confirm");
            await visit.GotoAsync("/account/security");
            await Assertions.Expect(visit.Page.GetByText("Remembered browsers")).ToBeVisibleAsync();
        },
        ["account-confirm-authenticator"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.AddAuthenticatorAsync();
            await visit.GotoAsync("/account/security/confirm?returnUrl=%2Faccount%2Fsecurity&strength=2");
        },
        ["account-connections"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/connections");
        },
        ["account-pending-email"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.Page.GetByLabel("E-mail address").FillAsync("new." + visit.Email);
            await visit.PressAsync("Save changes");
            await visit.GotoAsync("/account/pending/email");
            await Assertions.Expect(visit.Page.GetByLabel("Six-digit code")).ToBeVisibleAsync();
        },
        ["not-me"] = async (visit, _) => await visit.GotoAsync(await visit.NotMeLinkAsync()),
        ["not-me-gone"] = (visit, _) => visit.GotoAsync("/not-me?ticket=none"),
        ["external-link"] = (visit, fixture) => fixture.ComeFromTheProviderAsync(visit),
        ["external-link-wrong"] = async (visit, fixture) =>
        {
            await fixture.ComeFromTheProviderAsync(visit);
            await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync("not the one");
            await visit.PressAsync("Connect");
            await Assertions.Expect(visit.Page.Locator(".error-summary")).ToBeVisibleAsync();
        },
        ["external-link-code"] = async (visit, fixture) =>
        {
            await fixture.ComeFromTheProviderAsync(visit);
            await visit.PressAsync("Send me a code instead");
            await Assertions.Expect(visit.Page.GetByLabel("Six-digit code")).ToBeVisibleAsync();
        },
        ["external-link-code-wrong"] = async (visit, fixture) =>
        {
            await fixture.ComeFromTheProviderAsync(visit);
            await visit.PressAsync("Send me a code instead");
            await visit.Page.GetByLabel("Six-digit code").FillAsync("abc");
            await visit.PressAsync("Connect");
            await Assertions.Expect(visit.Page.Locator(".error-summary")).ToBeVisibleAsync();
        },
        ["external-signout"] = async (visit, fixture) =>
        {
            await fixture.ComeFromTheProviderAsync(visit);
            await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
            await visit.PressAsync("Connect");
            await visit.Page.ArriveAtAsync("**/account*");

            // The page leads on by itself, at once: here it is kept from that.
            await visit.Page.RouteAsync("**/external/signout?*", async route =>
            {
                var answer = await route.FetchAsync();
                Assert.StartsWith("0; url=", answer.Headers["refresh"], StringComparison.Ordinal);
                await route.FulfillAsync(new() { Response = answer, Headers = answer.Headers.Where(header => header.Key != "refresh") });
            });
            var url = fixture.FederatedServer.Url + "signout";
            await visit.GotoAsync(url);
            var form = visit.Page.APIRequest.CreateFormData();
            foreach (var (name, value) in await visit.Page.EvaluateAsync<Dictionary<string, string>>("() => Object.fromEntries(new FormData([...document.forms].find(form => form.method === 'post')))"))
            {
                form.Append(name, value);
            }

            var sent = await visit.Page.APIRequest.PostAsync(url, new() { Form = form, MaxRedirects = 0, Headers = [KeyValuePair.Create("Origin", fixture.FederatedServer.Url.GetLeftPart(UriPartial.Authority))] });
            await visit.GotoAsync(new Uri(fixture.FederatedServer.Url, sent.Headers["location"]).AbsoluteUri);
            await Assertions.Expect(visit.Page.GetByRole(AriaRole.Link, new() { Name = "Sign out of Example Inc." })).ToBeVisibleAsync();
        },
        ["signed-out-going-on"] = async (visit, _) =>
        {
            // The page goes on by itself; without its script it waits for the person.
            await visit.Page.RouteAsync("**/js/signed-out.js*", route => route.AbortAsync());
            await visit.SignInAsync();
            await visit.BeginSignOutAsync("harbour");
            await Assertions.Expect(visit.Page.GetByRole(AriaRole.Link, new() { Name = "Back to Harbour" })).ToBeVisibleAsync();
            await Assertions.Expect(visit.Page.Locator("iframe")).ToHaveCountAsync(1);
        },
        ["external-problem"] = (visit, _) => visit.GotoAsync("/external/problem?problem=Expired&provider=x&id=0123456789abcdef"),
        ["account-apps-empty"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync("/account/apps");
        },
        ["account-apps"] = async (visit, _) =>
        {
            await visit.SignInAsync();
            await visit.GotoAsync(visit.AuthorizeUrl());
            await visit.PressAsync("Allow");
            await visit.CalledBackAsync();
            await visit.GotoAsync("/account/apps");
        },
    };

    // Every page with one of its states: a page that somebody adds is looked at too.
    private static readonly Dictionary<string, string> Pages = new(StringComparer.Ordinal)
    {
        ["AddFactor"] = "add-factor",
        ["Consent"] = "consent",
        ["Demo"] = "demo",
        ["External/Link"] = "external-link",
        ["External/Problem"] = "external-problem",
        ["External/SignOut"] = "external-signout",
        ["ForgotPassword"] = "forgot-password",
        ["Index"] = "start",
        ["MyAccount/Apps"] = "account-apps",
        ["MyAccount/Authenticator"] = "account-authenticator",
        ["MyAccount/Confirm"] = "account-confirm-password",
        ["MyAccount/Connections"] = "account-connections",
        ["MyAccount/Data"] = "account-data",
        ["MyAccount/Devices"] = "account-devices",
        ["MyAccount/Index"] = "account-profile",
        ["MyAccount/Passkey"] = "account-passkey",
        ["MyAccount/Password"] = "account-password",
        ["MyAccount/Pending"] = "account-pending-email",
        ["MyAccount/RecoveryCodes"] = "account-recovery-codes",
        ["MyAccount/Security"] = "account-security",
        ["MyAccount/Sessions"] = "account-sessions",
        ["NotMe"] = "not-me",
        ["Phone"] = "sign-in-phone",
        ["Register"] = "register",
        ["ResetPassword"] = "reset-password",
        ["SecondFactor"] = "second-factor-authenticator",
        ["SignIn"] = "sign-in",
        ["SignInWithCode"] = "sign-in-code",
        ["SignOut"] = "sign-out",
        ["SignedOut"] = "signed-out",
        ["Status"] = "not-found",
        ["Verify"] = "device",
        ["VerifyEmail"] = "verify-email",
    };

    public static TheoryData<string> Names => [.. States.Keys];

    [Fact]
    public void Pages_ThatThereAre_HaveAStateEach()
    {
        var folder = Path.GetFullPath(Path.Combine(BrowserFixture.SourceDirectory(), "..", "..", "src", "Identity.Server", "Pages"));
        var pages = Directory.GetFiles(folder, "*.cshtml", SearchOption.AllDirectories)
            .Where(file => !Path.GetFileName(file).StartsWith('_') && File.ReadLines(file).First().StartsWith("@page", StringComparison.Ordinal))
            .Select(file => Path.ChangeExtension(Path.GetRelativePath(folder, file), null).Replace('\\', '/'));
        Assert.Equal(Pages.Keys.Order(StringComparer.Ordinal), pages.Order(StringComparer.Ordinal));
        Assert.All(Pages.Values, state => Assert.Contains(state, States.Keys));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Page_InThisState_HasNoAccessibilityProblemAndFitsEverywhere(string state)
    {
        await using var visit = await fixture.VisitAsync();
        await States[state](visit, fixture);
        await visit.Page.LoadAsync();
        foreach (var width in (int[])[1280, 390])
        {
            await visit.Page.SetViewportSizeAsync(width, width == 390 ? 780 : 800);
            Assert.True(await visit.Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= innerWidth"), $"{state} is wider than {width} pixels");
            foreach (var scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
            {
                await visit.Page.EmulateMediaAsync(new() { ColorScheme = scheme });
                // What is dark differs in its colours alone.
                Assert.Empty(await visit.FindAccessibilityProblemsAsync(scheme == ColorScheme.Dark ? ["color-contrast", "link-in-text-block"] : []));
                await KeepAsync(visit.Page, string.Create(CultureInfo.InvariantCulture, $"{state}-{width}-{(scheme == ColorScheme.Dark ? "dark" : "light")}.png"));
            }
        }

        visit.AssertPolicyHeld();
    }

    // WCAG 2.2 §2.5.8 asks for 24 px; a thumb wants 44.
    [Theory]
    [InlineData("sign-in-client")]
    [InlineData("register-errors")]
    [InlineData("consent")]
    [InlineData("device-ask")]
    [InlineData("account-sessions")]
    [InlineData("account-profile-arabic")]
    [InlineData("sign-in-phone")]
    [InlineData("account-security-phone")]
    public async Task Targets_OnAPhone_AreAtLeast44PixelsHigh(string state)
    {
        await using var visit = await fixture.VisitAsync();
        await States[state](visit, fixture);
        await visit.Page.SetViewportSizeAsync(390, 780);
        var small = await visit.Page.EvaluateAsync<string[]>("""
            () => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')]
              .filter(e => e.offsetParent && !e.closest('.error-summary') && !e.classList.contains('skip') && e.getBoundingClientRect().height < 44)
              .map(e => e.outerHTML.slice(0, 120))
            """);
        Assert.Empty(small);
    }

    // WCAG 2.2 §1.4.10 (reflow): 400 % on a desk is 320 px.
    [Theory]
    [InlineData("sign-in-wrong")]
    [InlineData("consent")]
    [InlineData("device-ask")]
    [InlineData("account-sessions")]
    [InlineData("account-profile")]
    [InlineData("second-factor-phone-waiting")]
    public async Task Page_At320PixelsAndRightToLeft_NeedsNoSidewaysScrolling(string state)
    {
        await using var visit = await fixture.VisitAsync();
        await States[state](visit, fixture);
        await visit.Page.SetViewportSizeAsync(320, 600);
        await visit.Page.EvaluateAsync("() => { document.documentElement.dir = 'rtl'; }");
        Assert.True(await visit.Page.EvaluateAsync<bool>("() => document.documentElement.scrollWidth <= innerWidth"));
    }

    private static async Task EnrolPasskeyAsync(Visit visit)
    {
        await VirtualAuthenticator.AddAsync(visit.Page);
        await visit.SignInAsync();
        await visit.GotoAsync("/account/security/passkey");
        await visit.PressAsync("Create passkey");
        await Assertions.Expect(visit.Page.Locator(".codes code")).ToHaveCountAsync(10);
    }

    // A right password, of somebody with a phone.
    private static async Task<SimulatedDevice> AskPhoneAsync(Visit visit, bool isAsked = true)
    {
        await visit.RegisterAccountAsync();
        var phone = await visit.AddPhoneAsync();
        await visit.GotoAsync("/signin");
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");
        await visit.Page.ArriveAtAsync("**/signin/second-factor");
        if (isAsked)
        {
            await visit.PressAsync("Ask my phone");
            await Assertions.Expect(visit.Page.Locator(".push-number b")).ToBeVisibleAsync();
        }

        return phone;
    }

    private static async Task KeepAsync(IPage page, string name)
    {
        if (Environment.GetEnvironmentVariable("IDENTITY_UPDATE_SCREENSHOTS") == "1")
        {
            Directory.CreateDirectory(Screenshots);
            await page.ScreenshotAsync(new() { Path = Path.Combine(Screenshots, name), FullPage = true, Animations = ScreenshotAnimations.Disabled, Caret = ScreenshotCaret.Hide });
        }
    }
}
