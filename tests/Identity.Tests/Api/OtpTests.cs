using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.SecondFactors;
using Identity.Accounts.Sessions;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

public sealed class OtpTests(ApiServer server)
{
    [Fact]
    public async Task Generate_WhenKnownOrUnknown_AnswersTheSameMembers()
    {
        var person = await server.RegisterAsync();
        var known = await server.PostAsync("otp/generate", new { email = person.Email });
        var unknown = await server.PostAsync("otp/generate", new { email = "x" + person.Email[1..] });
        foreach (var answer in (Answer[])[known, unknown])
        {
            answer.AssertOk();
            Assert.Equal(["otpId", "channel", "destination", "expiresAt", "expiresIn"], answer.Json.Select(member => member.Key));
            Assert.Equal("email", answer.Value("channel"));
            Assert.Equal(300, (int)answer.Json["expiresIn"]!);
            Assert.DoesNotContain(person.Email[1..10], answer.Text, StringComparison.OrdinalIgnoreCase);
        }

        Assert.Equal(known.Value("destination")[1..], unknown.Value("destination")[1..]);
        Assert.Equal(known.Headers.Keys, unknown.Headers.Keys);
    }

    [Fact]
    public async Task Generate_ForAWayThatWasNotNamed_TellsStrangersNothingOfIt()
    {
        var phoneNumber = $"+49151{Random.Shared.NextInt64(10_000_000, 99_999_999)}";
        var person = new Person("", $"p{Guid.NewGuid():N}@example.com", ApiServer.Password);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("register", new { email = person.Email, password = person.Password, phoneNumber })).Status);
        foreach (var asked in (object[])[new { email = person.Email, channel = "sms" }, new { email = "x" + person.Email, channel = "sms" }, new { phoneNumber, channel = "email" }, new { phoneNumber = "+4915100000000", channel = "email" }])
        {
            var answer = await server.PostAsync("otp/generate", asked);
            answer.AssertOk();
            Assert.Equal("***", answer.Value("destination"));
        }

        // It is sent all the same, and whoever is signed in is shown which of their own it went to.
        await server.Messages.CodeAsync(phoneNumber);
        var own = await server.PostAsync("otp/generate", new { email = person.Email, channel = "sms" }, (await server.LoginAsync(person.Email)).Access);
        Assert.Equal($"+49*****{phoneNumber[^2..]}", own.Value("destination"));
    }

    [Theory]
    [InlineData("otpId", "code")]
    [InlineData("otpId", "otp")]
    [InlineData("email", "code")]
    [InlineData("userId", "code")]
    public async Task Verify_WhenRight_MarksTheEmailVerified_Once(string by, string codeMember)
    {
        var (person, tokens) = await server.SignedInAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        var body = new Dictionary<string, string>
        {
            [by] = by switch { "otpId" => generated.Value("otpId"), "email" => person.Email, _ => person.Id },
            [codeMember] = code,
        };
        var verified = await server.PostAsync("otp/verify", body);
        verified.AssertOk();
        Assert.Equal("""{"verified":true}""", verified.Text);
        Assert.True((bool)(await server.GetAsync($"users/{person.Id}", tokens.Access)).Json["emailVerified"]!);
        (await server.PostAsync("otp/verify", body)).AssertFailure(400, "otp_invalid");
    }

    [Fact]
    public async Task Verify_WhenAnAdministratorChangedTheAddressSince_DoesNotVerifyTheNewOne()
    {
        var (person, tokens) = await server.SignedInAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PutAsync($"users/{person.Id}", new { email = $"someone-else{Guid.NewGuid():N}@example.com" }, (await server.AdminAsync()).Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })).AssertFailure(400, "otp_invalid");
        Assert.False((bool)(await server.GetAsync($"users/{person.Id}", tokens.Access)).Json["emailVerified"]!);
    }

    [Fact]
    public async Task Verify_WhenBySms_MarksThePhoneVerified()
    {
        var (person, tokens) = await server.SignedInAsync();
        var phoneNumber = "+4915" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        (await server.PutAsync($"users/{person.Id}", new { phoneNumber }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber, code = await server.Messages.CodeAsync(phoneNumber) })).AssertOk();
        Assert.Equal("sms", (await server.PostAsync("otp/generate", new { phoneNumber })).Value("channel"));
        var user = await server.GetAsync($"users/{person.Id}", tokens.Access);
        Assert.True((bool)user.Json["phoneNumberVerified"]!);
        Assert.False((bool)user.Json["emailVerified"]!);
    }

    // Whoever asks, and by whatever door: a code at the phone proves nothing of the mailbox.
    [Fact]
    public async Task Generate_WhenASecondFactorsCodeWouldGoAnotherWay_SendsNothing()
    {
        var (person, tokens) = await server.SignedInAsync();
        var phoneNumber = "+4915" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        (await server.PutAsync($"users/{person.Id}", new { phoneNumber }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber, code = await server.Messages.CodeAsync(phoneNumber) })).AssertOk();
        var codes = server.Services.GetRequiredService<OneTimeCodeService>();
        Assert.IsType<GeneratedCode.Sent>(await codes.GenerateAsync(new CodeRecipient(Guid.Parse(person.Id), null, null), "sms", OneTimeCodePurposes.SecondFactor("email"), new Caller(null, null), TestContext.Current.CancellationToken));

        // The next code that comes is that of the next request.
        (await server.PostAsync("otp/generate", new { phoneNumber, purpose = "transaction" })).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber, purpose = "transaction", code = await server.Messages.CodeAsync(phoneNumber, nth: 2) })).AssertOk();
    }

    [Fact]
    public async Task Generate_WhenAPasswordResetIsAskedBySms_SendsNothing()
    {
        var (person, tokens) = await server.SignedInAsync();
        var phoneNumber = "+4915" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        (await server.PutAsync($"users/{person.Id}", new { phoneNumber }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber, code = await server.Messages.CodeAsync(phoneNumber) })).AssertOk();

        // A reset proves the mailbox, and a number is none.
        (await server.PostAsync("otp/generate", new { phoneNumber, purpose = "password_reset" })).AssertOk();
        (await server.PostAsync("otp/generate", new { phoneNumber, purpose = "transaction" })).AssertOk();
        (await server.PostAsync("otp/verify", new { phoneNumber, purpose = "transaction", code = await server.Messages.CodeAsync(phoneNumber, nth: 2) })).AssertOk();
    }

    [Fact]
    public async Task Verify_WhenANewCodeWasAsked_RefusesTheOldOne()
    {
        var person = await server.RegisterAsync();
        var first = await server.PostAsync("otp/generate", new { email = person.Email });
        var firstCode = await server.Messages.CodeAsync(person.Email);
        var second = await server.PostAsync("otp/generate", new { email = person.Email });
        var secondCode = await server.Messages.CodeAsync(person.Email, nth: 2);
        (await server.PostAsync("otp/verify", new { otpId = first.Value("otpId"), code = firstCode })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { otpId = second.Value("otpId"), code = secondCode })).AssertOk();
    }

    [Fact]
    public async Task Verify_WhenOfAnotherPurpose_IsRefused()
    {
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email, purpose = "transaction" });
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), purpose = "verification", code })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { email = person.Email, code })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = "another pass phrase 8" })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), purpose = "transaction", code })).AssertOk();
    }

    [Fact]
    public async Task Verify_WhenFiveGuessesAreSpent_RefusesTheRightCode()
    {
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        for (var i = 0; i < 5; i++)
        {
            (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = Wrong(code) })).AssertFailure(400, "otp_invalid");
        }

        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })).AssertFailure(400, "otp_invalid");
    }

    [Fact]
    public async Task Verify_When50RaceWithTheRightCode_OneWins()
    {
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.OK), answer => answer.AssertFailure(400, "otp_invalid"));
    }

    [Fact]
    public async Task Verify_When50DifferentGuessesRace_FiveAreLookedAt()
    {
        // The right one is the last to be sent, after 49 wrong ones: it must find no guess left, whatever the order they arrive in.
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        await Task.WhenAll(Enumerable.Range(0, 49).Select(i => server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = Wrong(code, i) })));
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })).AssertFailure(400, "otp_invalid");
    }

    [Fact]
    public async Task Generate_WhenAskedTooOften_Answers429ForKnownAndUnknownAlike()
    {
        var person = await server.RegisterAsync();
        foreach (var email in (string[])[person.Email, $"nobody{Guid.NewGuid():N}@example.com"])
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("otp/generate", new { email })));
            Assert.Equal(5, answers.Count(answer => answer.Status == HttpStatusCode.OK));
            var refused = answers.Where(answer => answer.Status != HttpStatusCode.OK).ToList();
            Assert.All(refused, answer => answer.AssertFailure(429, "too_many_requests"));
            Assert.All(refused, answer => Assert.InRange(int.Parse(answer.Headers["Retry-After"]), 1, 900));
        }
    }

    [Fact]
    public async Task Generate_WhenTheChannelIsNotThere_SaysSo()
    {
        var person = await server.RegisterAsync();
        (await server.PostAsync("otp/generate", new { email = person.Email, channel = "push" })).AssertFailure(400, "channel_unavailable");
    }

    [Fact]
    public async Task Generate_WhenTheBodyDoesNotValidate_TellsEveryProblem()
    {
        (await server.PostAsync("otp/generate", "{}")).AssertProblems("one of userId, email, phoneNumber should not be empty");
        (await server.PostAsync("otp/generate", new { userId = Guid.NewGuid(), email = "a@example.com" })).AssertProblems("only one of userId, email, phoneNumber should be given");
        (await server.PostAsync("otp/generate", new { userId = 7, channel = "pigeon", purpose = "A B" })).AssertProblems(
            "userId must be a UUID",
            "purpose must be 1 to 64 letters, digits, dots, dashes or underscores, and none of this server's own",
            "channel must be one of the following values: email, sms, push");
        (await server.PostAsync("otp/verify", new { otpId = Guid.NewGuid() })).AssertProblems("code should not be empty");
        (await server.PostAsync("otp/verify", new { code = "123456" })).AssertProblems("one of otpId, userId, email, phoneNumber should not be empty");
    }

    // What one door takes, the other does: a code that the queue was asked for is tried over HTTP.
    [Theory]
    [InlineData("order-confirm")]
    [InlineData("Order.Confirm")]
    [InlineData("order_confirm_2")]
    [InlineData("x123456789x123456789x123456789x123456789x123456789x123456789x123")]
    public async Task Verify_WhenTheQueueWasAskedForTheCode_TakesItsPurpose(string purpose)
    {
        var person = await server.RegisterAsync();
        var asked = await AskQueueAsync(new JsonObject { ["email"] = person.Email, ["purpose"] = purpose });
        Assert.NotNull(asked["otpId"]);
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PostAsync("otp/verify", new { email = person.Email, code })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { email = person.Email, purpose, code })).AssertOk();
        (await server.PostAsync("otp/generate", new { email = person.Email, purpose })).AssertOk();
    }

    [Theory]
    [InlineData("second_factor:email")]
    [InlineData("second_factor:sms")]
    [InlineData("SECOND_FACTOR:email")]
    [InlineData("verification.email_new")]
    [InlineData("verification.sms_new")]
    [InlineData("Verification.Email_New")]
    [InlineData("a:b")]
    [InlineData("a b")]
    [InlineData("x123456789x123456789x123456789x123456789x123456789x123456789x1234")]
    public async Task Purpose_WhenItIsOneOfOurOwnOrNoName_IsRefusedAtEveryDoor(string purpose)
    {
        var person = await server.RegisterAsync();
        Assert.Equal("error", (string?)(await AskQueueAsync(new JsonObject { ["userId"] = person.Id, ["channel"] = "email", ["purpose"] = purpose }))["status"]);
        (await server.PostAsync("otp/generate", new { email = person.Email, purpose })).AssertFailure(400, "validation_failed");
        (await server.PostAsync("otp/verify", new { email = person.Email, purpose, code = "123456" })).AssertFailure(400, "validation_failed");
        Assert.Equal(0, server.Messages.CountCodesTo(person.Email));
    }

    [Fact]
    public async Task Members_WhenTheyAreEmptyOrNull_AreAbsent()
    {
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", $$"""{"userId":"","email":"{{person.Email}}","phoneNumber":"","channel":"","purpose":""}""");
        generated.AssertOk();
        Assert.Equal("email", generated.Value("channel"));
        (await server.PostAsync("otp/generate", """{"userId":"","email":"","phoneNumber":null}""")).AssertProblems("one of userId, email, phoneNumber should not be empty");
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PostAsync("otp/verify", $$"""{"otpId":"","userId":null,"email":"{{person.Email}}","purpose":null,"code":"","otp":"{{code}}"}""")).AssertOk();
    }

    // Nobody blocks an address by asking for it: with a token the code is the caller's own, in whatever capitals they name the address.
    [Fact]
    public async Task Verify_WhenAnotherWaitsForTheSameAddressToo_TakesTheCallersOwn()
    {
        var (person, tokens) = await server.SignedInAsync();
        var (other, others) = await server.SignedInAsync();
        var address = "New." + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = address }, tokens.Access)).AssertOk();
        var own = await server.Messages.CodeAsync(address);
        server.Time.Advance(TimeSpan.FromSeconds(1));
        (await server.PutAsync($"users/{other.Id}", new { email = address }, others.Access)).AssertOk();
        await server.Messages.CodeAsync(address, 2);

        (await server.PostAsync("otp/verify", new { email = address.ToLowerInvariant(), code = own }, tokens.Access)).AssertOk();
        Assert.Equal(address, (await server.GetAsync($"users/{person.Id}", tokens.Access)).Value("email"));
        Assert.Equal(other.Email, (await server.GetAsync($"users/{other.Id}", others.Access)).Value("email"));
    }

    [Fact]
    public async Task Verify_WhenNothingIsKnown_AnswersLikeAWrongCode()
    {
        (await server.PostAsync("otp/verify", new { otpId = Guid.NewGuid(), code = "123456" })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { email = $"nobody{Guid.NewGuid():N}@example.com", code = "123456" })).AssertFailure(400, "otp_invalid");
        var unknown = await server.PostAsync("otp/generate", new { email = $"nobody{Guid.NewGuid():N}@example.com" });
        (await server.PostAsync("otp/verify", new { otpId = unknown.Value("otpId"), code = "123456" })).AssertFailure(400, "otp_invalid");
    }

    [Fact]
    public async Task Verify_WhenPurposeIsLoginAndCodesMayNotSignIn_IsRefused()
    {
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email, purpose = "login" });
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = "000000" })).AssertFailure(400, "otp_invalid");
        Assert.Equal(0, server.Messages.CountTo(person.Email));
    }

    // Nobody can have such an address: to answer as if a code were sent would hide that the caller, or DEFAULT_REGION, is wrong.
    [Theory]
    [InlineData("email", "nobody", AccountRules.EmailRule)]
    [InlineData("email", "a b@example.com", AccountRules.EmailRule)]
    [InlineData("phoneNumber", "0151 23456789", AccountRules.PhoneNumberRule)]
    [InlineData("phoneNumber", "nobody", AccountRules.PhoneNumberRule)]
    public async Task Recipient_WhenItIsNoAddressAtAll_IsRefusedByNameAtEveryDoor(string member, string value, string rule)
    {
        (await server.PostAsync("otp/generate", new JsonObject { [member] = value }.ToJsonString())).AssertProblems($"{member} {rule}");
        var answer = await AskQueueAsync(new JsonObject { [member] = value });
        Assert.Equal(("error", $"The request is not valid: {member} {rule}."), ((string?)answer["status"], (string?)answer["message"]));
        var framed = await AskQueueAsync(new JsonObject { ["pattern"] = "otp", ["id"] = "1", ["data"] = new JsonObject { [member] = value } });
        Assert.Equal(["err", "isDisposed"], framed.Select(part => part.Key));
    }

    private async Task<JsonObject> AskQueueAsync(JsonObject request) =>
        JsonNode.Parse(await server.Services.GetRequiredService<InProcessCodeRequests>().AskAsync(Encoding.UTF8.GetBytes(request.ToJsonString()), null, TestContext.Current.CancellationToken))!.AsObject();

    internal static string Wrong(string code, int i = 0) => ((int.Parse(code) + 1 + i) % 1_000_000).ToString("D6");
}

public sealed class OtpTimeTests
{
    [Fact]
    public async Task Verify_WhenFiveMinutesAreOver_IsRefused()
    {
        await using var server = await ApiServer.StartAsync([]);
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        server.Time.Advance(TimeSpan.FromSeconds(300));
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })).AssertFailure(400, "otp_invalid");
    }

    [Fact]
    public async Task Verify_WhenJustBeforeFiveMinutes_Succeeds()
    {
        await using var server = await ApiServer.StartAsync([]);
        var person = await server.RegisterAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        var code = await server.Messages.CodeAsync(person.Email);
        server.Time.Advance(TimeSpan.FromSeconds(299));
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })).AssertOk();
    }

    [Fact]
    public async Task Verify_WhenCodesMaySignIn_AnswersTokensToo()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:AllowCodeSignIn"] = "true" });
        var person = await server.RegisterAsync();

        // The first time it proves the address too.
        var generated = await server.PostAsync("otp/generate", new { email = person.Email, purpose = "login" });
        var code = await server.Messages.CodeAsync(person.Email);
        var verified = await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code });
        verified.AssertOk();
        Assert.True((bool)verified.Json["verified"]!);
        (await server.GetAsync($"users/{person.Id}", verified.Value("accessToken"))).AssertOk();
        (await server.PostAsync("refresh-token", new { refreshToken = verified.Value("refreshToken") })).AssertOk();
    }

    // Twice the same phone is one factor, also where it became a second one after the sign-in.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task StepUp_AfterASignInByCode_DoesNotTakeTheSameChannelAgain(bool byNumber)
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:AllowCodeSignIn"] = "true" });
        var (person, services, cancel) = (await server.RegisterAsync(), server.Services, TestContext.Current.CancellationToken);
        var (id, number) = (Guid.Parse(person.Id), "+4915112345678");
        await ProveAsync();
        var generated = await server.PostAsync("otp/generate", byNumber ? new { phoneNumber = number, purpose = "login" } : new { email = person.Email, purpose = "login" });
        var verified = await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = await server.Messages.CodeAsync(byNumber ? number : person.Email) });
        verified.AssertOk();

        // The first code to an address drops a number that its owner need not have given.
        await ProveAsync();
        var account = (await services.GetRequiredService<IAccountStore>().FindAsync(id, cancel))!;
        foreach (var kind in (string[])[FactorKinds.Sms, FactorKinds.Email])
        {
            var factor = new SecondFactor(Guid.CreateVersion7(), id, kind, FactorEnrolment.ChannelSlot(kind, id), "", "", 0, account.CreatedAt, null);
            Assert.True(await services.GetRequiredService<ISecondFactorStore>().AddAsync(factor, services.GetRequiredService<LifecycleEvents>().OfUser(EventTypes.UserFactorAdded, account), notice: null, cancel));
        }

        var session = (await services.GetRequiredService<ISessionStore>().FindAsync(verified.Value("sessionId"), cancel))!;
        var half = await services.GetRequiredService<SecondFactorPolicy>().BeginStepUpAsync(account, session, cancel);
        Assert.Equal([byNumber ? FactorKinds.Email : FactorKinds.Sms], half.Methods);

        Task ProveAsync() => services.GetRequiredService<StoreDatabase>().WriteAsync(
            (context, token) => context.Accounts.Where(row => row.Id == id).ExecuteUpdateAsync(set => set.SetProperty(row => row.PhoneNumber, number).SetProperty(row => row.PhoneNumberVerified, true).SetProperty(row => row.EmailVerified, true), token),
            cancel);
    }

    [Fact]
    public async Task Generate_WhenAnAddressAsksTooOften_Answers429()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:OneTimeCodesPerAddress"] = "10" });
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.PostAsync("otp/generate", new { email = $"n{i}@example.com" }, ip: "192.0.2.9")));
        Assert.Equal(10, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.OK), answer => answer.AssertFailure(429, "too_many_requests"));
    }
}
