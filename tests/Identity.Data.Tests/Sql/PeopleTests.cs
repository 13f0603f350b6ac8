using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.Import;
using Identity.Accounts.Profile;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Conformance;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Data.Tests.Sql;

/// <summary>Accounts taken in by the batch, roles, erasure and imports, on each provider.</summary>
public abstract class PeopleConformance(StoreFixture fixture) : StoreConformance<AccountIntake>(fixture)
{
    [Fact]
    public async Task Intake_OfABatch_KeepsEveryMemberWithCredentialMetadataAndEvent()
    {
        var role = Unique("role");
        await Get<RoleCatalog>().PutAsync(role, "described", Cancel);
        var brought = NewAccount(role);
        Assert.Equal([Intake.Created], await Store.AddAsync([brought], Cancel));
        var stored = (await Get<IAccountStore>().FindAsync(brought.Account.Id, Cancel))!;
        Assert.Equal(System.Text.Json.JsonSerializer.Serialize(brought.Account), System.Text.Json.JsonSerializer.Serialize(stored));
        Assert.Equal("hash", (await Get<ICredentialStore>().FindAsync(stored.Id, Cancel))!.PasswordHash);
        Assert.Equal("""{"plan":"gold"}""", (await Get<IMetadataStore>().FindAsync(stored.Id, Cancel)).ToJsonString());
        Assert.Equal(["user.created"], await EventsAsync(stored.Id));
        Assert.Equal([Intake.Existing], await Store.AddAsync([brought], Cancel));
        Assert.Equal([Intake.UnknownRole], await Store.AddAsync([NewAccount(Unique("none"))], Cancel));
        Assert.Equal(["user.created"], await EventsAsync(stored.Id));
    }

    [Fact]
    public async Task Intake_WhenBatchesRaceAtTwoNodes_MakesEachOnce()
    {
        var other = await OtherNodeAsync();
        var accounts = Enumerable.Range(0, 30).Select(_ => NewAccount()).ToList();
        var outcomes = await RaceAsync(i => (i % 2 == 0 ? Store : other).AddAsync([.. i % 3 == 0 ? accounts.AsEnumerable().Reverse() : accounts], Cancel));
        Assert.Equal(30, outcomes.Sum(batch => batch.Count(outcome => outcome == Intake.Created)));
        Assert.Equal(49 * 30, outcomes.Sum(batch => batch.Count(outcome => outcome == Intake.Existing)));
        foreach (var account in accounts)
        {
            Assert.Equal(["user.created"], await EventsAsync(account.Account.Id));
        }
    }

    // The account is gone by then, and what is left in a home of its own is found by the repair: to ask again would be answered with 404.
    [Fact]
    public async Task Erasure_WhenTheSecretsHomeIsAway_IsDone()
    {
        var brought = NewAccount();
        Assert.Equal([Intake.Created], await Store.AddAsync([brought], Cancel));
        var erasure = new AccountErasure(Get<StoreDatabase>(), System.Reflection.DispatchProxy.Create<ICredentialStore, Away>(), System.Reflection.DispatchProxy.Create<IMetadataStore, Away>(), Get<LifecycleEvents>(), Time);
        Assert.Equal(Erasure.Done, await erasure.EraseAsync(brought.Account.Id, expectedVersion: null, new Caller(null, null), Cancel));
        Assert.Null(await Get<IAccountStore>().FindAsync(brought.Account.Id, Cancel));
    }

