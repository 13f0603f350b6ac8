using System.Net;
using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>Account work: list, search, make, unlock, set a password, sign out.</summary>
public sealed class UserAdministrationTests(ApiServer server)
{
    private const string Bcrypt = "$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC";

    [Fact]
    public async Task List_WhenPaged_ShowsEverybodyOnceInOneOrder()
    {
        var admin = await server.AdminAsync();
        var mark = Mark();
        var made = new List<string>();
        for (var i = 0; i < 7; i++)
        {
            made.Add((await server.RegisterAsync($"{mark}-{i}@example.com")).Id);
        }

        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await server.GetAsync($"users?search={mark}&limit=3{(cursor is null ? "" : "&cursor=" + cursor)}", admin.Access);
            page.AssertOk();
            Assert.Equal(["items", "nextCursor"], page.Json.Select(member => member.Key));
            Assert.InRange(page.Json["items"]!.AsArray().Count, 1, 3);
            seen.AddRange(page.Json["items"]!.AsArray().Select(item => (string)item!["id"]!));
            cursor = (string?)page.Json["nextCursor"];
        }
        while (cursor is not null);
        Assert.Equal(made.Order(StringComparer.Ordinal), seen);
    }

    [Fact]
    public async Task List_WhenSearched_FindsPiecesOfEveryNameWhateverTheirCase()
    {
        var admin = await server.AdminAsync();
        var mark = Mark();
        var answer = await server.PostAsync("register", new { email = $"{mark}@Example.com", password = ApiServer.Password, userName = mark + ".Name", phoneNumber = "+49" + Random.Shared.NextInt64(1000000000, 9999999999), firstName = "Zoë" + mark, lastName = "Ödegård" + mark, metadata = new { a = 1 } });
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        foreach (var search in (string[])[mark.ToUpperInvariant(), mark + "@EX", mark + ".na", answer.Value("phoneNumber")[3..], "ZOË" + mark, "ödegÅRD" + mark, " " + mark + " "])
        {
            var found = await server.GetAsync("users?search=" + Uri.EscapeDataString(search), admin.Access);
            found.AssertOk();
            var item = Assert.Single(found.Json["items"]!.AsArray());
            Assert.Equal(answer.Value("id"), (string)item!["id"]!);
            Assert.Equal(1, (int)item["metadata"]!["a"]!);
        }

        foreach (var none in (string[])["%", "_" + mark, mark + "%", "'; DROP TABLE accounts --"])
        {
            Assert.Empty((await server.GetAsync("users?search=" + Uri.EscapeDataString(none), admin.Access)).Json["items"]!.AsArray());
        }
    }

    [Fact]
    public async Task List_WhenFiltered_ShowsThoseForWhomAllHolds()
    {
        var admin = await server.AdminAsync();
        var mark = Mark();
        var role = "list " + mark;
        await server.RoleAsync(role);
        var (one, two) = (await server.RegisterAsync($"{mark}1@example.com"), await server.RegisterAsync($"{mark}2@example.com"));
        (await server.PutAsync($"users/{one.Id}", new { roles = new[] { role }, isActive = false }, admin.Access)).AssertOk();
        Assert.Equal([one.Id], await IdsAsync($"search={mark}&isActive=false"));
        Assert.Equal([two.Id], await IdsAsync($"search={mark}&isActive=true"));
        Assert.Equal([one.Id], await IdsAsync($"role={Uri.EscapeDataString(role)}"));
        Assert.Empty(await IdsAsync($"role={Uri.EscapeDataString(role)}&isActive=true"));
        Assert.Empty(await IdsAsync($"role={Uri.EscapeDataString(role.ToUpperInvariant())}"));

        async Task<string[]> IdsAsync(string query)
        {
            var answer = await server.GetAsync("users?" + query, admin.Access);
            answer.AssertOk();
            return [.. answer.Json["items"]!.AsArray().Select(item => (string)item!["id"]!)];
        }
    }

    [Theory]
    [InlineData("limit=0", "limit must be a number from 1 to 200")]
    [InlineData("limit=201", "limit must be a number from 1 to 200")]
    [InlineData("limit=x", "limit must be a number from 1 to 200")]
    [InlineData("isActive=maybe", "isActive must be true or false")]
    [InlineData("cursor=nonsense", "cursor must be the nextCursor of an earlier answer")]
    [InlineData("cursor=!!!!!!!!!!!!!!!!!!!!!!", "cursor must be the nextCursor of an earlier answer")]
    [InlineData("role=%00", "role must be 1 to 64 letters, digits, spaces, dots, colons, dashes or underscores")]
    public async Task List_WhenTheQueryIsWrong_SaysWhatIs(string query, string problem) =>
        (await server.GetAsync("users?" + query, (await server.AdminAsync()).Access)).AssertProblems(problem);

    [Fact]
    public async Task List_WhenAServiceAsks_NeedsTheScope()
    {
        (await server.GetAsync("users?limit=1", await server.ServiceTokenAsync("reader", "identity.users.read"))).AssertOk();
        (await server.GetAsync("users?limit=1", await server.ServiceTokenAsync("writer", "identity.users.write"))).AssertFailure(403, "insufficient_scope");
    }

    [Fact]
    public async Task Create_WhenEveryMemberIsGiven_KeepsThemAndSaysWhereTheUserIs()
    {
        var admin = await server.AdminAsync();
        var mark = Mark();
        await server.RoleAsync("editor");
        var answer = await server.PostAsync("users", new { email = $"{mark}@example.com", password = ApiServer.Password, userName = mark, firstName = "Ada", lastName = "Lovelace", emailVerified = true, isActive = true, roles = new[] { "editor", "admin", "editor" }, metadata = new { a = 1 }, id = "ignored", unknown = 1 }, admin.Access);
        Assert.True(answer.Status == HttpStatusCode.Created, answer.Text);
        Assert.Equal("/api/identity/users/" + answer.Value("id"), answer.Headers["Location"]);
        Assert.True((bool)answer.Json["emailVerified"]!);
        Assert.Equal(["admin", "editor"], answer.Json["roles"]!.AsArray().Select(role => (string)role!));
        var read = await server.GetAsync(answer.Headers["Location"], admin.Access);
        Assert.Equal(answer.Text, read.Text);
        Assert.Equal(answer.Headers["ETag"], read.Headers["ETag"]);
        await server.LoginAsync($"{mark}@example.com");
    }

    [Fact]
    public async Task Create_WithAHashOfAnotherSystem_ItsPasswordSignsIn()
    {
        var email = Mark() + "@example.com";
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("users", new { email, passwordHash = Bcrypt }, (await server.AdminAsync()).Access)).Status);
        await server.LoginAsync(email, "correct horse battery");
    }

    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    public async Task Create_WhenMembersAreNullOrEmpty_TakesThemAsAbsent(string nothing)
    {
        var admin = (await server.AdminAsync()).Access;
        var email = Mark() + "@example.com";
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("users", $$"""{"email":"{{email}}","password":{{nothing}},"passwordHash":"{{Bcrypt}}","userName":{{nothing}},"phoneNumber":{{nothing}} }""", admin)).Status);
        await server.LoginAsync(email, "correct horse battery");
        email = Mark() + "@example.com";
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("users", $$"""{"email":"{{email}}","password":"{{ApiServer.Password}}","passwordHash":{{nothing}} }""", admin)).Status);
        await server.LoginAsync(email);
    }

    [Fact]
    public async Task Create_WithoutAPassword_NobodySignsInUntilACodeSetsOne()
    {
        var email = Mark() + "@example.com";
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("users", new { email }, (await server.AdminAsync()).Access)).Status);
        (await server.PostAsync("login", new { email, password = "anything at all" })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("password/forgot", new { email })).AssertOk();
        (await server.PostAsync("password/reset", new { email, code = await server.Messages.CodeAsync(email), newPassword = ApiServer.Password })).AssertOk();
        await server.LoginAsync(email);
    }

    [Fact]
    public async Task Create_WhenSomethingIsTaken_NamesItAndMakesNothing()
    {
        var admin = await server.AdminAsync();
        var mark = Mark();
        Assert.Equal(HttpStatusCode.Created, (await server.PostAsync("users", new { email = mark + "@example.com", userName = mark }, admin.Access)).Status);
        (await server.PostAsync("users", new { email = mark + "@EXAMPLE.com" }, admin.Access)).AssertFailure(409, "email_taken");
        (await server.PostAsync("users", new { email = "other" + mark + "@example.com", userName = mark.ToUpperInvariant(), metadata = new { a = 1 } }, admin.Access)).AssertFailure(409, "username_taken");
        Assert.Single((await server.GetAsync("users?search=" + mark, admin.Access)).Json["items"]!.AsArray());
    }

    [Fact]
    public async Task Create_WhenTheBodyDoesNotValidate_TellsEveryProblem()
    {
        var admin = await server.AdminAsync();
        (await server.PostAsync("users", """{"email":"x","password":"short","emailVerified":1,"roles":"x"}""", admin.Access)).AssertProblems(
            "email must be an email", "password must be at least 8 characters long", "emailVerified must be a boolean value", "roles must be an array");
        (await server.PostAsync("users", new { email = Mark() + "@example.com", roles = new[] { "made up" } }, admin.Access)).AssertProblems("each value in roles must be the name of a role that exists");
        (await server.PostAsync("users", new { email = Mark() + "@example.com", passwordHash = "$1$unknown$form" }, admin.Access)).AssertProblems("passwordHash is of a form that cannot be checked here");
        (await server.PostAsync("users", new { email = Mark() + "@example.com", passwordHash = "$2b$31$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC" }, admin.Access)).AssertProblems("passwordHash costs more to check than is allowed here");
        (await server.PostAsync("users", new { email = Mark() + "@example.com", password = ApiServer.Password, passwordHash = Bcrypt }, admin.Access)).AssertProblems("only one of password, passwordHash should be given");
    }

    [Fact]
    public async Task Create_WithAnIdempotencyKey_MakesOneAndAnswersAlike()
    {
        var admin = await server.AdminAsync();
        var (key, body) = (Guid.NewGuid().ToString(), new { email = Mark() + "@example.com", password = ApiServer.Password });
        var first = await KeyAsync(key, body, admin.Access);
        var second = await KeyAsync(key, body, admin.Access);
        Assert.Equal(HttpStatusCode.Created, first.Status);
        Assert.Equal(HttpStatusCode.Created, second.Status);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal(first.Headers["Location"], second.Headers["Location"]);
        (await KeyAsync(key, new { email = Mark() + "@example.com" }, admin.Access)).AssertFailure(422, "idempotency_key_reused");
        (await KeyAsync(Guid.NewGuid().ToString(), body, admin.Access)).AssertFailure(409, "email_taken");
        (await KeyAsync(new string('k', 256), body, admin.Access)).AssertFailure(400, "invalid_request");

        // What failed is not remembered.
        var (other, taken) = (Guid.NewGuid().ToString(), Mark() + "@example.com");
        (await KeyAsync(other, new { email = taken, roles = new[] { "late " + taken[..8] } }, admin.Access)).AssertFailure(400, "validation_failed");
        await server.RoleAsync("late " + taken[..8]);
        Assert.Equal(HttpStatusCode.Created, (await KeyAsync(other, new { email = taken, roles = new[] { "late " + taken[..8] } }, admin.Access)).Status);
    }

    [Fact]
    public async Task Create_When50RaceWithOneIdempotencyKey_OneIsMadeAndNobodyIsToldOtherwise()
    {
        var admin = await server.AdminAsync();
        var (key, mark) = (Guid.NewGuid().ToString(), Mark());
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => KeyAsync(key, new { email = mark + "@example.com" }, admin.Access)));
        var made = answers.Where(answer => answer.Status == HttpStatusCode.Created).ToList();
        Assert.NotEmpty(made);
        Assert.Single(made.Select(answer => answer.Value("id")).Distinct());
        Assert.All(answers.Except(made), answer => answer.AssertFailure(409, "request_in_progress"));
        Assert.Single((await server.GetAsync("users?search=" + mark, admin.Access)).Json["items"]!.AsArray());
    }

    [Fact]
    public async Task Create_When50RaceForOneAddress_OneIsMade()
    {
        var admin = await server.AdminAsync();
        var mark = Mark();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.PostAsync("users", new { email = mark + "@example.com", metadata = new { i } }, admin.Access)));
        var winner = Assert.Single(answers, answer => answer.Status == HttpStatusCode.Created);
        Assert.All(answers.Where(answer => answer != winner), answer => answer.AssertFailure(409, "email_taken"));
        Assert.Equal(winner.Text, (await server.GetAsync("users/" + winner.Value("id"), admin.Access)).Text);
    }

    [Fact]
    public async Task Unlock_WhenTheAccountIsLocked_ThePasswordWorksAgain()
    {
        var person = await server.RegisterAsync();
        for (var i = 0; i < 10; i++)
        {
            (await server.PostAsync("login", new { email = person.Email, password = "wrong pass phrase" })).AssertFailure(401, "invalid_credentials");
        }

        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync($"users/{person.Id}/unlock", null, (await server.AdminAsync()).Access)).AssertOk();
        await server.LoginAsync(person.Email);
    }

    [Fact]
    public async Task SetPassword_ByAnAdmin_EndsEverySessionAndTheNewOneWorks()
    {
        var admin = await server.AdminAsync();
        var (person, tokens) = await server.SignedInAsync();
        (await server.PostAsync($"users/{person.Id}/password", new { newPassword = "password" }, admin.Access)).AssertFailure(400, "validation_failed");
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
        (await server.PostAsync($"users/{person.Id}/password", new { newPassword = "another pass phrase 8" }, admin.Access)).AssertOk();
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        await server.LoginAsync(person.Email, "another pass phrase 8");
    }

    [Fact]
    public async Task SetPassword_OfAnAdminsOwnAccount_NeedsTheProofOfAnybodysOwn()
    {
        var person = await server.RegisterAsync();
        (await server.PutAsync($"users/{person.Id}", new { roles = new[] { "admin" } }, (await server.AdminAsync()).Access)).AssertOk();
        var tokens = await server.LoginAsync(person.Email);
        var path = $"users/{person.Id}/password";
        server.Time.Advance(TimeSpan.FromMinutes(11));
        (await server.PostAsync(path, new { newPassword = "another pass phrase 8" }, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PostAsync(path, new { newPassword = "another pass phrase 8", currentPassword = "a wrong pass phrase" }, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.PostAsync($"users/{(await server.RegisterAsync()).Id}/password", new { newPassword = "another pass phrase 8" }, tokens.Access)).AssertOk();
        (await server.PostAsync(path, new { newPassword = "another pass phrase 8", currentPassword = person.Password }, tokens.Access)).AssertOk();

        // A sign-in of the last minutes is proof as well.
        tokens = await server.LoginAsync(person.Email, "another pass phrase 8");
        (await server.PostAsync(path, new { newPassword = "a third pass phrase 9" }, tokens.Access)).AssertOk();
        (await server.PutAsync($"users/{person.Id}", new { roles = Array.Empty<string>() }, (await server.AdminAsync()).Access)).AssertOk();
    }

    [Fact]
    public async Task SignOut_ByAnAdmin_EndsEverySession()
    {
        var (person, tokens) = await server.SignedInAsync();
        var other = await server.LoginAsync(person.Email);
        (await server.PostAsync($"users/{person.Id}/sign-out", null, (await server.AdminAsync()).Access)).AssertOk();
        foreach (var dead in (Tokens[])[tokens, other])
        {
            (await server.GetAsync($"users/{person.Id}", dead.Access)).AssertFailure(401, "invalid_token");
            (await server.PostAsync("refresh-token", new { refreshToken = dead.Refresh })).AssertFailure(401, "invalid_refresh_token");
        }

        await server.LoginAsync(person.Email);
    }

    [Theory]
    [InlineData("unlock", null)]
    [InlineData("sign-out", null)]
    [InlineData("password", """{"newPassword":"another pass phrase 8"}""")]
    public async Task AccountWork_OnNobody_Answers404(string work, string? body)
    {
        var admin = await server.AdminAsync();
        foreach (var id in (string[])[Guid.NewGuid().ToString(), "nobody"])
        {
            (await server.PostAsync($"users/{id}/{work}", body, admin.Access)).AssertFailure(404, "user_not_found");
        }
    }

    [Fact]
    public async Task Me_WhenAPersonAsks_IsThatPerson()
    {
        var (person, tokens) = await server.SignedInAsync();
        var me = await server.GetAsync("users/me", tokens.Access);
        me.AssertOk();
        Assert.Equal(me.Text, (await server.GetAsync($"users/{person.Id}", tokens.Access)).Text);
        Assert.NotEmpty(me.Headers["ETag"]);
        (await server.GetAsync("users/me", await server.ServiceTokenAsync("reader", "identity.users.read"))).AssertFailure(403, "forbidden");
        (await server.GetAsync("users/me")).AssertFailure(401, "unauthorized");
    }

    internal static string Mark() => "m" + Guid.NewGuid().ToString("N")[..12];

    private async Task<Answer> KeyAsync(string key, object body, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/identity/users");
        request.Content = new StringContent(System.Text.Json.JsonSerializer.Serialize(body), System.Text.Encoding.UTF8, "application/json");
        request.Headers.Authorization = new("Bearer", token);
        request.Headers.Add("Idempotency-Key", key);
        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }
}

/// <summary>A role exists before it is given.</summary>
public sealed class RoleTests(ApiServer server)
{
    [Fact]
    public async Task Roles_WhenMadeDescribedAndTakenAway_AreListedAccordingly()
    {
        var admin = await server.AdminAsync();
        var name = "role " + UserAdministrationTests.Mark();
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync("roles/" + Uri.EscapeDataString(name), new { description = "one" }, admin.Access)).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.PutAsync("roles/" + Uri.EscapeDataString(name), new { description = "two" }, admin.Access)).Status);
        var listed = (await server.GetAsync("roles", admin.Access)).Json["items"]!.AsArray();
        Assert.Equal("two", (string)Assert.Single(listed, role => (string)role!["name"]! == name)!["description"]!);
        Assert.Single(listed, role => (string)role!["name"]! == "admin");
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, "roles/" + Uri.EscapeDataString(name), null, admin.Access)).Status);
        (await server.SendAsync(HttpMethod.Delete, "roles/" + Uri.EscapeDataString(name), null, admin.Access)).AssertFailure(404, "role_not_found");
    }

    [Fact]
    public async Task Roles_WhenMadeDescribedOrTakenAway_AreInTheTrailWithWhoDidItAndFromWhere()
    {
        var admin = await server.AdminAsync();
        var id = (string)(await server.GetAsync("users/me", admin.Access)).Json["id"]!;
        var (address, name) = ($"198.18.{Random.Shared.Next(256)}.{Random.Shared.Next(256)}", "roles/" + UserAdministrationTests.Mark());
        foreach (var (method, body) in ((HttpMethod, object?)[])[(HttpMethod.Put, new { }), (HttpMethod.Put, new { description = "two" }), (HttpMethod.Delete, null), (HttpMethod.Delete, null)])
        {
            await server.SendAsync(method, name, body, admin.Access, ip: address);
        }

        var trail = await server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Audit.Where(record => record.Ip == address).ToListAsync(token), TestContext.Current.CancellationToken);
        Assert.Equal(
            [("role_create", "success", id), ("role_remove", "success", id), ("role_update", "success", id)],
            trail.Select(record => (record.Action, record.Outcome, record.ActorId!)).Order());
    }

    [Fact]
    public async Task Roles_WhenSomebodyHasOneOrItIsBuiltIn_StayWhereTheyAre()
    {
        var admin = await server.AdminAsync();
        var person = await server.RegisterAsync();
        var name = UserAdministrationTests.Mark();
        await server.RoleAsync(name);
        (await server.PutAsync($"users/{person.Id}", new { roles = new[] { name } }, admin.Access)).AssertOk();
        (await server.SendAsync(HttpMethod.Delete, "roles/" + name, null, admin.Access)).AssertFailure(409, "role_in_use");
        (await server.SendAsync(HttpMethod.Delete, "roles/admin", null, admin.Access)).AssertFailure(409, "role_in_use");
        (await server.PutAsync("roles/admin", new { description = "x" }, admin.Access)).AssertFailure(409, "role_in_use");
        (await server.PutAsync("roles/" + Uri.EscapeDataString(" x"), new { }, admin.Access)).AssertFailure(400, "validation_failed");
    }

    [Fact]
    public async Task Put_WhenARoleIsMadeUp_IsRefusedAndNothingChanges()
    {
        var admin = await server.AdminAsync();
        var person = await server.RegisterAsync();
        var before = await server.GetAsync($"users/{person.Id}", admin.Access);
        foreach (var roles in (string[][])[["made up"], ["admin", "made up"], ["Admin"]])
        {
            (await server.PutAsync($"users/{person.Id}", new { firstName = "Ada", roles, metadata = new { a = 1 } }, admin.Access)).AssertProblems("each value in roles must be the name of a role that exists");
        }

        Assert.Equal(before.Text, (await server.GetAsync($"users/{person.Id}", admin.Access)).Text);
    }

    [Fact]
    public async Task Roles_When50AreGivenAndTakenAwayAtOnce_NobodyHasOneThatIsGone()
    {
        var admin = await server.AdminAsync();
        for (var round = 0; round < 5; round++)
        {
            var name = UserAdministrationTests.Mark();
            await server.RoleAsync(name);
            var people = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => server.RegisterAsync()));
            var work = Enumerable.Range(0, 50).Select(i => i % 5 == 0
                ? server.SendAsync(HttpMethod.Delete, "roles/" + name, null, admin.Access)
                : server.PutAsync($"users/{people[i % 10].Id}", new { roles = new[] { name } }, admin.Access)).ToList();
            foreach (var answer in await Task.WhenAll(work))
            {
                answer.AssertNoFault();
            }

            var exists = (await server.GetAsync("roles", admin.Access)).Json["items"]!.AsArray().Any(role => (string)role!["name"]! == name);
            var held = (await server.GetAsync("users?role=" + name, admin.Access)).Json["items"]!.AsArray().Count > 0;
            Assert.True(exists || !held, $"exists {exists}, held {held}");
        }
    }
}

