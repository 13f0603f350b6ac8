using System.Net;
using Identity.Accounts.Data;
using Identity.Accounts.Events;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

public sealed class LoginTests(ApiServer server)
{
    [Fact]
    public async Task Login_WhenRight_AnswersExactlyTheContractsMembers()
    {
        var person = await server.RegisterAsync();
        var answer = await server.PostAsync("login", new { email = person.Email, password = person.Password, deviceId = "d1" });

        answer.AssertOk();
        Assert.Equal(["accessToken", "refreshToken", "tokenType", "expiresIn", "refreshExpiresIn", "sessionId", "user"], answer.Json.Select(member => member.Key));
        Assert.Equal("Bearer", answer.Value("tokenType"));
        Assert.Equal(3600, (int)answer.Json["expiresIn"]!);
        Assert.Equal(604800, (int)answer.Json["refreshExpiresIn"]!);
        Assert.Equal(person.Id, (string)answer.Json["user"]!["id"]!);
        Assert.NotNull(answer.Json["user"]!["lastLoginAt"]);
        Assert.Equal("no-store", answer.Headers["Cache-Control"]);
    }

    [Theory]
    [InlineData("email")]
    [InlineData("username")]
    [InlineData("userName")]
    [InlineData("phoneNumber")]
    public async Task Login_WhenNamedByAnyIdentifier_SignsIn(string member)
    {
        var userName = "u" + Guid.NewGuid().ToString("N")[..12];
        var email = $"p{Guid.NewGuid():N}@example.com";
        var phoneNumber = "+4915" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("register", new { email, password = ApiServer.Password, userName, phoneNumber })).Status);
        var login = member switch { "email" => email.ToUpperInvariant(), "phoneNumber" => phoneNumber, _ => userName.ToUpperInvariant() };
        (await server.PostAsync("login", new Dictionary<string, string> { [member] = login, ["password"] = ApiServer.Password })).AssertOk();
    }

    [Fact]
    public async Task Login_WhenUnknownWrongDisabledOrLocked_AnswersAlike()
    {
        var admin = await server.AdminAsync();
        var person = await server.RegisterAsync();
        var disabled = await server.RegisterAsync();
        (await server.PutAsync($"users/{disabled.Id}", new { isActive = false }, admin.Access)).AssertOk();
        var locked = await server.RegisterAsync();
        for (var i = 0; i < 10; i++)
        {
            await server.PostAsync("login", new { email = locked.Email, password = "wrong" });
        }

        Answer[] answers =
        [
            await server.PostAsync("login", new { email = $"nobody{Guid.NewGuid():N}@example.com", password = ApiServer.Password }),
            await server.PostAsync("login", new { email = person.Email, password = "wrong" }),
            await server.PostAsync("login", new { email = disabled.Email, password = disabled.Password }),
            await server.PostAsync("login", new { email = locked.Email, password = locked.Password }),
        ];

        Assert.All(answers, answer => answer.AssertFailure(401, "invalid_credentials"));
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
        Assert.Single(answers.Select(answer => string.Join('\n', answer.Headers.Select(header => header.Key + ": " + header.Value))).Distinct());
        Assert.Equal("Bearer", answers[0].Headers["WWW-Authenticate"]);
    }

    [Fact]
    public async Task Login_WhenNobodyIsNamed_SaysWhichMembersName() =>
        (await server.PostAsync("login", new { password = "x" })).AssertProblems("one of email, username, userName, phoneNumber should not be empty");

    [Fact]
    public async Task Login_WhenPasswordIsMissing_SaysSo() =>
        (await server.PostAsync("login", new { email = "a@example.com" })).AssertProblems("password should not be empty");

    [Fact]
    public async Task Login_When50WrongPasswordsRace_LocksTheAccount_UntilItsMailboxIsProven()
    {
        var (person, tokens) = await server.SignedInAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email, purpose = "password_reset" });
        var code = await server.Messages.CodeAsync(person.Email);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("login", new { email = person.Email, password = "wrong" })));

        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = "another pass phrase 8" }, tokens.Access)).AssertFailure(400, "invalid_current_password");
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code })).AssertFailure(400, "otp_invalid");
        (await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = "another pass phrase 8" })).AssertOk();
        (await server.PostAsync("login", new { email = person.Email, password = "another pass phrase 8" })).AssertOk();
    }

    [Fact]
    public async Task Login_WhenWrongUnderEachOfAnAccountsNames_IsCountedAsOne()
    {
        var id = Guid.NewGuid().ToString("N")[..12];
        (string Member, string Name)[] names = [("email", $"p{id}@example.com"), ("userName", "u" + id), ("phoneNumber", "+4915" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999))];
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("register", new { email = names[0].Name, userName = names[1].Name, phoneNumber = names[2].Name, password = ApiServer.Password })).Status);
        Task<Answer> LoginAsync(int which, string password) => server.PostAsync("login", new Dictionary<string, string> { [names[which % 3].Member] = names[which % 3].Name, ["password"] = password });

        // Nine are not too many, whichever names they came by.
        await Task.WhenAll(Enumerable.Range(0, 9).Select(i => LoginAsync(i, "wrong")));
        (await LoginAsync(1, ApiServer.Password)).AssertOk();

        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => LoginAsync(i, "wrong")));
        for (var i = 0; i < 3; i++)
        {
            (await LoginAsync(i, ApiServer.Password)).AssertFailure(401, "invalid_credentials");
        }
    }

    [Fact]
    public async Task Login_WhenNineWrongAndThenRight_SignsIn()
    {
        var person = await server.RegisterAsync();
        await Task.WhenAll(Enumerable.Range(0, 9).Select(_ => server.PostAsync("login", new { email = person.Email, password = "wrong" })));
        await server.LoginAsync(person.Email);
    }
}

