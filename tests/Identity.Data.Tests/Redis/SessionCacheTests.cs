// OpenID Connect Core §2 (sid): what nodes remember of sessions, and what makes them forget it.
using System.Diagnostics;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Data.Redis;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Identity.Data.Tests.Sql;
using Identity.Tests.Kit;

namespace Identity.Data.Tests.Redis;

/// <summary>
/// Two nodes on PostgreSQL and a Redis of their own. Their clocks stand still once a session is remembered, so that nothing is forgotten because of its age: only what nodes
/// tell each other, and a connection that breaks, make them look again.
/// </summary>
public sealed class SessionCacheTests(PostgresFixture postgres) : IAsyncLifetime
{
    /// <summary>A node asks Redis no more often than this whether it hears.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(250);

    private readonly FakeTimeProvider _time = new();
    private RedisInstance _redis = null!;
    private StoreHost _a = null!;
    private StoreHost _b = null!;
    private SentStatements _statements = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private DateTimeOffset Now => _time.GetUtcNow();

    private int Reads => _statements.CountOf("FROM sessions");

    public async ValueTask InitializeAsync()
    {
        _redis = await RedisInstance.StartAsync() ?? throw Skipped();
        var settings = await postgres.NewDatabaseAsync() with { Redis = _redis.Settings() };
        _statements = new(settings.Description);
        _a = await StoreHost.StartAsync(settings, _time);
        _b = StoreHost.Build(settings, _time);
    }

    public async ValueTask DisposeAsync()
    {
        if (_a is not null)
        {
            await _a.DisposeAsync();
            await _b.DisposeAsync();
            await _redis.DisposeAsync();
            _statements.Dispose();
        }
    }

    [Fact]
    public async Task Session_WhenUsedAgain_CostsNoReadUntilASecondHasPassed()
    {
        var (_, session) = await SignedInAsync();
        await RememberAsync(_b, session);
        var before = Reads;
        Assert.NotNull(await FindAsync(_b, session));
        Assert.Equal(before, Reads);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(await FindAsync(_b, session));
        Assert.Equal(before + 1, Reads);
    }

    [Fact]
    public async Task Session_WhenEndedAtOneNode_IsOverThereAtOnceAndAtTheOtherWithinASecond()
    {
        var (_, session) = await SignedInAsync();
        await RememberAsync(_a, session);
        await RememberAsync(_b, session);
        Assert.True(await EndAsync(_a, session));
        Assert.Null(await FindAsync(_a, session));
        await GoneWithinASecondAsync(_b, session);
    }

    [Fact]
    public async Task Sessions_WhenTheAccountIsDisabledAtOneNode_AreOverAtTheOtherWithinASecond()
    {
        var (account, session) = await SignedInAsync();
        var (_, others) = await SignedInAsync();
        await RememberAsync(_a, session);
        await RememberAsync(_b, session);
        await RememberAsync(_b, others);
        account.IsActive = false;
        Assert.Equal(AccountWrite.Done, await _a.Get<IAccountStore>().UpdateAsync(account, account.Version, [], Cancel));
        Assert.Null(await FindAsync(_a, session));
        await GoneWithinASecondAsync(_b, session);
        var before = Reads;
        Assert.NotNull(await FindAsync(_b, others));
        Assert.Equal(before, Reads);
    }

    [Fact]
    public async Task Sessions_WhenAChangeOfTheAccountEndsThemAtOneNode_AreOverAtTheOtherWithinASecond()
    {
        var (account, session) = await SignedInAsync();
        await RememberAsync(_b, session);
        var consequences = new AccountConsequences { EndSessions = new(Now, ended => Event(ended.AccountId, EventTypes.SessionDestroyed), SessionEndReasons.PasswordChanged) };
        Assert.Equal(AccountWrite.Done, (await _a.Get<IAccountStore>().UpdateAsync(account, account.Version, [], consequences, Cancel)).Outcome);
        await GoneWithinASecondAsync(_b, session);
    }

    // The cookie of before is bound to the older moment: it must be worth nothing.
    [Fact]
    public async Task Session_WhenProvedAgainAtOneNode_IsTheNewerAtTheOtherWithinASecond()
    {
        var (_, session) = await SignedInAsync();
        await RememberAsync(_b, session);
        _time.Advance(TimeSpan.FromMilliseconds(5));
        Assert.True(await _a.Get<ISessionStore>().AuthenticateAgainAsync(session, Now, ["otp"], "urn:acr:2", Now.AddDays(1), Cancel));
        await WithinASecondAsync(async () => (await FindAsync(_b, session))!.AuthenticatedAt == Now);
    }