/// <summary>RFC 9110 §9.3.2.</summary>
public sealed class HeadTests(ApiServer server)
{
    [Fact]
    public async Task Head_WhereverGetAnswers_AnswersAlikeWithoutContent()
    {
        var admin = await server.AdminAsync();
        var (person, tokens) = await server.SignedInAsync();
        foreach (var (path, token) in ((string, string?)[])
        [
            ($"users/{person.Id}", tokens.Access), ("users/me", tokens.Access), ("users?limit=1", admin.Access), ("roles", admin.Access), ($"users/{person.Id}", null),
            ("users?limit=0", admin.Access), ($"users/{Guid.NewGuid()}", tokens.Access), ("nowhere", null), ("login", null),
        ])
        {
            var get = await server.GetAsync(path, token);
            var head = await server.SendAsync(HttpMethod.Head, path, body: null, token);
            Assert.Equal(get.Status, head.Status);
            Assert.Equal("", head.Text);
            Assert.Equal(get.ContentType, head.ContentType);
            foreach (var name in (string[])["ETag", "Cache-Control", "WWW-Authenticate", "Allow"])
            {
                Assert.Equal(get.Headers.GetValueOrDefault(name), head.Headers.GetValueOrDefault(name));
            }

            Assert.Equal(System.Text.Encoding.UTF8.GetByteCount(get.Text).ToString(System.Globalization.CultureInfo.InvariantCulture), head.Headers["Content-Length"]);
        }
    }
}

