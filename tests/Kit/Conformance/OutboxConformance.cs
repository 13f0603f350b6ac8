using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit.Conformance;

/// <summary>The outbox, written as the stores write it and read by competing workers.</summary>
public abstract class OutboxConformance(StoreFixture fixture) : StoreConformance<SqlOutbox>(fixture)
{
    private static readonly TimeSpan s_lease = TimeSpan.FromMinutes(1);

    private readonly StoreFixture _fixture = fixture;
    private Func<ValueTask<IServiceProvider>>? _open;

    [Fact]
    public async Task Claim_WhenEmpty_IsEmpty()
    {
        Assert.Empty(await ClaimAsync("w1"));
        Assert.Equal(new OutboxStatus(0, null), await Store.StatusAsync(Cancel));
    }

    [Fact]
    public async Task Claim_AfterAWrite_GivesTheMessage()
    {
        var account = NewAccount();
        var created = NewEvent(account.Id, EventTypes.UserCreated);
        await Get<IAccountStore>().CreateAsync(account, new(account.Id, null, null), [created], Cancel);
        Assert.Equal(new OutboxStatus(1, Now), await Store.StatusAsync(Cancel));
        var message = Assert.Single(await ClaimAsync("w1"));
        Assert.Equal(created.Exchange, message.Exchange);
        Assert.Equal(created.Type, message.RoutingKey);
        Assert.Equal(created.Id, message.MessageId);
        Assert.Equal(account.Id, message.AccountId);
        Assert.Equal(Now, message.CreatedAt);
        Assert.True(JsonNode.DeepEquals(created.ToCloudEvent(), JsonNode.Parse(message.Body)));
    }

    [Fact]
    public async Task Append_WhenTheWriteIsRefused_LeavesNothing()
    {
        var account = NewAccount();
        await CreateAsync(account);
        var other = NewAccount();
        other.NormalizedEmail = account.NormalizedEmail;
        Assert.Equal(AccountWrite.EmailTaken, await Get<IAccountStore>().CreateAsync(other, new(other.Id, null, null), [NewEvent(other.Id, EventTypes.UserCreated)], Cancel));
        Assert.Equal(AccountWrite.Conflict, await Get<IAccountStore>().UpdateAsync(account, 7, [NewEvent(account.Id, EventTypes.UserUpdated)], Cancel));
        Assert.Equal(1, (await Store.StatusAsync(Cancel)).Depth);
    }

    [Fact]
    public async Task Append_WhenALockoutOrASessionsEndIsRaced_WritesOneEvent()
    {
        var account = NewAccount();
        await CreateAsync(account);
        await RaceAsync(_ => Get<IAccountStore>().CountFailureAsync(account.Id, 3, Now.AddMinutes(1), Now, NewEvent(account.Id, EventTypes.UserLockedOut), Cancel));
        var session = new Session(Unique(), account.Id, Now, Now, ["pwd"], "1", Now, Now, Now, null, [], null, null, null);
        await Get<ISessionStore>().CreateAsync(session, NewEvent(account.Id, EventTypes.SessionCreated, EventExchanges.Session), Cancel);
        await RaceAsync(_ => Get<ISessionStore>().EndAsync(session.Id, Now, NewEvent(account.Id, EventTypes.SessionDestroyed, EventExchanges.Session), Cancel));
        Assert.Equal(
            [EventTypes.UserCreated, EventTypes.UserLockedOut, EventTypes.SessionCreated, EventTypes.SessionDestroyed],
            (await ClaimAsync("w1")).Select(m => m.RoutingKey));
    }

    [Fact]
    public async Task Append_WhenOneWriteTellsOfSeveral_KeepsTheirOrder()
    {
        var account = NewAccount();
        await CreateAsync(account);
        var events = Enumerable.Range(0, 10).Select(i => NewEvent(account.Id, "type" + i)).ToArray();
        await Get<IAccountStore>().UpdateAsync(account, 1, events, Cancel);
        Assert.Equal(events.Select(e => e.Id), (await ClaimAsync("w1")).Skip(1).Select(m => m.MessageId));
    }

    [Fact]
    public async Task Claim_WhenRaced_GivesEachMessageToOne()
    {
        for (var i = 0; i < Width; i++)
        {
            await CreateAsync(NewAccount());
        }

        var claims = await RaceAsync(i => ClaimAsync($"w{i}", limit: 3));
        var claimed = claims.SelectMany(c => c).Select(m => m.Sequence).ToArray();
        Assert.Equal(Width, claimed.Length);
        Assert.Equal(Width, claimed.Distinct().Count());
    }

