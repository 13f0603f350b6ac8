// NIST SP 800-63B-4 §3.1.3 and its push fatigue; the wire contract's /login/push and /devices/sign-ins: a phone's yes as the second factor.
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Tests.Api;
using Identity.Tests.Kit.Push;
using Identity.Tests.Pages;
using Identity.Tests.SecondFactors;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Push;

public sealed class PushSignInTests(PushSignInWorld world) : IClassFixture<PushSignInWorld>
{
    private ApiServer Server => world.Server;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Login_WithAPhone_GoesOnWhenTheNumberWasPickedThere()
    {
        var ada = await world.PhonedAsync();
        var (mfaToken, methods) = await world.BeginAsync(ada.Person);
        Assert.Equal(["push", "recovery_code"], methods);
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_expired");

        var asked = await Server.PostAsync("login/push", new { mfaToken }, ip: "203.0.113.7");
        asked.AssertOk();
        Assert.Equal(["number", "expiresAt", "expiresIn", "interval"], asked.Json.Select(member => member.Key));
        Assert.Equal((60, 2), ((int)asked.Json["expiresIn"]!, (int)asked.Json["interval"]!));
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_pending");

        // Asked twice it is one question.
        Assert.Equal(asked.Value("number"), (await Server.PostAsync("login/push", new { mfaToken })).Value("number"));
        var signIn = Assert.Single(await world.PendingAsync(ada.Phone))!;
        Assert.Equal(["id", "app", "ip", "userAgent", "numbers", "nonce", "needsUserVerification", "createdAt", "expiresAt"], signIn.AsObject().Select(member => member.Key));
        Assert.Equal("203.0.113.7", (string)signIn["ip"]!);
        Assert.False((bool)signIn["needsUserVerification"]!);
        var numbers = signIn["numbers"]!.AsArray().Select(number => (string)number!).ToArray();
        Assert.Equal(3, numbers.Distinct(StringComparer.Ordinal).Count());
        Assert.All(numbers, number => Assert.Matches("^[1-9][0-9]$", number));
        Assert.Contains(asked.Value("number"), numbers);

        (await world.ApproveAsync(ada.Phone, signIn, asked.Value("number"))).AssertOk();
        Assert.Empty(await world.PendingAsync(ada.Phone));
        var tokens = await world.GoOnAsync(mfaToken);
        tokens.AssertOk();
        Assert.Equal(["pwd", "pop", "mfa"], FactorServer.Claim(tokens.Value("accessToken"), "amr")!.AsArray().Select(method => (string)method!));
        Assert.Equal("urn:identity:acr:2fa", (string?)FactorServer.Claim(tokens.Value("accessToken"), "acr"));
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "invalid_mfa_token");

        var told = (await Server.Services.GetRequiredService<IAuditLog>().ListAsync(Guid.Parse(ada.Person.Id), 20, Cancel)).Select(record => record.Action + " " + record.Outcome).ToArray();
        foreach (var line in (string[])["factor_add push", "push_sign_in asked", "push_sign_in approved", "second_factor push", "sign_in success"])
        {
            Assert.Contains(line, told);
        }

