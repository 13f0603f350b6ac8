// The wire contract's second step of login; security catalogue: attempts count across factors, single-use values are raced 50 wide.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Audit;
using Identity.Accounts.Changes;
using Identity.Tests.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.SecondFactors;

[Collection(nameof(FactorServer))]
public sealed class LoginTests(FactorServer server)
{
    [Fact]
    public async Task Login_WithAnAuthenticator_AsksForItAndTakesItOnce()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, methods) = await server.BeginAsync(ada.Person);
        Assert.Equal(["totp", "recovery_code"], methods);

        (await server.PostAsync("login", new { mfaToken, code = Wrong(server.Totp(ada.Secret)) })).AssertFailure(401, "invalid_mfa_code");
        var answer = await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret), deviceId = "phone-1" });
        answer.AssertOk();
        Assert.Equal(["accessToken", "refreshToken", "tokenType", "expiresIn", "refreshExpiresIn", "sessionId", "user"], answer.Json.Select(member => member.Key));
        var access = answer.Value("accessToken");
        Assert.Equal(["pwd", "otp", "mfa"], FactorServer.Claim(access, "amr")!.AsArray().Select(method => (string)method!));
        Assert.Equal("urn:identity:acr:2fa", (string?)FactorServer.Claim(access, "acr"));
        (await server.GetAsync("users/" + ada.Person.Id, access)).AssertOk();

        // The token is used up, and so is the code, with another token too.
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret, 1) })).AssertFailure(401, "invalid_mfa_token");
        var (again, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken = again, code = server.Totp(ada.Secret) })).AssertFailure(401, "invalid_mfa_code");
    }

    // The contract: codes as people enter them; some clients make a number of one.
    [Fact]
    public async Task Code_WhenItIsANumber_IsTakenWhereverACodeIs()
    {
        string Number(string code) => int.Parse(code, System.Globalization.CultureInfo.InvariantCulture).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var (_, fresh) = await server.SignedInAsync();
        var begun = await server.PostAsync("factors/totp", null, fresh.Access);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("factors/totp/confirm", $$"""{"enrolmentToken":"{{begun.Value("enrolmentToken")}}","code":{{Number(server.Totp(begun.Value("secret")))}}}""", fresh.Access)).Status);

        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", $$"""{"mfaToken":"{{mfaToken}}","code":12}""")).AssertFailure(401, "invalid_mfa_code");
        var answer = await server.PostAsync("login", $$"""{"mfaToken":"{{mfaToken}}","code":{{Number(server.Totp(ada.Secret))}}}""");
        answer.AssertOk();
        server.Time.Advance(TimeSpan.FromSeconds(60));
        (await server.PostAsync("factors/proof", $$"""{"code":{{Number(server.Totp(ada.Secret))}}}""", answer.Value("accessToken"))).AssertOk();
    }

    [Fact]
    public async Task Login_BeforeTheSecondFactor_LeadsToNoSession()
    {
        var ada = await server.ArmedAsync();
        var sessions = server.Services.GetRequiredService<Identity.Accounts.Sessions.ISessionStore>();
        var before = (await sessions.ListLiveAsync(Guid.Parse(ada.Person.Id), server.Time.GetUtcNow(), TestContext.Current.CancellationToken)).Count;
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        Assert.Equal(before, (await sessions.ListLiveAsync(Guid.Parse(ada.Person.Id), server.Time.GetUtcNow(), TestContext.Current.CancellationToken)).Count);

        // It is no token of any other kind either.
        (await server.GetAsync("users/" + ada.Person.Id, mfaToken)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("refresh-token", new { refreshToken = mfaToken })).AssertFailure(401, "invalid_refresh_token");
        (await server.PostAsync("factors/totp/confirm", new { enrolmentToken = mfaToken, code = server.Totp(ada.Secret) }, ada.Tokens.Access)).AssertFailure(400, "mfa_invalid");
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("CfDJ8AAAA")]
    public async Task MfaToken_ThatIsNotOurs_IsRefused(string mfaToken) =>
        (await server.PostAsync("login", new { mfaToken, code = "123456" })).AssertFailure(401, "invalid_mfa_token");

    [Fact]
    public async Task MfaToken_AfterFiveMinutes_IsWorthNothing()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        server.Time.Advance(TimeSpan.FromMinutes(5));
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertFailure(401, "invalid_mfa_token");
    }

    [Fact]
    public async Task MfaToken_AfterAChangeOfThePassword_IsWorthNothing()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("password/change", new { currentPassword = ada.Person.Password, newPassword = "another sound phrase 8" }, ada.Tokens.Access)).AssertOk();
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertFailure(401, "invalid_mfa_token");
    }

    [Fact]
    public async Task MfaToken_OfAnAccountThatWasDisabled_IsWorthNothing()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        await server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(Guid.Parse(ada.Person.Id), new AccountChange { IsActive = false }, null, new Caller(null, null), TestContext.Current.CancellationToken);
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertFailure(401, "invalid_mfa_token");
    }

    [Fact]
    public async Task MfaToken_OfSomebodyElse_TakesNobodysCode()
    {
        var (ada, bob) = (await server.ArmedAsync(), await server.ArmedAsync());
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(bob.Secret) })).AssertFailure(401, "invalid_mfa_code");
        (await server.PostAsync("login", new { mfaToken, code = bob.RecoveryCodes[0] })).AssertFailure(401, "invalid_mfa_code");
    }

    [Fact]
    public async Task TotpCode_WhenUsedFiftyTimesAtOnceWithFiftyTokens_WorksOnce()
    {
        var ada = await server.ArmedAsync();
        var code = server.Totp(ada.Secret);
        var tokens = new List<string>();
        for (var i = 0; i < 15; i++)
        {
            tokens.Add((await server.BeginAsync(ada.Person)).MfaToken);
        }

        var answers = await FactorServer.RaceAsync(i => server.PostAsync("login", new { mfaToken = tokens[i % tokens.Count], code }));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.All(answers, answer => Assert.True(answer.Status is HttpStatusCode.OK or HttpStatusCode.Unauthorized or HttpStatusCode.TooManyRequests, answer.Text));
    }

    [Fact]
    public async Task MfaToken_WhenUsedFiftyTimesAtOnceWithTenRightCodes_WorksOnce()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        var answers = await FactorServer.RaceAsync(i => server.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[i % 10] }));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task RecoveryCode_WhenUsedFiftyTimesAtOnce_WorksOnce()
    {
        var ada = await server.ArmedAsync();
        var tokens = new List<string>();
        for (var i = 0; i < 10; i++)
        {
            tokens.Add((await server.BeginAsync(ada.Person)).MfaToken);
        }

        var answers = await FactorServer.RaceAsync(i => server.PostAsync("login", new { mfaToken = tokens[i % tokens.Count], code = ada.RecoveryCodes[3] }));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);

        // Nine are left, and the owner was told.
        server.Time.Advance(TimeSpan.FromMinutes(20));
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        var access = (await server.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[4].ToUpperInvariant() })).Value("accessToken");
        Assert.Equal(8, (int)(await server.GetAsync("factors", access)).Json["recoveryCodesLeft"]!);
        await server.Messages.WaitForAsync(ada.Person.Email, "A recovery code was used");
    }

    [Fact]
    public async Task WrongSecondFactors_FiftyAtOnce_AreCountedAcrossFactorsAndLockTheAccount()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        var wrong = Wrong(server.Totp(ada.Secret));
        var answers = await FactorServer.RaceAsync(i => server.PostAsync("login", i % 2 == 0 ? new { mfaToken, code = wrong, method = "totp" } : new { mfaToken, code = "00000-00000", method = "recovery_code" }));
        Assert.DoesNotContain(answers, answer => answer.Status == HttpStatusCode.OK);

        // No more than SecondFactors:AttemptsPerAccount were looked at, however many came at once.
        Assert.InRange(answers.Count(answer => answer.Status == HttpStatusCode.Unauthorized), 10, 20);

        // Locked on every way in, for the right code and the right password too.
        server.Time.Advance(TimeSpan.FromMinutes(4));
        (await server.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password })).AssertFailure(401, "invalid_credentials");
        server.Time.Advance(TimeSpan.FromMinutes(16));
        (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertOk();
    }

    [Fact]
    public async Task WrongSecondFactors_BetweenRightPasswords_StillLock()
    {
        var ada = await server.ArmedAsync();
        for (var i = 0; i < 10; i++)
        {
            var (mfaToken, _) = await server.BeginAsync(ada.Person);
            (await server.PostAsync("login", new { mfaToken, code = Wrong(server.Totp(ada.Secret)) })).AssertFailure(401, "invalid_mfa_code");
        }

        (await server.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task Lock_ByAStranger_KeepsOutNeitherAKnownDeviceWithItsSecondFactorNorAPasskey()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        using var passkey = new SoftwarePasskey();
        var ada = await own.ArmedAsync();
        var options = await own.PostAsync("factors/passkeys/options", null, ada.Tokens.Access);
        Assert.Equal(HttpStatusCode.Created, (await own.PostAsync("factors/passkeys", new { passkeyToken = options.Value("passkeyToken"), name = "Key", credential = passkey.Create(options.Json["publicKey"]!) }, ada.Tokens.Access)).Status);
        (await FinishAsync(await BeginAsync("the owner's phone"), own.Totp(ada.Secret), "the owner's phone")).AssertOk();
        own.Time.Advance(TimeSpan.FromSeconds(60));
        var elsewhere = await BeginAsync("another phone");
        for (var i = 0; i < 10; i++)
        {
            (await own.PostAsync("login", new { email = ada.Person.Email, password = "stranger's guess " + i })).AssertFailure(401, "invalid_credentials");
        }

        // Strangers are kept out, whatever they have: the first half from before the lock too.
        (await own.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password, deviceId = "another phone" })).AssertFailure(401, "invalid_credentials");
        (await FinishAsync(elsewhere, own.Totp(ada.Secret), "another phone")).AssertFailure(401, "invalid_mfa_code");
        (await FinishAsync(await BeginAsync("the owner's phone"), own.Totp(ada.Secret), "the owner's phone")).AssertOk();

        var request = await own.PostAsync("login/passkey", null);
        (await own.PostAsync("login", new { passkeyToken = request.Value("passkeyToken"), credential = passkey.Get(request.Json["publicKey"]!) })).AssertOk();

        async Task<string> BeginAsync(string deviceId) => FactorServer.Half(await own.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password, deviceId })).MfaToken;
        Task<Answer> FinishAsync(string mfaToken, string code, string deviceId) => own.PostAsync("login", new { mfaToken, code, method = "totp", deviceId });
    }

    [Fact]
    public async Task KnownDevice_WhenItsSecondFactorIsGuessedFiftyTimesAtOnce_IsAStranger()
    {
        await using var own = new FactorServer();
        await own.InitializeAsync();
        var ada = await own.ArmedAsync();
        var half = FactorServer.Half(await own.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password, deviceId = "phone" })).MfaToken;
        (await own.PostAsync("login", new { mfaToken = half, code = own.Totp(ada.Secret), deviceId = "phone" })).AssertOk();
        own.Time.Advance(TimeSpan.FromSeconds(60));
        half = FactorServer.Half(await own.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password, deviceId = "phone" })).MfaToken;
        var wrong = Wrong(own.Totp(ada.Secret));
        var answers = await FactorServer.RaceAsync(_ => own.PostAsync("login", new { mfaToken = half, code = wrong, method = "totp", deviceId = "phone" }));
        Assert.DoesNotContain(answers, answer => answer.Status == HttpStatusCode.OK);

        // Ten were the device's own, and used up what it was trusted with.
        own.Time.Advance(TimeSpan.FromMinutes(20));
        for (var i = 0; i < 10; i++)
        {
            (await own.PostAsync("login", new { email = ada.Person.Email, password = "stranger's guess " + i })).AssertFailure(401, "invalid_credentials");
        }

        (await own.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password, deviceId = "phone" })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task MailedCode_AsASecondFactor_IsSentOnRequestAndWorksOnceThereAlone()
    {
        var person = await VerifiedAsync();
        var tokens = await server.LoginAsync(person.Email);
        Assert.Equal(201, (int)(await server.PostAsync("factors/email", body: null, tokens.Access)).Status);
        var (mfaToken, methods) = await server.BeginAsync(person);
        Assert.Equal(["email", "recovery_code"], methods);
        (await server.PostAsync("login/code", new { mfaToken, method = "sms" })).AssertFailure(400, "channel_unavailable");
        var sent = await server.PostAsync("login/code", new { mfaToken, method = "email" });
        sent.AssertOk();
        Assert.Equal("email", sent.Value("channel"));
        var code = await server.Messages.CodeAsync(person.Email, nth: 2);

        // It is no code for anything else.
        (await server.PostAsync("otp/verify", new { otpId = sent.Value("otpId"), code })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = "another sound phrase 8" })).AssertFailure(400, "otp_invalid");
        var answer = await server.PostAsync("login", new { mfaToken, code });
        answer.AssertOk();
        Assert.Equal(["pwd", "otp", "mfa"], FactorServer.Claim(answer.Value("accessToken"), "amr")!.AsArray().Select(method => (string)method!));

        // A code that was meant to verify an address is none of these.
        (mfaToken, _) = await server.BeginAsync(person);
        await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("login", new { mfaToken, code = await server.Messages.CodeAsync(person.Email, nth: 3), method = "email" })).AssertFailure(401, "invalid_mfa_code");
    }

    // Anybody can use up the codes that an account is sent; who has shown the password is not anybody.
    [Fact]
    public async Task MailedCode_AsASecondFactor_IsSentWhileStrangersUseUpTheAccountsCodes()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (person, tokens) = await own.SignedInAsync();
        await own.PostAsync("otp/generate", new { email = person.Email });
        (await own.PostAsync("otp/verify", new { email = person.Email, code = await own.Messages.CodeAsync(person.Email) }, tokens.Access)).AssertOk();
        Assert.Equal(201, (int)(await own.PostAsync("factors/email", body: null, tokens.Access)).Status);
        for (var i = 0; i < 6; i++)
        {
            await own.PostAsync("otp/generate", new { email = person.Email }, ip: "203.0.113.9");
        }

        (await own.PostAsync("otp/generate", new { email = person.Email })).AssertFailure(429, "too_many_requests");
        var mfaToken = FactorServer.Half(await own.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "a new phone" })).MfaToken;
        (await own.PostAsync("login/code", new { mfaToken, method = "email" })).AssertOk();

        // Whoever has the password fills no mailbox with them either, and keeps nobody from the code that sets another.
        var answers = await FactorServer.RaceAsync(_ => own.PostAsync("login/code", new { mfaToken, method = "email" }));
        Assert.Equal(4, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.Equal(46, answers.Count(answer => answer.Status == HttpStatusCode.TooManyRequests));
        own.Time.Advance(TimeSpan.FromMinutes(15));
        mfaToken = FactorServer.Half(await own.PostAsync("login", new { email = person.Email, password = person.Password })).MfaToken;
        await FactorServer.RaceAsync(_ => own.PostAsync("login/code", new { mfaToken, method = "email" }), width: 6);
        (await own.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
    }

    [Fact]
    public async Task Role_ThatRequiresASecondFactor_GetsACodeByMailUntilOneIsEnrolled()
    {
        var person = await server.RegisterAsync();
        await server.RoleAsync("auditor");
        var admin = await server.AdminAsync();
        (await server.PutAsync("users/" + person.Id, new { roles = new[] { "auditor" } }, admin.Access)).AssertOk();
        var (mfaToken, methods) = await server.BeginAsync(person);
        Assert.Equal(["email"], methods);
        (await server.PostAsync("login/code", new { mfaToken, method = "email" })).AssertOk();
        (await server.PostAsync("login", new { mfaToken, code = await server.Messages.CodeAsync(person.Email) })).AssertOk();
    }

    [Fact]
    public async Task Address_ThatCodesOfASecondStepGoTo_IsNotChangedWithThePasswordAlone()
    {
        var person = await VerifiedAsync();
        var tokens = await server.LoginAsync(person.Email);
        Assert.Equal(201, (int)(await server.PostAsync("factors/email", body: null, tokens.Access)).Status);
        server.Time.Advance(TimeSpan.FromMinutes(11));
        var change = new { email = "moved." + person.Email, currentPassword = person.Password };
        (await server.PutAsync("users/" + person.Id, change, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PutAsync("users/" + person.Id, change with { currentPassword = "not the one" }, tokens.Access)).AssertFailure(403, "reauthentication_required");
        Assert.Null((await server.GetAsync("users/" + person.Id, tokens.Access)).Json["pendingEmail"]);

        // No code goes to the number, and none to a name.
        (await server.PutAsync("users/" + person.Id, new { userName = "n" + person.Id[..8], phoneNumber = "+4930" + Random.Shared.Next(1_000_000, 9_999_999), currentPassword = person.Password }, tokens.Access)).AssertOk();

        (await server.PostAsync("factors/proof/code", new { method = "email" }, tokens.Access)).AssertOk();
        (await server.PostAsync("factors/proof", new { code = await server.Messages.CodeAsync(person.Email, nth: 2), method = "email" }, tokens.Access)).AssertOk();

        // The step is no password.
        (await server.PutAsync("users/" + person.Id, change with { currentPassword = "" }, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PutAsync("users/" + person.Id, change, tokens.Access)).AssertOk();
    }

    [Fact]
    public async Task Number_ThatCodesOfASecondStepGoTo_IsNeitherChangedNorRemovedWithThePasswordAlone()
    {
        var person = await server.RegisterAsync();
        var tokens = await server.LoginAsync(person.Email);
        var number = "+4930" + Random.Shared.Next(1_000_000, 9_999_999).ToString(System.Globalization.CultureInfo.InvariantCulture);
        (await server.PutAsync("users/" + person.Id, new { phoneNumber = number }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber = number, code = await server.Messages.CodeAsync(number) }, tokens.Access)).AssertOk();
        var added = await server.PostAsync("factors/sms", body: null, tokens.Access);
        Assert.Equal(201, (int)added.Status);
        server.Time.Advance(TimeSpan.FromMinutes(11));
        foreach (var other in (string?[])["+4930" + Random.Shared.Next(1_000_000, 9_999_999), null])
        {
            (await server.PutAsync("users/" + person.Id, new { phoneNumber = other, currentPassword = person.Password }, tokens.Access)).AssertFailure(403, "reauthentication_required");
        }

        // Whoever lost the phone has the recovery codes; an administrator needs neither.
        (await server.PostAsync("factors/proof", new { code = (string)added.Json["recoveryCodes"]![0]! }, tokens.Access)).AssertOk();
        (await server.PutAsync("users/" + person.Id, new { phoneNumber = (string?)null, currentPassword = person.Password }, tokens.Access)).AssertOk();
        (await server.PutAsync("users/" + person.Id, new { phoneNumber = number }, (await server.AdminAsync()).Access)).AssertOk();
    }

    [Fact]
    public async Task Address_ThatCodesOfASecondStepGoTo_IsChangedSoonAfterASignInWithThem()
    {
        var person = await VerifiedAsync();
        Assert.Equal(201, (int)(await server.PostAsync("factors/email", body: null, (await server.LoginAsync(person.Email)).Access)).Status);
        var (mfaToken, _) = await server.BeginAsync(person);
        (await server.PostAsync("login/code", new { mfaToken, method = "email" })).AssertOk();
        var answer = await server.PostAsync("login", new { mfaToken, code = await server.Messages.CodeAsync(person.Email, nth: 2) });
        answer.AssertOk();
        (await server.PutAsync("users/" + person.Id, new { email = "moved." + person.Email }, answer.Value("accessToken"))).AssertOk();
    }

    [Theory]
    [InlineData("{\"mfaToken\":\"x\"}", "code should not be empty")]
    [InlineData("{\"mfaToken\":\"x\",\"code\":\"1\",\"method\":\"smoke\"}", "method must be one of the following values: totp, email, sms, recovery_code, push")]
    [InlineData("{\"mfaToken\":7,\"code\":\"1\"}", "mfaToken must be a string")]
    [InlineData("{\"passkeyToken\":\"x\"}", "credential should not be empty")]
    public async Task SecondStep_ThatDoesNotValidate_SaysWhatIsWrong(string body, string problem) =>
        Assert.Contains(problem, (await server.PostAsync("login", body)).AssertFailure(400, "validation_failed").AsArray().Select(message => (string)message!));

    [Fact]
    public async Task SecondStep_InTheAuditTrail_IsToldWithoutTheCode()
    {
        var ada = await server.ArmedAsync();
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        await server.PostAsync("login", new { mfaToken, code = Wrong(server.Totp(ada.Secret)) });
        (await server.PostAsync("login", new { mfaToken, code = server.Totp(ada.Secret) })).AssertOk();
        var records = await server.Services.GetRequiredService<IAuditLog>().ListAsync(Guid.Parse(ada.Person.Id), 20, TestContext.Current.CancellationToken);
        var told = records.Select(record => record.Action + " " + record.Outcome).ToArray();
        foreach (var line in (string[])["factor_add totp", "sign_in second_factor_due", "second_factor refused", "second_factor totp", "sign_in success"])
        {
            Assert.Contains(line, told);
        }
    }

    /// <summary>Somebody whose e-mail address is verified.</summary>
    private async Task<Api.Person> VerifiedAsync()
    {
        var person = await server.RegisterAsync();
        await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email) })).AssertOk();
        return person;
    }

    private static string Wrong(string code) => code[..5] + (char)('0' + ((code[5] - '0' + 1) % 10));
}
