using System.Net;
using System.Text.Json.Nodes;

namespace Identity.Tests.Api;

public sealed class UsersTests(ApiServer server)
{
    [Fact]
    public async Task Get_WhenSelf_AnswersTheUserWithAnETag()
    {
        var (person, tokens) = await server.SignedInAsync();
        var answer = await server.GetAsync($"users/{person.Id}", tokens.Access);
        answer.AssertOk();
        Assert.Equal(person.Email, answer.Value("email"));
        Assert.Matches("^\"[^\"]+\"$", answer.Headers["ETag"]);
        Assert.Equal("no-store", answer.Headers["Cache-Control"]);
    }

    [Fact]
    public async Task Put_WhenMembersAreAbsentNullOrSet_LeavesRemovesAndSets()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Ada", lastName = "Lovelace" }, tokens.Access)).AssertOk();
        var answer = await server.PutAsync($"users/{person.Id}", """{"firstName":null,"unknown":1}""", tokens.Access);
        answer.AssertOk();
        Assert.Null(answer.Json["firstName"]);
        Assert.Equal("Lovelace", answer.Value("lastName"));
        Assert.Equal(answer.Text, (await server.GetAsync($"users/{person.Id}", tokens.Access)).Text);
    }

    [Fact]
    public async Task Put_WhenMetadata_IsMergedAtTopLevelAndNullRemoves()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", """{"metadata":{"a":{"x":1},"b":[1,2],"c":"keep"}}""", tokens.Access)).AssertOk();
        var answer = await server.PutAsync($"users/{person.Id}", """{"metadata":{"a":{"y":2},"b":null}}""", tokens.Access);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"a":{"y":2},"c":"keep"}"""), answer.Json["metadata"]), answer.Text);
    }

    [Fact]
    public async Task Put_WhenMetadataGrowsOver16KB_IsRefusedAndNothingChanges()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", new { metadata = new { a = new string('x', 9000) } }, tokens.Access)).AssertOk();
        var before = await server.GetAsync($"users/{person.Id}", tokens.Access);
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Ada", metadata = new { b = new string('x', 9000) } }, tokens.Access)).AssertProblems("metadata must not be larger than 16384 bytes");
        Assert.Equal(before.Text, (await server.GetAsync($"users/{person.Id}", tokens.Access)).Text);
    }

    [Fact]
    public async Task Put_WhenIfMatchIsStale_Answers412AndNothingChanges()
    {
        var (person, tokens) = await server.SignedInAsync();
        var etag = (await server.GetAsync($"users/{person.Id}", tokens.Access)).Headers["ETag"];
        var changed = await server.PutAsync($"users/{person.Id}", new { firstName = "One" }, tokens.Access, etag);
        changed.AssertOk();
        Assert.NotEqual(etag, changed.Headers["ETag"]);
        foreach (var stale in (string[])[etag, "W/" + changed.Headers["ETag"], "\"nonsense\"", "nonsense"])
        {
            (await server.PutAsync($"users/{person.Id}", new { firstName = "Two" }, tokens.Access, stale)).AssertFailure(412, "precondition_failed");
        }

        (await server.PutAsync($"users/{person.Id}", new { lastName = "Three" }, tokens.Access, "*")).AssertOk();
        var after = await server.GetAsync($"users/{person.Id}", tokens.Access);
        Assert.Equal("One", after.Value("firstName"));
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Four" }, tokens.Access, "\"nonsense\", " + after.Headers["ETag"])).AssertOk();
    }

    [Fact]
    public async Task Put_WhenOnlyMetadataChanges_TheETagChanges()
    {
        var (person, tokens) = await server.SignedInAsync();
        var etag = (await server.GetAsync($"users/{person.Id}", tokens.Access)).Headers["ETag"];
        Assert.NotEqual(etag, (await server.PutAsync($"users/{person.Id}", new { metadata = new { a = 1 } }, tokens.Access)).Headers["ETag"]);
    }

    [Fact]
    public async Task Put_When50RaceWithOneIfMatch_OneWins()
    {
        var (person, tokens) = await server.SignedInAsync();
        var etag = (await server.GetAsync($"users/{person.Id}", tokens.Access)).Headers["ETag"];
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.PutAsync($"users/{person.Id}", new { firstName = "n" + i }, tokens.Access, etag)));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.OK), answer => answer.AssertFailure(412, "precondition_failed"));
    }

    [Fact]
    public async Task Put_WhenAnAdminChangesTheEmail_ItIsUnverifiedAtOnceAndMustBeFree()
    {
        var (person, tokens) = await server.SignedInAsync();
        var generated = await server.PostAsync("otp/generate", new { email = person.Email });
        (await server.PostAsync("otp/verify", new { otpId = generated.Value("otpId"), code = await server.Messages.CodeAsync(person.Email) })).AssertOk();
        var other = await server.RegisterAsync();
        (await server.PutAsync($"users/{person.Id}", new { email = other.Email }, tokens.Access)).AssertFailure(409, "email_taken");
        var answer = await server.PutAsync($"users/{person.Id}", new { email = "new" + person.Email }, (await server.AdminAsync()).Access);
        answer.AssertOk();
        Assert.False((bool)answer.Json["emailVerified"]!);
        await server.LoginAsync("new" + person.Email);
    }

    [Fact]
    public async Task Put_WhenTheBodyDoesNotValidate_TellsEveryProblem()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", """{"email":"x","userName":7,"roles":"admin","isActive":1,"metadata":"x"}""", tokens.Access)).AssertProblems(
            "email must be an email", "userName must be a string", "metadata must be an object", "isActive must be a boolean value", "roles must be an array");
        (await server.PutAsync($"users/{person.Id}", """{"email":null}""", tokens.Access)).AssertProblems("email should not be empty");
    }

    [Theory]
    [InlineData("""{"isActive":true}""")]
    [InlineData("""{"roles":["admin"]}""")]
    [InlineData("""{"roles":[]}""")]
    public async Task Put_WhenAdminMembersComeFromAnybodyElse_Answers403(string body)
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", body, tokens.Access)).AssertFailure(403, "forbidden");
        (await server.PutAsync($"users/{person.Id}", body, await server.ServiceTokenAsync("writer", "identity.users.write"))).AssertFailure(403, "forbidden");
        Assert.Empty((await server.GetAsync($"users/{person.Id}", tokens.Access)).Json["roles"]!.AsArray());
    }

    [Fact]
    public async Task Users_WhenAnAdminAsks_ReadsAndChangesAnybody_AndUnknownOnesAre404()
    {
        var admin = await server.AdminAsync();
        var (person, _) = await server.SignedInAsync();
        await server.RoleAsync("editor");
        await server.RoleAsync("author");
        (await server.GetAsync($"users/{person.Id}", admin.Access)).AssertOk();
        var changed = await server.PutAsync($"users/{person.Id}", new { roles = new[] { "editor", "author" }, firstName = "Ada" }, admin.Access);
        changed.AssertOk();
        Assert.Equal(["author", "editor"], changed.Json["roles"]!.AsArray().Select(role => (string)role!));
        foreach (var id in (string[])[Guid.NewGuid().ToString(), "nobody", "0"])
        {
            (await server.GetAsync($"users/{id}", admin.Access)).AssertFailure(404, "user_not_found");
            (await server.PutAsync($"users/{id}", new { firstName = "x" }, admin.Access)).AssertFailure(404, "user_not_found");
        }
    }

    [Fact]
    public async Task Users_WhenSomebodyElsesOrNobodys_Answer403Alike()
    {
        var (_, tokens) = await server.SignedInAsync();
        var other = await server.RegisterAsync();
        foreach (var id in (string[])[other.Id, Guid.NewGuid().ToString(), "nobody"])
        {
            (await server.GetAsync($"users/{id}", tokens.Access)).AssertFailure(403, "forbidden");
            (await server.PutAsync($"users/{id}", new { firstName = "x" }, tokens.Access)).AssertFailure(403, "forbidden");
        }
    }

    [Fact]
    public async Task Users_WhenTheAdminRoleWasTakenAway_TheOldTokenOpensNothing()
    {
        var admin = await server.AdminAsync();
        var person = await server.RegisterAsync();
        (await server.PutAsync($"users/{person.Id}", new { roles = new[] { "admin" } }, admin.Access)).AssertOk();
        var promoted = await server.LoginAsync(person.Email);
        var other = await server.RegisterAsync();
        (await server.GetAsync($"users/{other.Id}", promoted.Access)).AssertOk();
        (await server.PutAsync($"users/{person.Id}", new { roles = Array.Empty<string>() }, admin.Access)).AssertOk();
        (await server.GetAsync($"users/{other.Id}", promoted.Access)).AssertFailure(401, "invalid_token");
        (await server.GetAsync($"users/{other.Id}", (await server.LoginAsync(person.Email)).Access)).AssertFailure(403, "forbidden");
    }
}

public sealed class ServiceTokenTests(ApiServer server)
{
    [Fact]
    public async Task Users_WhenAServiceHasTheScope_ReadsAndWrites()
    {
        var person = await server.RegisterAsync();
        (await server.GetAsync($"users/{person.Id}", await server.ServiceTokenAsync("reader", "identity.users.read"))).AssertOk();
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Ada" }, await server.ServiceTokenAsync("writer", "identity.users.write"))).AssertOk();
        (await server.GetAsync($"users/{Guid.NewGuid()}", await server.ServiceTokenAsync("reader", "identity.users.read"))).AssertFailure(404, "user_not_found");
    }

    [Fact]
    public async Task Users_WhenAServiceLacksTheScope_Answers403AndNamesIt()
    {
        var person = await server.RegisterAsync();
        var put = await server.PutAsync($"users/{person.Id}", new { firstName = "Ada" }, await server.ServiceTokenAsync("reader", "identity.users.read"));
        put.AssertFailure(403, "insufficient_scope");
        Assert.Contains("error=\"insufficient_scope\"", put.Headers["WWW-Authenticate"], StringComparison.Ordinal);
        Assert.Contains("scope=\"identity.users.write\"", put.Headers["WWW-Authenticate"], StringComparison.Ordinal);
        var get = await server.GetAsync($"users/{person.Id}", await server.ServiceTokenAsync("writer", "identity.users.write"));
        get.AssertFailure(403, "insufficient_scope");
        Assert.Contains("scope=\"identity.users.read\"", get.Headers["WWW-Authenticate"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_WhenTheTokenIsForAnotherApi_Answers401()
    {
        var person = await server.RegisterAsync();
        var answer = await server.GetAsync($"users/{person.Id}", await server.ServiceTokenAsync("orders", "orders.read"));
        answer.AssertFailure(401, "invalid_token");
        Assert.Contains("error=\"invalid_token\"", answer.Headers["WWW-Authenticate"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_WhenTheServiceTokenIsRevoked_Answers401()
    {
        var person = await server.RegisterAsync();
        var token = await server.ServiceTokenAsync("reader", "identity.users.read");
        (await server.FormAsync("/connect/revoke", "reader", ("token", token))).AssertOk();
        (await server.GetAsync($"users/{person.Id}", token)).AssertFailure(401, "invalid_token");
    }

    [Fact]
    public async Task PasswordChange_WhenAServiceAsks_Answers403() =>
        (await server.PostAsync("password/change", new { currentPassword = "x", newPassword = "another pass phrase 8" }, await server.ServiceTokenAsync("writer", "identity.users.write"))).AssertFailure(403, "forbidden");
}

public sealed class BearerTests(ApiServer server)
{
    [Fact]
    public async Task Users_WhenNoTokenIsSent_Answers401WithAChallengeWithoutAnError()
    {
        var answer = await server.GetAsync($"users/{Guid.NewGuid()}");
        answer.AssertFailure(401, "unauthorized");
        Assert.Equal("""Bearer resource_metadata="http://localhost:8016/.well-known/oauth-protected-resource/api/identity" """.Trim(), answer.Headers["WWW-Authenticate"]);
    }

    [Fact]
    public async Task ResourceMetadata_WhenTheChallengeIsFollowed_NamesTheAuthorizationServer()
    {
        var answer = await server.GetAsync("/.well-known/oauth-protected-resource/api/identity");
        answer.AssertOk();
        Assert.Equal(ApiServer.ApiAudience, answer.Value("resource"));
        Assert.Equal(ApiServer.Issuer, (string)answer.Json["authorization_servers"]![0]!);
        Assert.Equal(["identity.users.read", "identity.users.write", "identity.users.export"], answer.Json["scopes_supported"]!.AsArray().Select(scope => (string)scope!));
    }

    [Theory]
    [InlineData("Bearer", 401)]
    [InlineData("Bearer ", 401)]
    [InlineData("Bearer a b", 401)]
    [InlineData("Bearer x.y.z", 401)]
    [InlineData("Bearer eyJhbGciOiJub25lIn0.e30.", 401)]
    [InlineData("bearer x", 401)]
    [InlineData("Basic", 401)]
    [InlineData("Basic eDp5", 401)]
    [InlineData("Bearerx", 401)]
    public async Task Users_WhenTheHeaderIsNonsense_Answers401(string header, int status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/identity/users/{Guid.NewGuid()}");
        request.Headers.TryAddWithoutValidation("Authorization", header);
        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var answer = await Answer.ReadAsync(response);
        answer.AssertFailure(status, header.StartsWith("bearer", StringComparison.OrdinalIgnoreCase) && header != "Bearerx" ? "invalid_token" : "unauthorized");
        Assert.StartsWith("Bearer ", answer.Headers["WWW-Authenticate"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_WhenTwoTokensAreSent_Answers400()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.GetAsync($"users/{person.Id}?access_token={tokens.Access}", tokens.Access)).AssertFailure(400, "invalid_request");
        (await server.GetAsync($"users/{person.Id}?access_token={tokens.Access}")).AssertFailure(401, "unauthorized");
    }

    [Fact]
    public async Task Users_WhenTheRefreshTokenIsSent_Answers401()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.GetAsync($"users/{person.Id}", tokens.Refresh)).AssertFailure(401, "invalid_token");
    }

    [Fact]
    public async Task Put_WhenNotSignedInAndTheBodyIsBroken_Answers401First() =>
        (await server.PutAsync($"users/{Guid.NewGuid()}", "{")).AssertFailure(401, "unauthorized");

    [Fact]
    public async Task Users_WhenTheTokenHasExpired_Answers401()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (person, tokens) = await own.SignedInAsync();
        own.Time.Advance(TimeSpan.FromSeconds(3599));
        (await own.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
        own.Time.Advance(TimeSpan.FromSeconds(1));
        (await own.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
    }
}
