// OWASP ASVS 5.0 §6.3.7; Sudhodanan and Paverd, "Pre-hijacked accounts" (USENIX Security 2022): second factors that a stranger added go with the stranger, and a mailbox alone takes none away.
using System.Net;
using System.Text.RegularExpressions;
using Identity.Tests.Api;
using Identity.Tests.Pages;
using Microsoft.AspNetCore.Mvc.Testing;

namespace Identity.Tests.SecondFactors;

[Collection(nameof(FactorServer))]
public sealed partial class FactorTakeBackTests(FactorServer server)
{
    private const string NewPassword = "another sound phrase 8";

    [Fact]
    public async Task Factor_AddedByAnIntruder_IsGoneOnceTheOwnerSaysSo()
    {
        // Whoever is here holds the password and adds an app: the owner is told, with the way back.
        var intruder = await server.ArmedAsync();
        var link = Link().Match((await server.Messages.WithAsync(intruder.Person.Email, "A second step was added")).Text).Value;
        await DisownAsync(server, link);
        await ResetAsync(server, intruder.Person);

        // The new password signs in by itself: neither the app nor the codes stand in the owner's way, or open a door.
        var owner = await server.LoginAsync(intruder.Person.Email, NewPassword);
        var factors = await server.GetAsync("factors", owner.Access);
        Assert.Equal("""{"factors":[],"recoveryCodesLeft":0,"rememberedBrowsers":[]}""", factors.Json.ToJsonString());
        (await server.GetAsync("factors", intruder.Tokens.Access)).AssertFailure(401, "invalid_token");
    }

    [Fact]
    public async Task Factor_OlderThanAWeek_StaysWhereALinkIsUsed_AndAYoungOneGoes()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        var ada = await own.ArmedAsync();
        await VerifyAsync(own, ada.Person, ada.Tokens.Access);
        own.Time.Jump(TimeSpan.FromDays(8));

