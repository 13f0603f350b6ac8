using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Identity.OAuth.Consents;
using Identity.OAuth.Refresh;
using Identity.OAuth.Tokens;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Identity.Data.Tests.Sql;

/// <summary>
/// Many accounts, each with a session and a refresh family, in PostgreSQL: no statement on the way of a request reads a whole table, and the
/// clean-up visits no code, nor what came of one, before its time. 50,000 as a rule; IDENTITY_TEST_ACCOUNTS=1000000 also prints how long each took.
/// </summary>
public sealed partial class LargeStoreTests(PostgresFixture fixture)
{
    private static readonly int s_count = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_ACCOUNTS"), CultureInfo.InvariantCulture, out var wanted) ? wanted : 50_000;

    private const string CleanUp = "clean-up";

    private static readonly string[] s_forOne = ["search for one", "search for nobody"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_WhenThereAreManyAccountsAndFamilies_ReadNoTableWhole()
    {
        var settings = await fixture.NewDatabaseAsync();
        using var statements = new SentStatements(settings.Description);
        await using var host = await StoreHost.StartAsync(settings);
        await FillAsync(settings.ConnectionString);
        var accounts = host.Get<IAccountStore>();
        var sessions = host.Get<ISessionStore>();
        var families = host.Get<RefreshFamilies>();
        var now = TimeProvider.System.GetUtcNow();
        var next = s_count / 3;

        // Each as the services do it, on people that no other of them touches.
        (string Name, int Times, Func<Guid, int, Task> Work)[] requests =
        [
            ("look-up by address", 500, async (_, i) => Assert.NotNull(await accounts.FindByEmailAsync($"PERSON{i}@EXAMPLE.COM", Cancel))),
            ("look-up by user name", 500, async (_, i) => Assert.NotNull(await accounts.FindByUserNameAsync($"PERSON{i}", Cancel))),
            ("look-up by number", 500, async (_, i) => Assert.NotNull(await accounts.FindByPhoneNumberAsync($"+49{i}", Cancel))),
            ("look-up of a new address that waits", 100, async (_, i) => Assert.Null(await accounts.FindByPendingAsync($"person{i}@example.org", phoneNumber: null, Cancel))),
            ("sign-in, without its hash", 500, async (id, i) =>
            {
                Assert.NotNull(await accounts.FindByEmailAsync($"PERSON{i}@EXAMPLE.COM", Cancel));
                Assert.NotNull(await host.Get<ICredentialStore>().FindAsync(id, Cancel));
                await accounts.RecordSignInAsync(id, now, Cancel);
                var session = new Session($"new{i}", id, now, now, ["pwd"], "urn:acr:1", now.AddDays(1), now, now.AddDays(7), EndedAt: null, [], Ip: null, UserAgent: null, DeviceId: null);
                await sessions.CreateAsync(session, Event(id, EventTypes.SessionCreated), Cancel);
                Assert.NotNull(await accounts.FindAsync(id, Cancel));
                await families.CreateAsync(RefreshFamilyStoreConformance.NewFamily(Guid.CreateVersion7(now), now, id.ToString(), sessionId: session.Id), Cancel);
                await host.Get<IAuditLog>().WriteAsync(new(Guid.CreateVersion7(now), now, "sign_in", "success", id, null, null, session.Id, null, null), Cancel);
            }),
            ("wrong password", 100, (id, _) => accounts.CountFailureAsync(id, 10, now.AddMinutes(15), now, Event(id, EventTypes.UserLockedOut), Cancel)),
            ("refresh", 500, async (id, i) =>
            {
                var presented = (await families.FindPresentedAsync(Family(i), now, Cancel))!;
                Assert.Equal((id, false), (presented.Account?.Id, presented.IsDenied));
                Assert.True(await families.TryRotateAsync(presented.Family.Id, 1, now, Cancel));
            }),
            ("look-ups that come at once", 20, async (id, i) =>
            {
                await Task.WhenAll(Enumerable.Range(i, 20).Select(other => sessions.FindLiveAsync($"sid{other}", now, Cancel).AsTask()));
                await Task.WhenAll(Enumerable.Repeat(id, 20).Select(one => accounts.FindAsync(one, Cancel)));
                await Task.WhenAll(Enumerable.Repeat(id, 20).Select(one => host.Get<IMetadataStore>().FindAsync(one, Cancel)));
            }),
            ("introspection or cookie", 500, async (_, i) => Assert.NotNull(await sessions.FindLiveAsync($"sid{i}", now, Cancel))),
            ("a person's token", 500, async (id, i) =>
                Assert.Equal(id, (await host.Get<TokenSessions>().FindLiveAsync($"sid{i}", ["jti", "grant", "consent"], now.AddMinutes(-1), Cancel))?.Account?.Id)),
            ("tokens that come at once", 20, async (_, i) =>
                Assert.All(await Task.WhenAll(Enumerable.Range(i, 20).Select(other => host.Get<TokenSessions>().FindLiveAsync($"sid{other}", [$"jti{other}", "grant", "consent"], now.AddMinutes(-1), Cancel).AsTask())), Assert.NotNull)),
            ("code", 100, async (_, i) =>
            {
                await using var scope = host.Services.CreateAsyncScope();
                Assert.NotNull(await scope.ServiceProvider.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Tokens.FirstOrDefaultAsync(r => r.ReferenceId == $"ref{i}", token), Cancel));
            }),
            ("use of a session", 100, async (_, i) =>
            {
                await sessions.TouchAsync($"sid{i}", now, Cancel);
                await sessions.AttachClientAsync($"sid{i}", "spa", isTold: false, now.AddDays(8), Cancel);
                Assert.True(await sessions.AuthenticateAgainAsync($"sid{i}", now, ["otp"], "urn:acr:1", now.AddDays(1), Cancel));
            }),
            ("sessions of a person", 100, async (id, _) =>
            {
                Assert.NotEmpty(await sessions.ListLiveAsync(id, now, Cancel));
                Assert.NotEmpty(await sessions.ListUsableAsync(id, now.AddDays(-1), now, Cancel));
            }),
            ("consents of a person", 100, async (id, _) => Assert.Empty(await host.Get<ConsentStore>().ListAsync(id.ToString(), Cancel))),
            ("sign-out", 100, async (id, i) => Assert.True(await sessions.EndAsync($"sid{i}", now, Event(id, EventTypes.SessionDestroyed), Cancel))),
            ("deactivation", 100, async (id, _) =>
            {
                var account = (await accounts.FindAsync(id, Cancel))!;
                account.IsActive = false;
                var consequences = new AccountConsequences { EndSessions = new(now, session => Event(session.AccountId, EventTypes.SessionDestroyed)) };
                Assert.Equal(AccountWrite.Done, (await accounts.UpdateAsync(account, account.Version, [], consequences, Cancel)).Outcome);
            }),
            ("search for one", 100, async (id, i) => Assert.Equal(id, Assert.Single(await accounts.SearchAsync(new($"erson{i}@", null, null), after: null, 50, Cancel)).Id)),
            ("search for a name that many have", 100, async (_, _) => Assert.Equal(50, (await accounts.SearchAsync(new("person", null, true), after: null, 50, Cancel)).Count)),
            ("search for nobody", 100, async (_, i) => Assert.Empty(await accounts.SearchAsync(new($"nobody{i}", null, null), after: null, 50, Cancel))),
            ("search by a rare role", 100, async (_, _) => Assert.NotEmpty(await accounts.SearchAsync(new(null, "auditor", null), after: null, 50, Cancel))),
            ("whether there is an administrator", 100, async (_, _) => Assert.False(await accounts.AnyInRoleAsync("admin", Cancel))),
            ("page of the list", 100, async (id, _) => Assert.Equal(50, (await accounts.ListAsync(id, 50, Cancel)).Count)),
            ("copy of a person's data", 20, async (id, _) => Assert.NotEmpty((await host.Get<PersonalData>().ReadAsync(id, Cancel))!["tokens"]!.AsArray())),
            ("erasure", 20, async (id, _) => Assert.Equal(Erasure.Done, await host.Get<AccountErasure>().EraseAsync(id, expectedVersion: null, new Caller(Ip: null, UserAgent: null), Cancel))),
            (CleanUp, 1, async (_, _) => await host.Get<StoreCleanUp>().RunAsync(Cancel)),
            ("sessions that ran out", 1, async (_, _) => Assert.Empty(await sessions.ListExpiredAsync(now, 100, Cancel))),
        ];
        var problems = new List<string>();
        var looked = 0;
        foreach (var (name, times, work) in requests)
        {
            var repeats = s_count >= 1_000_000 ? times : 1;
            var before = statements.All.Count;
            await work(Account(++next), next);
            foreach (var (text, parameters) in statements.All.Skip(before).Where(statement => !statement.Text.StartsWith("INSERT", StringComparison.Ordinal)).ToArray())
            {
                looked++;
                var plan = await ExplainAsync(settings.ConnectionString, name == CleanUp, text, parameters);
                if (WholeTable().IsMatch(plan) || (name == CleanUp && VisitedInVain().IsMatch(plan)) || (s_forOne.Contains(name) && !plan.Contains("ix_accounts_search", StringComparison.Ordinal)))
                {
                    problems.Add($"{name}: {text}\n{plan}");
                }
            }

            var took = new List<double>(repeats);
            for (var i = 0; i < repeats; i++)
            {
                next++;
                var started = Stopwatch.GetTimestamp();
                await work(Account(next), next);
                took.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }

            took.Sort();
            TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: p50 {took[took.Count / 2]:F1} ms, p99 {took[Math.Min(took.Count - 1, (int)(took.Count * 0.99))]:F1} ms ({took.Count})"));
        }

        Assert.True(looked > 60, $"Only {looked} statements were looked at.");
        Assert.True(problems.Count == 0, string.Join("\n\n", problems));
    }