public sealed class LockoutTimeTests
{
    [Fact]
    public async Task Login_WhenTheLockoutIsOver_SignsIn()
    {
        await using var server = await ApiServer.StartAsync([]);
        var person = await server.RegisterAsync();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => server.PostAsync("login", new { email = person.Email, password = "wrong" })));
        server.Time.Advance(TimeSpan.FromMinutes(14));
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        server.Time.Advance(TimeSpan.FromMinutes(2));
        await server.LoginAsync(person.Email);
    }

    [Fact]
    public async Task Login_WhenTheEmailMustBeVerified_SaysSoOnlyToWhoKnowsThePassword()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:RequireVerifiedEmail"] = "true" });
        var person = await server.RegisterAsync();
        (await server.PostAsync("login", new { email = person.Email, password = "wrong" })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(403, "email_not_verified");
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = await server.Messages.CodeAsync(person.Email) })).AssertOk();
        await server.LoginAsync(person.Email);
    }

    [Fact]
    public async Task Login_WhenAnAddressTriesTooOften_Answers429WithRetryAfter()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:SignInsPerAddress"] = "20" });
        var person = await server.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("login", new { email = person.Email, password = person.Password }, ip: "192.0.2.7")));
        Assert.Equal(20, answers.Count(answer => answer.Status == HttpStatusCode.OK));
        var refused = answers.Where(answer => answer.Status != HttpStatusCode.OK).ToList();
        Assert.All(refused, answer => answer.AssertFailure(429, "too_many_requests"));
        Assert.All(refused, answer => Assert.InRange(int.Parse(answer.Headers["Retry-After"]), 1, 60));
        (await server.PostAsync("login", new { email = person.Email, password = person.Password }, ip: "192.0.2.8")).AssertOk();
    }
}

public sealed class RefreshTests(ApiServer server)
{
    [Fact]
    public async Task Refresh_WhenRight_AnswersNewTokensOfTheSameSession()
    {
        var (person, tokens) = await server.SignedInAsync();
        var answer = await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh });
        answer.AssertOk();
        Assert.Equal(["accessToken", "refreshToken", "tokenType", "expiresIn", "refreshExpiresIn", "sessionId", "user"], answer.Json.Select(member => member.Key));
        Assert.Equal(tokens.SessionId, answer.Value("sessionId"));
        Assert.NotEqual(tokens.Refresh, answer.Value("refreshToken"));
        Assert.NotEqual(tokens.Access, answer.Value("accessToken"));
        (await server.GetAsync($"users/{person.Id}", answer.Value("accessToken"))).AssertOk();
    }

    [Theory]
    [InlineData("x")]
    [InlineData("AZqg8r5ycX6m1kQyGk3vJQAAAAFmY2hKk0l1c3RhbmV4YW1wbGVvZmFyZWZyZXNodG9rZW4")]
    public async Task Refresh_WhenNotOurs_Answers401(string refreshToken) =>
        (await server.PostAsync("refresh-token", new { refreshToken })).AssertFailure(401, "invalid_refresh_token");

    [Fact]
    public async Task Refresh_WhenTheAccessTokenIsSentInstead_Answers401()
    {
        var (_, tokens) = await server.SignedInAsync();
        (await server.PostAsync("refresh-token", new { refreshToken = tokens.Access })).AssertFailure(401, "invalid_refresh_token");
    }

    [Fact]
    public async Task Refresh_WhenMissing_SaysSo() =>
        (await server.PostAsync("refresh-token", "{}")).AssertProblems("refreshToken should not be empty");

    [Fact]
    public async Task Refresh_When50RaceWithinTheGrace_LeadToOneSuccessorAndOneLiveFamily()
    {
        var (_, tokens) = await server.SignedInAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })));
        Assert.All(answers, answer => answer.AssertOk());
        var successor = Assert.Single(answers.Select(answer => answer.Value("refreshToken")).Distinct());
        (await server.PostAsync("refresh-token", new { refreshToken = successor })).AssertOk();
    }

    [Fact]
    public async Task Refresh_WhenSentToTheTokenEndpointByAnotherClient_IsRefused()
    {
        var (_, tokens) = await server.SignedInAsync();
        foreach (var client in (string?[])["web", null])
        {
            var answer = await server.FormAsync("/connect/token", client, ("grant_type", "refresh_token"), ("refresh_token", tokens.Refresh), ("client_id", client ?? "identity-api"));
            Assert.InRange((int)answer.Status, 400, 401);
        }

        (await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertOk();
    }
}