    [Fact]
    public async Task Search_ByPieceRoleAndActivity_FindsThoseForWhomAllHolds()
    {
        var (mark, role) = (Unique("Süß"), Unique("role"));
        await Get<RoleCatalog>().PutAsync(role, description: null, Cancel);
        var (one, two) = (NewAccount(role, mark), NewAccount(role: null, mark));
        one.Account.IsActive = false;
        Assert.Equal([Intake.Created, Intake.Created], await Store.AddAsync([one, two], Cancel));
        var accounts = Get<IAccountStore>();
        Assert.Equal(2, (await accounts.SearchAsync(new(mark.ToUpperInvariant(), null, null), null, 10, Cancel)).Count);
        Assert.Equal([one.Account.Id], (await accounts.SearchAsync(new(null, role, null), null, 10, Cancel)).Select(account => account.Id));
        Assert.Equal([one.Account.Id], (await accounts.SearchAsync(new(mark, null, false), null, 10, Cancel)).Select(account => account.Id));
        Assert.Empty(await accounts.SearchAsync(new(mark, role, true), null, 10, Cancel));
        Assert.Empty(await accounts.SearchAsync(new(mark + "%", null, null), null, 10, Cancel));
        var first = Assert.Single(await accounts.SearchAsync(new(mark, null, null), null, 1, Cancel));
        var second = Assert.Single(await accounts.SearchAsync(new(mark, null, null), first.Id, 1, Cancel));
        Assert.NotEqual(first.Id, second.Id);
        Assert.Empty(await accounts.SearchAsync(new(mark, null, null), second.Id, 1, Cancel));
        var documents = await Get<IMetadataStore>().FindManyAsync([first.Id, second.Id, NewId()], Cancel);
        Assert.Equal(["""{"plan":"gold"}""", """{"plan":"gold"}""", "{}"], documents.Values.Select(document => document.ToJsonString()));
    }

    [Fact]
    public async Task Role_WhenGivenAndTakenAwayAtOnce_IsNeverHeldAndGone()
    {
        var roles = Get<RoleCatalog>();
        var accounts = Get<IAccountStore>();
        for (var round = 0; round < 5; round++)
        {
            var role = Unique("role");
            await roles.PutAsync(role, description: null, Cancel);
            var brought = Enumerable.Range(0, 10).Select(_ => NewAccount()).ToList();
            await Store.AddAsync(brought, Cancel);
            await RaceAsync(async i =>
            {
                if (i % 3 == 0)
                {
                    return (object)await roles.RemoveAsync(role, Cancel);
                }

                var account = (await accounts.FindAsync(brought[i % 10].Account.Id, Cancel))!;
                account.Roles = [role];
                return await accounts.UpdateAsync(account, account.Version, [], new AccountConsequences { GivenRoles = [role] }, Cancel);
            });
            var exists = (await roles.ListAsync(Cancel)).Any(known => known.Name == role);
            var held = await accounts.AnyInRoleAsync(role, Cancel);
            Assert.True(exists || !held, $"exists {exists}, held {held}");
        }
    }

    [Fact]
    public async Task Erasure_WhenRacedWithChangesAndSignIns_IsDoneOnceAndLeavesOneRecord()
    {
        var brought = NewAccount();
        var id = brought.Account.Id;
        await Store.AddAsync([brought], Cancel);
        await Get<IAuditLog>().WriteAsync(new AuditRecord(NewId(), Now, "sign_in", "success", id, id.ToString(), "app", "sid", "192.0.2.1", "agent"), Cancel);
        var outcomes = await RaceAsync(async i =>
        {
            switch (i % 4)
            {
                case 0:
                    return (object)await Get<AccountErasure>().EraseAsync(id, expectedVersion: null, new Caller("192.0.2.2", "agent", ActorId: "admin"), Cancel);
                case 1:
                    var session = new Session(Unique("s"), id, Now, Now, ["pwd"], "acr", Now.AddDays(1), Now, Now.AddDays(1), null, ["app"], "192.0.2.1", "agent", null);
                    await Get<ISessionStore>().CreateAsync(session, NewEvent(id, "session.created", EventExchanges.Session), Cancel);
                    return session;
                default:
                    return await Get<IAccountStore>().FindAsync(id, Cancel) is { } account
                        ? await Get<IAccountStore>().UpdateAsync(account, account.Version, [NewEvent(id, "user.updated")], new AccountConsequences { Metadata = new JsonObject { ["i"] = i } }, Cancel)
                        : "gone";
            }
        });
        Assert.Single(outcomes, outcome => outcome is Erasure.Done);
        Assert.Null(await Get<IAccountStore>().FindAsync(id, Cancel));
        Assert.Null(await Get<ICredentialStore>().FindAsync(id, Cancel));
        Assert.Empty(await Get<IMetadataStore>().FindAsync(id, Cancel));
        var record = Assert.Single(await Get<IAuditLog>().ListAsync(id, 10, Cancel));
        Assert.Equal(("delete", "admin", null), (record.Action, record.ActorId, record.Ip));
        Assert.Single(await EventsAsync(id), type => type == "user.deleted");
    }

