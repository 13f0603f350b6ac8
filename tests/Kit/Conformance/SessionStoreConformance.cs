using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Identity.OAuth.Refresh;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit.Conformance;

public abstract class SessionStoreConformance(StoreFixture fixture) : StoreConformance<ISessionStore>(fixture)
{
    [Fact]
    public async Task Find_AfterCreate_GivesEveryMemberBack()
    {
        var session = NewSession(NewId()) with { ClientIds = ["c1", "c2"], Ip = "::1", UserAgent = new string('a', 400), DeviceId = "d" };
        await CreateAsync(session);
        AssertSame(session, await Store.FindAsync(session.Id, Cancel));
        Assert.Null(await Store.FindAsync(session.Id.ToUpperInvariant(), Cancel));
        Assert.Null(await Store.FindAsync(Unique(), Cancel));
    }

    [Fact]
    public async Task Touch_WhenDone_MovesLastSeen()
    {
        var session = await CreateAsync();
        Time.Advance(TimeSpan.FromMinutes(5));
        await Store.TouchAsync(session.Id, Now, Cancel);
        Assert.Equal(Now, (await Store.FindAsync(session.Id, Cancel))!.LastSeenAt);
        await Store.TouchAsync(session.Id, Now.AddMinutes(-1), Cancel);
        Assert.Equal(Now, (await Store.FindAsync(session.Id, Cancel))!.LastSeenAt);
    }

    [Fact]
    public async Task ListUsable_WhenSomeOpenNothingAnyMore_LeavesThemOut()
    {
        var account = NewId();
        var used = NewSession(account) with { LastSeenAt = Now, SignInUntil = Now.AddDays(1), ExpiresAt = Now.AddDays(1) };
        var idle = NewSession(account) with { LastSeenAt = Now.AddDays(-2), SignInUntil = Now.AddDays(1), ExpiresAt = Now.AddDays(1) };
        var over = NewSession(account) with { LastSeenAt = Now, SignInUntil = Now.AddMinutes(-1), ExpiresAt = Now.AddMinutes(-1) };
        foreach (var session in new[] { used, idle, over, NewSession(NewId()) with { LastSeenAt = Now, SignInUntil = Now.AddDays(1), ExpiresAt = Now.AddDays(1) } })
        {
            await CreateAsync(session);
        }

        Assert.Equal([used.Id], (await Store.ListUsableAsync(account, Now.AddDays(-1), Now, Cancel)).Select(session => session.Id));
        await EndAsync(used);
        Assert.Empty(await Store.ListUsableAsync(account, Now.AddDays(-1), Now, Cancel));
    }

    [Fact]
    public async Task AuthenticateAgain_WhenLive_GoesOnWithTheNewSignIn()
    {
        var session = NewSession(NewId()) with { ClientIds = ["c1"] };
        await CreateAsync(session);
        Time.Advance(TimeSpan.FromHours(1));
        Assert.True(await Store.AuthenticateAgainAsync(session.Id, Now, ["otp"], "urn:acr:2", Now.AddDays(2), Cancel));
        AssertSame(session with { AuthenticatedAt = Now, LastSeenAt = Now, Amr = ["otp"], Acr = "urn:acr:2", SignInUntil = Now.AddDays(2) }, await Store.FindAsync(session.Id, Cancel));

        Time.Advance(TimeSpan.FromHours(1));
        Assert.True(await Store.AuthenticateAgainAsync(session.Id, Now, ["otp"], "urn:acr:2", Now.AddDays(20), Cancel));
        Assert.Equal(Now.AddDays(20), (await Store.FindAsync(session.Id, Cancel))!.ExpiresAt);
    }

    [Fact]
    public async Task AuthenticateAgain_WhenEndedExpiredUnknownOrNotLater_IsFalse()
    {
        var ended = await CreateAsync();
        await EndAsync(ended);
        var live = await CreateAsync();
        Assert.False(await Store.AuthenticateAgainAsync(ended.Id, Now, ["pwd"], "a", Now.AddDays(2), Cancel));
        Assert.False(await Store.AuthenticateAgainAsync(Unique(), Now, ["pwd"], "a", Now.AddDays(2), Cancel));
        Assert.False(await Store.AuthenticateAgainAsync(live.Id, live.AuthenticatedAt, ["pwd"], "a", Now.AddDays(2), Cancel));
        Assert.False(await Store.AuthenticateAgainAsync(live.Id, live.ExpiresAt, ["pwd"], "a", live.ExpiresAt.AddDays(2), Cancel));
        AssertSame(live, await Store.FindAsync(live.Id, Cancel));
    }

    [Fact]
    public async Task AuthenticateAgain_WhenRacedForOneMoment_IsTrueForExactlyOne()
    {
        var session = await CreateAsync();
        var won = await RaceAsync(_ => Store.AuthenticateAgainAsync(session.Id, Now, ["pwd"], "a", Now.AddDays(2), Cancel));
        Assert.Single(won, one => one);
    }