        var factor = (await Server.GetAsync("factors", tokens.Value("accessToken"))).Json["factors"]!.AsArray().Single(found => (string)found!["type"]! == "push")!;
        Assert.NotNull(factor["lastUsedAt"]);
        Assert.False((bool)factor["withoutPassword"]!);
        await Server.Messages.WaitForAsync(ada.Person.Email, "A device may sign you in from now on");
        await Server.Messages.WaitForAsync(ada.Person.Email, "A second step was added to your sign-in");
    }

    [Fact]
    public async Task WrongNumber_EndsTheSignInAndIsCounted()
    {
        var ada = await world.PhonedAsync();
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        var signIn = (await world.PendingAsync(ada.Phone))[0]!;
        (await world.ApproveAsync(ada.Phone, signIn, PushSignInWorld.Wrong(signIn, number))).AssertFailure(409, "wrong_number");
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_denied");

        // The right one comes too late now.
        (await world.ApproveAsync(ada.Phone, signIn, number)).AssertFailure(409, "sign_in_over");
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_denied");
        Assert.Equal(1, (await Server.Services.GetRequiredService<IAccountStore>().FindAsync(Guid.Parse(ada.Person.Id), Cancel))!.AccessFailedCount);

        // A number that was not among the three is as wrong; one that is no number is no answer.
        Server.Time.Advance(TimeSpan.FromMinutes(3));
        (_, number) = await world.AskAsync(ada.Person);
        signIn = (await world.PendingAsync(ada.Phone))[0]!;
        (await Server.PostAsync($"devices/sign-ins/{(string)signIn["id"]!}/approve", ada.Phone.Approval(signIn, "7"))).AssertProblems("number must be two digits");
        (await world.ApproveAsync(ada.Phone, signIn, number)).AssertOk();
    }

    [Fact]
    public async Task Answer_WhenReplayed_IsRefused()
    {
        var ada = await world.PhonedAsync();
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        var first = (await world.PendingAsync(ada.Phone))[0]!;
        var approval = ada.Phone.Approval(first, number);
        (await Server.PostAsync($"devices/sign-ins/{(string)first["id"]!}/approve", approval)).AssertOk();
        (await Server.PostAsync($"devices/sign-ins/{(string)first["id"]!}/approve", approval)).AssertFailure(409, "sign_in_over");
        (await world.DenyAsync(ada.Phone, first)).AssertFailure(409, "sign_in_over");
        (await world.GoOnAsync(mfaToken)).AssertOk();
        (await Server.PostAsync($"devices/sign-ins/{(string)first["id"]!}/approve", approval)).AssertFailure(409, "sign_in_over");

        // Its signature is worth nothing for the next one, nor a no's for a yes.
        await world.AskAsync(ada.Person);
        var second = (await world.PendingAsync(ada.Phone))[0]!;
        (await Server.PostAsync($"devices/sign-ins/{(string)second["id"]!}/approve", approval)).AssertFailure(403, "invalid_signature");
        var denial = JsonNode.Parse(System.Text.Json.JsonSerializer.Serialize(ada.Phone.Denial(second)))!;
        denial["number"] = number;
        (await Server.PostAsync($"devices/sign-ins/{(string)second["id"]!}/approve", denial)).AssertFailure(403, "invalid_signature");
        Assert.Single(await world.PendingAsync(ada.Phone));
    }

    [Fact]
    public async Task Answer_SignedByAnythingButADeviceOfTheAccount_IsRefused()
    {
        var (ada, bob) = (await world.PhonedAsync(), await world.PhonedAsync());
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        var signIn = (await world.PendingAsync(ada.Phone))[0]!;
        var path = $"devices/sign-ins/{(string)signIn["id"]!}/approve";
        Assert.Empty(await world.PendingAsync(bob.Phone));

        // Bob's own; Bob's key in Ada's name; a device that is none; one without a key; the access token alone.
        (await Server.PostAsync(path, bob.Phone.Approval(signIn, number))).AssertFailure(404, "sign_in_not_found");
        (await Server.PostAsync(path, bob.Phone.Approval(signIn, number, deviceId: ada.Phone.Id))).AssertFailure(403, "invalid_signature");
        (await Server.PostAsync(path, ada.Phone.Approval(signIn, number, deviceId: Guid.NewGuid().ToString()))).AssertFailure(403, "invalid_signature");
        var keyless = await Server.PostAsync("devices", new { platform = "android", token = "keyless-" + Guid.NewGuid().ToString("N") }, ada.Tokens.Access);
        (await Server.PostAsync(path, ada.Phone.Approval(signIn, number, deviceId: keyless.Value("id")), ada.Tokens.Access)).AssertFailure(403, "invalid_signature");
        (await Server.PostAsync(path, new { deviceId = ada.Phone.Id, number, signature = "none" }, ada.Tokens.Access)).AssertFailure(403, "invalid_signature");
        (await Server.PostAsync(path, new { deviceId = ada.Phone.Id, number }, ada.Tokens.Access)).AssertProblems("signature should not be empty");
        (await Server.PostAsync($"devices/sign-ins/{Guid.NewGuid()}/approve", ada.Phone.Approval(signIn, number))).AssertFailure(404, "sign_in_not_found");
        (await Server.PostAsync("devices/sign-ins/nonsense/deny", ada.Phone.Denial(signIn))).AssertFailure(404, "sign_in_not_found");

        // What is asked before is bound alike, and for two minutes.
        var now = Server.Time.GetUtcNow();
        (await Server.GetAsync(bob.Phone.ListPath(now, ada.Phone.Id))).AssertFailure(403, "invalid_signature");
        (await Server.GetAsync(ada.Phone.ListPath(now.AddMinutes(-3)))).AssertFailure(403, "invalid_signature");
        (await Server.GetAsync(ada.Phone.ListPath(now.AddMinutes(3)))).AssertFailure(403, "invalid_signature");
        (await Server.GetAsync("devices/sign-ins", ada.Tokens.Access)).AssertProblems("deviceId must be a UUID", "time must be seconds since 1970", "signature should not be empty");
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_pending");

        // A second phone of hers may answer as well as the first.
        using var tablet = new SimulatedDevice();
        await world.AddPhoneAsync(ada.Tokens, tablet);
        (await world.ApproveAsync(tablet, signIn, number)).AssertOk();
        (await world.GoOnAsync(mfaToken)).AssertOk();
    }

    [Fact]
    public async Task Answer_AfterAMinute_IsTooLate()
    {
        var ada = await world.PhonedAsync();
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        var signIn = (await world.PendingAsync(ada.Phone))[0]!;
        Server.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.Empty(await world.PendingAsync(ada.Phone));
        (await world.ApproveAsync(ada.Phone, signIn, number)).AssertFailure(409, "sign_in_over");
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_expired");

        // A yes in the last second counts, for as long as a page needs to see it, and no longer.
        (mfaToken, number) = await world.AskAsync(ada.Person);
        Server.Time.Advance(TimeSpan.FromSeconds(59));
        (await world.ApproveAsync(ada.Phone, (await world.PendingAsync(ada.Phone))[0]!, number)).AssertOk();
        Server.Time.Advance(TimeSpan.FromMinutes(2));
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_expired");
    }

    [Fact]
    public async Task Denials_LeaveThePhoneAloneForLongerEachTime_UntilAYes()
    {
        var ada = await world.PhonedAsync();
        foreach (var minutes in (int[])[1, 2, 4])
        {
            var (mfaToken, _) = await world.AskAsync(ada.Person);
            (await world.DenyAsync(ada.Phone, (await world.PendingAsync(ada.Phone))[0]!)).AssertOk();
            (await world.GoOnAsync(mfaToken)).AssertFailure(401, "push_denied");
            var wait = await Server.PostAsync("login/push", new { mfaToken });
            wait.AssertFailure(429, "too_many_requests");
            Assert.Equal(minutes * 60, int.Parse(wait.Headers["Retry-After"], System.Globalization.CultureInfo.InvariantCulture));
            Server.Time.Advance(TimeSpan.FromMinutes(minutes) - TimeSpan.FromSeconds(1));
            (mfaToken, _) = await world.BeginAsync(ada.Person);
            (await Server.PostAsync("login/push", new { mfaToken })).AssertFailure(429, "too_many_requests");
            Server.Time.Advance(TimeSpan.FromSeconds(1));
        }

        var (again, number) = await world.AskAsync(ada.Person);
        (await world.ApproveAsync(ada.Phone, (await world.PendingAsync(ada.Phone))[0]!, number)).AssertOk();
        (await world.GoOnAsync(again)).AssertOk();
        await world.AskAsync(ada.Person);
        (await world.DenyAsync(ada.Phone, (await world.PendingAsync(ada.Phone))[0]!)).AssertOk();
        Server.Time.Advance(TimeSpan.FromMinutes(1));
        await world.AskAsync(ada.Person);
    }

    [Fact]
    public async Task Answers_FiftyAtOnce_HaveOneOutcome()
    {
        var ada = await world.PhonedAsync();
        using var tablet = new SimulatedDevice();
        await world.AddPhoneAsync(ada.Tokens, tablet);
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        var signIn = (await world.PendingAsync(ada.Phone))[0]!;
        var yes = await FactorServer.RaceAsync(i => world.ApproveAsync(i % 2 == 0 ? ada.Phone : tablet, signIn, number));
        Assert.Single(yes, answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal(49, yes.Count(answer => answer.Status == HttpStatusCode.Conflict && answer.Value("errorCode") == "sign_in_over"));
        var goneOn = await FactorServer.RaceAsync(_ => world.GoOnAsync(mfaToken));
        Assert.Single(goneOn, answer => answer.Status == HttpStatusCode.OK);

        // That was more than is let through in a quarter of an hour.
        Server.Time.Advance(TimeSpan.FromMinutes(15));

        // Yes, no and wrong mixed: one of them, and what follows is what that one said.
        (mfaToken, number) = await world.AskAsync(ada.Person);
        signIn = (await world.PendingAsync(ada.Phone))[0]!;
        var wrong = PushSignInWorld.Wrong(signIn, number);
        var mixed = await FactorServer.RaceAsync(i => (i % 3) switch
        {
            0 => world.ApproveAsync(ada.Phone, signIn, number),
            1 => world.DenyAsync(tablet, signIn),
            _ => world.ApproveAsync(tablet, signIn, wrong),
        });
        var winner = Assert.Single(Enumerable.Range(0, 50), i => mixed[i].Status == HttpStatusCode.OK || mixed[i].Value("errorCode") == "wrong_number");
        var end = await world.GoOnAsync(mfaToken);
        if (winner % 3 == 0)
        {
            end.AssertOk();
        }
        else
        {
            end.AssertFailure(401, "push_denied");
        }
    }

    [Fact]
    public async Task Questions_FiftyAtOnce_AreThreeAtATime()
    {
        var ada = await world.PhonedAsync();
        var tokens = new List<string>();
        for (var i = 0; i < 50; i++)
        {
            tokens.Add((await world.BeginAsync(ada.Person)).MfaToken);
        }

        var asked = await FactorServer.RaceAsync(i => Server.PostAsync("login/push", new { mfaToken = tokens[i] }));
        Assert.Equal(3, asked.Count(answer => answer.Status == HttpStatusCode.OK));
        Assert.Equal(47, asked.Count(answer => answer.Status == HttpStatusCode.TooManyRequests));
        Assert.Equal(3, (await world.PendingAsync(ada.Phone)).Count);

        // When one is answered there is room for one.
        var shown = asked.Where(answer => answer.Status == HttpStatusCode.OK).Select(answer => answer.Value("number")).ToList();
        foreach (var signIn in await world.PendingAsync(ada.Phone))
        {
            var number = shown.First(number => signIn!["numbers"]!.AsArray().Any(choice => (string)choice! == number));
            if ((await world.ApproveAsync(ada.Phone, signIn!, number)).Status == HttpStatusCode.OK)
            {
                break;
            }
        }

        Server.Time.Advance(TimeSpan.FromMinutes(10));
        var again = await FactorServer.RaceAsync(_ => world.BeginAsync(ada.Person).ContinueWith(begun => Server.PostAsync("login/push", new { mfaToken = begun.Result.MfaToken }), TaskScheduler.Default).Unwrap(), width: 10);
        Assert.Equal(3, again.Count(answer => answer.Status == HttpStatusCode.OK));
    }

    [Fact]
    public async Task Questions_InAnHour_AreLimited_AlsoFiftyAtOnce()
    {
        var ada = await world.PhonedAsync();
        for (var i = 0; i < 8; i++)
        {
            await world.AskAsync(ada.Person);
            Server.Time.Advance(TimeSpan.FromSeconds(61));
        }

        var tokens = new List<string>();
        for (var i = 0; i < 50; i++)
        {
            tokens.Add((await world.BeginAsync(ada.Person)).MfaToken);
        }

        var asked = await FactorServer.RaceAsync(i => Server.PostAsync("login/push", new { mfaToken = tokens[i] }));
        Assert.Equal(2, asked.Count(answer => answer.Status == HttpStatusCode.OK));
        Server.Time.Advance(TimeSpan.FromSeconds(61));
        var (mfaToken, _) = await world.BeginAsync(ada.Person);
        (await Server.PostAsync("login/push", new { mfaToken })).AssertFailure(429, "too_many_requests");
        Server.Time.Advance(TimeSpan.FromMinutes(52));
        await world.AskAsync(ada.Person);
    }

    [Fact]
    public async Task WrongNumbersAndWrongCodes_CountTogetherAndLock()
    {
        var ada = await world.PhonedAsync();
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        var signIn = (await world.PendingAsync(ada.Phone))[0]!;
        (await world.ApproveAsync(ada.Phone, signIn, PushSignInWorld.Wrong(signIn, number))).AssertFailure(409, "wrong_number");
        for (var i = 0; i < 9; i++)
        {
            (await Server.PostAsync("login", new { mfaToken, code = "00000-00000", method = "recovery_code" })).AssertFailure(401, "invalid_mfa_code");
        }

        (await Server.PostAsync("login", new { email = ada.Person.Email, password = ada.Person.Password })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task Yes_AfterANewPassword_IsWorthNothing()
    {
        var ada = await world.PhonedAsync();
        var (mfaToken, number) = await world.AskAsync(ada.Person);
        (await world.ApproveAsync(ada.Phone, (await world.PendingAsync(ada.Phone))[0]!, number)).AssertOk();
        (await Server.PostAsync("password/change", new { currentPassword = ada.Person.Password, newPassword = "another sound phrase 8" }, ada.Tokens.Access)).AssertOk();
        (await world.GoOnAsync(mfaToken)).AssertFailure(401, "invalid_mfa_token");

        // The phone went with the password: recovery codes are for that.
        (await Server.GetAsync(ada.Phone.ListPath(Server.Time.GetUtcNow()))).AssertFailure(403, "invalid_signature");
        var (again, methods) = await world.BeginAsync(ada.Person with { Password = "another sound phrase 8" });
        Assert.Equal(["recovery_code"], methods);
        (await Server.PostAsync("login/push", new { mfaToken = again })).AssertFailure(400, "channel_unavailable");
        (await Server.PostAsync("login", new { mfaToken = again, code = ada.RecoveryCodes[0] })).AssertOk();
    }

    [Fact]
    public async Task Factor_WhenItIsAddedChangedAndRemoved_NeedsADeviceAndAProof()
    {
        var (person, tokens) = await Server.SignedInAsync();
        (await Server.PostAsync("factors/push", body: null, tokens.Access)).AssertFailure(404, "not_found");
        (await Server.PutAsync("factors/push", new { withoutPassword = true }, tokens.Access)).AssertFailure(404, "not_found");
        using var phone = new SimulatedDevice();
        await world.AddPhoneAsync(tokens, phone);
        Server.Time.Advance(TimeSpan.FromMinutes(11));
        (await Server.PostAsync("factors/push", body: null, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await Server.PostAsync("factors/proof", new { currentPassword = person.Password }, tokens.Access)).AssertOk();
        var added = await Server.PostAsync("factors/push", body: null, tokens.Access);
        Assert.Equal((201, "push"), ((int)added.Status, (string)added.Json["factor"]!["type"]!));
        (await Server.PostAsync("factors/push", body: null, tokens.Access)).AssertFailure(409, "factor_exists");

        (await Server.PutAsync("factors/push", new { }, tokens.Access)).AssertProblems("withoutPassword should not be empty");
        (await Server.PutAsync("factors/push", new { withoutPassword = "yes" }, tokens.Access)).AssertProblems("withoutPassword must be a boolean value");
        (await Server.PutAsync("factors/push", new { withoutPassword = true }, tokens.Access)).AssertOk();
        Assert.True((bool)(await Server.GetAsync("factors", tokens.Access)).Json["factors"]![0]!["withoutPassword"]!);
        await Server.Messages.WaitForAsync(person.Email, "Your devices can sign you in without a password");
        Server.Time.Advance(TimeSpan.FromMinutes(11));
        (await Server.PutAsync("factors/push", new { withoutPassword = false }, tokens.Access)).AssertOk();
        await Server.Messages.WaitForAsync(person.Email, "Your devices no longer sign you in without a password");
        (await Server.PutAsync("factors/push", new { withoutPassword = true }, tokens.Access)).AssertFailure(403, "reauthentication_required");

        // A proof by the phone itself is as strong as it.
        var path = "factors/" + (string)added.Json["factor"]!["id"]!;
        (await Server.SendAsync(HttpMethod.Delete, path, body: null, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await Server.PostAsync("factors/proof", new { method = "push" }, tokens.Access)).AssertFailure(400, "push_expired");
        var asked = await Server.PostAsync("factors/proof/push", body: null, tokens.Access);
        asked.AssertOk();
        (await Server.PostAsync("factors/proof", new { method = "push" }, tokens.Access)).AssertFailure(400, "push_pending");
        (await world.ApproveAsync(phone, (await world.PendingAsync(phone))[0]!, asked.Value("number"))).AssertOk();
        (await Server.PostAsync("factors/proof", new { method = "push" }, tokens.Access)).AssertOk();
        Assert.Equal(HttpStatusCode.NoContent, (await Server.SendAsync(HttpMethod.Delete, path, body: null, tokens.Access)).Status);
        await Server.Messages.WaitForAsync(person.Email, "A second step was removed from your sign-in");
        (await Server.PostAsync("factors/proof/push", body: null, tokens.Access)).AssertFailure(400, "channel_unavailable");
    }

    [Fact]
    public async Task SignInWithoutPassword_WhenItsOwnerSaysItWasNotThem_IsTakenBackWithThePhone()
    {
        var ada = await world.PhonedAsync();
        (await Server.PutAsync("factors/push", new { withoutPassword = true }, ada.Tokens.Access)).AssertOk();
        var told = (await Server.Messages.WithAsync(ada.Person.Email, "Your devices can sign you in without a password")).Text;
        using var http = Server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var link = Regex.Match(told, @"https?://\S+/not-me\?ticket=[\w-]+", RegexOptions.None, TimeSpan.FromSeconds(1)).Value;
        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, Cancel)));
        using var done = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), Cancel);
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);
        (await Server.GetAsync("users/me", ada.Tokens.Access)).AssertFailure(401, "invalid_token");
        (await Server.GetAsync(ada.Phone.ListPath(Server.Time.GetUtcNow()))).AssertFailure(403, "invalid_signature");
    }

    [Fact]
    public async Task Factor_WhenAskedForAgainWithItsKey_IsAddedOnce()
    {
        var (_, tokens) = await Server.SignedInAsync();
        using var phone = new SimulatedDevice();
        await world.AddPhoneAsync(tokens, phone);
        using var http = Server.CreateClient();
        var ids = new HashSet<string>(StringComparer.Ordinal);
        var key = Guid.NewGuid().ToString();
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/identity/factors/push");
            request.Headers.Authorization = new("Bearer", tokens.Access);
            request.Headers.Add("Idempotency-Key", key);
            using var answer = await http.SendAsync(request, Cancel);
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            ids.Add((string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancel))!["factor"]!["id"]!);
        }

        Assert.Single(ids);
    }

    [Fact]
    public async Task Routes_WhenWhatIsBroughtDoesNotValidate_SayWhatIsWrong()
    {
        (await Server.PostAsync("login/push", new { })).AssertProblems("mfaToken should not be empty");
        (await Server.PostAsync("login/push", new { mfaToken = "nonsense" })).AssertFailure(401, "invalid_mfa_token");
        (await Server.PostAsync("devices/sign-ins/x/approve", new { })).AssertProblems("deviceId should not be empty", "number should not be empty", "signature should not be empty");
        (await Server.PostAsync("devices/sign-ins/x/approve", new { deviceId = "x", number = 7, userVerified = "y", signature = new string('s', 201) }))
            .AssertProblems("deviceId must be a UUID", "number must be a string", "userVerified must be a boolean value", "signature must be shorter than or equal to 200 characters");
        (await Server.PostAsync("devices/sign-ins/x/deny", new { })).AssertProblems("deviceId should not be empty", "signature should not be empty");
        (await Server.GetAsync($"devices/sign-ins?deviceId={Guid.NewGuid()}&time=-5&signature={new string('s', 201)}")).AssertProblems("time must be seconds since 1970", "signature should not be empty");
    }

    [Fact]
    public async Task Store_WhenADayIsOver_KeepsNoRequest()
    {
        var ada = await world.PhonedAsync();
        await world.AskAsync(ada.Person);
        var id = Guid.Parse(ada.Person.Id);
        Task<int> CountAsync() => world.Database.ReadAsync((context, token) => context.Set<PushSignInRow>().CountAsync(r => r.AccountId == id, token), Cancel);
        Assert.Equal(1, await CountAsync());
        await Server.Services.GetRequiredService<StoreCleanUp>().RunAsync(Cancel);
        Assert.Equal(1, await CountAsync());
        Server.Time.Jump(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(2));
        await Server.Services.GetRequiredService<StoreCleanUp>().RunAsync(Cancel);
        Assert.Equal(0, await CountAsync());
    }
}
