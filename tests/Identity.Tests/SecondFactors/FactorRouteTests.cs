// OWASP ASVS 5.0 §7.5.1: adding and removing a factor needs a fresh proof that is as strong; every route of /factors and its failures.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Accounts.SecondFactors;
using Identity.Tests.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.SecondFactors;

[Collection(nameof(FactorServer))]
public sealed class FactorRouteTests(FactorServer server)
{
    private static readonly (HttpMethod Method, string Path, object? Body)[] Routes =
    [
        (HttpMethod.Get, "factors", null),
        (HttpMethod.Post, "factors/proof", new { code = "123456" }),
        (HttpMethod.Post, "factors/proof/code", new { method = "email" }),
        (HttpMethod.Post, "factors/proof/passkey", null),
        (HttpMethod.Post, "factors/totp", null),
        (HttpMethod.Post, "factors/totp/confirm", new { enrolmentToken = "x", code = "123456" }),
        (HttpMethod.Post, "factors/email", null),
        (HttpMethod.Post, "factors/sms", null),
        (HttpMethod.Post, "factors/passkeys/options", null),
        (HttpMethod.Post, "factors/passkeys", new { passkeyToken = "x", credential = new { }, name = "Key" }),
        (HttpMethod.Put, "factors/0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d", new { name = "Key" }),
        (HttpMethod.Delete, "factors/0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d", null),
        (HttpMethod.Post, "factors/recovery-codes", null),
        (HttpMethod.Delete, "factors/browsers/0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d", null),
        (HttpMethod.Delete, "factors/browsers", null),
    ];

    public static TheoryData<int> RouteNumbers => [.. Enumerable.Range(0, Routes.Length)];

    [Theory]
    [MemberData(nameof(RouteNumbers))]
    public async Task Route_WithoutThePersonsOwnToken_IsClosed(int number)
    {
        var (method, path, body) = Routes[number];
        (await server.SendAsync(method, path, body)).AssertFailure(401, "unauthorized");
        (await server.SendAsync(method, path, body, "nonsense")).AssertFailure(401, "invalid_token");

        // A service's token, whatever its scope, is nobody's.
        (await server.SendAsync(method, path, body, await server.ServiceTokenAsync("writer", "identity.users.write"))).AssertFailure(403, "forbidden");
    }

    [Fact]
    public async Task Factors_OfAnAccountWithNone_AreEmpty()
    {
        var (_, tokens) = await server.SignedInAsync();
        var answer = await server.GetAsync("factors", tokens.Access);
        answer.AssertOk();
        Assert.Equal("""{"factors":[],"recoveryCodesLeft":0,"rememberedBrowsers":[]}""", answer.Json.ToJsonString());
        (await server.PostAsync("factors/recovery-codes", null, tokens.Access)).AssertFailure(404, "not_found");
        (await server.PostAsync("factors/proof/code", new { method = "email" }, tokens.Access)).AssertFailure(400, "channel_unavailable");
    }

