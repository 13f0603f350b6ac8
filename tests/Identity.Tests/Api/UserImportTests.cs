using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Import;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>POST /users/import, and the same by file.</summary>
public sealed class UserImportTests(ApiServer server)
{
    private const string Bcrypt = "$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC";

    [Fact]
    public async Task Import_OfWholeUsers_KeepsIdsHashesMarksRolesMetadataAndTimes()
    {
        var admin = await server.AdminAsync();
        await server.RoleAsync("editor");
        var (id, mark) = (Guid.NewGuid(), UserAdministrationTests.Mark());
        var line = $$$"""{"id":"{{{id}}}","email":"{{{mark}}}@example.com","userName":"{{{mark}}}","phoneNumber":"+49{{{Random.Shared.NextInt64(1000000000, 9999999999)}}}","firstName":"Zoë","lastName":"L","emailVerified":true,"phoneNumberVerified":true,"roles":["editor"],"metadata":{"plan":"gold","none":null},"passwordHash":"{{{Bcrypt}}}","createdAt":"2019-05-06T07:08:09Z","updatedAt":"2020-01-02T03:04:05.678+02:00","lastLoginAt":"2021-01-01T00:00:00","unknown":[1]}""";
        var done = await ImportAsync(line + "\n", admin.Access);
        Assert.Equal((1, 1, 1, 0, 0), Counts(done));
        var user = (await server.GetAsync($"users/{id}", admin.Access)).Json;
        Assert.Equal("Zoë", (string)user["firstName"]!);
        Assert.True((bool)user["emailVerified"]! && (bool)user["phoneNumberVerified"]! && (bool)user["isActive"]!);
        Assert.Equal("""["editor"]""", user["roles"]!.ToJsonString());
        Assert.Equal("""{"plan":"gold"}""", user["metadata"]!.ToJsonString());
        Assert.Equal(("2019-05-06T07:08:09.000Z", "2020-01-02T01:04:05.678Z", "2021-01-01T00:00:00.000Z"), ((string)user["createdAt"]!, (string)user["updatedAt"]!, (string)user["lastLoginAt"]!));
        await server.LoginAsync(mark + "@example.com", "correct horse battery");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Import_OfAnAddressThatNobodyHasProven_IsItsOwnersOnceTheyDo_AndKeepsWhatTheOperatorSays(bool withPassword)
    {
        await using var own = await FactorServerAsync();
        var admin = await own.AdminAsync();
        var (id, email) = (Guid.NewGuid(), "brought@example.com");
        var hash = withPassword ? $$""","passwordHash":"{{Bcrypt}}" """ : "";
        await ImportAsync(own, $$"""{"id":"{{id}}","email":"{{email}}","userName":"brought","phoneNumber":"+4915112345678","firstName":"Zoë","phoneNumberVerified":true,"metadata":{"plan":"gold"}{{hash}}}""", admin.Access);
        string? theirs = null;
        if (withPassword)
        {
            // Where the old service asked nobody for a code, anybody may have registered it there.
            var stranger = await own.LoginAsync(email, "correct horse battery");
            var begun = await own.PostAsync("factors/totp", null, stranger.Access);
            Assert.Equal(201, (int)(await own.PostAsync("factors/totp/confirm", new { enrolmentToken = begun.Value("enrolmentToken"), code = own.Totp(begun.Value("secret")) }, stranger.Access)).Status);
            theirs = stranger.Refresh;
        }

        await own.PostAsync("password/forgot", new { email });
        (await own.PostAsync("password/reset", new { email, code = await own.Messages.CodeAsync(email), newPassword = "another sound phrase 8" })).AssertOk();
        var owner = await own.LoginAsync(email, "another sound phrase 8");
        var user = await own.GetAsync($"users/{id}", owner.Access);
        Assert.Equal(("brought", "Zoë", "gold", true), (user.Value("userName"), user.Value("firstName"), (string)user.Json["metadata"]!["plan"]!, (bool)user.Json["emailVerified"]!));
        Assert.Equal(("+4915112345678", !withPassword), (user.Value("phoneNumber"), (bool)user.Json["phoneNumberVerified"]!));
        if (theirs is not null)
        {
            (await own.PostAsync("refresh-token", new { refreshToken = theirs })).AssertFailure(401, "invalid_refresh_token");
            Assert.Empty((await own.GetAsync("factors", owner.Access)).Json["factors"]!.AsArray());
        }
    }

    [Fact]
    public async Task Import_WhenRunAgain_ChangesNothing()
    {
        var admin = await server.AdminAsync();
        var mark = UserAdministrationTests.Mark();
        var lines = string.Join('\n', Enumerable.Range(0, 450).Select(i => i % 2 == 0
            ? $$"""{"id":"{{Guid.NewGuid()}}","email":"{{mark}}{{i}}@example.com"}"""
            : $$"""{"email":"{{mark}}{{i}}@example.com","userName":"{{mark}}.{{i}}"}"""));
        Assert.Equal((450, 450, 450, 0, 0), Counts(await ImportAsync(lines, admin.Access)));
        var person = (await server.GetAsync($"users?search={mark}0@", admin.Access)).Json["items"]![0]!;
        (await server.PutAsync($"users/{person["id"]}", new { firstName = "Kept", email = mark + "other@example.com" }, admin.Access)).AssertOk();
        Assert.Equal((450, 450, 0, 450, 0), Counts(await ImportAsync(lines, admin.Access)));
        Assert.Equal("Kept", (await server.GetAsync($"users/{person["id"]}", admin.Access)).Value("firstName"));
    }

    [Fact]
    public async Task Import_WhenMembersAreNullOrEmpty_TakesThemAsAbsent()
    {
        var mark = UserAdministrationTests.Mark();
        string[] members = ["id", "userName", "username", "phoneNumber", "firstName", "lastName", "passwordHash", "password", "createdAt", "updatedAt", "lastLoginAt"];
        var lines = members.SelectMany((member, i) => new[] { $$"""{"email":"{{mark}}{{i}}n@example.com","{{member}}":null}""", $$"""{"email":"{{mark}}{{i}}e@example.com","{{member}}":""}""" });
        Assert.Equal((2 * members.Length, 2 * members.Length, 2 * members.Length, 0, 0), Counts(await ImportAsync(string.Join('\n', lines), (await server.AdminAsync()).Access)));
    }

    [Fact]
    public async Task Import_WhenItIsLargerThanAGigabyte_SaysHowMuchIsTaken()
    {
        using var content = new ByteArrayContent("{}"u8.ToArray());
        content.Headers.ContentLength = (1L << 30) + 1;
        content.Headers.ContentType = new("application/x-ndjson");
        var answer = await server.PostAsync("users/import", content, (await server.AdminAsync()).Access);
        answer.AssertFailure(413, "body_too_large");
        Assert.Equal("The body is larger than 1 GB.", answer.Value("message"));
    }

    [Fact]
    public async Task Import_OfBadLines_TakesTheOthersAndReportsEachWithItsLineAndReasons()
    {
        var admin = await server.AdminAsync();
        var mark = UserAdministrationTests.Mark();
        var lines = new List<string>
        {
            $$"""{"email":"{{mark}}1@example.com"}""",
            "",
            "not json",
            "[1]",
            """{"email":"x","emailVerified":"yes","roles":"a","createdAt":"yesterday","id":"7"}""",
            $$"""{"email":"{{mark}}2@example.com","roles":["made up {{mark}}"]}""",
            $$"""{"email":"{{mark}}3@example.com","passwordHash":"$1$x$y"}""",
            $$"""{"email":"{{mark}}4@example.com","password":"in the clear"}""",
            $$"""{"id":"{{Guid.NewGuid()}}","email":"{{mark}}1@EXAMPLE.com"}""",
            $$"""{"email":"{{mark}}5@example.com","email":"{{mark}}6@example.com"}""",
            $$$"""{"email":"{{{mark}}}7@example.com","metadata":{"a":"{{{new string('x', 17000)}}}"}}""",
            $$"""{"email":"{{mark}}8@example.com","firstName":"{{new string('x', 70000)}}"}""",
            $$"""{"email":"{{mark}}9@example.com","userName":"{{mark}}"}""" + "\r",
            $$"""{"email":"{{mark}}10@example.com","userName":"{{mark.ToUpperInvariant()}}"}""",
            $$"""{"email":"{{mark}}11@example.com","createdAt":"2999-01-01T00:00:00Z"}""",
        };
        var done = await ImportAsync(string.Join('\n', lines), admin.Access);
        Assert.Equal((15, 15, 2, 0, 12), Counts(done));
        var expected = new Dictionary<long, string[]>
        {
            [3] = ["the line is not valid JSON, nests deeper than 32 levels, or repeats a member"],
            [4] = ["the line must be a JSON object"],
            [5] = ["id must be a UUID", "email must be an email", "emailVerified must be a boolean value", "roles must be an array of at most 50 elements", "createdAt must be a time in ISO 8601 that is not in the future"],
            [6] = ["each value in roles must be the name of a role that exists"],
            [7] = ["passwordHash is of a form that cannot be checked here"],
            [8] = ["password is not taken here: bring its passwordHash"],
            [9] = ["email is another account's"],
            [10] = ["the line is not valid JSON, nests deeper than 32 levels, or repeats a member"],
            [11] = ["metadata must not be larger than 16384 bytes"],
            [12] = ["the line must not be longer than 65536 bytes"],
            [14] = ["userName is another account's"],
            [15] = ["createdAt must be a time in ISO 8601 that is not in the future"],
        };
        var (seen, cursor) = (new Dictionary<long, string[]>(), "0");
        while (cursor is not null)
        {
            var page = await server.GetAsync($"imports/{done["id"]}/refusals?limit=5&cursor={cursor}", admin.Access);
            page.AssertOk();
            foreach (var item in page.Json["items"]!.AsArray())
            {
                seen.Add((long)item!["line"]!, [.. item["reasons"]!.AsArray().Select(reason => (string)reason!)]);
            }

            cursor = (string?)page.Json["nextCursor"];
        }

        Assert.Equal(expected.Keys.Order(), seen.Keys.Order());
        Assert.All(expected, pair => Assert.Equal(pair.Value, seen[pair.Key]));
    }

    [Fact]
    public async Task Import_When50RaceWithTheSameUsers_EachIsMadeOnce()
    {
        var admin = await server.AdminAsync();
        var mark = UserAdministrationTests.Mark();
        var ids = Enumerable.Range(0, 20).Select(_ => Guid.NewGuid()).ToList();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(n => PostAsync(
            string.Join('\n', ids.Select((id, i) => n % 2 == 0 ? $$"""{"id":"{{id}}","email":"{{mark}}{{i}}@example.com"}""" : $$"""{"id":"{{Guid.NewGuid()}}","email":"{{mark}}{{i}}@example.com"}""")), admin.Access)));
        var all = await Task.WhenAll(answers.Select(answer => DoneAsync(answer, admin.Access)));
        Assert.Equal(20, all.Sum(done => (int)done["created"]!));
        Assert.All(all, done => Assert.Equal(20, (int)done["created"]! + (int)done["existing"]! + (int)done["refused"]!));
        Assert.Equal(20, (await server.GetAsync($"users?search={mark}", admin.Access)).Json["items"]!.AsArray().Count);
    }

