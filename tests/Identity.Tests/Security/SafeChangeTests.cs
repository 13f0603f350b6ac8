// Security catalogue, "What people and operators were bitten by elsewhere": changes, proofs and locks, as an attacker and as the owner.
using System.Net;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.SignIn;
using Identity.Tests.Api;
using Identity.Tests.Pages;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

public sealed partial class SafeChangeTests(ApiServer server)
{
    private const string NewPassword = "another sound phrase 8";

    [Theory]
    [InlineData("email", "new.{0}@example.com")]
    [InlineData("phoneNumber", "+49151{1}")]
    [InlineData("userName", "user.{0}")]
    public async Task Change_WithAnOldSessionAlone_IsRefused_AndWithThePasswordOrAFreshSignInDone(string member, string form)
    {
        await using var own = await ApiServer.StartAsync([]);
        var person = await own.RegisterAsync();
        var tokens = await own.LoginAsync(person.Email);
        var body = Body(member, form);
        own.Time.Advance(TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(1));
        (await own.PutAsync($"users/{person.Id}", body, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await own.PutAsync($"users/{person.Id}", With(body, "currentPassword", "not the one"), tokens.Access)).AssertFailure(403, "reauthentication_required");
        var after = await own.GetAsync($"users/{person.Id}", tokens.Access);
        Assert.Equal(person.Email, after.Value("email"));
        Assert.Null(after.Json["pendingEmail"]);
        Assert.Null(after.Json["userName"]);

        // What lets nobody in needs no proof.
        (await own.PutAsync($"users/{person.Id}", new { firstName = "Ada", email = person.Email }, tokens.Access)).AssertOk();
        (await own.PutAsync($"users/{person.Id}", With(body, "currentPassword", person.Password), tokens.Access)).AssertOk();

        var again = await own.LoginAsync(person.Email);
        own.Time.Advance(TimeSpan.FromMinutes(9));
        (await own.PutAsync($"users/{person.Id}", Body(member, form), again.Access)).AssertOk();
    }

    [Fact]
    public async Task CurrentPassword_GuessedFiftyTimesAtOnce_LocksTheAccount()
    {
        await using var own = await ApiServer.StartAsync([]);
        var person = await own.RegisterAsync();
        var tokens = await own.LoginAsync(person.Email);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => own.PutAsync($"users/{person.Id}", new { userName = "user." + i, currentPassword = "guess number " + i }, tokens.Access)));
        Assert.All(answers, answer => answer.AssertFailure(403, "reauthentication_required"));
        (await own.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task Email_ChangedByThePerson_IsInForceWhenACodeProvesIt_AndTheOldAddressIsTold()
    {
        var (person, tokens) = await VerifiedAsync();
        var address = "new" + person.Email;
        var answer = await server.PutAsync($"users/{person.Id}", new { email = address }, tokens.Access);
        answer.AssertOk();
        Assert.Equal((person.Email, address, true), (answer.Value("email"), answer.Value("pendingEmail"), (bool)answer.Json["emailVerified"]!));
        await server.Messages.WithAsync(person.Email, "is to be changed");

        // Until then the old one signs in and resets, and the new one does nothing.
        await server.LoginAsync(person.Email);
        (await server.PostAsync("login", new { email = address, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("password/reset", new { email = address, code = "123456", newPassword = NewPassword })).AssertFailure(400, "otp_invalid");

        var code = await server.Messages.CodeAsync(address);
        (await server.PostAsync("otp/verify", new { userId = person.Id, purpose = "verification", code = code == "111111" ? "222222" : "111111" })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("otp/verify", new { email = address, code })).AssertOk();
        var after = await server.GetAsync($"users/{person.Id}", tokens.Access);
        Assert.Equal((address, true), (after.Value("email"), (bool)after.Json["emailVerified"]!));
        Assert.Null(after.Json["pendingEmail"]);
        await server.Messages.WithAsync(person.Email, "was changed");
        await server.LoginAsync(address);
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task Email_ProvenFiftyTimesAtOnce_ChangesOnce()
    {
        var (person, tokens) = await VerifiedAsync();
        var address = "new" + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = address }, tokens.Access)).AssertOk();
        var code = await server.Messages.CodeAsync(address);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("otp/verify", new { userId = person.Id, code })));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task EmailAndPhone_ChangedTogether_AreProvenEachByItsOwnCode()
    {
        var (person, tokens) = await VerifiedAsync();
        var (address, number) = ("new" + person.Email, Number());
        var answer = await server.PutAsync($"users/{person.Id}", new { email = address, phoneNumber = number }, tokens.Access);
        answer.AssertOk();
        Assert.Null(answer.Json["phoneNumber"]);
        Assert.Equal(number, answer.Value("pendingPhoneNumber"));
        (await server.PostAsync("otp/verify", new { phoneNumber = number, code = await server.Messages.CodeAsync(number) })).AssertOk();
        (await server.PostAsync("otp/verify", new { userId = person.Id, code = await server.Messages.CodeAsync(address) })).AssertOk();
        var after = await server.GetAsync($"users/{person.Id}", tokens.Access);
        Assert.Equal((address, number, true), (after.Value("email"), after.Value("phoneNumber"), (bool)after.Json["phoneNumberVerified"]!));
    }