    [Fact]
    public async Task Authenticator_WhenEnrolled_IsListedAndToldByMailAndEvent()
    {
        var ada = await server.ArmedAsync();
        var answer = await server.GetAsync("factors", ada.Tokens.Access);
        var factor = Assert.Single(answer.Json["factors"]!.AsArray())!;
        Assert.Equal("totp", (string?)factor["type"]);
        Assert.Equal(ada.FactorId, (string?)factor["id"]);
        Assert.Equal(10, (int)answer.Json["recoveryCodesLeft"]!);
        Assert.DoesNotContain(ada.Secret, answer.Text, StringComparison.Ordinal);
        await server.Messages.WaitForAsync(ada.Person.Email, "A second step was added to your sign-in");

        // A second one is refused, also of fifty at once.
        (await server.PostAsync("factors/proof", new { code = server.Totp(ada.Secret) }, ada.Tokens.Access)).AssertOk();
        var begun = await server.PostAsync("factors/totp", null, ada.Tokens.Access);
        begun.AssertOk();
        (await server.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) }, ada.Tokens.Access)).AssertFailure(409, "factor_exists");
    }

    [Fact]
    public async Task Enrolment_ConfirmedFiftyTimesAtOnce_AddsOneFactor()
    {
        var (_, tokens) = await server.SignedInAsync();
        var begun = await server.PostAsync("factors/totp", null, tokens.Access);
        var answers = await FactorServer.RaceAsync(_ => server.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) }, tokens.Access));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Created);
        Assert.Single((await server.GetAsync("factors", tokens.Access)).Json["factors"]!.AsArray());
    }

    [Fact]
    public async Task Enrolment_OfSomebodyElseOrTooLateOrWithAWrongCode_IsRefused()
    {
        var (_, ada) = await server.SignedInAsync();
        var (_, bob) = await server.SignedInAsync();
        var begun = await server.PostAsync("factors/totp", null, ada.Access);
        var body = new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) };
        (await server.PostAsync("factors/totp/confirm", body, bob.Access)).AssertFailure(400, "mfa_invalid");
        (await server.PostAsync("factors/totp/confirm", body with { code = "12" }, ada.Access)).AssertFailure(400, "mfa_invalid");
        (await server.PostAsync("factors/totp/confirm", body with { code = server.Totp(begun.Value("secret"), 5) }, ada.Access)).AssertFailure(400, "mfa_invalid");
        server.Time.Advance(TimeSpan.FromMinutes(6));
        (await server.PostAsync("factors/totp/confirm", body with { code = server.Totp(begun.Value("secret")) }, ada.Access)).AssertFailure(400, "mfa_invalid");
    }

    [Fact]
    public async Task FirstFactor_WithASignInThatIsNotFresh_NeedsThePassword()
    {
        var (person, tokens) = await server.SignedInAsync();
        server.Time.Advance(TimeSpan.FromMinutes(11));
        (await server.PostAsync("factors/totp", null, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PostAsync("factors/passkeys/options", null, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PostAsync("factors/proof", new { currentPassword = "not the one" }, tokens.Access)).AssertFailure(400, "mfa_invalid");
        (await server.PostAsync("factors/proof", new { currentPassword = person.Password }, tokens.Access)).AssertOk();
        (await server.PostAsync("factors/totp", null, tokens.Access)).AssertOk();
    }

    [Fact]
    public async Task Factor_WithoutAProofAsStrong_IsNotRemoved()
    {
        var ada = await server.ArmedAsync();
        server.Time.Advance(TimeSpan.FromMinutes(11));
        var path = "factors/" + ada.FactorId;
        (await server.SendAsync(HttpMethod.Delete, path, null, ada.Tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PostAsync("factors/recovery-codes", null, ada.Tokens.Access)).AssertFailure(403, "reauthentication_required");

        // The password is no second factor.
        (await server.PostAsync("factors/proof", new { currentPassword = ada.Person.Password }, ada.Tokens.Access)).AssertOk();
        (await server.SendAsync(HttpMethod.Delete, path, null, ada.Tokens.Access)).AssertFailure(403, "reauthentication_required");

        // Nor is a weaker factor, nor a proof in another session.
        await AddEmailFactorAsync(ada);
        var mail = await server.Services.GetRequiredService<ISecondFactorStore>().ListAsync(Guid.Parse(ada.Person.Id), TestContext.Current.CancellationToken);
        Assert.Equal(2, mail.Count);
        (await server.PostAsync("factors/proof/code", new { method = "email" }, ada.Tokens.Access)).AssertOk();
        (await server.PostAsync("factors/proof", new { code = await server.Messages.CodeAsync(ada.Person.Email, nth: 2), method = "email" }, ada.Tokens.Access)).AssertOk();
        (await server.SendAsync(HttpMethod.Delete, path, null, ada.Tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PostAsync("factors/passkeys/options", null, ada.Tokens.Access)).AssertFailure(403, "reauthentication_required");

        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[0] })).AssertOk();
        (await server.SendAsync(HttpMethod.Delete, path, null, ada.Tokens.Access)).AssertFailure(403, "reauthentication_required");

        (await server.PostAsync("factors/proof", new { code = server.Totp(ada.Secret) }, ada.Tokens.Access)).AssertOk();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, path, null, ada.Tokens.Access)).Status);
        (await server.SendAsync(HttpMethod.Delete, path, null, ada.Tokens.Access)).AssertFailure(404, "not_found");
        await server.Messages.WaitForAsync(ada.Person.Email, "A second step was removed from your sign-in");
    }

    [Fact]
    public async Task Factor_OfSomebodyElse_IsNotThere()
    {
        var (ada, bob) = (await server.ArmedAsync(), await server.ArmedAsync());
        (await server.SendAsync(HttpMethod.Delete, "factors/" + ada.FactorId, null, bob.Tokens.Access)).AssertFailure(404, "not_found");
        (await server.PutAsync("factors/" + ada.FactorId, new { name = "Mine" }, bob.Tokens.Access)).AssertFailure(404, "not_found");
        (await server.SendAsync(HttpMethod.Delete, "factors/not-an-id", null, bob.Tokens.Access)).AssertFailure(404, "not_found");
    }

    [Fact]
    public async Task LastFactor_WhenRemoved_TakesRecoveryCodesAlongAndThePasswordIsEnoughAgain()
    {
        var ada = await server.ArmedAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, "factors/" + ada.FactorId, null, ada.Tokens.Access)).Status);
        Assert.Equal(0, (int)(await server.GetAsync("factors", ada.Tokens.Access)).Json["recoveryCodesLeft"]!);
        await server.LoginAsync(ada.Person.Email);

        // The old ones do not come back to life with the next factor.
        var begun = await server.PostAsync("factors/totp", null, ada.Tokens.Access);
        var added = await server.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = server.Totp(begun.Value("secret")) }, ada.Tokens.Access);
        Assert.Equal(10, added.Json["recoveryCodes"]!.AsArray().Count);
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[0] })).AssertFailure(401, "invalid_mfa_code");
    }

    [Fact]
    public async Task RecoveryCodes_WhenMadeAnewFiftyTimesAtOnce_AreTenInTheEnd()
    {
        var ada = await server.ArmedAsync();
        (await server.PostAsync("factors/proof", new { code = ada.RecoveryCodes[0] }, ada.Tokens.Access)).AssertOk();
        var answers = await FactorServer.RaceAsync(_ => server.PostAsync("factors/recovery-codes", null, ada.Tokens.Access));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.Status));
        Assert.Equal(10, (int)(await server.GetAsync("factors", ada.Tokens.Access)).Json["recoveryCodesLeft"]!);
        var (mfaToken, _) = await server.BeginAsync(ada.Person);
        (await server.PostAsync("login", new { mfaToken, code = ada.RecoveryCodes[1] })).AssertFailure(401, "invalid_mfa_code");
    }

    [Fact]
    public async Task Sms_WithoutAVerifiedNumber_CannotBeTurnedOn()
    {
        var (_, tokens) = await server.SignedInAsync();
        (await server.PostAsync("factors/sms", null, tokens.Access)).AssertFailure(404, "not_found");
        (await server.PostAsync("factors/email", null, tokens.Access)).AssertFailure(404, "not_found");
    }

    [Fact]
    public async Task PasskeyOptions_WhenAskedFor_WantAVerifiedUserAtOurDomain()
    {
        var (person, tokens) = await server.SignedInAsync();
        var options = (await server.PostAsync("factors/passkeys/options", null, tokens.Access)).Json["publicKey"]!;
        Assert.Equal("localhost", (string?)options["rp"]!["id"]);
        Assert.Equal(person.Email, (string?)options["user"]!["name"]);
        Assert.Equal("required", (string?)options["authenticatorSelection"]!["userVerification"]);
        Assert.Equal("required", (string?)options["authenticatorSelection"]!["residentKey"]);
        var request = (await server.PostAsync("login/passkey", null)).Json["publicKey"]!;
        Assert.Equal("required", (string?)request["userVerification"]);
        Assert.NotEqual((string?)options["challenge"], (string?)request["challenge"]);
        (await server.PostAsync("login/passkey", new { mfaToken = "nonsense" })).AssertFailure(401, "invalid_mfa_token");
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"id\":\"AAAA\",\"rawId\":\"AAAA\",\"type\":\"public-key\",\"clientExtensionResults\":{},\"response\":{}}")]
    [InlineData("{\"id\":\"AAAA\",\"rawId\":\"AAAA\",\"type\":\"public-key\",\"clientExtensionResults\":{},\"response\":{\"clientDataJSON\":\"e30\",\"authenticatorData\":\"AAAA\",\"signature\":\"AAAA\",\"attestationObject\":\"AAAA\",\"userHandle\":\"AAAA\"}}")]
    [InlineData("{\"id\":7,\"response\":[]}")]
    public async Task PasskeyAnswer_ThatIsNonsense_IsRefusedAndNoFault(string credential)
    {
        var (_, tokens) = await server.SignedInAsync();
        var creation = await server.PostAsync("factors/passkeys/options", null, tokens.Access);
        (await server.PostAsync("factors/passkeys", new { passkeyToken = creation.Value("passkeyToken"), name = "Key", credential = JsonNode.Parse(credential) }, tokens.Access)).AssertFailure(400, "mfa_invalid");
        var request = await server.PostAsync("login/passkey", null);
        (await server.PostAsync("login", new { passkeyToken = request.Value("passkeyToken"), credential = JsonNode.Parse(credential) })).AssertFailure(401, "invalid_credentials");
    }

    // WebAuthn Level 3 §7.1 step 11 and §7.2 step 13: no page of ours stands in a frame of another origin, whatever crossOrigin says.
    [Fact]
    public async Task Passkey_OfAFrameInAnotherSite_IsRefused()
    {
        var (_, tokens) = await server.SignedInAsync();
        using var passkey = new SoftwarePasskey { TopOrigin = "https://evil.example" };
        (await CreateAsync()).AssertFailure(400, "mfa_invalid");
        passkey.TopOrigin = null;
        Assert.Equal(HttpStatusCode.Created, (await CreateAsync()).Status);
        passkey.TopOrigin = "https://evil.example";
        (await SignInAsync()).AssertFailure(401, "invalid_credentials");
        passkey.TopOrigin = null;
        (await SignInAsync()).AssertOk();

        async Task<Answer> CreateAsync()
        {
            var begun = await server.PostAsync("factors/passkeys/options", null, tokens.Access);
            return await server.PostAsync("factors/passkeys", new { passkeyToken = begun.Value("passkeyToken"), name = "Key", credential = passkey.Create(begun.Json["publicKey"]!) }, tokens.Access);
        }

        async Task<Answer> SignInAsync()
        {
            var begun = await server.PostAsync("login/passkey", null);
            return await server.PostAsync("login", new { passkeyToken = begun.Value("passkeyToken"), credential = passkey.Get(begun.Json["publicKey"]!) });
        }
    }

    [Theory]
    [InlineData("factors/proof", "{}", "one of currentPassword, code, passkeyToken with credential should not be empty")]
    [InlineData("factors/totp/confirm", "{\"code\":\"123456\"}", "enrolmentToken should not be empty")]
    [InlineData("factors/passkeys", "{\"passkeyToken\":\"x\",\"credential\":{}}", "name should not be empty")]
    [InlineData("factors/passkeys", "{\"passkeyToken\":\"x\",\"name\":\"Key\"}", "credential should not be empty")]
    [InlineData("factors/proof/code", "{\"method\":\"totp\"}", "method must be one of the following values: email, sms")]
    public async Task Body_ThatDoesNotValidate_SaysWhatIsWrong(string path, string body, string problem)
    {
        var (_, tokens) = await server.SignedInAsync();
        (await server.PostAsync(path, body, tokens.Access)).AssertProblems(problem);
    }

    // The routes verify the address by a code; here the factor is what is tested.
    private async Task AddEmailFactorAsync(Armed ada)
    {
        await server.PostAsync("otp/generate", new { email = ada.Person.Email });
        (await server.PostAsync("otp/verify", new { email = ada.Person.Email, code = await server.Messages.CodeAsync(ada.Person.Email) })).AssertOk();
        var accounts = server.Services.GetRequiredService<Identity.Accounts.IAccountStore>();
        var account = (await accounts.FindAsync(Guid.Parse(ada.Person.Id), TestContext.Current.CancellationToken))!;
        var events = server.Services.GetRequiredService<Identity.Accounts.Events.LifecycleEvents>();
        var now = server.Time.GetUtcNow();
        Assert.True(await server.Services.GetRequiredService<ISecondFactorStore>().AddAsync(
            new SecondFactor(Guid.CreateVersion7(now), account.Id, FactorKinds.Email, FactorEnrolment.ChannelSlot(FactorKinds.Email, account.Id), "", "", 0, now, null),
            events.OfUser(Identity.Accounts.Events.EventTypes.UserFactorAdded, account),
            notice: null,
            TestContext.Current.CancellationToken));
    }
}