    // Time-ordered as UUIDv7 are.
    private static Guid Account(int i) => Guid.Parse(string.Create(CultureInfo.InvariantCulture, $"01900000-{i >> 16:x4}-7000-8000-{i & 0xffff:x12}"));

    private static Guid Family(int i) => Guid.Parse(string.Create(CultureInfo.InvariantCulture, $"01910000-{i >> 16:x4}-7000-8000-{i & 0xffff:x12}"));

    private static LifecycleEvent Event(Guid account, string type) => new(Guid.CreateVersion7(), EventExchanges.Session, type, account, TimeProvider.System.GetUtcNow(), new JsonObject { ["userId"] = account.ToString() });

    private static async Task FillAsync(string connectionString)
    {
        const string Id = "lpad(to_hex(i >> 16), 4, '0') || '-7000-8000-' || lpad(to_hex(i & 65535), 12, '0'))::uuid";
        string[] statements =
        [
            $"""
            INSERT INTO accounts (id, email, normalized_email, user_name, normalized_user_name, phone_number, claim, first_name, last_name, email_verified, phone_number_verified, is_active, roles, profile, created_at, updated_at, security_stamp, version, access_failed_count, search_text)
            SELECT ('01900000-' || {Id}, 'person' || i || '@example.com', 'PERSON' || i || '@EXAMPLE.COM', 'person' || i, 'PERSON' || i, '+49' || i, 0, 'Ann', 'Smith ' || md5(i::text), true, true, true,
              CASE WHEN i % 40000 = 7 THEN '["auditor"]' ELSE '[]' END, '{"{}"}', now(), now(), md5(i::text), 1, 0,
              'PERSON' || i || '@EXAMPLE.COM' || chr(10) || 'PERSON' || i || chr(10) || '+49' || i || chr(10) || 'ANN' || chr(10) || 'SMITH ' || upper(md5(i::text))
            FROM generate_series(1, {s_count}) i
            """,
            "INSERT INTO credentials (account_id, password_hash) SELECT id, repeat('h', 100) FROM accounts",
            $"""
            INSERT INTO sessions (id, account_id, created_at, authenticated_at, amr, acr, sign_in_until, last_seen_at, expires_at, client_ids, told_client_ids)
            SELECT 'sid' || i, ('01900000-' || {Id}, now(), now() - interval '1 minute', 'pwd', 'urn:acr:1', now() + interval '1 day', now() - interval '1 minute', now() + interval '7 days', '', ''
            FROM generate_series(1, {s_count}) i
            """,
            $"""
            INSERT INTO authorizations (id, client_id, session_id, resources, generation, rotated_at, granted_at, expires_at, details, scopes, status, subject, type)
            SELECT ('01910000-' || {Id}, 'spa', 'sid' || i, '[]', 1, now(), now(), now() + CASE WHEN i <= {s_count / 4} THEN interval '-1 hour' ELSE interval '7 days' END, '{"{}"}', '["openid"]', 'valid', ('01900000-' || {Id}::text, 'ad-hoc'
            FROM generate_series(1, {s_count}) i
            """,
            $"""
            INSERT INTO tokens (id, authorization_id, expiration_date, reference_id, status, subject, type)
            SELECT ('01920000-' || {Id}, ('01910000-' || {Id}, now() - interval '1 hour', 'ref' || i, 'valid', ('01900000-' || {Id}::text, 'urn:openiddict:params:oauth:token-type:authorization_code'
            FROM generate_series(1, {s_count}) i
            """,
            $"""
            INSERT INTO audit_log (id, time, action, outcome, account_id, actor_id)
            SELECT ('01930000-' || {Id}, now(), 'sign_in', 'success', ('01900000-' || {Id}, ('01900000-' || {Id}::text FROM generate_series(1, {s_count}) i
            """,
            $"""
            INSERT INTO external_sessions (session_id, provider, subject_key, expires_at) SELECT 'sid' || i, 'openam', md5(i::text), now() + interval '7 days' FROM generate_series(1, {s_count}) i
            """,
            "VACUUM (ANALYZE)",
        ];
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(Cancel);
        foreach (var statement in statements)
        {
#pragma warning disable CA2100 // The statements are the ones above.
            await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 600 };
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync(Cancel);
        }
    }

    private static async Task<string> ExplainAsync(string connectionString, bool run, string statement, System.Data.Common.DbParameter[] parameters)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(Cancel);
        await using var transaction = await connection.BeginTransactionAsync(Cancel);
#pragma warning disable CA2100 // What the stores sent.
        await using var command = new NpgsqlCommand((run ? "EXPLAIN (ANALYZE, TIMING OFF) " : "EXPLAIN ") + statement, connection, transaction);
#pragma warning restore CA2100
        foreach (NpgsqlParameter parameter in parameters)
        {
            command.Parameters.Add(parameter.Clone());
        }

        var plan = new List<string>();
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            plan.Add(reader.GetString(0));
        }

        return string.Join('\n', plan);
    }

    [GeneratedRegex("Seq Scan on (accounts|credentials|sessions|authorizations|tokens|audit_log|external_sessions)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex WholeTable();

    // Nothing is over there, so nothing is to be touched: neither found nor passed on the way.
    [GeneratedRegex(@" on (authorizations|tokens|external_sessions)\b.*actual rows=(?!0[ .])|Rows Removed by", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VisitedInVain();
}