        // The intruder knows password and app, turns on another way and makes the recovery codes anew.
        var (mfaToken, _) = await own.BeginAsync(ada.Person);
        var tokens = Tokens.Of(await own.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[0] }));
        Assert.Equal(HttpStatusCode.Created, (await own.PostAsync("factors/email", null, tokens.Access)).Status);
        var made = await own.PostAsync("factors/recovery-codes", null, tokens.Access);
        Assert.Equal(HttpStatusCode.Created, made.Status);
        await DisownAsync(own, Link().Match((await own.Messages.WithAsync(ada.Person.Email, "New recovery codes were made")).Text).Value);
        await ResetAsync(own, ada.Person, nth: 2);

        var (again, methods) = FactorServer.Half(await own.PostAsync("login", new { email = ada.Person.Email, password = NewPassword }));
        Assert.Equal(["totp"], methods);
        (await own.PostAsync("login", new { mfaToken = again, code = (string)made.Json["recoveryCodes"]![0]! })).AssertFailure(401, "invalid_mfa_code");
        (await own.PostAsync("login", new { mfaToken = again, code = own.Totp(ada.Secret) })).AssertOk();
    }

    [Fact]
    public async Task Reset_ByTheMailboxAlone_TakesNoFactorAway()
    {
        var ada = await server.ArmedAsync();
        await VerifyAsync(server, ada.Person, ada.Tokens.Access);
        await server.PostAsync("password/forgot", new { email = ada.Person.Email });
        await ResetAsync(server, ada.Person, nth: 2);
        var (_, methods) = FactorServer.Half(await server.PostAsync("login", new { email = ada.Person.Email, password = NewPassword }));
        Assert.Equal(["totp", "recovery_code"], methods);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Factor_OfWhoeverRegisteredTheAddressFirst_IsGoneWhenItsOwnerProvesIt(bool byCode)
    {
        await using var own = new CodeServer();
        await own.InitializeAsync();
        var squatter = await own.ArmedAsync();
        if (byCode)
        {
            await own.PostAsync("otp/generate", new { email = squatter.Person.Email, purpose = "login" });
            (await own.PostAsync("otp/verify", new { email = squatter.Person.Email, purpose = "login", code = await own.Messages.CodeAsync(squatter.Person.Email) })).AssertOk();
        }
        else
        {
            await own.PostAsync("password/forgot", new { email = squatter.Person.Email });
            (await own.PostAsync("password/reset", new { email = squatter.Person.Email, code = await own.Messages.CodeAsync(squatter.Person.Email), newPassword = NewPassword })).AssertOk();
            var owner = await own.LoginAsync(squatter.Person.Email, NewPassword);
            Assert.Empty((await own.GetAsync("factors", owner.Access)).Json["factors"]!.AsArray());
        }

        (await own.PostAsync("login", new { email = squatter.Person.Email, password = squatter.Person.Password })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task Factors_AddedWhileTheOwnerTakesTheAccountBack_AreNotThereAfterwards()
    {
        // One that was begun before is finished in the same moment, fifty times over.
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", new { userName = "u" + Guid.NewGuid().ToString("N")[..10] }, tokens.Access)).AssertOk();
        var link = Link().Match((await server.Messages.WithAsync(person.Email, "user name")).Text).Value;
        var begun = await server.PostAsync("factors/totp", null, tokens.Access);
        var confirmed = FactorServer.RaceAsync(_ => server.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) }, tokens.Access));
        await DisownAsync(server, link);
        await confirmed;
        await ResetAsync(server, person);
        Assert.Empty((await server.GetAsync("factors", (await server.LoginAsync(person.Email, NewPassword)).Access)).Json["factors"]!.AsArray());
    }

    [Fact]
    public async Task EveryChangeOfAFactor_IsToldWithItsNameAndALink()
    {
        var ada = await server.ArmedAsync();
        var added = await server.Messages.WithAsync(ada.Person.Email, "A second step was added");
        Assert.Contains("An authenticator app", added.Text, StringComparison.Ordinal);
        (await server.PostAsync("factors/proof", new { code = ada.RecoveryCodes[0] }, ada.Tokens.Access)).AssertOk();
        var used = await server.Messages.WithAsync(ada.Person.Email, "A recovery code was used");
        Assert.Contains("Left: 9", used.Text, StringComparison.Ordinal);
        await server.PostAsync("factors/recovery-codes", null, ada.Tokens.Access);
        var made = await server.Messages.WithAsync(ada.Person.Email, "New recovery codes were made");
        await server.SendAsync(HttpMethod.Delete, "factors/" + ada.FactorId, null, ada.Tokens.Access);
        var removed = await server.Messages.WithAsync(ada.Person.Email, "A second step was removed");
        Assert.All([added, used, made, removed], message => Assert.Matches(Link(), message.Text));
    }

    // A code without a token says nothing of who set the password. Whoever then shows both is the owner of both, and what they add is theirs.
    [Theory]
    [InlineData("a sign-in by both")]
    [InlineData("a code with the token")]
    [InlineData("a code with the registration's ticket")]
    public async Task Reset_OnceOnePersonShowedMailboxAndPassword_TakesNoFactorAway(string shown)
    {
        var registered = await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password = ApiServer.Password });
        var person = new Person(registered.Value("id"), registered.Value("email"), ApiServer.Password);
        if (shown == "a code with the registration's ticket")
        {
            await server.PostAsync("otp/generate", new { email = person.Email });
            (await server.SendWithTicketAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email) }, registered.Headers["Registration-Ticket"])).AssertOk();
        }
        else
        {
            await VerifyAsync(server, person);
        }

        var tokens = await server.LoginAsync(person.Email);
        var codes = 1;
        if (shown == "a code with the token")
        {
            await VerifyAsync(server, person, tokens.Access, ++codes);
        }
        else if (shown == "a sign-in by both")
        {
            Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("factors/email", null, tokens.Access)).Status);
            var (half, _) = await server.BeginAsync(person);
            (await server.PostAsync("login/code", new { mfaToken = half, method = "email" })).AssertOk();
            var answer = await server.PostAsync("login", new { mfaToken = half, code = await server.Messages.CodeAsync(person.Email, ++codes), method = "email" });
            answer.AssertOk();
            tokens = Tokens.Of(answer);
        }

        await EnrolAsync(server, tokens);
        await server.PostAsync("password/forgot", new { email = person.Email });
        await ResetAsync(server, person, ++codes);
        var (_, methods) = FactorServer.Half(await server.PostAsync("login", new { email = person.Email, password = NewPassword }));
        Assert.Contains("totp", methods);
    }

    // Nobody showed both, so whose the app is cannot be known. But the mailbox was its owner's when it was told of the app, with a link that worked for a week.
    [Theory]
    [InlineData(8, true)]
    [InlineData(6, false)]
    public async Task Reset_OfAMailboxThatWasProvenAlone_LeavesAnAppThatStoodForAWeek(int days, bool stays)
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        using var passkey = new SoftwarePasskey();
        var person = await own.RegisterAsync();
        await VerifyAsync(own, person);
        var tokens = await own.LoginAsync(person.Email);
        await EnrolAsync(own, tokens);
        var begun = await own.PostAsync("factors/passkeys/options", null, tokens.Access);
        Assert.Equal(HttpStatusCode.Created, (await own.PostAsync("factors/passkeys", new { passkeyToken = begun.Value("passkeyToken"), name = "Key", credential = passkey.Create(begun.Json["publicKey"]!) }, tokens.Access)).Status);
        own.Time.Jump(TimeSpan.FromDays(days));
        await own.PostAsync("password/forgot", new { email = person.Email });
        await ResetAsync(own, person, nth: 2);

        // What opens the account by itself goes in any case: a stranger's must not stay.
        var asked = await own.PostAsync("login/passkey", null);
        (await own.PostAsync("login", new { passkeyToken = asked.Value("passkeyToken"), credential = passkey.Get(asked.Json["publicKey"]!) })).AssertFailure(401, "invalid_credentials");
        var answer = await own.PostAsync("login", new { email = person.Email, password = NewPassword });
        if (stays)
        {
            Assert.Equal(["totp", "recovery_code"], FactorServer.Half(answer).Methods);
        }
        else
        {
            answer.AssertOk();
        }
    }

    // Who registers an address, adds an app and waits, until its owner confirms it and later sets a password, has nothing of it.
    [Fact]
    public async Task Factor_FromBeforeTheAddressWasProven_IsGoneHoweverOldItIs()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        var squatter = await own.ArmedAsync();
        own.Time.Jump(TimeSpan.FromDays(8));
        await VerifyAsync(own, squatter.Person);
        own.Time.Jump(TimeSpan.FromDays(8));
        await own.PostAsync("password/forgot", new { email = squatter.Person.Email });
        await ResetAsync(own, squatter.Person, nth: 2);
        Assert.Empty((await own.GetAsync("factors", (await own.LoginAsync(squatter.Person.Email, NewPassword)).Access)).Json["factors"]!.AsArray());
    }

    private static async Task EnrolAsync(FactorServer server, Tokens tokens)
    {
        var begun = await server.PostAsync("factors/totp", null, tokens.Access);
        begun.AssertOk();
        var confirmed = await server.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) }, tokens.Access);
        Assert.True(confirmed.Status == HttpStatusCode.Created, confirmed.Text);
    }

    private static async Task VerifyAsync(FactorServer server, Person person, string? token = null, int nth = 1)
    {
        await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email, nth) }, token)).AssertOk();
    }

    // The page behind the link has sent the code.
    private static async Task ResetAsync(FactorServer server, Person person, int nth = 1) =>
        (await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email, nth), newPassword = NewPassword })).AssertOk();

    private static async Task DisownAsync(FactorServer server, string link)
    {
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken)));
        using var done = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);
    }

    [GeneratedRegex(@"https?://\S+/not-me\S+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Link();

    private sealed class CodeServer() : FactorServer("Accounts:AllowCodeSignIn", "true");
}