    [Fact]
    public async Task Import_When50RegisterTheSameAddressesMeanwhile_EachIsOnePersons()
    {
        var admin = await server.AdminAsync();
        var mark = UserAdministrationTests.Mark();
        var import = ImportAsync(string.Join('\n', Enumerable.Range(0, 50).Select(i => $$"""{"id":"{{Guid.NewGuid()}}","email":"{{mark}}{{i}}@example.com"}""")), admin.Access);
        var registered = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => server.PostAsync("register", new { email = $"{mark}{i}@example.com", password = ApiServer.Password })));
        var made = registered.Count(answer => answer.Status == HttpStatusCode.Created);
        var done = await import;
        Assert.Equal(50, made + (int)done["created"]!);
        Assert.Equal(made, (int)done["refused"]!);
    }

    [Fact]
    public async Task Import_OfTheWrongTypeOrByAFormerKey_SaysSo()
    {
        var admin = await server.AdminAsync();
        (await server.PostAsync("users/import", new StringContent("a,b", Encoding.UTF8, "text/csv"), admin.Access)).AssertFailure(415, "unsupported_media_type");
        (await server.PostAsync("users/import", new StringContent("{}", Encoding.Latin1, "application/x-ndjson"), admin.Access)).AssertFailure(415, "unsupported_media_type");
        (await server.GetAsync($"imports/{Guid.NewGuid()}", admin.Access)).AssertFailure(404, "import_not_found");
        (await server.GetAsync($"imports/{Guid.NewGuid()}/refusals", admin.Access)).AssertFailure(404, "import_not_found");
        (await server.GetAsync($"imports/{Guid.NewGuid()}/refusals?limit=0", admin.Access)).AssertProblems("limit must be a number from 1 to 1000");
        var (key, line) = (Guid.NewGuid().ToString(), $$"""{"email":"{{UserAdministrationTests.Mark()}}@example.com"}""");
        var first = await PostAsync(line, admin.Access, key);
        var second = await PostAsync(line, admin.Access, key);
        Assert.Equal(first.Value("id"), second.Value("id"));
        (await PostAsync(line + " ", admin.Access, key)).AssertFailure(422, "idempotency_key_reused");
        await DoneAsync(first, admin.Access);
        Assert.Equal((0, 0, 0, 0, 0), Counts(await ImportAsync("", admin.Access)));
    }

    [Fact]
    public async Task Import_ByAFileOfCommaSeparatedValues_IsTranslatedByItsMapping()
    {
        var mark = UserAdministrationTests.Mark();
        var csv = $"E-Mail,First,Groups,Plan,emailVerified,Notes,passwordHash\r\n{mark}1@example.com,\"O\"\"Neil, A\",admin; ,gold,yes,\"two\nlines\",{Bcrypt}\r\n\r\n{mark}2@example.com,,,,maybe,,\r\n{mark}3@example.com,B,made up {mark},,0,x,\r\n";
        var (refusals, import) = (new List<ImportRefusal>(), server.Services.GetRequiredService<UserImport>());
        var mapping = new Dictionary<string, string> { ["E-Mail"] = "email", ["First"] = "firstName", ["Groups"] = "roles", ["Plan"] = "metadata.plan" };
        var total = await import.RunAsync(CsvLines.ReadAsync(new StringReader(csv), mapping, TestContext.Current.CancellationToken), refusals.Add, progress: null, TestContext.Current.CancellationToken);
        Assert.Equal((1L, 2L), (total.Created, total.Refused));
        Assert.Equal([5L, 6L], refusals.Select(refusal => refusal.Line));
        var found = (await server.GetAsync($"users?search={mark}", (await server.AdminAsync()).Access)).Json["items"]!.AsArray();
        var user = Assert.Single(found)!;
        Assert.Equal(("O\"Neil, A", """["admin"]""", """{"plan":"gold"}""", true), ((string)user["firstName"]!, user["roles"]!.ToJsonString(), user["metadata"]!.ToJsonString(), (bool)user["emailVerified"]!));
        await server.LoginAsync(mark + "1@example.com", "correct horse battery");
    }

    [Fact]
    public async Task ImportOfAFile_OfLinesOrATableWithItsMapping_TellsHowFarItIsAndWhatItRefused()
    {
        var mark = UserAdministrationTests.Mark();
        var directory = Directory.CreateTempSubdirectory("identity-import-").FullName;
        string Write(string name, string text)
        {
            var path = Path.Combine(directory, name);
            File.WriteAllText(path, text);
            return path;
        }

        var import = server.Services.GetRequiredService<UserFileImport>();
        var (refusals, steps) = (new List<ImportRefusal>(), new Steps());
        var lines = Write("users.jsonl", string.Concat(Enumerable.Range(0, 450).Select(i => i == 300 ? "nonsense\n" : $$"""{"email":"{{mark}}-{{i}}@example.com","passwordHash":"{{Bcrypt}}"}""" + "\n")));
        Assert.Equal(new UserFileResult.Done(new ImportProgress(450, 449, 0, 1)), await import.RunAsync(lines, mappingPath: null, refusals.Add, steps, TestContext.Current.CancellationToken));
        Assert.Equal(301, Assert.Single(refusals).Line);
        Assert.Equal([200L, 400L, 450L], steps.Seen.Select(step => step.Lines));
        await server.LoginAsync(mark + "-449@example.com", "correct horse battery");

        // Again: nobody is made twice, and nobody changed.
        Assert.Equal(new UserFileResult.Done(new ImportProgress(450, 0, 449, 1)), await import.RunAsync(lines, mappingPath: null, refusals.Add, progress: null, TestContext.Current.CancellationToken));

        var table = Write("users.csv", $"\uFEFFE-Mail,Hash,Plan\r\n{mark}.t@example.com,{Bcrypt},gold\r\n");
        var mapping = Write("mapping.json", """{"E-Mail":"email","Hash":"passwordHash","Plan":"metadata.plan"}""");
        Assert.Equal(new UserFileResult.Done(new ImportProgress(1, 1, 0, 0)), await import.RunAsync(table, mapping, refusals.Add, progress: null, TestContext.Current.CancellationToken));
        await server.LoginAsync(mark + ".t@example.com", "correct horse battery");

        // What cannot be read is one line that names the file.
        foreach (var (file, map, words) in ((string, string?, string)[])
            [
                (Path.Combine(directory, "none.jsonl"), null, "none.jsonl: cannot be read"),
                (table, Path.Combine(directory, "none.json"), "none.json: cannot be read"),
                (table, Write("list.json", "[]"), "list.json: expected a JSON object"),
                (table, Write("empty.json", """{"E-Mail":""}"""), "empty.json: every column"),
                (lines, mapping, "users.jsonl: a mapping is for comma-separated values"),
            ])
        {
            var unreadable = Assert.IsType<UserFileResult.Unreadable>(await import.RunAsync(file, map, refusals.Add, progress: null, TestContext.Current.CancellationToken));
            Assert.Contains(words, unreadable.Problem, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', unreadable.Problem);
        }

        Directory.Delete(directory, recursive: true);
    }

    private sealed class Steps : IProgress<ImportProgress>
    {
        public List<ImportProgress> Seen { get; } = [];

        public void Report(ImportProgress value) => Seen.Add(value);
    }

    private static (int Lines, int Processed, int Created, int Existing, int Refused) Counts(JsonObject status) =>
        ((int)status["lines"]!, (int)status["processed"]!, (int)status["created"]!, (int)status["existing"]!, (int)status["refused"]!);

    private static async Task<SecondFactors.FactorServer> FactorServerAsync()
    {
        var own = new SecondFactors.FactorServer();
        await own.InitializeAsync();
        return own;
    }

    private static async Task ImportAsync(ApiServer own, string line, string token)
    {
        var tests = new UserImportTests(own);
        Assert.Equal((1, 1, 1, 0, 0), Counts(await tests.ImportAsync(line + "\n", token)));
    }

    private async Task<JsonObject> ImportAsync(string lines, string token) => await DoneAsync(await PostAsync(lines, token), token);

    private async Task<Answer> PostAsync(string lines, string token, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/identity/users/import");
        request.Content = new StringContent(lines, Encoding.UTF8, "application/x-ndjson");
        request.Headers.Authorization = new("Bearer", token);
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var answer = await Answer.ReadAsync(response);
        if (answer.Status == HttpStatusCode.Accepted)
        {
            Assert.Equal("/api/identity/imports/" + answer.Value("id"), answer.Headers["Location"]);
        }

        return answer;
    }

    // The import runs behind its answer: it is asked for until it is done, as a caller does.
    private async Task<JsonObject> DoneAsync(Answer accepted, string token)
    {
        Assert.True(accepted.Status == HttpStatusCode.Accepted, accepted.Text);
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < TimeSpan.FromMinutes(2);)
        {
            var status = await server.GetAsync(accepted.Headers["Location"], token);
            status.AssertOk();
            if (status.Value("state") == "done")
            {
                return status.Json;
            }

            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        throw new TimeoutException("The import does not end.");
    }
}