public sealed class RefreshTimeTests
{
    [Fact]
    public async Task Refresh_WhenAnOldTokenComesAfterTheGrace_KillsTheFamilyAndTheAccessTokens()
    {
        await using var server = await ApiServer.StartAsync([]);
        var (person, tokens) = await server.SignedInAsync();
        var second = Tokens.Of(await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh }));
        server.Time.Advance(TimeSpan.FromSeconds(11));

        (await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        (await server.PostAsync("refresh-token", new { refreshToken = second.Refresh })).AssertFailure(401, "invalid_refresh_token");
        (await server.GetAsync($"users/{person.Id}", second.Access)).AssertFailure(401, "invalid_token");
        Assert.False(await server.IsActiveAtIntrospectionAsync(second.Access));
    }

    [Fact]
    public async Task Refresh_WhenTheAbsoluteLifeIsOver_IsRefusedThoughItRotated()
    {
        await using var server = await ApiServer.StartAsync(new() { ["JWT_REFRESH_EXPIRY"] = "2h", ["JWT_ACCESS_EXPIRY"] = "15m" });
        var (person, tokens) = await server.SignedInAsync();
        server.Time.Advance(TimeSpan.FromMinutes(16));
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
        var answer = await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh });
        Assert.Equal(900, (int)answer.Json["expiresIn"]!);
        Assert.Equal((120 - 16) * 60, (int)answer.Json["refreshExpiresIn"]!);
        server.Time.Advance(TimeSpan.FromMinutes(105));
        (await server.PostAsync("refresh-token", new { refreshToken = answer.Value("refreshToken") })).AssertFailure(401, "invalid_refresh_token");
    }
}