    // These rows name a session and no account.
    [Fact]
    public async Task ExternalSessions_OfAPerson_AreToldWithTheirProviderAndGoWithTheAccount()
    {
        var (gone, stays) = (NewAccount(), NewAccount());
        await Store.AddAsync([gone, stays], Cancel);
        foreach (var id in new[] { gone.Account.Id, stays.Account.Id })
        {
            var session = new Session(id.ToString("N"), id, Now, Now, ["pwd"], "acr", Now.AddDays(1), Now, Now.AddDays(1), null, [], null, null, null);
            await Get<ISessionStore>().CreateAsync(session, NewEvent(id, "session.created", EventExchanges.Session), Cancel);
            await Get<StoreDatabase>().WriteAsync(
                (context, token) =>
                {
                    context.Add(new ExternalSessionRow { SessionId = session.Id, Provider = "openam", SubjectKey = "secret-key", UpstreamKey = "secret-key", SignOutState = "secret-state", ExpiresAt = Now.AddDays(1) });
                    return context.SaveChangesAsync(token);
                },
                Cancel);
        }

        var told = (await Get<PersonalData>().ReadAsync(gone.Account.Id, Cancel))!;
        Assert.Equal("openam", (string?)Assert.Single(told["externalSessions"]!.AsArray())!["provider"]);
        Assert.DoesNotContain("secret-", told.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(Erasure.Done, await Get<AccountErasure>().EraseAsync(gone.Account.Id, expectedVersion: null, new Caller(null, null), Cancel));
        var (goneSession, staysSession) = (gone.Account.Id.ToString("N"), stays.Account.Id.ToString("N"));
        var left = await Get<StoreDatabase>().ReadAsync((context, token) => context.Set<ExternalSessionRow>().Where(r => r.SessionId == goneSession || r.SessionId == staysSession).Select(r => r.SessionId).ToListAsync(token), Cancel);
        Assert.Equal([staysSession], left);
    }

    [Fact]
    public async Task Erasure_WhenDue_IsOfThoseAloneWhoseGraceIsOver()
    {
        var (due, early, back) = (NewAccount(), NewAccount(), NewAccount());
        (due.Account.IsActive, due.Account.DeleteAfter) = (false, Now.AddDays(-1));
        (early.Account.IsActive, early.Account.DeleteAfter) = (false, Now.AddDays(1));
        (back.Account.IsActive, back.Account.DeleteAfter) = (true, Now.AddDays(-1));
        await Store.AddAsync([due, early, back], Cancel);
        while (await Get<AccountErasure>().EraseDueAsync(100, Cancel) > 0)
        {
        }

        var accounts = Get<IAccountStore>();
        Assert.Null(await accounts.FindAsync(due.Account.Id, Cancel));
        Assert.NotNull(await accounts.FindAsync(early.Account.Id, Cancel));
        Assert.NotNull(await accounts.FindAsync(back.Account.Id, Cancel));
    }

    [Fact]
    public async Task Import_WhenItsNodeStopsInTheMiddle_GoesOnAtAnotherWithoutLosingOrRepeatingALine()
    {
        var jobs = Get<ImportJobs>();
        var mark = Unique("import");
        var text = string.Concat(Enumerable.Range(0, 1500).Select(i => i % 100 == 99 ? "nonsense\n" : $$$"""{"email":"{{{mark}}}-{{{i}}}@example.com","metadata":{"i":{{{i}}}}}""" + "\n"));
        using var body = new MemoryStream(Encoding.UTF8.GetBytes(text));
        var id = await jobs.ReceiveAsync(body, Cancel);
        using var stop = new CancellationTokenSource();
        var first = Task.Run(() => jobs.RunNextAsync(stop.Token), Cancel);
        while ((await jobs.FindAsync(id, Cancel))!.Processed == 0)
        {
            await Task.Yield();
        }

        await stop.CancelAsync();
        try
        {
            await first;
        }
        catch (OperationCanceledException)
        {
            // As a node that is told to go.
        }

        // Before its claim has run out nobody takes it; then several want to, and one does.
        Time.Advance(TimeSpan.FromMinutes(3));
        await OtherNodeAsync();
        await RaceAsync(_ => jobs.RunNextAsync(Cancel), 4);
        while (await jobs.RunNextAsync(Cancel))
        {
        }

        var status = (await jobs.FindAsync(id, Cancel))!;
        Assert.Equal((ImportStates.Done, 1500L, 1500L, 1485L, 0L, 15L), (status.State, status.Lines, status.Processed, status.Created, status.Existing, status.Refused));
        Assert.Equal(1485, (await Get<IAccountStore>().SearchAsync(new(mark, null, null), null, 2000, Cancel)).Count);
        Assert.Equal(Enumerable.Range(1, 15).Select(n => n * 100L), (await jobs.ListRefusalsAsync(id, 0, 100, Cancel)).Select(refusal => refusal.Line));
        Assert.Equal(0, await Get<StoreDatabase>().ReadAsync((context, token) => context.Set<ImportChunkRow>().CountAsync(r => r.JobId == id, token), Cancel));
    }

    [Fact]
    public async Task Import_WithLinesThatTheStoreDoesNotTake_RefusesThemAfterThreeAttempts_AndTakesTheOthers()
    {
        var jobs = Get<ImportJobs>();
        var mark = Unique("odd").ToLowerInvariant();
        await RefuseAccountsAsync(mark + "-bad-%");
        var text = string.Concat(Enumerable.Range(0, 450).Select(i => i % 100 == 99 ? "nonsense\n" : $$"""{"email":"{{mark}}-{{(i is 3 or 250 or 448 ? "bad" : "good")}}-{{i}}@example.com"}""" + "\n"));
        using var body = new MemoryStream(Encoding.UTF8.GetBytes(text));
        var id = await jobs.ReceiveAsync(body, Cancel);

        // Three chunks; each is tried three times, since it might have been for another reason.
        foreach (var processed in (long[])[0, 0, 200, 200, 400, 400])
        {
            await Assert.ThrowsAnyAsync<Exception>(() => jobs.RunNextAsync(Cancel));
            Assert.Equal(processed, (await jobs.FindAsync(id, Cancel))!.Processed);
            Time.Advance(TimeSpan.FromMinutes(3));
        }

        Assert.True(await jobs.RunNextAsync(Cancel));
        var status = (await jobs.FindAsync(id, Cancel))!;
        Assert.Equal((ImportStates.Done, 450L, 450L, 443L, 0L, 7L), (status.State, status.Lines, status.Processed, status.Created, status.Existing, status.Refused));
        var refusals = (await jobs.ListRefusalsAsync(id, 0, 100, Cancel)).ToDictionary(refusal => refusal.Line, refusal => refusal.Reasons);
        Assert.Equal([4L, 100L, 200L, 251L, 300L, 400L, 449L], refusals.Keys.Order());
        Assert.All([4L, 251L, 449L], line => Assert.Equal(["could not be stored"], refusals[line]));
        Assert.Equal(443, (await Get<IAccountStore>().SearchAsync(new(mark, null, null), null, 1000, Cancel)).Count);
    }

    /// <summary>From now on the database refuses accounts with addresses like this, for no reason that the service knows.</summary>
    protected abstract Task RefuseAccountsAsync(string like);

    [Fact]
    public async Task Import_WhenTheBodyBreaksOff_LeavesNothing()
    {
        await using var body = new BrokenStream(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 1000).Select(i => $$"""{"email":"x{{i}}@example.com"}""" + "\n"))));
        await Assert.ThrowsAsync<IOException>(() => Get<ImportJobs>().ReceiveAsync(body, Cancel));
        Assert.Equal(0, await Get<StoreDatabase>().ReadAsync((context, token) => context.Set<ImportJobRow>().CountAsync(r => r.State == ImportStates.Receiving, token), Cancel));
    }

    protected BroughtAccount NewAccount(string? role = null, string? lastName = null)
    {
        var email = Unique("Mail") + "@example.com";
        var account = new Account
        {
            Id = NewId(),
            Email = email,
            NormalizedEmail = email.ToUpperInvariant(),
            UserName = Unique("User"),
            FirstName = "Zoë",
            LastName = lastName,
            EmailVerified = true,
            Roles = role is null ? [] : [role],
            CreatedAt = Now.AddYears(-3),
            UpdatedAt = Now.AddYears(-2),
            LastLoginAt = Now.AddYears(-1),
            SecurityStamp = Unique(),
        };
        account.NormalizedUserName = account.UserName.ToUpperInvariant();
        return new BroughtAccount(account, "hash", new JsonObject { ["plan"] = "gold" }, HasOwnId: true);
    }

    private Task<List<string>> EventsAsync(Guid id) => Get<StoreDatabase>().ReadAsync(
        (context, token) => context.Outbox.Where(r => r.AccountId == id).OrderBy(r => r.Sequence).Select(r => r.RoutingKey).ToListAsync(token), Cancel);

    private sealed class BrokenStream(byte[] content) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Position > Length / 2 ? throw new IOException("The line went dead.") : base.ReadAsync(buffer, cancellationToken);
    }
}

