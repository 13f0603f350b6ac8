using System.Reflection;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Accounts.Sessions;

public sealed class SessionServiceTests
{
    [Fact]
    public async Task End_WhenRaced_TellsAndAuditsOnce()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var session = await world.SignedInAsync();
        await World.RaceAsync(async _ =>
        {
            await world.Sessions.EndAsync(session.Id, SessionEndReasons.Logout, world.Caller, World.Cancel);
            return true;
        });
        var data = Assert.Single(world.Events.Of(EventTypes.SessionDestroyed)).Data;
        Assert.Equal((session.Id, account.Id.ToString(), "app", "logout", "192.0.2.1", "Mozilla/5.0"), ((string?)data["sessionId"], (string?)data["userId"], (string?)data["clientId"], (string?)data["reason"], (string?)data["ip"], (string?)data["userAgent"]));
        Assert.Single(world.Audit.All, record => record.Action == "sign_out");
        Assert.Null(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
    }

    [Fact]
    public async Task Start_WhenTheSamePersonSignsInAgainInTheirBrowser_GoesOnWithTheirSession()
    {
        await using var world = new World(options => options.SessionLifetime = TimeSpan.FromHours(2));
        await world.AddAsync();
        var session = await world.SignedInAsync();
        world.Time.Advance(TimeSpan.FromHours(1));
        var again = await world.SignedInAsync(world.Caller with { SessionId = session.Id });
        Assert.Equal((session.Id, world.Time.GetUtcNow(), session.CreatedAt), (again.Id, again.AuthenticatedAt, again.CreatedAt));
        world.Time.Advance(TimeSpan.FromMinutes(90));
        Assert.NotNull(await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel));
        Assert.Single(world.Events.Of(EventTypes.SessionCreated));
        Assert.Empty(world.Events.Of(EventTypes.SessionDestroyed));
    }

    [Fact]
    public async Task Start_WhenSignInsFollowAtOnce_NoTwoShareAMoment()
    {
        await using var world = new World();
        await world.AddAsync();
        var session = await world.SignedInAsync();
        var again = await world.SignedInAsync(world.Caller with { SessionId = session.Id });
        Assert.Equal(session.Id, again.Id);
        Assert.True(again.AuthenticatedAt.ToUnixTimeMilliseconds() > session.AuthenticatedAt.ToUnixTimeMilliseconds());
    }

    [Fact]
    public async Task Start_WhenTheBrowsersSessionIsSomebodyElsesOrEnded_MakesANewOne()
    {
        await using var world = new World();
        await world.AddAsync();
        var ended = await world.SignedInAsync();
        await world.Sessions.EndAsync(ended.Id, SessionEndReasons.Logout, world.Caller, World.Cancel);
        Assert.NotEqual(ended.Id, (await world.SignedInAsync(world.Caller with { SessionId = ended.Id })).Id);

        await world.AddAsync("eve@example.com");
        var theirs = await world.SignedInAsync("eve@example.com");
        var mine = await world.SignedInAsync(world.Caller with { SessionId = theirs.Id });
        Assert.NotEqual(theirs.Id, mine.Id);
        Assert.NotEqual(theirs.AccountId, mine.AccountId);
    }

    [Fact]
    public async Task Find_WhenIdle_EndsSingleSignOnButNotTheTokens()
    {
        await using var world = new World(options => options.SessionIdleTimeout = TimeSpan.FromHours(1));
        await world.AddAsync();
        var session = await world.SignedInAsync();
        for (var i = 0; i < 3; i++)
        {
            world.Time.Advance(TimeSpan.FromMinutes(59));
            Assert.NotNull(await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel));
        }

        world.Time.Advance(TimeSpan.FromHours(1));
        Assert.Null(await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel));
        Assert.NotNull(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
    }

    [Fact]
    public async Task Find_WhenPastTheAbsoluteEnd_EndsSingleSignOnHoweverBusy()
    {
        await using var world = new World(options => options.SessionLifetime = TimeSpan.FromHours(2));
        await world.AddAsync();
        var session = await world.SignedInAsync();
        await world.Sessions.AttachClientAsync(session.Id, "other", isTold: false, world.Time.GetUtcNow().AddDays(1), World.Cancel);
        world.Time.Advance(TimeSpan.FromHours(1));
        Assert.NotNull(await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel));
        world.Time.Advance(TimeSpan.FromHours(1));
        Assert.Null(await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel));
        Assert.Equal(["app", "other"], (await world.Sessions.FindLiveAsync(session.Id, World.Cancel))!.ClientIds);
    }

    [Fact]
    public async Task Find_WhenUsedOften_IsNotedOncePerMinute()
    {
        await using var world = new World();
        await world.AddAsync();
        var session = await world.SignedInAsync();
        world.Time.Advance(TimeSpan.FromSeconds(59));
        await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel);
        Assert.Equal(session.LastSeenAt, (await world.Sessions.FindLiveAsync(session.Id, World.Cancel))!.LastSeenAt);
        world.Time.Advance(TimeSpan.FromSeconds(1));
        await world.Sessions.FindForBrowserAsync(session.Id, World.Cancel);
        Assert.Equal(world.Time.GetUtcNow(), (await world.Sessions.FindLiveAsync(session.Id, World.Cancel))!.LastSeenAt);
    }

    [Fact]
    public async Task EndOthers_WhenAsked_KeepsTheOne()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var sessions = new[] { await world.SignedInAsync(), await world.SignedInAsync(), await world.SignedInAsync() };
        Assert.Equal(3, sessions.Select(session => session.Id).Distinct(StringComparer.Ordinal).Count());
        Assert.All(sessions, session => Assert.Equal(22, session.Id.Length));
        await world.Sessions.EndOthersAsync(account.Id, sessions[1].Id, SessionEndReasons.Revoked, world.Caller, World.Cancel);
        Assert.Equal(sessions[1].Id, Assert.Single(await world.Sessions.ListAsync(account.Id, World.Cancel)).Id);
    }

    [Fact]
    public async Task EndExpired_WhenRaced_EndsEachOnceWithReasonExpired()
    {
        await using var world = new World();
        await world.AddAsync();
        var session = await world.SignedInAsync();
        Assert.Equal(0, await world.Sessions.EndExpiredAsync(10, World.Cancel));
        world.Time.Advance(TimeSpan.FromDays(7));
        Assert.Equal(1, (await World.RaceAsync(_ => world.Sessions.EndExpiredAsync(10, World.Cancel))).Sum());
        var data = Assert.Single(world.Events.Of(EventTypes.SessionDestroyed)).Data;
        Assert.Equal((session.Id, "expired"), ((string?)data["sessionId"], (string?)data["reason"]));
    }

    [Fact]
    public async Task EndExpired_WhenOneCannotBeEnded_EndsTheOthers()
    {
        await using var world = new World();
        await world.AddAsync();
        await world.SignedInAsync();
        await world.SignedInAsync();
        world.Time.Advance(TimeSpan.FromDays(7));
        var listed = await world.Get<ISessionStore>().ListExpiredAsync(world.Time.GetUtcNow(), 10, World.Cancel);
        var store = DispatchProxy.Create<ISessionStore, Stuck>();
        (((Stuck)store).Store, ((Stuck)store).Id) = (world.Get<ISessionStore>(), listed[0].Id);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ActivatorUtilities.CreateInstance<SessionService>(world.Services, store).EndExpiredAsync(10, World.Cancel));
        Assert.Equal(listed[1].Id, (string?)Assert.Single(world.Events.Of(EventTypes.SessionDestroyed)).Data["sessionId"]);
    }

    [Fact]
    public async Task EndExpired_WhenAClientProlongsOneThatIsListedAlready_LeavesIt()
    {
        await using var world = new World();
        await world.AddAsync();
        var session = await world.SignedInAsync();
        world.Time.Advance(TimeSpan.FromDays(7));
        var store = DispatchProxy.Create<ISessionStore, Prolonging>();
        ((Prolonging)store).Store = world.Get<ISessionStore>();
        Assert.Equal(0, await ActivatorUtilities.CreateInstance<SessionService>(world.Services, store).EndExpiredAsync(10, World.Cancel));
        Assert.NotNull(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        Assert.Empty(world.Events.Of(EventTypes.SessionDestroyed));
    }

    [Fact]
    public async Task Find_WhenTheAccountIsDisabledAndBack_StaysDead()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var session = await world.SignedInAsync();
        await world.Changes.ChangeAsync(account.Id, new AccountChange { IsActive = false }, null, world.Caller, World.Cancel);
        Assert.Equal("deactivated", (string?)Assert.Single(world.Events.Of(EventTypes.SessionDestroyed)).Data["reason"]);
        await world.Changes.ChangeAsync(account.Id, new AccountChange { IsActive = true }, null, world.Caller, World.Cancel);
        Assert.Null(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        await world.SignedInAsync();
    }

    [Fact]
    public async Task Find_WhenADeactivationWasCutShort_StaysDeadAfterReactivation()
    {
        await using var world = new World();
        var account = await world.AddAsync();
        var session = await world.SignedInAsync();
        var stored = await world.CurrentAsync(account);
        stored.IsActive = false;
        Assert.Equal(AccountWrite.Done, await world.Accounts.UpdateAsync(stored, stored.Version, [], World.Cancel));
        Assert.Null(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
        await world.Changes.ChangeAsync(account.Id, new AccountChange { IsActive = true }, null, world.Caller, World.Cancel);
        Assert.Null(await world.Sessions.FindLiveAsync(session.Id, World.Cancel));
    }
}

/// <summary>A client that is granted something in each session between its being listed as expired and its end.</summary>
public class Prolonging : DispatchProxy
{
    internal ISessionStore Store { get; set; } = null!;

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        targetMethod!.Name == nameof(ISessionStore.ListExpiredAsync) ? ListAsync((DateTimeOffset)args![0]!, (int)args[1]!) : targetMethod.Invoke(Store, args);

    private async Task<IReadOnlyList<Session>> ListAsync(DateTimeOffset now, int limit)
    {
        var listed = await Store.ListExpiredAsync(now, limit, CancellationToken.None);
        foreach (var session in listed)
        {
            await Store.AttachClientAsync(session.Id, "client", isTold: false, now.AddHours(1), CancellationToken.None);
        }

        return listed;
    }
}

/// <summary>A store that cannot end one session, at whatever turn.</summary>
public class Stuck : DispatchProxy
{
    internal ISessionStore Store { get; set; } = null!;

    internal string Id { get; set; } = "";

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        targetMethod!.Name == nameof(ISessionStore.EndExpiredAsync) && (string)args![0]! == Id ? Task.FromException<bool>(new InvalidOperationException("no")) : targetMethod.Invoke(Store, args);
}