public sealed class LogoutTests(ApiServer server)
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Logout_WhenByEitherToken_KillsSessionFamilyAndAccessTokenAtOnce_AndSucceedsAgain(bool byBearer, bool byRefreshToken)
    {
        var (person, tokens) = await server.SignedInAsync();
        object? body = byRefreshToken ? new { refreshToken = tokens.Refresh } : null;
        for (var i = 0; i < 2; i++)
        {
            var answer = await server.PostAsync("logout", body, byBearer ? tokens.Access : null);
            answer.AssertOk();
            Assert.Equal("""{"success":true}""", answer.Text);
        }

        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        Assert.False(await server.IsActiveAtIntrospectionAsync(tokens.Access));
    }

    // Who comes back after lunch has a token of an hour that is over, in a session of days.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Logout_WhenTheAccessTokenHasExpired_EndsTheSessionAllTheSame(bool signedByJwtSecret)
    {
        await using var own = await ApiServer.StartAsync(signedByJwtSecret ? new() { ["JWT_SECRET"] = new string('s', 64) } : []);
        var (_, tokens) = await own.SignedInAsync();
        own.Time.Advance(TimeSpan.FromMinutes(90));
        (await own.PostAsync("logout", body: null, tokens.Access)).AssertOk();
        (await own.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
    }

    [Fact]
    public async Task Logout_WhenAllSessionsByAnExpiredToken_EndsTheOthersToo()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (person, first) = await own.SignedInAsync();
        var second = await own.LoginAsync(person.Email);
        own.Time.Advance(TimeSpan.FromMinutes(90));
        (await own.PostAsync("logout", new { allSessions = true }, first.Access)).AssertOk();
        (await own.PostAsync("refresh-token", new { refreshToken = second.Refresh })).AssertFailure(401, "invalid_refresh_token");
    }

    [Fact]
    public async Task Logout_WhenAllSessions_EndsTheOthersToo_ElseNot()
    {
        var (person, first) = await server.SignedInAsync();
        var second = await server.LoginAsync(person.Email);
        var third = await server.LoginAsync(person.Email);
        (await server.PostAsync("logout", "{}", first.Access)).AssertOk();
        (await server.GetAsync($"users/{person.Id}", second.Access)).AssertOk();
        (await server.PostAsync("logout", new { allSessions = true }, second.Access)).AssertOk();
        (await server.GetAsync($"users/{person.Id}", third.Access)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("refresh-token", new { refreshToken = third.Refresh })).AssertFailure(401, "invalid_refresh_token");
    }

    // Where the database goes away in between, the session that asked can ask again.
    [Fact]
    public async Task Logout_WhenAllSessions_EndsTheOneThatAskedLast()
    {
        var (person, _) = await server.SignedInAsync();
        await server.LoginAsync(person.Email);
        var asking = await server.LoginAsync(person.Email);
        await server.LoginAsync(person.Email);
        (await server.PostAsync("logout", new { allSessions = true }, asking.Access)).AssertOk();
        var ended = await server.Services.GetRequiredService<StoreDatabase>().ReadAsync(
            (context, token) => context.Outbox.Where(r => r.AccountId == Guid.Parse(person.Id) && r.RoutingKey == EventTypes.SessionDestroyed).OrderBy(r => r.Sequence).Select(r => r.Body).ToListAsync(token),
            TestContext.Current.CancellationToken);
        Assert.Equal(4, ended.Count);
        Assert.Contains(asking.SessionId, ended[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logout_WhenNoTokenIsSent_Answers401() =>
        (await server.PostAsync("logout", body: null)).AssertFailure(401, "unauthorized");

    // A success that ends nothing leaves a session behind that its client believes dead.
    [Theory]
    [InlineData(401, "unauthorized", "")]
    [InlineData(401, "unauthorized", "{token}")]
    [InlineData(401, "unauthorized", "Token {token}")]
    [InlineData(401, "unauthorized", "Basic Zm9vOmJhcg==")]
    [InlineData(400, "invalid_request", "Bearer {token}", "Bearer {token}")]
    [InlineData(400, "invalid_request", "Bearer {token}", "Basic Zm9vOmJhcg==")]
    public async Task Logout_WhenTheHeaderIsNotReadAsAToken_SaysSoAndTheSessionLives(int status, string code, params string[] headers)
    {
        var (person, tokens) = await server.SignedInAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/identity/logout");
        request.Headers.TryAddWithoutValidation("Authorization", headers.Select(header => header.Replace("{token}", tokens.Access, StringComparison.Ordinal)));
        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        (await Answer.ReadAsync(response)).AssertFailure(status, code);
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
    }

    [Fact]
    public async Task Logout_WhenATokenIsInTheQueryToo_SaysSoAndTheSessionLives()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PostAsync("logout?access_token=" + tokens.Access, body: null, tokens.Access)).AssertFailure(400, "invalid_request");
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
    }

    [Fact]
    public async Task Logout_WhenTheBodyDoesNotValidate_SaysSo()
    {
        var (_, tokens) = await server.SignedInAsync();
        (await server.PostAsync("logout", """{"allSessions":"yes"}""", tokens.Access)).AssertProblems("allSessions must be a boolean value");
    }
}

public sealed class SessionEndTests(ApiServer server)
{
    [Theory]
    [InlineData("deactivation")]
    [InlineData("password_change")]
    [InlineData("password_reset")]
    [InlineData("role_change")]
    public async Task Tokens_WhenTheAccountChanges_DieAtOnce(string change)
    {
        var admin = await server.AdminAsync();
        var (person, tokens) = await server.SignedInAsync();
        var other = await server.LoginAsync(person.Email);
        switch (change)
        {
            case "deactivation":
                (await server.PutAsync($"users/{person.Id}", new { isActive = false }, admin.Access)).AssertOk();
                break;
            case "role_change":
                await server.RoleAsync("editor");
                (await server.PutAsync($"users/{person.Id}", new { roles = new[] { "editor" } }, admin.Access)).AssertOk();
                break;
            case "password_change":
                (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = "another pass phrase 8" }, tokens.Access)).AssertOk();
                break;
            default:
                (await server.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
                (await server.PostAsync("password/reset", new { email = person.Email, code = await server.Messages.CodeAsync(person.Email), newPassword = "another pass phrase 8" })).AssertOk();
                break;
        }

        foreach (var dead in (Tokens[])[tokens, other])
        {
            (await server.GetAsync($"users/{person.Id}", dead.Access)).AssertFailure(401, "invalid_token");
            (await server.PostAsync("refresh-token", new { refreshToken = dead.Refresh })).AssertFailure(401, "invalid_refresh_token");
            Assert.False(await server.IsActiveAtIntrospectionAsync(dead.Access));
        }

        if (change == "deactivation")
        {
            (await server.PutAsync($"users/{person.Id}", new { isActive = true }, admin.Access)).AssertOk();
            (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
        }
    }
}