public sealed class SqlitePeopleTests(SqliteFixture fixture) : PeopleConformance(fixture)
{
    protected override Task RefuseAccountsAsync(string like) => Get<StoreDatabase>().WriteAsync(
#pragma warning disable EF1002 // Of the test alone.
        (context, token) => context.Database.ExecuteSqlRawAsync($"CREATE TRIGGER {like[..^6].Replace('-', '_')} BEFORE INSERT ON accounts WHEN NEW.email LIKE '{like}' BEGIN SELECT RAISE(ABORT, 'odd'); END", token), Cancel);
#pragma warning restore EF1002
}

public sealed class PostgresPeopleTests(PostgresFixture fixture) : PeopleConformance(fixture)
{
    protected override Task RefuseAccountsAsync(string like) => Get<StoreDatabase>().WriteAsync(
#pragma warning disable EF1002 // Of the test alone.
        (context, token) => context.Database.ExecuteSqlRawAsync($"ALTER TABLE accounts ADD CONSTRAINT \"{like}\" CHECK (email NOT LIKE '{like}')", token), Cancel);
#pragma warning restore EF1002

    // What is kept to search in is cut, and half a character is none that PostgreSQL takes.
    [Fact]
    public async Task Account_WhoseNamesAreCutInTheMiddleOfACharacter_IsStored()
    {
        foreach (var place in (int[])[0, 1])
        {
            // Each of the first name's characters becomes eighteen; the last name's are two each.
            var brought = NewAccount(lastName: new string('x', place) + string.Concat(Enumerable.Repeat("😀", 120)));
            brought.Account.FirstName = new string('ﷺ', 60);
            Assert.Equal([Intake.Created], await Store.AddAsync([brought], Cancel));
            var (length, whole) = (AccountFilter.Fold(brought.Account).Length, AccountFilter.Longest);
            Assert.InRange(length, whole - 1, whole);
        }

        Assert.Equal(AccountFilter.Longest - 1, AccountFilter.Fold(new string('a', AccountFilter.Longest - 1) + "😀").Length);
        Assert.Equal(AccountFilter.Longest, AccountFilter.Fold(new string('a', AccountFilter.Longest - 2) + "😀b").Length);
    }
}

/// <summary>A store that cannot answer.</summary>
public class Away : System.Reflection.DispatchProxy
{
    protected override object? Invoke(System.Reflection.MethodInfo? targetMethod, object?[]? args) => throw new StoreUnavailableException("away");
}
