using System.Text.Json.Nodes;
using Identity.Accounts.Audit;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.RateLimits;
using Identity.Accounts.Sessions;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.Data.Tests.Sql;

public sealed class StoreCleanUpTests(SqliteFixture sqlite, PostgresFixture postgres)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task Run_OnSqlite_DeletesWhatIsOverAndNothingElse() => RunAsync(sqlite);

    [Fact]
    public Task Run_OnPostgres_DeletesWhatIsOverAndNothingElse() => RunAsync(postgres);

    // One that is broken, or away, near the beginning: the last one is cleaned all the same.
    [Fact]
    public async Task Run_WhenOneTableFails_CleansTheOthers()
    {
        var time = new FakeTimeProvider();
        await using var services = (ServiceProvider)await (await sqlite.IsolateAsync(time))();
        var (database, audit, now) = (services.GetRequiredService<StoreDatabase>(), services.GetRequiredService<IAuditLog>(), time.GetUtcNow());
        await services.GetRequiredService<IDenyList>().DenyAsync("d", now.AddMinutes(1), Cancel);
        await audit.WriteAsync(new(Guid.CreateVersion7(now), now.AddDays(-365), "old", "success", null, null, null, null, null, null), Cancel);
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync("DROP TABLE export_chunks; DROP TABLE export_jobs", token), Cancel);
        time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(2, await services.GetRequiredService<StoreCleanUp>().RunAsync(Cancel));
        Assert.Empty(await audit.ListAsync(null, 10, Cancel));
    }

    [Fact]
    public async Task Run_WhenTheStoreIsAway_EndsSoon()
    {
        await using var host = StoreHost.Build(OutageTests.Unreachable());
        await Assert.ThrowsAnyAsync<Exception>(() => host.Get<StoreCleanUp>().RunAsync(Cancel));
    }

    // A node whose clock is behind still asks for them: without its mark what was revoked or spent would be good again.
    [Fact]
    public async Task Run_WhenAMarkIsJustOver_KeepsItForNodesWhoseClocksAreBehind()
    {
        var time = new FakeTimeProvider();
        await using var services = (ServiceProvider)await (await sqlite.IsolateAsync(time))();
        var (database, until) = (services.GetRequiredService<StoreDatabase>(), time.GetUtcNow().AddMinutes(1));
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(new DenyEntryRow { Id = "d", GrantedUntil = until, ExpiresAt = until });
                context.Add(new ReplayEntryRow { Kind = "k", Key = "r", ExpiresAt = until });
                context.Add(new SpentTicketRow { Id = Guid.NewGuid(), ExpiresAt = until });
                context.Add(new ExternalEntryRow { Kind = "k", Key = "e", Payload = "", ExpiresAt = until });
                return context.SaveChangesAsync(token);
            },
            Cancel);
        time.SetUtcNow(until.AddMinutes(5).AddMilliseconds(-1));
        Assert.Equal(0, await services.GetRequiredService<StoreCleanUp>().RunAsync(Cancel));
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(4, await services.GetRequiredService<StoreCleanUp>().RunAsync(Cancel));
    }

    // Codes are kept for a week: each turn would pass all of them, with SQLite's only writer waiting.
    [Fact]
    public async Task Run_OnSqlite_FindsTokensByTheirTypeAndEnd_OrByAnEndAfterWhichNoneIsKept()
    {
        using var statements = new SentStatements("main");
        await using var services = (ServiceProvider)await (await sqlite.IsolateAsync(new FakeTimeProvider()))();
        await services.GetRequiredService<StoreCleanUp>().RunAsync(Cancel);
        var sent = statements.All.Where(statement => statement.Text.Contains("\"expiration_date\" <=", StringComparison.Ordinal)).ToArray();
        Assert.True(sent.Length >= 10, $"{sent.Length} statements were looked at.");
        foreach (var (text, parameters) in sent)
        {
            var plan = await services.GetRequiredService<StoreDatabase>().ReadAsync(
                async (context, token) =>
                {
                    await context.Database.OpenConnectionAsync(token);
                    await using var command = context.Database.GetDbConnection().CreateCommand();
#pragma warning disable CA2100 // What the clean-up sent.
                    command.CommandText = "EXPLAIN QUERY PLAN " + text;
#pragma warning restore CA2100
                    foreach (var parameter in parameters)
                    {
                        command.Parameters.Add(new SqliteParameter(parameter.ParameterName, parameter.Value));
                    }

                    var steps = new List<string>();
                    await using var reader = await command.ExecuteReaderAsync(token);
                    while (await reader.ReadAsync(token))
                    {
                        steps.Add(reader.GetString(3));
                    }

                    return string.Join('\n', steps);
                },
                Cancel);
            Assert.Contains(text.Contains("\"type\"", StringComparison.Ordinal) ? "ix_tokens_type_expiration_date (type=? AND expiration_date>? AND expiration_date<?)" : "ix_tokens_expiration_date (expiration_date>? AND expiration_date<?)", plan, StringComparison.Ordinal);
        }
    }

    private static async Task RunAsync(StoreFixture fixture)
    {
        var time = new FakeTimeProvider();
        var now = time.GetUtcNow();
        await using var services = (ServiceProvider)await (await fixture.IsolateAsync(time))();
        var database = services.GetRequiredService<StoreDatabase>();
        var families = services.GetRequiredService<RefreshFamilies>();
        var sessions = services.GetRequiredService<ISessionStore>();
        var codes = services.GetRequiredService<IOneTimeCodeStore>();
        var audit = services.GetRequiredService<IAuditLog>();
        var replay = services.GetRequiredService<IReplayCache>();

        // More than one batch of entries that all end at different times, and one that lives.
        const int Many = 1_203;
        await AddTokensAsync(Enumerable.Range(0, Many).Select(i => ($"{i}", TokenTypeIdentifiers.Private.RequestToken, now.AddMilliseconds(i))));
        await AddTokensAsync([("live request", TokenTypeIdentifiers.Private.RequestToken, now.AddDays(2))]);

        // Somebody may still be at the sign-in that a pushed request led to.
        await AddTokensAsync([("request under way", TokenTypeIdentifiers.Private.RequestToken, now.AddDays(1).AddMinutes(-59))]);

        // A code that comes again tells of a theft for a week.
        await AddTokensAsync([("dead code", TokenTypeIdentifiers.Private.AuthorizationCode, now.AddDays(-7)), ("used code", TokenTypeIdentifiers.Private.AuthorizationCode, now)]);
        // What it led to is kept as long after its own end, when its code is gone.
        var dead = RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(now), now.AddDays(-13));
        var over = RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(now), now.AddDays(-12));
        var alive = RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(now), now);
        await families.CreateAsync(dead, Cancel);
        await families.CreateAsync(over, Cancel);
        await families.CreateAsync(alive, Cancel);
        await services.GetRequiredService<IDenyList>().DenyAsync("d", now.AddMinutes(1), Cancel);
        Assert.True(await replay.TryAddAsync("k", "dead", now.AddMinutes(1), Cancel));
        Assert.True(await replay.TryAddAsync("k", "live", now.AddDays(2), Cancel));
        await AddTokensAsync([("dead", TokenTypeIdentifiers.AccessToken, now.AddMinutes(1)), ("live", TokenTypeIdentifiers.AccessToken, now.AddDays(2))]);
        await services.GetRequiredService<IRateLimiter>().AcquireAsync("r", 1, TimeSpan.FromMinutes(1), Cancel);
        var code = new OneTimeCode(Guid.CreateVersion7(now), Guid.NewGuid(), "email", "login", [1], now, now.AddMinutes(5));
        await codes.ReplaceAsync(code, Cancel);
        var ended = await CreateSessionAsync(now.AddMinutes(1));
        var expired = await CreateSessionAsync(now.AddMinutes(1));
        var endedButKept = await CreateSessionAsync(now.AddDays(2));
        await sessions.EndAsync(ended.Id, now, NewEvent(ended), Cancel);
        await sessions.EndAsync(endedButKept.Id, now, NewEvent(endedButKept), Cancel);

        // Where a session came from is known for as long as nobody has ended it, also where a client prolonged it.
        var prolonged = await CreateSessionAsync(now.AddDays(2));
        await AddOriginsAsync(ended.Id, expired.Id, prolonged.Id, "gone");
        await audit.WriteAsync(new(Guid.CreateVersion7(now), now.AddDays(-365), "old", "success", null, null, null, null, null, null), Cancel);
        await audit.WriteAsync(new(Guid.CreateVersion7(now), now.AddDays(-360), "new", "success", null, null, null, null, null, null), Cancel);

        time.Advance(TimeSpan.FromDays(1));
        var cleanUp = services.GetRequiredService<StoreCleanUp>();
        Assert.Equal(Many + 11, await cleanUp.RunAsync(Cancel));
        Assert.Equal(0, await cleanUp.RunAsync(Cancel));

        Assert.Equal(
            ["live", "live request", "request under way", "used code"],
            await database.ReadAsync((context, token) => context.Tokens.OrderBy(row => row.ReferenceId).Select(row => row.ReferenceId!).ToListAsync(token), Cancel));
        Assert.Null(await families.FindAsync(dead.Id, Cancel));
        Assert.NotNull(await families.FindAsync(over.Id, Cancel));
        Assert.NotNull(await families.FindAsync(alive.Id, Cancel));
        Assert.False(await replay.TryAddAsync("k", "live", now.AddDays(2), Cancel));
        Assert.Null(await codes.FindAsync(code.Id, Cancel));
        Assert.Null(await sessions.FindAsync(ended.Id, Cancel));
        Assert.NotNull(await sessions.FindAsync(endedButKept.Id, Cancel));

        // Nobody has ended it yet: its end is still to be told.
        Assert.Equal([expired.Id], (await sessions.ListExpiredAsync(time.GetUtcNow(), 10, Cancel)).Select(s => s.Id));
        Assert.Equal(["new"], (await audit.ListAsync(null, 10, Cancel)).Select(r => r.Action));
        Assert.Equal(
            [(expired.Id, now.AddMinutes(1)), (prolonged.Id, now.AddDays(2))],
            (await OriginsAsync()).OrderBy(origin => origin.ExpiresAt).Select(origin => (origin.SessionId, origin.ExpiresAt)));
        await sessions.EndAsync(prolonged.Id, time.GetUtcNow(), NewEvent(prolonged), Cancel);
        time.Advance(TimeSpan.FromDays(1));
        await cleanUp.RunAsync(Cancel);
        Assert.Equal([expired.Id], (await OriginsAsync()).Select(origin => origin.SessionId));

        Task<List<ExternalSessionRow>> OriginsAsync() => database.ReadAsync((context, token) => context.Set<ExternalSessionRow>().ToListAsync(token), Cancel);

        Task AddOriginsAsync(params string[] ids) => database.WriteAsync(
            (context, token) =>
            {
                context.AddRange(ids.Select(id => new ExternalSessionRow { SessionId = id, Provider = "p", SubjectKey = "s", ExpiresAt = now.AddMinutes(1) }));
                return context.SaveChangesAsync(token);
            },
            Cancel);

        Task AddTokensAsync(IEnumerable<(string Reference, string Type, DateTimeOffset ExpiresAt)> rows) => database.WriteAsync(
            (context, token) =>
            {
                context.AddRange(rows.Select(row => new OAuthToken { Id = Guid.NewGuid(), ReferenceId = row.Reference, Type = row.Type, ExpirationDate = row.ExpiresAt.UtcDateTime }));
                return context.SaveChangesAsync(token);
            },
            Cancel);

        async Task<Session> CreateSessionAsync(DateTimeOffset expiresAt)
        {
            var session = new Session(Guid.NewGuid().ToString("N"), Guid.NewGuid(), now, now, [], "1", now, now, expiresAt, null, [], null, null, null);
            await sessions.CreateAsync(session, NewEvent(session), Cancel);
            return session;
        }

        LifecycleEvent NewEvent(Session session) => new(Guid.CreateVersion7(now), EventExchanges.Session, EventTypes.SessionDestroyed, session.AccountId, now, new JsonObject());
    }
}