    [Fact]
    public async Task Email_TakenByAnotherWhileItWaits_IsNotChanged()
    {
        var (person, tokens) = await VerifiedAsync();
        var address = "new" + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = address }, tokens.Access)).AssertOk();
        await server.RegisterAsync(address);
        (await server.PostAsync("otp/verify", new { userId = person.Id, code = await server.Messages.CodeAsync(address) })).AssertFailure(400, "otp_invalid");
        Assert.Equal(person.Email, (await server.GetAsync($"users/{person.Id}", tokens.Access)).Value("email"));
    }

    [Fact]
    public async Task Email_ChangedByAnAdmin_HoldsAtOnce_BothAreToldAndTheOldMailboxGetsNoLink()
    {
        var (person, _) = await VerifiedAsync();
        var address = "new" + person.Email;
        var answer = await server.PutAsync($"users/{person.Id}", new { email = address, phoneNumber = Number() }, (await server.AdminAsync()).Access);
        Assert.Equal((address, false), (answer.Value("email"), (bool)answer.Json["emailVerified"]!));
        Assert.DoesNotContain("/not-me", (await server.Messages.WithAsync(person.Email, "changed for you")).Text, StringComparison.Ordinal);
        Assert.Contains("/not-me", (await server.Messages.WithAsync(address, "changed for you")).Text, StringComparison.Ordinal);

        // Their own account is no other's: an administrator proves it like anybody.
        await using var own = await ApiServer.StartAsync([]);
        var admin = await own.AdminAsync();
        var id = (string)(await own.PostAsync("login", new { email = ApiServer.AdminEmail, password = ApiServer.Password })).Json["user"]!["id"]!;
        own.Time.Advance(TimeSpan.FromMinutes(11));
        (await own.PutAsync($"users/{id}", new { email = "elsewhere@example.com" }, admin.Access)).AssertFailure(403, "reauthentication_required");
    }

    [Fact]
    public async Task NotMe_AfterADeletionThatAnIntruderAsked_GivesTheAccountBack()
    {
        var (person, tokens) = await server.SignedInAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, tokens.Access)).Status);
        var link = Link().Match((await server.Messages.WithAsync(person.Email, "to be deleted")).Text).Value;
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken)));
        using var done = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);

        // Whoever asked for it is out; its owner chooses a new password, and nothing is erased.
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email), newPassword = NewPassword })).AssertOk();
        await server.LoginAsync(person.Email, NewPassword);
        var user = await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access);
        Assert.True((bool)user.Json["isActive"]!);
        Assert.False(user.Json.ContainsKey("deletedAfter"));
    }

    [Fact]
    public async Task NotMe_AfterATakeover_GivesTheAccountBack_Once()
    {
        var (person, stolen) = await VerifiedAsync();
        var evil = "evil" + person.Email;
        (await server.PutAsync($"users/{person.Id}", new { email = evil }, stolen.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { userId = person.Id, code = await server.Messages.CodeAsync(evil) })).AssertOk();
        (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = NewPassword }, stolen.Access)).AssertOk();
        var theirs = await server.LoginAsync(evil, NewPassword);

        var mail = await server.Messages.WithAsync(person.Email, "was changed");
        Assert.Contains("<html", mail.Html, StringComparison.Ordinal);
        Assert.Contains(Link().Match(mail.Text).Value.Replace("&", "&amp;", StringComparison.Ordinal), mail.Html, StringComparison.Ordinal);
        var link = Link().Match(mail.Text).Value;
        Assert.StartsWith(ApiServer.Issuer + "/not-me?ticket=", link, StringComparison.Ordinal);
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });

        // Programs open links before people do.
        for (var i = 0; i < 3; i++)
        {
            Assert.Contains("Sign out everywhere", await http.GetStringAsync(link, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken)));
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken)));
        var done = Assert.Single(answers, answer => answer.StatusCode == HttpStatusCode.SeeOther);
        Assert.StartsWith("/reset-password?", done.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.StartsWith("This link no longer works – ", PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken)).Title, StringComparison.Ordinal);

        (await server.PostAsync("refresh-token", new { refreshToken = theirs.Refresh })).AssertFailure(401, "invalid_refresh_token");
        (await server.PostAsync("login", new { email = evil, password = NewPassword })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("login", new { email = person.Email, password = NewPassword })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email, 2), newPassword = "the owner's own phrase 9" })).AssertOk();
        await server.LoginAsync(person.Email, "the owner's own phrase 9");
    }

    [Fact]
    public async Task NotMe_AfterAWeekOrWithAnotherTicket_DoesNothing()
    {
        await using var own = await ApiServer.StartAsync([]);
        var person = await own.RegisterAsync();
        var tokens = await own.LoginAsync(person.Email);
        (await own.PutAsync($"users/{person.Id}", new { userName = "user.name" }, tokens.Access)).AssertOk();
        var link = Link().Match((await own.Messages.WithAsync(person.Email, "user name")).Text).Value;
        using var http = own.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken)));
        var ticket = fields["ticket"];
        foreach (var other in (string[])["", "x", ticket[..^1] + (ticket[^1] == 'A' ? 'B' : 'A'), new string('x', 5000)])
        {
            fields["ticket"] = other;
            using var refused = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        }

        own.Time.Jump(TimeSpan.FromDays(7));
        fields["ticket"] = ticket;
        using var late = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, late.StatusCode);
        await own.LoginAsync(person.Email);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Address_RegisteredByAStrangerFirst_IsWorthNothingToThem(bool byCode)
    {
        await using var own = await ApiServer.StartAsync(new() { ["Accounts:AllowCodeSignIn"] = "true" });
        const string victim = "victim@example.com";
        var registered = await own.PostAsync("register", new { email = victim, password = ApiServer.Password, userName = "victims.name", phoneNumber = "+4915112345678", firstName = "Eve", lastName = "Il", metadata = new { planted = true } });
        var theirs = await own.LoginAsync(victim);
        (await own.PostAsync("otp/verify", new { phoneNumber = "+4915112345678", code = await Sms(own, "+4915112345678") })).AssertOk();
        (await own.PutAsync("users/" + registered.Value("id"), new { email = "evil@example.com" }, theirs.Access)).AssertOk();

        if (byCode)
        {
            await own.PostAsync("otp/generate", new { email = victim, purpose = "login" });
            (await own.PostAsync("otp/verify", new { email = victim, purpose = "login", code = await own.Messages.CodeAsync(victim) })).AssertOk();
        }
        else
        {
            await own.PostAsync("password/forgot", new { email = victim });
            (await own.PostAsync("password/reset", new { email = victim, code = await own.Messages.CodeAsync(victim), newPassword = NewPassword })).AssertOk();
        }

        foreach (var name in (string[])[victim, "victims.name", "+4915112345678", "evil@example.com"])
        {
            (await own.PostAsync("login", new { email = name, password = ApiServer.Password })).AssertFailure(401, "invalid_credentials");
        }

        (await own.PostAsync("refresh-token", new { refreshToken = theirs.Refresh })).AssertFailure(401, "invalid_refresh_token");
        (await own.GetAsync("users/" + registered.Value("id"), theirs.Access)).AssertFailure(401, "invalid_token");
        (await own.PostAsync("otp/verify", new { userId = registered.Value("id"), code = await own.Messages.CodeAsync("evil@example.com") })).AssertFailure(400, "otp_invalid");
        var user = await own.GetAsync("users/" + registered.Value("id"), (await own.AdminAsync()).Access);
        Assert.Equal((victim, true, false), (user.Value("email"), (bool)user.Json["emailVerified"]!, (bool)user.Json["phoneNumberVerified"]!));
        Assert.All((string[])["userName", "phoneNumber", "firstName", "lastName", "pendingEmail"], name => Assert.Null(user.Json[name]));
        Assert.Empty(user.Json["metadata"]!.AsObject());
    }

    [Fact]
    public async Task Address_ProvenByItsRegistrant_KeepsEverything()
    {
        await using var own = await ApiServer.StartAsync([]);
        var registered = await own.PostAsync("register", new { email = "ada@example.com", password = ApiServer.Password, userName = "ada", firstName = "Ada", metadata = new { theme = "dark" } });
        var tokens = await own.LoginAsync("ada@example.com");
        await own.PostAsync("otp/generate", new { email = "ada@example.com" });
        (await own.PostAsync("otp/verify", new { email = "ada@example.com", code = await own.Messages.CodeAsync("ada@example.com") }, tokens.Access)).AssertOk();
        await own.PostAsync("password/forgot", new { email = "ada@example.com" });
        (await own.PostAsync("password/reset", new { email = "ada@example.com", code = await own.Messages.CodeAsync("ada@example.com", 2), newPassword = NewPassword })).AssertOk();
        var user = await own.GetAsync("users/" + registered.Value("id"), (await own.LoginAsync("ada@example.com", NewPassword)).Access);
        Assert.Equal(("ada", "Ada", "dark"), (user.Value("userName"), user.Value("firstName"), (string)user.Json["metadata"]!["theme"]!));
    }

    [Fact]
    public async Task Lock_ByAStranger_StopsNeitherTheMailboxNorAKnownDevice()
    {
        await using var own = await ApiServer.StartAsync([]);
        var person = await own.RegisterAsync();
        (await own.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "the owner's phone" })).AssertOk();
        await LockAsync(own, person);
        (await own.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await own.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "another phone" })).AssertFailure(401, "invalid_credentials");
        (await own.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "the owner's phone" })).AssertOk();

        await own.PostAsync("password/forgot", new { email = person.Email });
        (await own.PostAsync("password/reset", new { email = person.Email, code = await own.Messages.CodeAsync(person.Email), newPassword = NewPassword })).AssertOk();
        await own.LoginAsync(person.Email, NewPassword);
    }

    [Fact]
    public async Task KnownDevice_WhenItsPasswordIsGuessedFiftyTimesAtOnce_IsAStranger()
    {
        await using var own = await ApiServer.StartAsync([]);
        var person = await own.RegisterAsync();
        (await own.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "phone" })).AssertOk();
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => own.PostAsync("login", new { email = person.Email, password = "guess number " + i, deviceId = "phone" })));
        (await own.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "phone" })).AssertFailure(401, "invalid_credentials");
    }

    [Fact]
    public async Task Lock_WhenItsTimeIsOver_LetsRefreshWorkAgain()
    {
        await using var own = await ApiServer.StartAsync([]);
        var person = await own.RegisterAsync();
        var tokens = await own.LoginAsync(person.Email);
        await LockAsync(own, person);
        (await own.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        own.Time.Advance(TimeSpan.FromMinutes(15) - TimeSpan.FromSeconds(1));
        (await own.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        own.Time.Advance(TimeSpan.FromSeconds(1));
        var refreshed = await own.PostAsync("refresh-token", new { refreshToken = tokens.Refresh });
        refreshed.AssertOk();
        (await own.GetAsync($"users/{person.Id}", refreshed.Value("accessToken"))).AssertOk();
    }

    [Fact]
    public async Task WrongPasswords_BeforeTheyLock_AreAnsweredLaterAndLater_KnownOrNot()
    {
        await using var own = await ApiServer.StartAsync(new() { ["Accounts:WrongPasswordDelay"] = "00:00:01" });
        var person = await own.RegisterAsync();
        foreach (var email in (string[])[person.Email, "nobody@example.com"])
        {
            for (var i = 0; i < 3; i++)
            {
                (await own.PostAsync("login", new { email, password = "wrong " + i })).AssertFailure(401, "invalid_credentials");
            }

            await AssertLateAsync(own, own.PostAsync("login", new { email, password = "wrong 4" }));
        }

        // What is right is never late.
        await own.LoginAsync(person.Email);
    }

    // Not answered before the server's clock moves on; a minute later nobody is slow any more.
    private static async Task AssertLateAsync(ApiServer own, Task<Answer> attempt)
    {
        Assert.NotSame(attempt, await Task.WhenAny(attempt, Task.Delay(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken)));
        while (!attempt.IsCompleted)
        {
            own.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }

        (await attempt).AssertFailure(401, "invalid_credentials");
        own.Time.Advance(TimeSpan.FromMinutes(1));
    }

    // A name that is nobody's has to slow down in whatever spelling, as an account does: else whether the spellings are told apart tells whether there is an account.
    [Theory]
    [InlineData("+436601234567", "+43 660 123 45 67")]
    [InlineData("ada@b\u00fccher.example", "ada@xn--bcher-kva.example")]
    [InlineData("ad\u00e4@example.com", "ada\u0308@example.com")]
    [InlineData("ada@example.com", "\u200bADA@example.com")]
    public async Task WrongPasswords_UnderAnotherSpellingOfTheName_AreAnsweredLater_KnownOrNot(string name, string otherwise)
    {
        await using var own = await ApiServer.StartAsync(new() { ["Accounts:WrongPasswordDelay"] = "00:00:01" });
        foreach (var isKnown in (bool[])[false, true])
        {
            static object Attempt(string login) => login.Contains('@', StringComparison.Ordinal) ? new { email = login, password = "wrong" } : new { phoneNumber = login, password = "wrong" };
            if (isKnown)
            {
                object account = name.Contains('@', StringComparison.Ordinal) ? new { email = name, password = NewPassword } : new { email = "grace@example.com", phoneNumber = name, password = NewPassword };
                Assert.Equal(HttpStatusCode.Created, (await own.PostAsync("register", account)).Status);
            }

            for (var i = 0; i < 3; i++)
            {
                (await own.PostAsync("login", Attempt(name))).AssertFailure(401, "invalid_credentials");
            }

            await AssertLateAsync(own, own.PostAsync("login", Attempt(otherwise)));
        }
    }

    [Fact]
    public async Task ResetCodes_Guessed_AreLimitedForTheDay()
    {
        await using var own = await ApiServer.StartAsync(new() { ["Accounts:ResetGuessesPerAccount"] = "10" });
        var person = await own.RegisterAsync();
        foreach (var email in (string[])[person.Email, "nobody@example.com"])
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => own.PostAsync("password/reset", new { email, code = (100_000 + i).ToString(System.Globalization.CultureInfo.InvariantCulture), newPassword = NewPassword })));
            Assert.Equal(10, answers.Count(answer => answer.Status == HttpStatusCode.BadRequest));
            Assert.Equal(40, answers.Count(answer => answer.Status == HttpStatusCode.TooManyRequests));
        }
    }

    [Fact]
    public async Task ResetCodes_GuessedByAStranger_StopNobodyElse()
    {
        await using var own = await ApiServer.StartAsync(new() { ["Accounts:ResetGuessesPerAccount"] = "10" });
        var person = await own.RegisterAsync();
        foreach (var email in (string[])[person.Email, "nobody@example.com"])
        {
            var guesses = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => own.PostAsync("password/reset", new { email, code = (100_000 + i).ToString(System.Globalization.CultureInfo.InvariantCulture), newPassword = NewPassword }, ip: "203.0.113.9")));
            Assert.Equal(40, guesses.Count(answer => answer.Status == HttpStatusCode.TooManyRequests));
            (await own.PostAsync("password/reset", new { email, code = "000000", newPassword = NewPassword }, ip: "198.51.100.7")).AssertFailure(400, "otp_invalid");
        }

        // One network is one guesser, however many addresses it has.
        var network = await Task.WhenAll(Enumerable.Range(1, 50).Select(i => own.PostAsync("password/reset", new { email = person.Email, code = "000000", newPassword = NewPassword }, ip: $"2001:db8:1:2:{i:x}::1")));
        Assert.Equal(40, network.Count(answer => answer.Status == HttpStatusCode.TooManyRequests));

        await own.PostAsync("password/forgot", new { email = person.Email }, ip: "198.51.100.7");
        (await own.PostAsync("password/reset", new { email = person.Email, code = await own.Messages.CodeAsync(person.Email), newPassword = NewPassword }, ip: "198.51.100.7")).AssertOk();
        await own.LoginAsync(person.Email, NewPassword);
    }

    [Fact]
    public async Task Email_ChangedWhileStrangersUseUpTheAccountsCodes_StillGetsItsOwn()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (person, tokens) = await own.SignedInAsync();
        for (var i = 0; i < 6; i++)
        {
            await own.PostAsync("otp/generate", new { email = person.Email }, ip: "203.0.113.9");
        }

        (await own.PostAsync("otp/generate", new { email = person.Email })).AssertFailure(429, "too_many_requests");
        (await own.PutAsync($"users/{person.Id}", new { email = "new@example.com", phoneNumber = "+4915112345678" }, tokens.Access)).AssertOk();
        (await own.PostAsync("otp/verify", new { userId = person.Id, code = await own.Messages.CodeAsync("new@example.com") }, tokens.Access)).AssertOk();
        (await own.PostAsync("otp/verify", new { userId = person.Id, code = await own.Messages.CodeAsync("+4915112345678") }, tokens.Access)).AssertOk();
    }

    [Fact]
    public async Task Email_ChangedMoreOftenThanCodesAreSent_IsRefusedAndStaysAsItWas()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (person, tokens) = await own.SignedInAsync();
        for (var i = 0; i < 4; i++)
        {
            (await own.PutAsync($"users/{person.Id}", new { email = $"new{i}@example.com" }, tokens.Access)).AssertOk();
        }

        // One code is left, and two are needed: not the one without the other.
        var both = await own.PutAsync($"users/{person.Id}", new { email = "both@example.com", phoneNumber = "+4915112345678", firstName = "Ada" }, tokens.Access);
        both.AssertFailure(429, "too_many_requests");
        Assert.True(int.Parse(both.Headers["Retry-After"]!, System.Globalization.CultureInfo.InvariantCulture) > 0);
        var after = await own.GetAsync($"users/{person.Id}", tokens.Access);
        Assert.Equal("new3@example.com", after.Value("pendingEmail"));
        Assert.Null(after.Json["pendingPhoneNumber"]);
        Assert.Null(after.Json["firstName"]);
        Assert.Equal(0, own.Messages.CountTo("both@example.com") + own.Messages.CountTo("+4915112345678"));

        // What needs no code goes on, and with time the rest.
        (await own.PutAsync($"users/{person.Id}", new { firstName = "Ada" }, tokens.Access)).AssertOk();
        own.Time.Advance(TimeSpan.FromMinutes(15));
        (await own.PutAsync($"users/{person.Id}", new { email = "both@example.com", phoneNumber = "+4915112345678", currentPassword = person.Password }, tokens.Access)).AssertOk();
    }

    [Fact]
    public async Task Email_ChangedFiftyTimesAtOnce_SendsNoMoreCodesThanAllowed()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (person, tokens) = await own.SignedInAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => own.PutAsync($"users/{person.Id}", new { email = $"new{i}@example.com" }, tokens.Access)));
        Assert.InRange(answers.Count(answer => answer.Status == HttpStatusCode.OK), 1, 5);
        Assert.All(answers, answer => Assert.True(answer.Status is HttpStatusCode.OK or HttpStatusCode.TooManyRequests, answer.Text));
    }

    [Theory]
    [InlineData("email")]
    [InlineData("password")]
    public async Task NotMe_AfterAnAdministratorSetTheAccountRight_BringsNothingBack(string what)
    {
        var (person, tokens) = await VerifiedAsync();
        var (second, third) = ("second" + person.Email, "third" + person.Email);
        (await server.PutAsync($"users/{person.Id}", new { email = second }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/verify", new { userId = person.Id, code = await server.Messages.CodeAsync(second) }, tokens.Access)).AssertOk();
        var link = Link().Match((await server.Messages.WithAsync(person.Email, "was changed")).Text).Value;
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var (_, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(link, TestContext.Current.CancellationToken)));

        var admin = await server.AdminAsync();
        var email = what == "email" ? third : second;
        if (what == "email")
        {
            (await server.PutAsync($"users/{person.Id}", new { email }, admin.Access)).AssertOk();
        }
        else
        {
            (await server.PostAsync($"users/{person.Id}/password", new { newPassword = NewPassword }, admin.Access)).AssertOk();
        }

        using var refused = await http.PostAsync("/not-me", new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        Assert.Equal(email, (await server.GetAsync($"users/{person.Id}", admin.Access)).Value("email"));
        await server.LoginAsync(email, what == "email" ? person.Password : NewPassword);

        // The address that is in force now has a link of its own.
        Assert.Matches(Link(), (await server.Messages.WithAsync(email, what == "email" ? "changed for you" : "password was changed")).Text);
    }

    [Theory]
    [InlineData("00491511234567")]
    [InlineData("0151.1234567")]
    [InlineData("0151-12345-67")]
    [InlineData("٠١٥١١٢٣٤٥٦٧")]
    public async Task UserName_ThatReadsAsAPhoneNumber_IsNobodysToTake(string userName)
    {
        await using var own = await ApiServer.StartAsync(new() { ["DEFAULT_REGION"] = "DE" });
        (await own.PostAsync("register", new { email = "mallory@example.com", password = ApiServer.Password, userName })).AssertProblems("userName must not be one that can be taken for a phone number");
        var (person, tokens) = await own.SignedInAsync();
        (await own.PutAsync($"users/{person.Id}", new { userName }, tokens.Access)).AssertProblems("userName must not be one that can be taken for a phone number");

        // An administrator who brings it from elsewhere knows whose it is; the person may send it back as it is.
        (await own.PutAsync($"users/{person.Id}", new { userName }, (await own.AdminAsync()).Access)).AssertOk();
        (await own.PutAsync($"users/{person.Id}", new { userName, firstName = "Ada" }, tokens.Access)).AssertOk();
        (await own.PostAsync("login", new { userName, password = person.Password })).AssertOk();
    }

    [Theory]
    [InlineData("10234")]
    [InlineData("2024001")]
    public async Task UserName_OfAFewDigits_IsANameAsAnyOther(string userName)
    {
        await using var own = await ApiServer.StartAsync(new() { ["DEFAULT_REGION"] = "DE" });
        Assert.Equal(HttpStatusCode.Created, (await own.PostAsync("register", new { email = "ada@example.com", password = ApiServer.Password, userName })).Status);
        (await own.PostAsync("login", new { userName, password = ApiServer.Password })).AssertOk();
    }

    [Fact]
    public async Task UserName_ThatIsSomebodysProvenNumber_LeadsWhoeverTypesItToThatPerson()
    {
        await using var own = await ApiServer.StartAsync(new() { ["DEFAULT_REGION"] = "DE" });
        var admin = await own.AdminAsync();
        var named = await own.RegisterAsync(password: "the name's own phrase 1");
        (await own.PutAsync($"users/{named.Id}", new { userName = "01511234567" }, admin.Access)).AssertOk();
        var numbered = await own.PostAsync("register", new { email = "ada@example.com", password = ApiServer.Password, phoneNumber = "+491511234567" });
        var signIn = own.Services.GetRequiredService<ISignIn>();

        // Anybody can write any number into a form: until it is proven, what was called so before stays.
        Assert.Equal(named.Id, await AtThePageAsync(named.Password));
        Assert.Null(await AtThePageAsync(ApiServer.Password));
        (await own.PostAsync("otp/verify", new { phoneNumber = "+491511234567", code = await Sms(own, "+491511234567") })).AssertOk();
        Assert.Equal(numbered.Value("id"), await AtThePageAsync(ApiServer.Password));
        Assert.Null(await AtThePageAsync(named.Password));
        (await own.PostAsync("login", new { userName = "01511234567", password = named.Password })).AssertOk();

        async Task<string?> AtThePageAsync(string password) =>
            await signIn.WithPasswordAsync(LoginKind.Any, "01511234567", password, new Caller(null, null), TestContext.Current.CancellationToken) is SignInAttempt.Succeeded succeeded ? succeeded.Account.Id.ToString("D") : null;
    }

    private async Task<(Person Person, Tokens Tokens)> VerifiedAsync()
    {
        var (person, tokens) = await server.SignedInAsync();
        await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("otp/verify", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email) }, tokens.Access)).AssertOk();
        return (person, tokens);
    }

    private static async Task LockAsync(ApiServer own, Person person)
    {
        for (var i = 0; i < 10; i++)
        {
            (await own.PostAsync("login", new { email = person.Email, password = "stranger's guess " + i })).AssertFailure(401, "invalid_credentials");
        }
    }

    private static async Task<string> Sms(ApiServer own, string number)
    {
        await own.PostAsync("otp/generate", new { phoneNumber = number });
        return await own.Messages.CodeAsync(number);
    }

    private static string Number() => $"+49151{Random.Shared.NextInt64(10_000_000, 99_999_999)}";

    private static Dictionary<string, string> Body(string member, string form) => new(StringComparer.Ordinal)
    {
        [member] = string.Format(System.Globalization.CultureInfo.InvariantCulture, form, Guid.NewGuid().ToString("N")[..12], Random.Shared.NextInt64(10_000_000, 99_999_999)),
    };

    private static Dictionary<string, string> With(Dictionary<string, string> body, string name, string value) => new(body, StringComparer.Ordinal) { [name] = value };

    [GeneratedRegex(@"https?://\S+/not-me\S+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Link();
}