    [Fact]
    public async Task AttachClient_WhenRaced_KeepsEachClientOnceAndTheLatestEnd()
    {
        var session = await CreateAsync();
        await RaceAsync(async i =>
        {
            await Store.AttachClientAsync(session.Id, $"c{i / 2}", i % 2 == 1, session.ExpiresAt.AddMinutes(i - 10), Cancel);
            return true;
        });
        var found = (await Store.FindAsync(session.Id, Cancel))!;
        Assert.Equal(Enumerable.Range(0, Width / 2).Select(i => $"c{i}").Order(), found.ClientIds.Order());
        Assert.Equal(session.ExpiresAt.AddMinutes(Width - 11), found.ExpiresAt);
    }

    [Fact]
    public async Task AttachClient_WhenOneIdIsPartOfAnother_KeepsBoth()
    {
        var session = await CreateAsync();
        foreach (var client in (string[])["client-long", "client", "CLIENT", "client_%", "client long", "client"])
        {
            await Store.AttachClientAsync(session.Id, client, isTold: true, Now, Cancel);
        }

        var found = (await Store.FindAsync(session.Id, Cancel))!;
        Assert.Equal(["client-long", "client", "CLIENT", "client_%", "client long"], found.ClientIds);
        Assert.Equal(session.ExpiresAt, found.ExpiresAt);
    }

    [Fact]
    public async Task End_WhenRaced_IsTrueForExactlyOneAndKillsItsFamilies()
    {
        var families = Services.GetService<RefreshFamilies>();
        var session = await CreateAsync();
        var mine = RefreshFamilyStoreConformance.NewFamily(NewId(), Now, sessionId: session.Id);
        var other = RefreshFamilyStoreConformance.NewFamily(NewId(), Now, sessionId: Unique());
        if (families is not null)
        {
            await families.CreateAsync(mine, Cancel);
            await families.CreateAsync(other, Cancel);
        }

        Time.Advance(TimeSpan.FromMinutes(1));

        Assert.Single(await RaceAsync(_ => EndAsync(session)), won => won);
        Assert.Equal(Now, (await Store.FindAsync(session.Id, Cancel))!.EndedAt);
        if (families is not null)
        {
            Assert.Equal(Now, (await families.FindAsync(mine.Id, Cancel))!.RevokedAt);
            Assert.False(await families.TryRotateAsync(mine.Id, 1, Now, Cancel));
            Assert.True(await families.TryRotateAsync(other.Id, 1, Now, Cancel));
        }
    }

    [Fact]
    public async Task End_WhenUnknown_IsFalse() => Assert.False(await EndAsync(NewSession(NewId())));

    [Fact]
    public async Task End_WhenDoneAtAnotherNode_HoldsHereWithinASecond()
    {
        var other = await OtherNodeAsync();
        var session = await CreateAsync();
        Assert.Null((await other.FindAsync(session.Id, Cancel))!.EndedAt);
        await EndAsync(session);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull((await other.FindAsync(session.Id, Cancel))!.EndedAt);
    }

    [Fact]
    public async Task FindLive_WhenItEndsExpiresOrItsAccountIsDisabled_FindsNothing()
    {
        var email = Unique("Mail") + "@example.com";
        var account = new Account { Id = NewId(), Email = email, NormalizedEmail = email.ToUpperInvariant(), CreatedAt = Now, UpdatedAt = Now, SecurityStamp = "stamp" };
        await Get<IAccountStore>().CreateAsync(account, new AccountCredentials(account.Id, PasswordHash: null, PasswordChangedAt: null), [], Cancel);
        var (live, ended) = (await CreateAsync(account.Id), await CreateAsync(account.Id));
        AssertSame(live, await Store.FindLiveAsync(live.Id, Now, Cancel));
        Assert.Null(await Store.FindLiveAsync(live.Id.ToUpperInvariant(), Now, Cancel));
        Assert.Null(await Store.FindLiveAsync(live.Id, live.ExpiresAt, Cancel));
        await EndAsync(ended);
        Assert.Null(await Store.FindLiveAsync(ended.Id, Now, Cancel));

        // Of nobody, and of somebody who may not sign in.
        Assert.Null(await Store.FindLiveAsync((await CreateAsync()).Id, Now, Cancel));
        account.IsActive = false;
        Assert.Equal(AccountWrite.Done, await Get<IAccountStore>().UpdateAsync(account, account.Version, [], Cancel));
        Assert.Null(await Store.FindLiveAsync(live.Id, Now, Cancel));
    }

    [Fact]
    public async Task ListLive_WhenSomeEndedOrExpired_GivesTheRestNewestFirst()
    {
        var account = NewId();
        var ended = await CreateAsync(account);
        var shortLived = NewSession(account) with { ExpiresAt = Now.AddMinutes(1) };
        await CreateAsync(shortLived);
        Time.Advance(TimeSpan.FromMinutes(1));
        var older = await CreateAsync(account);
        Time.Advance(TimeSpan.FromMinutes(1));
        var newer = await CreateAsync(account);
        await CreateAsync();
        await EndAsync(ended);
        Assert.Equal([newer.Id, older.Id], (await Store.ListLiveAsync(account, Now, Cancel)).Select(s => s.Id));
    }