/// <summary>Members of a user that no PUT sets.</summary>
public sealed class RefusedMemberTests(ApiServer server)
{
    [Theory]
    [InlineData("password", "\"another pass phrase 8\"")]
    [InlineData("passwordHash", "\"x\"")]
    [InlineData("emailVerified", "true")]
    [InlineData("emailVerified", "false")]
    [InlineData("phoneNumberVerified", "true")]
    public async Task Put_WhenAMemberIsNotToBeSet_IsRefusedByNameWhoeverAsksAndNothingChanges(string member, string value)
    {
        var (person, tokens) = await server.SignedInAsync();
        var before = await server.GetAsync($"users/{person.Id}", tokens.Access);
        foreach (var token in (string[])[tokens.Access, (await server.AdminAsync()).Access, await server.ServiceTokenAsync("writer", "identity.users.write")])
        {
            var message = (await server.PutAsync($"users/{person.Id}", $$"""{"firstName":"Ada","{{member}}":{{value}}}""", token)).AssertFailure(400, "validation_failed");
            Assert.StartsWith(member + " cannot be set here: ", (string)Assert.Single(message.AsArray())!, StringComparison.Ordinal);
        }

        Assert.Equal(before.Text, (await server.GetAsync($"users/{person.Id}", tokens.Access)).Text);
        await server.LoginAsync(person.Email);
    }

