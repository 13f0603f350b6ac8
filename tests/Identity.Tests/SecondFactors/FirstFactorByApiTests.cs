// The wire contract's second step, for somebody who must have a factor and has none: enrolled with the mfaToken alone, and with nothing wider.
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Identity.Tests.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.SecondFactors;

/// <summary>By a client whose people all need a second factor, and by a role whose mailbox was the first one.</summary>
public sealed class FirstFactorByApiTests(FirstFactorByApiTests.PolicyServer server) : IClassFixture<FirstFactorByApiTests.PolicyServer>
{
    [Fact]
    public async Task Login_WhereTheClientNeedsASecondFactor_SaysWhatToEnrol_AndTheAppFinishesIt()
    {
        var person = await server.RegisterAsync();
        var mfaToken = await BeginAsync(person);
        Assert.Empty(await SessionsAsync(person));
        var begun = await server.PostAsync("login/enrol/totp", new { mfaToken });
        begun.AssertOk();
        Assert.Equal(["enrolmentToken", "secret", "uri", "qrSvg", "expiresIn"], begun.Json.Select(member => member.Key));
        var (secret, enrolmentToken) = (begun.Value("secret"), begun.Value("enrolmentToken"));
        (await server.PostAsync("login", new { mfaToken, enrolmentToken, code = Wrong(server.Totp(secret)) })).AssertFailure(401, "invalid_mfa_code");

        var answer = await server.PostAsync("login", new { mfaToken, enrolmentToken, code = server.Totp(secret), deviceId = "phone-1" });
        answer.AssertOk();
        Assert.Equal(["accessToken", "refreshToken", "tokenType", "expiresIn", "refreshExpiresIn", "sessionId", "user", "recoveryCodes"], answer.Json.Select(member => member.Key));
        var access = answer.Value("accessToken");
        Assert.Equal(["pwd", "otp", "mfa"], FactorServer.Claim(access, "amr")!.AsArray().Select(method => (string)method!));
        Assert.Equal("urn:identity:acr:2fa", (string?)FactorServer.Claim(access, "acr"));
        Assert.Single(await SessionsAsync(person));
        Assert.Equal("totp", (string)Assert.Single((await server.GetAsync("factors", access)).Json["factors"]!.AsArray())!["type"]!);
        await server.Messages.WaitForAsync(person.Email, "A second step was added to your sign-in");

        // From now on it is proven, and the recovery codes that were shown are worth a sign-in.
        var (next, methods) = FactorServer.Half(await server.PostAsync("login", new { email = person.Email, password = person.Password }));
        Assert.Equal(["totp", "recovery_code"], methods);
        var again = await server.PostAsync("login", new { mfaToken = next, code = (string)answer.Json["recoveryCodes"]![0]! });
        again.AssertOk();
        Assert.False(again.Json.ContainsKey("recoveryCodes"));
    }

    [Fact]
    public async Task Login_WithAPasskeyThatIsAddedOnTheWay_IsFinishedByIt()
    {
        using var passkey = new SoftwarePasskey();
        var person = await server.RegisterAsync();
        var mfaToken = await BeginAsync(person);
        var challenge = await server.PostAsync("login/enrol/passkey", new { mfaToken });
        challenge.AssertOk();
        var answer = await server.PostAsync("login", new { mfaToken, passkeyToken = challenge.Value("passkeyToken"), credential = passkey.Create(challenge.Json["publicKey"]!), name = "Blue key" });
        answer.AssertOk();
        Assert.Equal(10, answer.Json["recoveryCodes"]!.AsArray().Count);
        Assert.Equal("phr", (string?)FactorServer.Claim(answer.Value("accessToken"), "acr"));
        Assert.Equal("Blue key", (string)(await server.GetAsync("factors", answer.Value("accessToken"))).Json["factors"]![0]!["name"]!);

        var alone = await server.PostAsync("login/passkey", null);
        (await server.PostAsync("login", new { passkeyToken = alone.Value("passkeyToken"), credential = passkey.Get(alone.Json["publicKey"]!) })).AssertOk();
    }