    [Fact]
    public async Task ListExpired_WhenPastTheirEnd_GivesThoseNobodyEnded()
    {
        // Long past, so that nothing of other tests is among the first.
        var past = new DateTimeOffset(2001, 1, 1, 0, 0, 0, TimeSpan.Zero).AddSeconds(Random.Shared.Next(1, 100_000_000));
        var expired = NewSession(NewId()) with { ExpiresAt = past };
        var ended = NewSession(NewId()) with { ExpiresAt = past };
        await CreateAsync(expired);
        await CreateAsync(ended);
        await EndAsync(ended);
        Assert.Contains(await Store.ListExpiredAsync(past, 1000, Cancel), s => s.Id == expired.Id);
        Assert.DoesNotContain(await Store.ListExpiredAsync(past, 1000, Cancel), s => s.Id == ended.Id);
        Assert.DoesNotContain(await Store.ListExpiredAsync(past.AddMilliseconds(-1), 1000, Cancel), s => s.Id == expired.Id);
        Assert.True(await EndAsync(expired));
        Assert.DoesNotContain(await Store.ListExpiredAsync(past, 1000, Cancel), s => s.Id == expired.Id);
    }

    // Listed as expired, and prolonged by a client's grant before anybody came to end it: what the client was granted goes on.
    [Fact]
    public async Task EndExpired_WhenItWasProlongedSinceItWasListed_DoesNothing()
    {
        var session = await CreateAsync();
        Time.Advance(TimeSpan.FromDays(7));
        await Store.AttachClientAsync(session.Id, "c1", isTold: false, Now.AddHours(1), Cancel);
        Assert.False(await EndExpiredAsync(session));
        Assert.Null((await Store.FindAsync(session.Id, Cancel))!.EndedAt);
        Time.Advance(TimeSpan.FromHours(1));
        Assert.Single(await RaceAsync(_ => EndExpiredAsync(session)), won => won);
        Assert.Equal(Now, (await Store.FindAsync(session.Id, Cancel))!.EndedAt);
        Assert.False(await EndExpiredAsync(session));
    }

    [Fact]
    public async Task EndExpired_WhenRacedWithAClientThatProlongsIt_EndsItFirstOrNotAtAll()
    {
        for (var round = 0; round < 10; round++)
        {
            var session = await CreateAsync();
            Time.Advance(TimeSpan.FromDays(7));
            var won = await RaceAsync(
                async i =>
                {
                    if (i % 2 == 0)
                    {
                        return await EndExpiredAsync(session);
                    }

                    await Store.AttachClientAsync(session.Id, "c1", isTold: false, Now.AddHours(1), Cancel);
                    return false;
                },
                10);
            var ended = (await Store.FindAsync(session.Id, Cancel))!.EndedAt is not null;
            Assert.Equal(ended ? 1 : 0, won.Count(one => one));
            Assert.False(await EndExpiredAsync(session));
            Assert.Equal(ended, (await Store.FindAsync(session.Id, Cancel))!.EndedAt is not null);
        }
    }

    private static void AssertSame(Session expected, Session? actual)
    {
        Assert.NotNull(actual);
        Assert.Equal(expected.Amr, actual.Amr);
        Assert.Equal(expected.ClientIds, actual.ClientIds);
        Assert.Equal(expected, actual with { Amr = expected.Amr, ClientIds = expected.ClientIds });
    }

    private Session NewSession(Guid accountId) => new(
        Unique("Sid"),
        accountId,
        Now,
        Now.AddSeconds(-1),
        ["pwd", "otp"],
        "urn:acr:1",
        Now.AddDays(1),
        Now,
        Now.AddDays(7),
        EndedAt: null,
        [],
        Ip: null,
        UserAgent: null,
        DeviceId: null);

    private Task<Session> CreateAsync() => CreateAsync(NewId());

    private async Task<Session> CreateAsync(Guid accountId)
    {
        var session = NewSession(accountId);
        await CreateAsync(session);
        return session;
    }

    private Task CreateAsync(Session session) =>
        Store.CreateAsync(session, NewEvent(session.AccountId, EventTypes.SessionCreated, EventExchanges.Session), Cancel);

    private Task<bool> EndExpiredAsync(Session session) =>
        Store.EndExpiredAsync(session.Id, Now, NewEvent(session.AccountId, EventTypes.SessionDestroyed, EventExchanges.Session), Cancel);

    private Task<bool> EndAsync(Session session) =>
        Store.EndAsync(session.Id, Now, NewEvent(session.AccountId, EventTypes.SessionDestroyed, EventExchanges.Session), Cancel);
}
