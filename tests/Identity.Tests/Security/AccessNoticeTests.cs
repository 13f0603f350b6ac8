// OWASP ASVS 5.0 §6.3.7: every change of what lets somebody into an account is told by mail, and the link in it ends the sessions and starts a reset.
using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.ExternalSignIn;
using Identity.Accounts.Profile;
using Identity.Accounts.SecondFactors;
using Identity.Tests.Api;
using Identity.Tests.Pages;
using Identity.Tests.SecondFactors;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

[Collection(nameof(FactorServer))]
public sealed partial class AccessNoticeTests(FactorServer server)
{
    private const string NewPassword = "another sound phrase 8";

    /// <summary>Every means of access, how it is changed, the words of its mail, and where that goes where it is not the person's own address of before.</summary>
    private static readonly Dictionary<string, (AccessChange Change, string Words, Func<FactorServer, Person, Tokens, Task<string?>> Make)> Means = new(StringComparer.Ordinal)
    {
        ["password"] = (AccessChange.PasswordChanged, "Your password was changed", async (server, person, tokens) => Done(await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = "a third sound phrase 9" }, tokens.Access))),
        ["password by reset"] = (AccessChange.PasswordChanged, "Your password was changed", async (server, person, _) =>
        {
            var before = server.Messages.CountCodesTo(person.Email);
            Done(await server.PostAsync("password/forgot", new { email = person.Email }));
            return Done(await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email, before + 1), newPassword = "a third sound phrase 9" }));
        }
        ),
        ["password by an administrator"] = (AccessChange.PasswordChanged, "Your password was changed", async (server, person, _) => Done(await server.PostAsync($"users/{person.Id}/password", new { newPassword = "a third sound phrase 9" }, (await server.AdminAsync()).Access))),
        ["e-mail asked"] = (AccessChange.EmailChangeAsked, "is to be changed", async (server, person, tokens) => Done(await server.PutAsync("users/" + person.Id, new { email = "new" + person.Email }, tokens.Access))),
        ["e-mail"] = (AccessChange.EmailChanged, "Your e-mail address was changed", async (server, person, tokens) =>
        {
            Done(await server.PutAsync("users/" + person.Id, new { email = "new" + person.Email }, tokens.Access));
            return Done(await server.PostAsync("otp/verify", new { email = "new" + person.Email, code = await server.Messages.CodeAsync("new" + person.Email) }));
        }
        ),
        ["e-mail by an administrator"] = (AccessChange.EmailReplaced, "An e-mail address was changed for you", async (server, person, _) =>
        {
            Done(await server.PutAsync("users/" + person.Id, new { email = "new" + person.Email }, (await server.AdminAsync()).Access));
            return "new" + person.Email;
        }
        ),
        ["phone number asked"] = (AccessChange.PhoneChangeAsked, "Your phone number is to be changed", async (server, person, tokens) => Done(await server.PutAsync("users/" + person.Id, new { phoneNumber = Number() }, tokens.Access))),
        ["phone number"] = (AccessChange.PhoneChanged, "Your phone number was changed", async (server, person, tokens) =>
        {
            await PhoneAsync(server, person, tokens);
            return null;
        }
        ),
        ["phone number taken away"] = (AccessChange.PhoneRemoved, "Your phone number was removed", async (server, person, tokens) =>
        {
            await PhoneAsync(server, person, tokens);
            return Done(await server.PutAsync("users/" + person.Id, """{"phoneNumber":null}""", tokens.Access));
        }
        ),
        ["user name"] = (AccessChange.UserNameChanged, "Your user name was changed", async (server, person, tokens) => Done(await server.PutAsync("users/" + person.Id, new { userName = "u" + person.Id[..13] }, tokens.Access))),
        ["authenticator added"] = (AccessChange.SecondFactorAdded, "A second step was added", async (server, _, tokens) =>
        {
            await TotpAsync(server, tokens);
            return null;
        }
        ),
        ["authenticator removed"] = (AccessChange.SecondFactorRemoved, "A second step was removed", async (server, _, tokens) => Done(await server.SendAsync(HttpMethod.Delete, "factors/" + (await TotpAsync(server, tokens)).Id, null, tokens.Access))),
        ["codes by mail added"] = (AccessChange.SecondFactorAdded, "A second step was added", async (server, _, tokens) => Done(await server.PostAsync("factors/email", null, tokens.Access))),
        ["passkey added"] = (AccessChange.PasskeyAdded, "A passkey was added", async (server, _, tokens) =>
        {
            await PasskeyAsync(server, tokens);
            return null;
        }
        ),
        ["passkey removed"] = (AccessChange.PasskeyRemoved, "A passkey was removed", async (server, _, tokens) => Done(await server.SendAsync(HttpMethod.Delete, "factors/" + await PasskeyAsync(server, tokens), null, tokens.Access))),
        ["recovery codes made anew"] = (AccessChange.RecoveryCodesReplaced, "New recovery codes were made", async (server, _, tokens) =>
        {
            var codes = (await TotpAsync(server, tokens)).RecoveryCodes;
            Done(await server.PostAsync("factors/proof", new { code = codes[0] }, tokens.Access));
            return Done(await server.PostAsync("factors/recovery-codes", null, tokens.Access));
        }
        ),
        ["recovery code used"] = (AccessChange.RecoveryCodeUsed, "A recovery code was used", async (server, _, tokens) => Done(await server.PostAsync("factors/proof", new { code = (await TotpAsync(server, tokens)).RecoveryCodes[0] }, tokens.Access))),
        ["browser remembered"] = (AccessChange.BrowserRemembered, "A browser was remembered", async (server, person, tokens) =>
        {
            var codes = (await TotpAsync(server, tokens)).RecoveryCodes;
            var (half, _) = await server.BeginAsync(person);
            await using var scope = server.Services.CreateAsyncScope();
            var step = await scope.ServiceProvider.GetRequiredService<SecondFactorSignIn>().FinishAsync(half, new FactorProof.Code("recovery_code", codes[1]), remember: true, new Caller(null, null), CancellationToken.None);
            Assert.NotNull(Assert.IsType<SecondStep.Succeeded>(step).RememberedToken);
            return null;
        }
        ),
        ["connection added"] = (AccessChange.ConnectionAdded, "A new way to sign in", async (server, person, _) =>
        {
            await ConnectAsync(server, person);
            return null;
        }
        ),
        ["connection removed"] = (AccessChange.ConnectionRemoved, "A way to sign in was taken away", async (server, person, _) =>
        {
            var external = await ConnectAsync(server, person);
            var all = await external.ListAsync(Guid.Parse(person.Id), CancellationToken.None);
            Assert.Equal(Unlinking.Done, await external.UnlinkAsync(Guid.Parse(person.Id), all[0].Key, new Caller(null, null), CancellationToken.None));
            return null;
        }
        ),
        ["device with a key"] = (AccessChange.DeviceKeyAdded, "A device may sign you in", async (server, _, tokens) =>
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return Done(await server.PostAsync("devices", new { platform = "android", token = "fcm-token:" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24)), appId = "com.example.app", publicKey = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()) }, tokens.Access));
        }
        ),
        ["device with a key removed"] = (AccessChange.DeviceKeyRemoved, "A device no longer signs you in", async (server, _, tokens) =>
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var device = await server.PostAsync("devices", new { platform = "ios", token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)), appId = "com.example.app", environment = "production", publicKey = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()) }, tokens.Access);
            return Done(await server.SendAsync(HttpMethod.Delete, "devices/" + device.Value("id"), body: null, tokens.Access));
        }
        ),
        ["deletion"] = (AccessChange.DeletionAsked, "Your account will be deleted", async (server, person, tokens) => Done(await server.SendAsync(HttpMethod.Delete, "users/" + person.Id, new { currentPassword = person.Password }, tokens.Access))),
    };

    public static TheoryData<string> Names => [.. Means.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Change_OfAMeansOfAccess_IsToldWithALink_ThatEndsTheSessionsAndStartsAReset(string means)
    {
        var (_, words, make) = Means[means];
        var person = await server.RegisterAsync();
        var tokens = await server.LoginAsync(person.Email);
        (await server.PostAsync("otp/generate", new { email = person.Email })).AssertOk();
        (await server.PostAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email) }, tokens.Access)).AssertOk();

        var told = await make(server, person, tokens) ?? person.Email;
        var link = Link().Match((await server.Messages.WithAsync(told, words)).Text);
        Assert.True(link.Success, "no link");
        var before = server.Messages.CountCodesTo(told);
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link.Value, TestContext.Current.CancellationToken)));
        using var done = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);

        (await server.GetAsync("users/me", tokens.Access)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        foreach (var password in (string[])[person.Password, "a third sound phrase 9"])
        {
            (await server.PostAsync("login", new { email = told, password })).AssertFailure(401, "invalid_credentials");
        }

        (await server.PostAsync("password/reset", new { email = told, code = await server.Messages.CodeAsync(told, before + 1), newPassword = NewPassword })).AssertOk();
        var owner = await server.LoginAsync(told, NewPassword);
        Assert.Equal(person.Id, (await server.GetAsync("users/me", owner.Access)).Value("id"));

        // Whatever a stranger added a moment ago is gone.
        Assert.Empty((await server.GetAsync("factors", owner.Access)).Json["factors"]!.AsArray());
        Assert.Equal("[]", (await server.GetAsync("devices", owner.Access)).Text);
        Assert.Empty(await server.Services.GetRequiredService<ExternalSignInService>().ListAsync(Guid.Parse(person.Id), TestContext.Current.CancellationToken));
    }

    /// <summary>A change that somebody adds belongs in the table. Not there: an owner took the account over (SafeChangeTests), and what needs a phone (PushSignInTests).</summary>
    [Fact]
    public void Changes_ThatThereAre_AreAllInTheTable() =>
        Assert.Equal([AccessChange.AccountTakenOver, AccessChange.PushWithoutPasswordAllowed, AccessChange.PushWithoutPasswordForbidden], Enum.GetValues<AccessChange>().Except(Means.Values.Select(means => means.Change)));

    private static string? Done(Answer answer)
    {
        Assert.True((int)answer.Status is >= 200 and < 300, answer.Text);
        return null;
    }

    private static string Number() => "+49151" + RandomNumberGenerator.GetInt32(10_000_000, 99_999_999).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static async Task PhoneAsync(FactorServer server, Person person, Tokens tokens)
    {
        var number = Number();
        Done(await server.PutAsync("users/" + person.Id, new { phoneNumber = number }, tokens.Access));
        Done(await server.PostAsync("otp/verify", new { phoneNumber = number, code = await server.Messages.CodeAsync(number) }));
    }

    private static async Task<(string Id, string[] RecoveryCodes)> TotpAsync(FactorServer server, Tokens tokens)
    {
        var begun = await server.PostAsync("factors/totp", null, tokens.Access);
        var added = await server.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) }, tokens.Access);
        Done(added);
        return ((string)added.Json["factor"]!["id"]!, [.. added.Json["recoveryCodes"]!.AsArray().Select(code => (string)code!)]);
    }

    private static async Task<string> PasskeyAsync(FactorServer server, Tokens tokens)
    {
        using var passkey = new SoftwarePasskey();
        var begun = await server.PostAsync("factors/passkeys/options", null, tokens.Access);
        var added = await server.PostAsync("factors/passkeys", new { passkeyToken = begun.Value("passkeyToken"), name = "Key", credential = passkey.Create(begun.Json["publicKey"]!) }, tokens.Access);
        Done(added);
        return (string)added.Json["factor"]!["id"]!;
    }

    private static async Task<ExternalSignInService> ConnectAsync(FactorServer server, Person person)
    {
        var external = server.Services.GetRequiredService<ExternalSignInService>();
        var account = await server.Services.GetRequiredService<IAccountStore>().FindAsync(Guid.Parse(person.Id), CancellationToken.None);
        var stranger = new ExternalPerson { Subject = new ExternalSubject("openam", "/", "mallory " + person.Id, true) };
        Assert.Equal(Linking.Done, await external.LinkAsync(stranger, account!, new Caller(null, null), CancellationToken.None));
        return external;
    }

    [GeneratedRegex(@"https?://\S+/not-me\S+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Link();
}