    [Fact]
    public async Task Verify_ForARoleWhoseMailboxWasTheFirstFactor_IsFinishedByANewApp()
    {
        var person = await AuditorAsync();
        (await server.PostAsync("otp/generate", new { email = person.Email, purpose = "login" })).AssertOk();
        var half = await server.PostAsync("otp/verify", new { email = person.Email, purpose = "login", code = await server.Messages.CodeAsync(person.Email) });
        var mfaToken = Enrols(half);
        var begun = await server.PostAsync("login/enrol/totp", new { mfaToken });
        var answer = await server.PostAsync("login", new { mfaToken, enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) });
        answer.AssertOk();
        Assert.Equal(["otp", "mfa"], FactorServer.Claim(answer.Value("accessToken"), "amr")!.AsArray().Select(method => (string)method!));
    }

    [Fact]
    public async Task EnrolmentMfaToken_OpensNothingElse()
    {
        var person = await server.RegisterAsync();
        var mfaToken = await BeginAsync(person);
        var begun = await server.PostAsync("login/enrol/totp", new { mfaToken });
        foreach (var (method, path) in ((HttpMethod, string)[])[(HttpMethod.Get, "users/me"), (HttpMethod.Get, "factors"), (HttpMethod.Post, "factors/totp"), (HttpMethod.Post, "factors/email"), (HttpMethod.Post, "factors/recovery-codes")])
        {
            (await server.SendAsync(method, path, null, mfaToken)).AssertFailure(401, "invalid_token");
        }

        (await server.PostAsync("refresh-token", new { refreshToken = mfaToken })).AssertFailure(401, "invalid_refresh_token");
        foreach (var (path, body) in ((string, object)[])
        [
            ("login", new { mfaToken, code = server.Totp(begun.Value("secret")) }),
            ("login", new { mfaToken, code = "123456", method = "email" }),
            ("login/code", new { mfaToken, method = "email" }),
            ("login/passkey", new { mfaToken }),

            // Neither ticket is worth anything in the other's place.
            ("login", new { mfaToken = begun.Value("enrolmentToken"), enrolmentToken = mfaToken, code = server.Totp(begun.Value("secret")) }),
            ("login/enrol/totp", new { mfaToken = begun.Value("enrolmentToken") }),
        ])
        {
            (await server.PostAsync(path, body)).AssertFailure(401, "invalid_mfa_token");
        }

        Assert.Empty(await SessionsAsync(person));
    }

    [Fact]
    public async Task EnrolmentMfaToken_OfSomebodyElse_DoesNotTakeTheSecret()
    {
        var (ada, eve) = (await server.RegisterAsync(), await server.RegisterAsync());
        var (hers, theirs) = (await BeginAsync(ada), await BeginAsync(eve));
        var begun = await server.PostAsync("login/enrol/totp", new { mfaToken = theirs });
        (await server.PostAsync("login", new { mfaToken = hers, enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) })).AssertFailure(401, "invalid_mfa_code");

        // An ordinary half, of somebody who has a factor, adds none.
        var mfaToken = await BeginAsync(ada);
        var own = await server.PostAsync("login/enrol/totp", new { mfaToken });
        (await server.PostAsync("login", new { mfaToken, enrolmentToken = own.Value("enrolmentToken"), code = server.Totp(own.Value("secret")) })).AssertOk();
        var (ordinary, _) = FactorServer.Half(await server.PostAsync("login", new { email = ada.Email, password = ada.Password }));
        (await server.PostAsync("login/enrol/totp", new { mfaToken = ordinary })).AssertFailure(401, "invalid_mfa_token");
        (await server.PostAsync("login/enrol/passkey", new { mfaToken = ordinary })).AssertFailure(401, "invalid_mfa_token");

        // Nor does an older one of the same person, from before there was a factor.
        (await server.PostAsync("login/enrol/totp", new { mfaToken = hers })).AssertFailure(401, "invalid_mfa_token");
    }

    [Fact]
    public async Task EnrolmentMfaToken_WhenFinishedFiftyTimesAtOnce_MakesOneFactorAndOneSession()
    {
        var person = await server.RegisterAsync();
        var mfaToken = await BeginAsync(person);
        var begun = await server.PostAsync("login/enrol/totp", new { mfaToken });
        var body = new { mfaToken, enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) };
        var answers = await FactorServer.RaceAsync(_ => server.PostAsync("login", body));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.OK), answer => Assert.Contains(answer.Value("errorCode"), (string[])["invalid_mfa_token", "invalid_mfa_code"]));
        await OneOfEachAsync(person);
    }

    [Fact]
    public async Task EnrolmentMfaToken_WhenFiftyAppsAreAddedAtOnce_MakesOneFactorAndOneSession()
    {
        var person = await server.RegisterAsync();
        var mfaToken = await BeginAsync(person);
        var begun = await FactorServer.RaceAsync(_ => server.PostAsync("login/enrol/totp", new { mfaToken }));
        Assert.Equal(50, begun.Select(answer => answer.Value("secret")).Distinct(StringComparer.Ordinal).Count());
        var answers = await FactorServer.RaceAsync(i => server.PostAsync("login", new { mfaToken, enrolmentToken = begun[i].Value("enrolmentToken"), code = server.Totp(begun[i].Value("secret")) }));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        await OneOfEachAsync(person);
    }

    [Fact]
    public async Task EnrolmentMfaToken_AfterTenMinutesOrANewPassword_IsWorthNothing()
    {
        var person = await server.RegisterAsync();
        var mfaToken = await BeginAsync(person);
        server.Time.Advance(TimeSpan.FromMinutes(10));
        (await server.PostAsync("login/enrol/totp", new { mfaToken })).AssertFailure(401, "invalid_mfa_token");

        var later = await BeginAsync(person);
        var begun = await server.PostAsync("login/enrol/totp", new { mfaToken = later });
        (await server.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
        (await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email), newPassword = "another sound phrase 8" })).AssertOk();
        (await server.PostAsync("login", new { mfaToken = later, enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) })).AssertFailure(401, "invalid_mfa_token");
    }

    [Theory]
    [InlineData("login/enrol/totp", "{}", "mfaToken should not be empty")]
    [InlineData("login/enrol/passkey", """{"mfaToken":1}""", "mfaToken must be a string")]
    [InlineData("login", """{"mfaToken":"x","enrolmentToken":"x"}""", "code should not be empty")]
    [InlineData("login", """{"mfaToken":"x","passkeyToken":"x","credential":{},"name":" "}""", "name must hold a character that can be seen, and no control characters")]
    public async Task Body_ThatDoesNotValidate_TellsTheProblem(string path, string body, string problem) => (await server.PostAsync(path, body)).AssertProblems(problem);

    private static string Wrong(string code) => code == "000000" ? "111111" : "000000";

    private static string Enrols(Answer answer)
    {
        Assert.True(answer.Status == HttpStatusCode.Unauthorized, answer.Text);
        Assert.Equal("mfa_required", answer.Value("errorCode"));
        Assert.Equal(["statusCode", "message", "error", "errorCode", "mfaToken", "methods", "enrol"], answer.Json.Select(member => member.Key));
        Assert.Empty(answer.Json["methods"]!.AsArray());
        Assert.Equal(["passkey", "totp"], answer.Json["enrol"]!.AsArray().Select(kind => (string)kind!));
        return answer.Value("mfaToken");
    }

    private async Task<string> BeginAsync(Person person) => Enrols(await server.PostAsync("login", new { email = person.Email, password = person.Password }));

    private Task<IReadOnlyList<Session>> SessionsAsync(Person person) =>
        server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(Guid.Parse(person.Id), server.Time.GetUtcNow(), TestContext.Current.CancellationToken);

    private async Task OneOfEachAsync(Person person)
    {
        Assert.Single(await SessionsAsync(person));
        Assert.Single(await server.Services.GetRequiredService<ISecondFactorStore>().ListAsync(Guid.Parse(person.Id), TestContext.Current.CancellationToken));
    }

    private async Task<Person> AuditorAsync()
    {
        var person = await server.RegisterAsync();
        await server.Services.GetRequiredService<RoleCatalog>().PutAsync("auditor", description: null, CancellationToken.None);
        Assert.IsType<AccountChangeResult.Changed>(await server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(Guid.Parse(person.Id), new AccountChange { Roles = ["auditor"] }, null, new Caller(null, null), CancellationToken.None));
        return person;
    }

    /// <summary>Whoever signs in by /api/identity needs two factors.</summary>
    public sealed class PolicyServer : FactorServer
    {
        public PolicyServer()
            : base(new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RequiredForClients:0"] = "identity-api", ["Accounts:AllowCodeSignIn"] = "true" })
        {
        }
    }
}