    [Fact]
    public async Task Claim_WhenAnEarlierOneOfTheAccountIsOut_PassesOver()
    {
        var account = NewAccount();
        await CreateAsync(account);
        var first = Assert.Single(await ClaimAsync("w1"));
        await Get<IAccountStore>().UpdateAsync(account, 1, [NewEvent(account.Id, EventTypes.UserUpdated)], Cancel);
        var other = NewAccount();
        await CreateAsync(other);

        Assert.Equal(other.Id, Assert.Single(await ClaimAsync("w2")).AccountId);
        await Store.CompleteAsync("w1", [first.Sequence], Cancel);
        Assert.Equal(EventTypes.UserUpdated, Assert.Single(await ClaimAsync("w2")).RoutingKey);
    }

    [Fact]
    public async Task Claim_WhenTheLeaseRanOut_GivesItToAnotherAndTheFirstCannotCompleteIt()
    {
        await CreateAsync(NewAccount());
        var first = Assert.Single(await ClaimAsync("w1"));
        Time.Advance(s_lease - TimeSpan.FromMilliseconds(1));
        Assert.Empty(await ClaimAsync("w2"));
        Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(first.Sequence, Assert.Single(await ClaimAsync("w2")).Sequence);
        await Store.CompleteAsync("w1", [first.Sequence], Cancel);
        await Store.ReleaseAsync("w1", [first.Sequence], Cancel);
        Assert.Equal(1, (await Store.StatusAsync(Cancel)).Depth);
        Assert.Empty(await ClaimAsync("w3"));
        await Store.CompleteAsync("w2", [first.Sequence], Cancel);
        Assert.Equal(0, (await Store.StatusAsync(Cancel)).Depth);
    }

    [Fact]
    public async Task Release_WhenDone_GivesItBackAtOnceAndInOrder()
    {
        var account = NewAccount();
        await CreateAsync(account);
        await Get<IAccountStore>().UpdateAsync(account, 1, [NewEvent(account.Id, EventTypes.UserUpdated)], Cancel);
        var claimed = await ClaimAsync("w1");
        await Store.ReleaseAsync("w1", [.. claimed.Select(m => m.Sequence)], Cancel);
        Assert.Equal(claimed.Select(m => m.MessageId), (await ClaimAsync("w2")).Select(m => m.MessageId));
    }

    [Fact]
    public async Task Claim_WhileManyWrite_GivesEachAccountsEventsInOrderOnce()
    {
        const int Accounts = 5;
        const int Updates = 20;
        var accounts = Enumerable.Range(0, Accounts).Select(_ => NewAccount()).ToArray();
        var nodes = new List<SqlOutbox> { Store };
        if (_fixture.HasNodes)
        {
            nodes.Add((await OpenNodeAsync()).GetRequiredService<SqlOutbox>());
        }

        var writing = Task.WhenAll(accounts.Select(account => Task.Run(async () =>
        {
            await CreateAsync(account);
            for (var version = 1; version <= Updates; version++)
            {
                var updated = NewEvent(account.Id, EventTypes.UserUpdated) with { Data = new JsonObject { ["version"] = version } };
                Assert.Equal(AccountWrite.Done, await Get<IAccountStore>().UpdateAsync(account, version, [updated], Cancel));
            }
        })));

        var seen = new List<OutboxMessage>();
        var workers = Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            var outbox = nodes[worker % nodes.Count];
            while (true)
            {
                var done = writing.IsCompleted;
                var claimed = await outbox.ClaimAsync($"w{worker}", 7, Now, Now + s_lease, Cancel);
                lock (seen)
                {
                    seen.AddRange(claimed);
                }

                await outbox.CompleteAsync($"w{worker}", [.. claimed.Select(m => m.Sequence)], Cancel);
                if (done && (await outbox.StatusAsync(Cancel)).Depth == 0)
                {
                    return;
                }
            }
        }));
        await Task.WhenAll(workers);
        await writing;

        Assert.Equal(Accounts * (Updates + 1), seen.Count);
        foreach (var account in accounts)
        {
            Assert.Equal(
                Enumerable.Range(0, Updates + 1),
                seen.Where(m => m.AccountId == account.Id).Select(m => (int?)JsonNode.Parse(m.Body)!["data"]!["version"] ?? 0));
        }
    }

    protected override async ValueTask<IServiceProvider> OpenFirstAsync()
    {
        _open = await _fixture.IsolateAsync(Time);
        return await _open();
    }

    private async Task<IServiceProvider> OpenNodeAsync()
    {
        var node = await _open!();
        AddNode(node);
        return node;
    }

    private Task<IReadOnlyList<OutboxMessage>> ClaimAsync(string worker, int limit = 100) => Store.ClaimAsync(worker, limit, Now, Now + s_lease, Cancel);

    private Account NewAccount()
    {
        var email = Unique() + "@example.com";
        return new() { Id = NewId(), Email = email, NormalizedEmail = email.ToUpperInvariant(), CreatedAt = Now, UpdatedAt = Now };
    }

    private async Task CreateAsync(Account account) =>
        Assert.Equal(AccountWrite.Done, await Get<IAccountStore>().CreateAsync(account, new(account.Id, null, null), [NewEvent(account.Id, EventTypes.UserCreated)], Cancel));
}
