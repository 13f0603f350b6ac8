using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Profile;
using Identity.Data.Tests.Sql;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Data.Tests.Mongo;

/// <summary>Two databases as one: what moves when, what a crash leaves, what an outage does.</summary>
public sealed class MongoServerTests(MongoFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Hash_WhenAnAccountIsMadeAndItsPasswordChanged_IsInMongoAloneAndCarriesItsSchema()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var account = await CreatedAsync(host);
        Assert.Empty(await WaitingAsync(host));
        var consequences = new AccountConsequences { Password = new("hash", "new hash", TimeProvider.System.GetUtcNow()) };
        Assert.Equal(AccountWrite.Done, (await host.Get<IAccountStore>().UpdateAsync(account, 1, [], consequences, Cancel)).Outcome);
        Assert.Empty(await WaitingAsync(host));
        var document = await host.Get<MongoServer>().Collection("credentials").Find(Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(account.Id))).SingleAsync(Cancel);
        Assert.Equal(("new hash", MongoServer.SchemaVersion), (document["passwordHash"].AsString, document["schema"].AsInt32));
    }

    [Fact]
    public async Task Password_WhenTakenAway_IsGone()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var account = await CreatedAsync(host);
        var consequences = new AccountConsequences { Password = new("hash", Hash: null, TimeProvider.System.GetUtcNow()) };
        Assert.Equal(AccountWrite.Done, (await host.Get<IAccountStore>().UpdateAsync(account, 1, [], consequences, Cancel)).Outcome);
        Assert.Null((await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
        Assert.True(await host.Get<ICredentialStore>().TrySetPasswordAsync(account.Id, expectedHash: null, "again", TimeProvider.System.GetUtcNow(), Cancel));
    }

    [Fact]
    public async Task Rows_FromBeforeMongo_AreInForceAtOnceAndAreMovedByTheRepair()
    {
        var settings = await fixture.NewAsync();
        var accounts = new List<Account>();
        await using (var before = await StoreHost.StartAsync(settings with { Mongo = null }))
        {
            for (var i = 0; i < 7; i++)
            {
                accounts.Add(await CreatedAsync(before));
            }

            Assert.True(await before.Get<IMetadataStore>().MergeAsync(accounts[0].Id, new JsonObject { ["a.b"] = 1, ["$c"] = "x" }, Cancel));
        }

        await using var host = await StoreHost.StartAsync(settings);
        Assert.Equal("hash", (await host.Get<ICredentialStore>().FindAsync(accounts[3].Id, Cancel))!.PasswordHash);
        Assert.Equal(7, (await WaitingAsync(host)).Count);
        Assert.Equal(8, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
        Assert.Empty(await WaitingAsync(host));
        foreach (var account in accounts)
        {
            Assert.Equal("hash", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
        }

        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"a.b":1,"$c":"x"}"""), await host.Get<IMetadataStore>().FindAsync(accounts[0].Id, Cancel)));
        Assert.Equal(0, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
    }

    // A mover that stood still while the password was changed twice must not bring the first one back.
    [Fact]
    public async Task Move_WhenItComesLate_NeverPutsAnOldHashOverANewOne()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var account = await CreatedAsync(host);
        var stale = (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!;
        Assert.True(await host.Get<ICredentialStore>().TrySetPasswordAsync(account.Id, "hash", "newer", stale.PasswordChangedAt!.Value, Cancel));
        await host.Get<MongoCredentialStore>().MoveAsync(stale, Cancel);
        Assert.Equal("newer", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
    }

    [Fact]
    public async Task Password_WhenChangesRaceWithSignInsThatHashAnewAndWithTheRepair_TheLastAcknowledgedChangeHolds()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var account = await CreatedAsync(host);
        var done = new System.Collections.Concurrent.ConcurrentDictionary<long, string>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var repair = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel);
            }
        }, Cancel);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(async () =>
        {
            for (var attempt = 0; attempt < 3; attempt++)
            {
                var now = TimeProvider.System.GetUtcNow();
                var mine = (await host.Get<IAccountStore>().FindAsync(account.Id, Cancel))!;
                var current = (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!;
                if (i % 2 == 0)
                {
                    // As a sign-in does: the same password, another hash.
                    await host.Get<ICredentialStore>().TrySetPasswordAsync(account.Id, current.PasswordHash, current.PasswordHash!.Split('+')[0] + $"+{i}.{attempt}", now, Cancel);
                }
                else
                {
                    var consequences = new AccountConsequences { Password = new(current.PasswordHash, $"{i}.{attempt}", now) };
                    if ((await host.Get<IAccountStore>().UpdateAsync(mine, mine.Version, [], consequences, Cancel)).Outcome == AccountWrite.Done)
                    {
                        Assert.True(done.TryAdd(mine.Version, $"{i}.{attempt}"));
                    }
                }
            }
        }, Cancel)));
        await stop.CancelAsync();
        await repair;
        Assert.NotEmpty(done);
        Assert.Equal(done.MaxBy(change => change.Key).Value, (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash!.Split('+')[0]);
        Assert.Empty(await WaitingAsync(host));
    }

    // The order of the defect that lost one: the change reads, the sign-in hashes anew at a later time, the change commits and is moved.
    [Fact]
    public async Task Password_WhenHashedAnewAtALaterTimeWhileAChangeIsUnderWay_IsTheChanged()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var account = await CreatedAsync(host);
        var now = TimeProvider.System.GetUtcNow();
        var credentials = host.Get<MongoCredentialStore>();
        var staged = await credentials.PrepareAsync(account.Id, new("hash", "changed", now), Cancel);
        Assert.True(await credentials.TrySetPasswordAsync(account.Id, "hash", "hash anew", now.AddMinutes(1), Cancel));
        var database = host.Get<StoreDatabase>();
        Assert.True(await database.TransactAsync((context, token) => MongoCredentialStore.TryStageAsync(database, context, account.Id, staged!, token), Cancel));
        Assert.Equal("changed", (await credentials.FindAsync(account.Id, Cancel))!.PasswordHash);
        Assert.Equal(1, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
        Assert.Equal("changed", (await credentials.FindAsync(account.Id, Cancel))!.PasswordHash);
        Assert.False(await credentials.TrySetPasswordAsync(account.Id, "hash", "hash again", now.AddMinutes(2), Cancel));
    }

    [Fact]
    public async Task Repair_WhenAnAccountIsGone_RemovesWhatItLeft()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var (kept, gone) = (await CreatedAsync(host), await CreatedAsync(host, madeAt: TimeProvider.System.GetUtcNow().AddHours(-1)));
        Assert.True(await host.Get<IMetadataStore>().MergeAsync(gone.Id, new JsonObject { ["a"] = 1 }, Cancel));
        await host.Get<StoreDatabase>().WriteAsync((context, token) => context.Accounts.Where(r => r.Id == gone.Id).ExecuteDeleteAsync(token), Cancel);
        Assert.Equal(2, await host.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        Assert.Null(await host.Get<ICredentialStore>().FindAsync(gone.Id, Cancel));
        Assert.NotNull(await host.Get<ICredentialStore>().FindAsync(kept.Id, Cancel));
    }

    [Fact]
    public async Task Start_WithoutTheMongoThatHoldsTheCredentials_IsRefused()
    {
        var settings = await fixture.NewAsync();
        await using (await StoreHost.StartAsync(settings))
        {
        }

        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(settings with { Mongo = null }));
        Assert.StartsWith("MONGO_URI:", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stores_WhenMongoIsAway_ThrowAndWhatWasAcknowledgedIsThereAfterwards()
    {
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is not { IsPrivate: true })
        {
            Assert.Skip("Only a MongoDB of our own can be stopped.");
        }

        var settings = await fixture.NewAsync() with { Mongo = mongo.Settings() };
        await using var host = await StoreHost.StartAsync(settings);
        var before = await CreatedAsync(host);
        await mongo.StopAsync();
        var thrown = await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<ICredentialStore>().FindAsync(before.Id, Cancel));
        Assert.True(StoreOutage.Is(thrown));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<ICredentialStore>().TrySetPasswordAsync(before.Id, "hash", "x", TimeProvider.System.GetUtcNow(), Cancel));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<IMetadataStore>().FindAsync(before.Id, Cancel));
        Assert.Equal(HealthStatus.Degraded, (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["mongodb"].Status);

        // Acknowledged, and waiting in the database meanwhile.
        var during = await CreatedAsync(host);
        Assert.Equal("hash", (await host.Get<ICredentialStore>().FindAsync(during.Id, Cancel))!.PasswordHash);
        await mongo.StartAgainAsync();
        Assert.Equal(1, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
        foreach (var account in new[] { before, during })
        {
            Assert.Equal("hash", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
        }

        await mongo.StopAsync();
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(settings));
        Assert.StartsWith("MONGO_URI: expected a usable MongoDB (MongoDB at 127.0.0.1:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    private static async Task<Account> CreatedAsync(StoreHost host, DateTimeOffset? madeAt = null)
    {
        var now = madeAt ?? TimeProvider.System.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = now, UpdatedAt = now, SecurityStamp = "stamp" };
        Assert.Equal(AccountWrite.Done, await host.Get<IAccountStore>().CreateAsync(account, new(id, "hash", now), [], Cancel));
        return account;
    }

    private static Task<List<CredentialRow>> WaitingAsync(StoreHost host) => host.Get<StoreDatabase>().ReadAsync((context, token) => context.Credentials.ToListAsync(token), Cancel);
}