    [Fact]
    public async Task Session_WhenEndedWhileRedisIsAway_IsOverAtTheOtherNode_AndIsAfterRedisIsBack()
    {
        var (_, session) = await SignedInAsync();
        var (_, second) = await SignedInAsync();
        await RememberAsync(_b, session);
        await RememberAsync(_b, second);
        await _redis.StopAsync();
        await WithinASecondAsync(() => Task.FromResult(!_b.Get<RedisSessionCache>().Hears));
        Assert.True(await EndAsync(_a, session));
        Assert.Null(await FindAsync(_b, session));
        Assert.NotNull(await FindAsync(_b, second));

        // Ended before anybody listens again, and told to nobody.
        Assert.True(await EndAsync(_a, second));
        await _redis.StartAsync();
        for (var started = Stopwatch.GetTimestamp(); !_b.Get<RedisSessionCache>().Hears; await Task.Delay(20, Cancel))
        {
            Assert.Null(await FindAsync(_b, second));
            _time.Advance(s_pause);
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeLimit.Patience, "The node does not hear again.");
        }

        Assert.Null(await FindAsync(_b, session));
        Assert.Null(await FindAsync(_b, second));
    }

    // The connection breaks and is made again while Redis stands: what was published in between was not heard.
    [Fact]
    public async Task Session_WhenItEndsWhileTheSubscriptionWasCut_IsNotBelieved()
    {
        var (_, session) = await SignedInAsync();
        await RememberAsync(_b, session);
        await _redis.CommandAsync("CLIENT KILL TYPE pubsub");
        await WithinASecondAsync(() => Task.FromResult(!_b.Get<RedisSessionCache>().Hears));
        Assert.True(await EndAsync(_a, session));
        Assert.Null(await FindAsync(_b, session));
    }

    /// <summary>Whoever writes sessions somewhere else forgets to tell the nodes.</summary>
    [Fact]
    public void Sessions_AreWrittenInOnePlace()
    {
        var sources = Path.Combine(Checkout.Root, "src");
        var writers = Directory.EnumerateFiles(sources, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/Migrations/", StringComparison.Ordinal))
            .Where(file => System.Text.RegularExpressions.Regex.Matches(File.ReadAllText(file), @"[^;{}]*\.Sessions\b[^;]*?Execute(?:Update|Delete)Async|\.SetProperty\(r => r\.IsActive", System.Text.RegularExpressions.RegexOptions.Singleline)
                // What is written there is where sessions came from, found by them.
                .Any(match => !match.Value.Contains("Set<ExternalSessionRow>", StringComparison.Ordinal)))
            .Select(file => Path.GetFileName(file))
            .Order(StringComparer.Ordinal);
        Assert.Equal(["SqlAccountStore.cs", "SqlSessionStore.cs"], writers);
    }

    private static Xunit.Sdk.SkipException Skipped() => Xunit.Sdk.SkipException.ForSkip(RedisInstance.WhatIsMissing);

    private async Task<(Account Account, string Session)> SignedInAsync()
    {
        var id = Guid.CreateVersion7(Now);
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = Now, UpdatedAt = Now, SecurityStamp = "stamp", IsActive = true };
        Assert.Equal(AccountWrite.Done, await _a.Get<IAccountStore>().CreateAsync(account, new(id, "hash", Now), [], Cancel));
        var session = new Session($"sid-{id:N}", id, Now, Now, ["pwd"], "urn:acr:1", Now.AddDays(1), Now, Now.AddDays(7), EndedAt: null, [], Ip: null, UserAgent: null, DeviceId: null);
        await _a.Get<ISessionStore>().CreateAsync(session, Event(id, EventTypes.SessionCreated), Cancel);
        return (account, session.Id);
    }

    private static ValueTask<Session?> FindAsync(StoreHost node, string session) => node.Get<ISessionStore>().FindLiveAsync(session, node.Get<TimeProvider>().GetUtcNow(), Cancel);

    private async Task<bool> EndAsync(StoreHost node, string session)
    {
        var found = (await node.Get<ISessionStore>().FindAsync(session, Cancel))!;
        return await node.Get<ISessionStore>().EndAsync(session, Now, Event(found.AccountId, EventTypes.SessionDestroyed), Cancel);
    }

    /// <summary>Until the node answers for the session without asking the database.</summary>
    private async Task RememberAsync(StoreHost node, string session)
    {
        for (var started = Stopwatch.GetTimestamp(); ; await Task.Delay(20, Cancel))
        {
            var before = Reads;
            Assert.NotNull(await FindAsync(node, session));
            if (Reads == before)
            {
                return;
            }

            _time.Advance(s_pause);
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeLimit.Patience, "The node remembers nothing.");
        }
    }

    private static Task GoneWithinASecondAsync(StoreHost node, string session) => WithinASecondAsync(async () => await FindAsync(node, session) is null);

    private static async Task WithinASecondAsync(Func<Task<bool>> condition)
    {
        for (var started = Stopwatch.GetTimestamp(); !await condition(); await Task.Delay(5, Cancel))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeLimit.Seconds(1), "Not within a second.");
        }
    }

    private LifecycleEvent Event(Guid account, string type) => new(Guid.CreateVersion7(Now), EventExchanges.Session, type, account, Now, new JsonObject { ["userId"] = account.ToString() });
}
