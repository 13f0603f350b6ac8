namespace Identity.Tests.Api;

public sealed class PasswordTests(ApiServer server)
{
    private const string Next = "another pass phrase 8";

    [Fact]
    public async Task Change_WhenRight_TheNewOneSignsInAndTheOldDoesNot()
    {
        var (person, tokens) = await server.SignedInAsync();
        var answer = await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = Next }, tokens.Access);
        answer.AssertOk();
        Assert.Equal("""{"success":true}""", answer.Text);
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        await server.LoginAsync(person.Email, Next);
    }

    [Fact]
    public async Task Change_WhenTheCurrentIsWrong_ChangesNothing()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PostAsync("password/change", new { currentPassword = "wrong", newPassword = Next }, tokens.Access)).AssertFailure(400, "invalid_current_password");
        await server.LoginAsync(person.Email);
    }

    [Fact]
    public async Task Change_WhenTheNewOneBreaksARule_SaysWhich()
    {
        var (person, tokens) = await server.SignedInAsync();
        var message = (await server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = "short" }, tokens.Access)).AssertFailure(400, "validation_failed");
        Assert.StartsWith("newPassword ", (string)Assert.Single(message.AsArray())!, StringComparison.Ordinal);
        (await server.PostAsync("password/change", "{}", tokens.Access)).AssertProblems("currentPassword should not be empty", "newPassword should not be empty");
    }

    [Fact]
    public async Task Change_WhenNotSignedIn_Answers401() =>
        (await server.PostAsync("password/change", new { currentPassword = "x", newPassword = Next })).AssertFailure(401, "unauthorized");

    [Fact]
    public async Task Change_When50Race_OneWins()
    {
        var (person, tokens) = await server.SignedInAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.PostAsync("password/change", new { currentPassword = person.Password, newPassword = Next + i }, tokens.Access)));
        Assert.Single(answers, answer => (int)answer.Status == 200);
        Assert.All(answers, answer => Assert.True((int)answer.Status < 500, answer.Text));
    }

    [Fact]
    public async Task Forgot_WhenKnownOrUnknown_AnswersAlike_AndOnlyTheKnownOneGetsMail()
    {
        var person = await server.RegisterAsync();
        var nobody = $"nobody{Guid.NewGuid():N}@example.com";
        var known = await server.PostAsync("password/forgot", new { email = person.Email });
        var unknown = await server.PostAsync("password/forgot", new { email = nobody });
        known.AssertOk();
        Assert.Equal("""{"success":true}""", known.Text);
        Assert.Equal(known.Text, unknown.Text);
        Assert.Equal(known.Headers, unknown.Headers);
        await server.Messages.CodeAsync(person.Email);
        Assert.Equal(0, server.Messages.CountTo(nobody));
    }

    [Fact]
    public async Task Forgot_WhenAskedTooOften_Answers429ForKnownAndUnknownAlike()
    {
        var person = await server.RegisterAsync();
        foreach (var email in (string[])[person.Email, $"nobody{Guid.NewGuid():N}@example.com"])
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("password/forgot", new { email })));
            Assert.Equal(5, answers.Count(answer => (int)answer.Status == 200));
            Assert.All(answers.Where(answer => (int)answer.Status != 200), answer => answer.AssertFailure(429, "too_many_requests"));
        }
    }

    [Fact]
    public async Task Forgot_WhenNotAnEmail_SaysSo() =>
        (await server.PostAsync("password/forgot", new { email = "nobody" })).AssertProblems("email must be an email");

    [Fact]
    public async Task Reset_WhenRight_SetsThePassword_Once()
    {
        var person = await server.RegisterAsync();
        (await server.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
        var code = await server.Messages.CodeAsync(person.Email);
        (await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = "short" })).AssertFailure(400, "validation_failed");
        var answer = await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = Next });
        answer.AssertOk();
        Assert.Equal("""{"success":true}""", answer.Text);
        (await server.PostAsync("password/reset", new { email = person.Email, code, newPassword = Next + "9" })).AssertFailure(400, "otp_invalid");
        await server.LoginAsync(person.Email, Next);
    }

    [Fact]
    public async Task Reset_WhenWrongUnknownOrAnothersCode_AnswersAlike()
    {
        var person = await server.RegisterAsync();
        var other = await server.RegisterAsync();
        (await server.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
        (await server.PostAsync("password/forgot", new { email = other.Email })).AssertOk();
        var code = await server.Messages.CodeAsync(person.Email);
        Answer[] answers =
        [
            await server.PostAsync("password/reset", new { email = person.Email, code = OtpTests.Wrong(code), newPassword = Next }),
            await server.PostAsync("password/reset", new { email = $"nobody{Guid.NewGuid():N}@example.com", code, newPassword = Next }),
        ];
        Assert.All(answers, answer => answer.AssertFailure(400, "otp_invalid"));
        Assert.Single(answers.Select(answer => answer.Text).Distinct());
        var othersCode = await server.Messages.CodeAsync(other.Email);
        if (othersCode != code)
        {
            (await server.PostAsync("password/reset", new { email = other.Email, code, newPassword = Next })).AssertFailure(400, "otp_invalid");
        }
    }

    [Fact]
    public async Task Reset_When50Race_OneWins()
    {
        var person = await server.RegisterAsync();
        (await server.PostAsync("password/forgot", new { email = person.Email })).AssertOk();
        var code = await server.Messages.CodeAsync(person.Email);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.PostAsync("password/reset", new { email = person.Email, code, newPassword = Next + i })));
        Assert.Single(answers, answer => (int)answer.Status == 200);
        Assert.All(answers.Where(answer => (int)answer.Status != 200), answer => answer.AssertFailure(400, "otp_invalid"));
    }
}
