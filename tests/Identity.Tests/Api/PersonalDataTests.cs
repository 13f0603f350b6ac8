using System.Net;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Events;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Identity.Tests.Api;

/// <summary>DELETE /users/{id} and GET /users/{id}/data, on a server whose events are kept.</summary>
public sealed class PersonalDataTests(PersonalDataTests.World server) : IClassFixture<PersonalDataTests.World>
{
    [Fact]
    public async Task Delete_ByAnAdmin_IsAtOnceAndLeavesNothingOfThePerson()
    {
        var admin = await server.AdminAsync();
        var email = $"gone{Guid.NewGuid():N}@example.com";
        var person = await server.RegisterAsync(email);
        var tokens = await server.LoginAsync(email);
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Gonefirst", metadata = new { secretOfGone = 1 } }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/generate", new { email })).AssertOk();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, admin.Access)).Status);

        (await server.GetAsync($"users/{person.Id}", admin.Access)).AssertFailure(404, "user_not_found");
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        (await server.PostAsync("login", new { email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, admin.Access)).AssertFailure(404, "user_not_found");

        // What the events tell is on its way and gone then; nothing else names the person.
        var id = Guid.Parse(person.Id);
        var told = await EventsAsync(id);
        Assert.Equal("user.deleted", told[^1]);
        Assert.Single(told, type => type == "session.destroyed");
        var left = await RowsAsync(id);
        Assert.Equal(["audit_log"], left.Where(table => table.Value > 0 && table.Key != "outbox").Select(table => table.Key));
        var audit = await server.Services.GetRequiredService<IAuditLog>().ListAsync(id, 100, TestContext.Current.CancellationToken);
        var record = Assert.Single(audit);
        Assert.Equal(("delete", "success", null, null, null), (record.Action, record.Outcome, record.Ip, record.UserAgent, record.SessionId));
        Assert.NotNull(record.ActorId);

        // The address is free again, for somebody else.
        Assert.NotEqual(person.Id, (await server.RegisterAsync(email)).Id);
    }

    [Fact]
    public async Task Delete_BySelfWithThePassword_DisablesAtOnceAndErasesAfterTwoWeeks()
    {
        var admin = await server.AdminAsync();
        var (person, tokens) = await server.SignedInAsync();
        server.Time.Advance(TimeSpan.FromMinutes(11));
        (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, tokens.Access)).AssertFailure(403, "reauthentication_required");
        (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", new { currentPassword = "wrong pass phrase" }, tokens.Access)).AssertFailure(400, "invalid_current_password");
        (await server.GetAsync("users/me", tokens.Access)).AssertOk();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", new { currentPassword = person.Password }, tokens.Access)).Status);

        (await server.GetAsync("users/me", tokens.Access)).AssertFailure(401, "invalid_token");
        (await server.PostAsync("login", new { email = person.Email, password = person.Password })).AssertFailure(401, "invalid_credentials");
        (await server.PostAsync("register", new { email = person.Email, password = person.Password })).AssertFailure(409, "email_taken");
        var waiting = await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access);
        Assert.False((bool)waiting.Json["isActive"]!);
        Assert.Equal(server.Time.GetUtcNow().AddDays(14), DateTimeOffset.Parse(waiting.Value("deletedAfter"), System.Globalization.CultureInfo.InvariantCulture), TimeSpan.FromSeconds(1));
        Assert.DoesNotContain("user.deleted", await EventsAsync(Guid.Parse(person.Id)));

        server.Time.Jump(TimeSpan.FromDays(14) - TimeSpan.FromMinutes(1));
        await server.CleanUpAsync();
        (await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access)).AssertOk();
        server.Time.Advance(TimeSpan.FromMinutes(2));
        await server.CleanUpAsync();
        (await server.GetAsync($"users/{person.Id}", (await server.AdminAsync()).Access)).AssertFailure(404, "user_not_found");
        Assert.Equal("user.deleted", (await EventsAsync(Guid.Parse(person.Id)))[^1]);
        _ = admin;
    }

    [Fact]
    public async Task Delete_BySelfRightAfterSigningIn_NeedsNoPassword_AndAnAdminGivesTheAccountBack()
    {
        var (person, tokens) = await server.SignedInAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, tokens.Access)).Status);
        var restored = await server.PutAsync($"users/{person.Id}", new { isActive = true }, (await server.AdminAsync()).Access);
        restored.AssertOk();
        Assert.False(restored.Json.ContainsKey("deletedAfter"));
        server.Time.Jump(TimeSpan.FromDays(15));
        await server.CleanUpAsync();
        await server.LoginAsync(person.Email);
    }

    [Fact]
    public async Task CleanUp_WhenOneAccountCannotBeErased_ErasesTheOthers()
    {
        var (stuck, first) = await server.SignedInAsync();
        var (person, second) = await server.SignedInAsync();
        (await server.PutAsync($"users/{stuck.Id}", new { firstName = "Stuck" }, first.Access)).AssertOk();
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{stuck.Id}", null, first.Access)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, second.Access)).Status);
        var database = server.Services.GetRequiredService<StoreDatabase>();
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync("CREATE TRIGGER stuck BEFORE DELETE ON accounts WHEN OLD.first_name = 'Stuck' BEGIN SELECT RAISE(ABORT, 'no'); END", token), TestContext.Current.CancellationToken);
        server.Time.Jump(TimeSpan.FromDays(15));
        await server.CleanUpAsync();
        var admin = await server.AdminAsync();
        (await server.GetAsync($"users/{stuck.Id}", admin.Access)).AssertOk();
        (await server.GetAsync($"users/{person.Id}", admin.Access)).AssertFailure(404, "user_not_found");
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync("DROP TRIGGER stuck", token), TestContext.Current.CancellationToken);
        await server.CleanUpAsync();
        (await server.GetAsync($"users/{stuck.Id}", admin.Access)).AssertFailure(404, "user_not_found");
    }

    [Fact]
    public async Task Delete_WithIfMatch_DeletesOnlyTheVersionThatWasRead()
    {
        var admin = await server.AdminAsync();
        var person = await server.RegisterAsync();
        var etag = (await server.GetAsync($"users/{person.Id}", admin.Access)).Headers["ETag"];
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Ada" }, admin.Access)).AssertOk();
        (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, admin.Access, etag)).AssertFailure(412, "precondition_failed");
        etag = (await server.GetAsync($"users/{person.Id}", admin.Access)).Headers["ETag"];
        Assert.Equal(HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, admin.Access, etag)).Status);
    }

    [Fact]
    public async Task Delete_When50RaceWithChangesAndSignIns_OneDeletesAndNothingIsLeft()
    {
        var admin = await server.AdminAsync();
        var person = await server.RegisterAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => (i % 5) switch
        {
            0 or 1 => server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", null, admin.Access),
            2 => server.PutAsync($"users/{person.Id}", new { firstName = "n" + i, metadata = new { i } }, admin.Access),
            3 => server.PostAsync("login", new { email = person.Email, password = person.Password }),
            _ => server.PostAsync("otp/generate", new { email = person.Email }),
        }));
        Assert.All(answers, answer => answer.AssertNoFault());
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.NoContent);
        foreach (var tokens in answers.Where(answer => answer.Status == HttpStatusCode.OK && answer.Text.Contains("accessToken", StringComparison.Ordinal)).Select(Tokens.Of))
        {
            (await server.GetAsync("users/me", tokens.Access)).AssertFailure(401, "invalid_token");
            (await server.PostAsync("refresh-token", new { refreshToken = tokens.Refresh })).AssertFailure(401, "invalid_refresh_token");
        }

        Assert.Single(await EventsAsync(Guid.Parse(person.Id)), type => type == "user.deleted");
        var left = await RowsAsync(Guid.Parse(person.Id));
        Assert.Equal(0, left["accounts"] + left["credentials"] + left["account_metadata"]);
    }

    [Fact]
    public async Task Data_WhenThePersonAsks_TellsAllThatIsKeptAndNoSecret()
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PutAsync($"users/{person.Id}", new { firstName = "Ada", metadata = new { theme = "dark" } }, tokens.Access)).AssertOk();
        (await server.PostAsync("otp/generate", new { email = person.Email })).AssertOk();
        foreach (var token in (string[])[tokens.Access, (await server.AdminAsync()).Access])
        {
            var answer = await server.GetAsync($"users/{person.Id}/data", token);
            answer.AssertOk();
            Assert.Equal("no-store", answer.Headers["Cache-Control"]);
            Assert.Equal(person.Email, (string)answer.Json["user"]!["email"]!);
            Assert.Equal("dark", (string)answer.Json["metadata"]!["theme"]!);
            Assert.True((bool)answer.Json["password"]!["isSet"]!);
            Assert.NotEmpty(answer.Json["sessions"]!.AsArray());
            Assert.Equal("127.0.0.1", (string)answer.Json["sessions"]![0]!["ip"]!);
            Assert.NotEmpty(answer.Json["oneTimeCodes"]!.AsArray());
            Assert.Contains(answer.Json["auditLog"]!.AsArray(), record => (string)record!["action"]! == "sign_in");
            var hash = (await server.Services.GetRequiredService<ICredentialStore>().FindAsync(Guid.Parse(person.Id), TestContext.Current.CancellationToken))!.PasswordHash!;
            foreach (var secret in (string[])[hash, await server.Messages.CodeAsync(person.Email), tokens.Access, tokens.Refresh, "codeHash", "securityStamp"])
            {
                Assert.DoesNotContain(secret, answer.Text, StringComparison.OrdinalIgnoreCase);
            }
        }

        // Every table that names an account has its member.
        var tables = (await RowsAsync(Guid.Parse(person.Id))).Keys.Except(["accounts", "account_metadata", "credentials", "outbox"]);
        var told = (await server.GetAsync($"users/{person.Id}/data", tokens.Access)).Json.Select(member => member.Key).ToList();
        Assert.All(tables, table => Assert.Contains(table.Replace("_", "", StringComparison.Ordinal), told, StringComparer.OrdinalIgnoreCase));
        (await server.GetAsync($"users/{Guid.NewGuid()}/data", (await server.AdminAsync()).Access)).AssertFailure(404, "user_not_found");
    }

    private async Task<List<string>> EventsAsync(Guid id)
    {
        var rows = await server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Outbox.Where(r => r.AccountId == id).OrderBy(r => r.Sequence).Select(r => r.RoutingKey).ToListAsync(token), TestContext.Current.CancellationToken);
        return rows;
    }

    // How many rows each table that names accounts has of this one.
    private Task<Dictionary<string, long>> RowsAsync(Guid id)
    {
        var database = server.Services.GetRequiredService<StoreDatabase>();
        return database.ReadAsync(
            async (context, token) =>
            {
                var counts = new Dictionary<string, long>(StringComparer.Ordinal) { ["accounts"] = await context.Accounts.LongCountAsync(r => r.Id == id, token) };
                foreach (var type in context.Model.GetEntityTypes())
                {
                    var property = type.FindProperty("AccountId") ?? type.FindProperty("Subject");
                    if (property is null || type.GetTableName() is not { } table)
                    {
                        continue;
                    }

                    object value = property.ClrType == typeof(string) ? id.ToString() : database.Dialect.Id(id);
                    var statement = "SELECT COUNT(*) AS \"Value\" FROM \"" + table + "\" WHERE \"" + property.GetColumnName() + "\" = {0}";
                    counts[table] = await context.Database.SqlQueryRaw<long>(statement, value).SingleAsync(token);
                }

                return counts;
            },
            TestContext.Current.CancellationToken);
    }

    /// <summary>Nobody takes the events away.</summary>
    public sealed class World() : ApiServer([], services => services.RemoveAll<IEventPublisher>().AddSingleton<IEventPublisher, Nobody>())
    {
        public Task CleanUpAsync() => Services.GetRequiredService<StoreCleanUp>().RunAsync(TestContext.Current.CancellationToken);

        private sealed class Nobody : IEventPublisher
        {
            public Task<PublishOutcome> PublishAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken) => Task.FromResult(PublishOutcome.Nothing);
        }
    }
}
