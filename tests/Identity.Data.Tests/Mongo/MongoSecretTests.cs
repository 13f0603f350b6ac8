using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.SecondFactors;
using Identity.Data.Tests.Sql;
using Identity.OAuth.Storage;
using Identity.Tests.Kit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Data.Tests.Mongo;

/// <summary>Authenticator keys and passkeys apart from their rows: what moves when, what a crash leaves, what an outage does, and the way back.</summary>
public sealed class MongoSecretTests(MongoFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(FactorKinds.Totp)]
    [InlineData(FactorKinds.Passkey)]
    public async Task Secret_OfAFactorThatWasAdded_IsInMongoAlone_AndGoesWithTheFactor(string kind)
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var factor = await AddedAsync(host, kind);
        Assert.Equal("", (await RowAsync(host, factor)).Data);
        var document = Assert.Single(await DocumentsAsync(host));
        Assert.Equal((factor.Id.ToString("N"), "the secret", MongoServer.SchemaVersion), (document["_id"].AsString, document["secret"].AsString, document["schema"].AsInt32));
        Assert.Equal(factor, await host.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
        Assert.True(await host.Get<ISecondFactorStore>().RemoveAsync(factor.AccountId, factor.Id, Event(factor), notice: null, Cancel));
        Assert.Empty(await DocumentsAsync(host));
    }

    [Fact]
    public async Task Factor_WithoutASecret_LeavesNothingInMongo()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var factor = await AddedAsync(host, FactorKinds.Push, FactorKinds.Alone);
        Assert.Equal(FactorKinds.Alone, (await RowAsync(host, factor)).Data);
        Assert.Empty(await DocumentsAsync(host));
    }

    [Fact]
    public async Task Rows_FromBeforeMongo_ProveAtOnceAndAreMovedByTheRepair()
    {
        var settings = await fixture.NewAsync();
        var factors = new List<SecondFactor>();
        await using (var before = await StoreHost.StartAsync(settings with { Mongo = null }))
        {
            for (var i = 0; i < 5; i++)
            {
                factors.Add(await AddedAsync(before, i % 2 == 0 ? FactorKinds.Totp : FactorKinds.Passkey, $"secret {i}"));
            }
        }

        await using var host = await StoreHost.StartAsync(settings);
        Assert.Equal(factors[3], await host.Get<ISecondFactorStore>().FindBySlotAsync(factors[3].Slot, Cancel));
        Assert.Equal(5, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
        foreach (var factor in factors)
        {
            Assert.Equal("", (await RowAsync(host, factor)).Data);
            Assert.Equal(factor, await host.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
        }

        Assert.Equal(0, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
    }

    [Fact]
    public async Task Secret_WhenMongoIsAway_ProvesNobody_AndWhatIsAddedMeanwhileWaits()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is not { IsPrivate: true })
        {
            Assert.Skip("Only a MongoDB of our own can be stopped.");
        }

        await using var host = await StoreHost.StartAsync(await fixture.NewAsync() with { Mongo = mongo.Settings() });
        var before = await AddedAsync(host, FactorKinds.Totp);
        await mongo.StopAsync();
        var thrown = await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<ISecondFactorStore>().FindBySlotAsync(before.Slot, Cancel));
        Assert.True(StoreOutage.Is(thrown));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<ISecondFactorStore>().ListAsync(before.AccountId, Cancel));
        var during = await AddedAsync(host, FactorKinds.Passkey);
        Assert.True(host.Get<FactorSecrets>().IsBehind);
        Assert.Equal("the secret", (await RowAsync(host, during)).Data);
        Assert.Equal(during, await host.Get<ISecondFactorStore>().FindBySlotAsync(during.Slot, Cancel));
        await mongo.StartAgainAsync();
        Assert.Equal(1, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
        Assert.False(host.Get<FactorSecrets>().IsBehind);
        foreach (var factor in new[] { before, during })
        {
            Assert.Equal(factor, await host.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
        }
    }

    // A backup of one database that is older than that of the other: an account must not be without a second factor because of it.
    [Fact]
    public async Task Factor_WhoseDocumentIsLost_StaysThereWithoutASecret()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var factor = await AddedAsync(host, FactorKinds.Totp);
        await host.Get<FactorSecrets>().RemoveAllAsync(Cancel);
        Assert.Equal(factor with { Data = "" }, Assert.Single(await host.Get<ISecondFactorStore>().ListAsync(factor.AccountId, Cancel)));
        Assert.True(await host.Get<ISecondFactorStore>().RemoveAsync(factor.AccountId, factor.Id, Event(factor), notice: null, Cancel));
    }

    [Fact]
    public async Task Repair_WhenAFactorIsGone_RemovesItsDocumentAndNoOtherNorAYoungOne()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var (kept, gone) = (await AddedAsync(host, FactorKinds.Totp), await AddedAsync(host, FactorKinds.Passkey));
        await host.Get<StoreDatabase>().WriteAsync((context, token) => context.Set<SecondFactorRow>().Where(r => r.Id == gone.Id).ExecuteDeleteAsync(token), Cancel);
        Assert.Equal(0, await host.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        await using var later = await StoreHost.StartAsync(settings, new OffsetTimeProvider(TimeSpan.FromMinutes(11)));
        Assert.Equal(1, await later.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        Assert.Equal(kept.Id.ToString("N"), Assert.Single(await DocumentsAsync(host))["_id"].AsString);
    }

    // A move that stood still between its look at the home and its last step.
    [Theory]
    [InlineData(CredentialHome.Closing)]
    [InlineData(CredentialHome.Leaving)]
    [InlineData(CredentialHome.Relational)]
    public async Task Move_WhenSecretsAreBroughtBackInItsMidst_LeavesTheRowAsItIs(string home)
    {
        var settings = await fixture.NewAsync();
        SecondFactor factor;
        await using (var before = await StoreHost.StartAsync(settings with { Mongo = null }))
        {
            factor = await AddedAsync(before, FactorKinds.Totp);
        }

        await using var host = await StoreHost.StartAsync(settings);

        // It knows, for a second, that secrets are moved; the database says otherwise by now.
        Assert.False(await host.Get<CredentialHome>().IsLeftAsync(Cancel));
        await CredentialHome.NoteAsync(host.Get<StoreDatabase>(), home, replaces: true, Cancel);
        await host.Get<FactorSecrets>().TryMoveAsync(FactorSecrets.Of(factor));
        Assert.Equal("the secret", (await RowAsync(host, factor)).Data);
    }

    [Fact]
    public async Task BringingBack_WhenStoppedHalfWayAndBegunAgain_ReturnsEverySecret()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var factors = new List<SecondFactor>();
        for (var i = 0; i < 450; i++)
        {
            factors.Add(New(Guid.NewGuid(), i % 2 == 0 ? FactorKinds.Totp : FactorKinds.Passkey, $"secret {i}"));
        }

        // As an import brings them: rows, which then wait.
        await host.Get<StoreDatabase>().TransactAsync(
            (context, token) =>
            {
                context.AddRange(factors.Select(factor => new SecondFactorRow { Id = factor.Id, AccountId = factor.AccountId, Kind = factor.Kind, Slot = factor.Slot, Name = factor.Name, Data = factor.Data, Counter = factor.Counter, CreatedAt = factor.CreatedAt }));
                return context.SaveChangesAsync(token);
            },
            Cancel);
        Assert.Equal(450, await Migration(host).CountAsync(toMongo: true, Cancel));
        var there = await Migration(host).ToMongoAsync(progress: null, Cancel);
        Assert.Equal((450, 450), (there.Moved, there.Secrets));
        Assert.Equal(450, await Migration(host).CountAsync(toMongo: false, Cancel));
        await Assert.ThrowsAsync<TimeoutException>(() => Migration(host).ToRelationalAsync(seen => throw new TimeoutException(), Cancel));
        Assert.InRange(await WaitingAsync(host), 1, 449);
        await AssertAllAsync(host);
        Assert.Equal(0, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));

        // Turned round, and round again.
        Assert.Equal(there.Sha256, (await Migration(host).ToMongoAsync(progress: null, Cancel)).Sha256);
        Assert.Equal(0, await WaitingAsync(host));
        await Assert.ThrowsAsync<TimeoutException>(() => Migration(host).ToRelationalAsync(seen => throw new TimeoutException(), Cancel));
        var back = await Migration(host).ToRelationalAsync(progress: null, Cancel);
        Assert.Equal((there.Secrets, there.Sha256), (back.Secrets, back.Sha256));
        Assert.Equal(450, await WaitingAsync(host));
        Assert.Empty(await DocumentsAsync(host));
        await using var without = await StoreHost.StartAsync(settings with { Mongo = null });
        await AssertAllAsync(without);

        async Task AssertAllAsync(StoreHost node)
        {
            foreach (var factor in factors)
            {
                Assert.Equal(factor.Data, (await node.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel))!.Data);
            }
        }
    }

    [Fact]
    public async Task BringingBack_WhileFactorsComeAndGoAtTwoNodes_LosesNone()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await using var other = await StoreHost.StartAsync(settings);
        var kept = new System.Collections.Concurrent.ConcurrentBag<SecondFactor>();
        var gone = new System.Collections.Concurrent.ConcurrentBag<SecondFactor>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var people = Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            for (var turn = 0; !stop.IsCancellationRequested; turn++)
            {
                var node = (worker + turn) % 2 == 0 ? host : other;
                var factor = await AddedAsync(node, FactorKinds.Totp, $"secret {worker}.{turn}");
                Assert.Equal(factor, await (node == host ? other : host).Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
                if (turn % 3 == 0)
                {
                    Assert.True(await node.Get<ISecondFactorStore>().RemoveAsync(factor.AccountId, factor.Id, Event(factor), notice: null, Cancel));
                    gone.Add(factor);
                }
                else
                {
                    kept.Add(factor);
                }
            }
        }, Cancel)).ToArray();
        while (kept.Count < 20)
        {
            await Task.Yield();
        }

        await Migration(host, TimeSpan.FromSeconds(2)).ToRelationalAsync(progress: null, Cancel);
        await stop.CancelAsync();
        await Task.WhenAll(people);
        await using var without = await StoreHost.StartAsync(settings with { Mongo = null });
        foreach (var factor in kept)
        {
            Assert.Equal(factor, await without.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
        }

        foreach (var factor in gone)
        {
            Assert.Null(await without.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
        }
    }

    [Fact]
    public async Task Export_WithMongo_BringsEverySecretAlong()
    {
        var masterKey = new byte[32];
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync() with { MasterKey = masterKey });
        SecondFactor[] factors = [await AddedAsync(host, FactorKinds.Totp, "a key"), await AddedAsync(host, FactorKinds.Passkey, "a passkey"), await AddedAsync(host, FactorKinds.Push, "")];
        using var copy = new MemoryStream();
        await host.Get<DatabaseCopy>().WriteAsync(copy, progress: null, Cancel);
        var bytes = copy.ToArray();
        foreach (var settings in new[] { await fixture.NewAsync() with { Mongo = null }, await fixture.NewAsync() })
        {
            await using var taken = await StoreHost.StartAsync(settings with { MasterKey = masterKey });
            await taken.Get<DatabaseCopy>().ReadAsync(() => new MemoryStream(bytes), progress: null, Cancel);
            foreach (var factor in factors)
            {
                Assert.Equal(factor, await taken.Get<ISecondFactorStore>().FindBySlotAsync(factor.Slot, Cancel));
            }
        }
    }

    private static CredentialMigration Migration(StoreHost host, TimeSpan settling = default) => new(
        host.Get<MongoServer>(),
        host.Get<MongoCredentialStore>(),
        host.Get<MongoMetadataStore>(),
        host.Services.GetServices<MongoSecrets>(),
        host.Get<MongoOwner>(),
        host.Get<MongoOrphans>(),
        host.Get<CredentialHome>(),
        host.Get<StoreDatabase>(),
        TimeProvider.System)
    { Settling = settling };

    private static SecondFactor New(Guid account, string kind, string data)
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        return new(Guid.CreateVersion7(now), account, kind, kind == FactorKinds.Totp ? Authenticator.Slot(account) : $"passkey:{Guid.NewGuid():N}", "Key", data, 7, now, null);
    }

    private static async Task<SecondFactor> AddedAsync(StoreHost host, string kind, string data = "the secret")
    {
        var factor = New(Guid.NewGuid(), kind, data);
        Assert.True(await host.Get<ISecondFactorStore>().AddAsync(factor, Event(factor), notice: null, Cancel));
        return factor;
    }

    private static LifecycleEvent Event(SecondFactor factor) => new(Guid.CreateVersion7(factor.CreatedAt), EventExchanges.Identity, EventTypes.UserFactorAdded, factor.AccountId, factor.CreatedAt, []);

    private static Task<SecondFactorRow> RowAsync(StoreHost host, SecondFactor factor) =>
        host.Get<StoreDatabase>().ReadAsync((context, token) => context.Set<SecondFactorRow>().SingleAsync(r => r.Id == factor.Id, token), Cancel);

    private static Task<long> WaitingAsync(StoreHost host) => host.Get<FactorSecrets>().CountWaitingAsync(Cancel);

    private static Task<List<BsonDocument>> DocumentsAsync(StoreHost host) => host.Get<MongoServer>().Collection("second_factors").Find(FilterDefinition<BsonDocument>.Empty).ToListAsync(Cancel);
}
