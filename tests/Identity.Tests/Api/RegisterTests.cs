using System.Net;
using System.Text.Json.Nodes;

namespace Identity.Tests.Api;

public sealed class RegisterTests(ApiServer server)
{
    [Fact]
    public async Task Register_WhenEverythingIsSent_AnswersTheUserWithExactlyTheContractsMembers()
    {
        var email = $"p{Guid.NewGuid():N}@Example.com";
        var name = "u" + Guid.NewGuid().ToString("N")[..12];
        var phone = "+4915" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
        var answer = await server.PostAsync("register", new { email, password = ApiServer.Password, userName = name, phoneNumber = phone, firstName = "Ada", lastName = "Lovelace", metadata = new { a = 1, b = "x" }, unknown = true });

        Assert.Equal(HttpStatusCode.Created, answer.Status);
        Assert.Equal(
            ["id", "email", "userName", "phoneNumber", "firstName", "lastName", "emailVerified", "phoneNumberVerified", "isActive", "roles", "metadata", "createdAt", "updatedAt", "lastLoginAt"],
            answer.Json.Select(member => member.Key));
        Assert.Equal(email, answer.Value("email"));
        Assert.Equal(name, answer.Value("userName"));
        Assert.Equal(phone, answer.Value("phoneNumber"));
        Assert.False((bool)answer.Json["emailVerified"]!);
        Assert.True((bool)answer.Json["isActive"]!);
        Assert.Empty(answer.Json["roles"]!.AsArray());
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"a":1,"b":"x"}"""), answer.Json["metadata"]));
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", answer.Value("createdAt"));
        Assert.Null(answer.Json["lastLoginAt"]);
        Assert.Equal("no-store", answer.Headers["Cache-Control"]);
    }

    [Fact]
    public async Task Register_WhenTheBodyDoesNotValidate_TellsEveryProblem()
    {
        var answer = await server.PostAsync("register", """{"email":"nobody","password":7,"userName":"a b","phoneNumber":"0123","firstName":true,"metadata":[]}""");
        answer.AssertProblems(
            "email must be an email",
            "password must be a string",
            "userName must be 3 to 64 letters, digits, dots, dashes or underscores",
            "phoneNumber must be a phone number in E.164 form, such as +4915112345678",
            "firstName must be a string",
            "metadata must be an object");
    }

    [Fact]
    public async Task Register_WhenThePasswordAndAnotherMemberAreWrong_TellsBoth() =>
        (await server.PostAsync("register", new { email = "nobody", password = "short" })).AssertProblems("email must be an email", "password must be at least 8 characters long");

    [Fact]
    public async Task Register_WhenANameIsNotAscii_AnswersItAsItWasWritten()
    {
        var answer = await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password = ApiServer.Password, firstName = "Zoë <\"&'+", lastName = "Ōe" });
        Assert.Contains("""
            "firstName":"Zoë <\"&'+","lastName":"Ōe"
            """, answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Register_WhenNothingIsSent_NamesWhatMustNotBeEmpty() =>
        (await server.PostAsync("register", "{}")).AssertProblems("email should not be empty", "password should not be empty");

    [Theory]
    [InlineData("short")]
    [InlineData("password123")]
    public async Task Register_WhenThePasswordBreaksARule_AnswersAProblemOfThePassword(string password)
    {
        var message = (await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password })).AssertFailure(400, "validation_failed");
        Assert.StartsWith("password ", (string)Assert.Single(message.AsArray())!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Register_WhenTheEmailIsTaken_Answers409()
    {
        var person = await server.RegisterAsync();
        (await server.PostAsync("register", new { email = person.Email.ToUpperInvariant(), password = ApiServer.Password })).AssertFailure(409, "email_taken");
    }

    [Fact]
    public async Task Register_WhenTheUserNameIsTaken_Answers409()
    {
        var userName = "u" + Guid.NewGuid().ToString("N")[..12];
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password = ApiServer.Password, userName })).Status);
        (await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password = ApiServer.Password, userName = userName.ToUpperInvariant() })).AssertFailure(409, "username_taken");
    }

    [Fact]
    public async Task Register_WhenMetadataIsOver16KB_IsRefused() =>
        (await server.PostAsync("register", new { email = $"p{Guid.NewGuid():N}@example.com", password = ApiServer.Password, metadata = new { a = new string('x', 16 * 1024) } }))
            .AssertProblems("metadata must not be larger than 16384 bytes");

    [Fact]
    public async Task Register_When50RaceForOneEmail_OneWins()
    {
        var email = $"race{Guid.NewGuid():N}@example.com";
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("register", new { email, password = ApiServer.Password })));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Created);
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.Created), answer => answer.AssertFailure(409, "email_taken"));
    }
}

public sealed class ConcealedRegisterTests
{
    [Fact]
    public async Task Register_WhenExistingAccountsAreConcealed_AnswersATakenEmailLikeAFreeOneAndTellsTheOwner()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:ConcealExistingAccounts"] = "true" });
        var person = await server.RegisterAsync();
        var again = await server.PostAsync("register", new { email = person.Email, password = "another pass phrase 8", firstName = "Eve" });

        Assert.Equal(HttpStatusCode.Created, again.Status);
        Assert.Equal(person.Email, again.Value("email"));
        Assert.NotEqual(person.Id, again.Value("id"));
        (await server.PostAsync("login", new { email = person.Email, password = "another pass phrase 8" })).AssertFailure(401, "invalid_credentials");
        await server.LoginAsync(person.Email);
        Assert.Equal(1, server.Messages.CountTo(person.Email));
    }

    [Fact]
    public async Task Register_WhenExistingAccountsAreConcealedAndAUserNameIsTaken_Answers201AndMakesNothing()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Accounts:ConcealExistingAccounts"] = "true" });
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("register", new { email = "ada.conceal@example.com", password = "another pass phrase 8", userName = "ada.conceal" })).Status);
        var taken = await server.PostAsync("register", new { email = "eve.conceal@example.com", password = "another pass phrase 8", userName = "Ada.Conceal" });
        Assert.Equal(HttpStatusCode.Created, taken.Status);
        Assert.Equal("Ada.Conceal", taken.Value("userName"));
        (await server.PostAsync("login", new { email = "eve.conceal@example.com", password = "another pass phrase 8" })).AssertFailure(401, "invalid_credentials");
    }
}

public sealed class PostStatusTests
{
    [Fact]
    public async Task Post_WhenTheSettingAsksFor201_Answers201OnEverySuccess()
    {
        await using var server = await ApiServer.StartAsync(new() { ["Compatibility:PostStatus"] = "201" });
        var person = await server.RegisterAsync();
        var login = await server.PostAsync("login", new { email = person.Email, password = person.Password });
        Assert.Equal(HttpStatusCode.Created, login.Status);
        var refreshed = await server.PostAsync("refresh-token", new { refreshToken = login.Value("refreshToken") });
        Assert.Equal(HttpStatusCode.Created, refreshed.Status);
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        Assert.Equal(HttpStatusCode.Created, generated.Status);
        var verified = await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = await server.Messages.CodeAsync(person.Email) });
        Assert.Equal(HttpStatusCode.Created, verified.Status);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("password/forgot", new { email = person.Email })).Status);
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("logout", new { refreshToken = refreshed.Value("refreshToken") })).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await server.PostAsync("login", "{}")).Status);

        // And the document says so: clients that are generated from it throw at a status that it does not name.
        foreach (var document in (string[])["/openapi/v1.json", "/openapi/v1-3.0.json"])
        {
            using var http = server.CreateClient();
            var paths = JsonNode.Parse(await http.GetStringAsync(new Uri(document, UriKind.Relative)))!["paths"]!.AsObject();
            var posts = paths.Select(path => (path.Key, Responses: path.Value!["post"]?["responses"]?.AsObject())).Where(post => post.Responses is not null).ToArray();
            Assert.DoesNotContain(posts, post => post.Responses!.ContainsKey("200"));
            Assert.Contains(posts, post => post.Key == "/api/identity/login" && post.Responses!["201"]!["content"]!["application/json"]!["schema"] is not null);
            Assert.True(paths["/api/identity/users/{id}"]!["get"]!["responses"]!.AsObject().ContainsKey("200"));
        }

        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync($"users/{person.Id}", (await server.LoginAsync(person.Email)).Access)).Status);
    }
}