    [Fact]
    public async Task Put_WhenMembersAreReadOnlyOrUnknown_IgnoresThem()
    {
        var (person, tokens) = await server.SignedInAsync();
        var answer = await server.PutAsync($"users/{person.Id}", """{"id":"x","createdAt":1,"updatedAt":null,"lastLoginAt":"x","deletedAfter":"x","firstName":"Ada","anything":{}}""", tokens.Access);
        answer.AssertOk();
        Assert.Equal(person.Id, answer.Value("id"));
        Assert.Equal("Ada", answer.Value("firstName"));
    }

    [Fact]
    public async Task Put_When50MergeMetadataOverTheLimitAtOnce_EachIsWholeOrNothing()
    {
        var (person, tokens) = await server.SignedInAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i =>
            server.PutAsync($"users/{person.Id}", new JsonObject { ["lastName"] = "n" + i, ["metadata"] = new JsonObject { ["m" + i] = new string('x', 3000) } }.ToJsonString(), tokens.Access)));
        var after = (await server.GetAsync($"users/{person.Id}", tokens.Access)).Json;
        var done = Enumerable.Range(0, 50).Where(i => answers[i].Status == HttpStatusCode.OK).ToList();
        Assert.Equal(done.Select(i => "m" + i).Order(StringComparer.Ordinal), after["metadata"]!.AsObject().Select(member => member.Key).Order(StringComparer.Ordinal));
        Assert.Equal(5, done.Count);
        Assert.Contains((string)after["lastName"]!, done.Select(i => "n" + i));
    }
}
