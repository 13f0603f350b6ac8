using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Profile;
using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Data.Tests.Mongo;

/// <summary>Credentials and metadata from MongoDB back to the database: stopped, begun again, turned round, and raced.</summary>
public sealed class CredentialMigrationTests(MongoFixture fixture)
{
    private const int Many = 450;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task BringingBack_WhenStoppedHalfWay_GoesOnAndEverythingArrives()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var accounts = await FilledAsync(host);
        var before = await Migration(host).ToMongoAsync(progress: null, Cancel);
        Assert.Equal(Many, before.Credentials);
        await Assert.ThrowsAsync<TimeoutException>(() => Migration(host).ToRelationalAsync(seen => throw new TimeoutException(), Cancel));
        await AssertAllThereAsync(host, accounts);
        Assert.Equal(0, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));

        await using (var other = await StoreHost.StartAsync(settings))
        {
            await AssertAllThereAsync(other, accounts);
        }

        var refused = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(settings with { Mongo = null }));
        Assert.StartsWith("MONGO_URI:", refused.Message, StringComparison.Ordinal);

        var report = await Migration(host).ToRelationalAsync(progress: null, Cancel);
        Assert.Equal((before.Credentials, before.Sha256), (report.Credentials, report.Sha256));
        Assert.Equal(0, await host.Get<MongoServer>().Collection("credentials").CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: Cancel));
        Assert.Equal(0, await host.Get<MongoServer>().Collection("metadata").CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: Cancel));
        await AssertAllThereAsync(host, accounts);
        await using (var without = await StoreHost.StartAsync(settings with { Mongo = null }))
        {
            await AssertAllThereAsync(without, accounts);
        }

        refused = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(settings));
        Assert.StartsWith("MONGO_URI: expected to be unset", refused.Message, StringComparison.Ordinal);
        Assert.Equal(report.Sha256, (await Migration(host).ToRelationalAsync(progress: null, Cancel)).Sha256);
    }

    [Fact]
    public async Task BringingBack_WhenTurnedRound_KeepsWhatChangedMeanwhile()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var accounts = await FilledAsync(host);
        await Migration(host).ToMongoAsync(progress: null, Cancel);
        await Assert.ThrowsAsync<TimeoutException>(() => Migration(host).ToRelationalAsync(seen => throw new TimeoutException(), Cancel));
        foreach (var account in new[] { accounts[0], accounts[^1] })
        {
            await ChangeAsync(host, account, "hash", "changed");
            Assert.True(await host.Get<ICredentialStore>().TrySetPasswordAsync(account.Id, "changed", "changed, hashed anew", TimeProvider.System.GetUtcNow(), Cancel));
            Assert.True(await host.Get<IMetadataStore>().MergeAsync(account.Id, new JsonObject { ["more"] = true }, Cancel));
        }

        Assert.Equal(Many, (await Migration(host).ToMongoAsync(progress: null, Cancel)).Credentials);
        Assert.Empty(await host.Get<StoreDatabase>().ReadAsync((context, token) => context.Credentials.ToListAsync(token), Cancel));
        Assert.Empty(await host.Get<StoreDatabase>().ReadAsync((context, token) => context.Metadata.ToListAsync(token), Cancel));
        foreach (var account in new[] { accounts[0], accounts[^1] })
        {
            Assert.Equal("changed, hashed anew", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
            var metadata = await host.Get<IMetadataStore>().FindAsync(account.Id, Cancel);
            Assert.Equal((account.Email, true), ((string)metadata["of"]!, (bool)metadata["more"]!));
        }

        await AssertAllThereAsync(host, accounts[1..^1]);
        await using var again = await StoreHost.StartAsync(settings);
    }

    [Fact]
    public async Task BringingBack_WhenAccountsAreDeletedMeanwhile_LeavesNothingOfThem()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var accounts = await FilledAsync(host);
        await Migration(host).ToMongoAsync(progress: null, Cancel);
        var gone = accounts[Many - 1];
        await Migration(host).ToRelationalAsync(
            seen =>
            {
                if (seen == 200)
                {
                    host.Get<StoreDatabase>().WriteAsync((context, token) => context.Accounts.Where(r => r.Id == gone.Id).ExecuteDeleteAsync(token), Cancel).GetAwaiter().GetResult();
                }
            },
            Cancel);
        Assert.Null(await host.Get<ICredentialStore>().FindAsync(gone.Id, Cancel));
        Assert.False(await host.Get<StoreDatabase>().ReadAsync((context, token) => context.Credentials.AnyAsync(r => r.AccountId == gone.Id, token), Cancel));
        Assert.Empty(await host.Get<IMetadataStore>().FindAsync(gone.Id, Cancel));
    }

    [Fact]
    public async Task BringingBack_WhenTwoNodesChangeFiftyAccountsMeanwhile_LosesNoAcknowledgedChange()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await using var other = await StoreHost.StartAsync(settings);
        var accounts = (await FilledAsync(host, 50)).ToArray();
        await Migration(host).ToMongoAsync(progress: null, Cancel);
        var (hashes, merges) = (new System.Collections.Concurrent.ConcurrentDictionary<Guid, string>(), new System.Collections.Concurrent.ConcurrentDictionary<Guid, int>());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var changes = accounts.Select((account, i) => Task.Run(async () =>
        {
            for (var turn = 1; !stop.IsCancellationRequested; turn++)
            {
                var node = (i + turn) % 2 == 0 ? host : other;
                var mine = (await node.Get<IAccountStore>().FindAsync(account.Id, Cancel))!;
                var current = (await node.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!;
                var consequences = new AccountConsequences { Password = new(current.PasswordHash, $"{turn}", TimeProvider.System.GetUtcNow()) };
                if ((await node.Get<IAccountStore>().UpdateAsync(mine, mine.Version, [], consequences, Cancel)).Outcome == AccountWrite.Done)
                {
                    hashes[account.Id] = $"{turn}";
                }

                try
                {
                    Assert.True(await node.Get<IMetadataStore>().MergeAsync(account.Id, new JsonObject { ["turn"] = turn }, Cancel));
                    merges[account.Id] = turn;
                }
                catch (StoreUnavailableException)
                {
                    // For the seconds in which nodes learn of it: refused, and so not acknowledged.
                }
            }
        }, Cancel)).ToArray();
        await Migration(host, TimeSpan.FromSeconds(3)).ToRelationalAsync(progress: null, Cancel);
        await stop.CancelAsync();
        await Task.WhenAll(changes);
        Assert.Equal(50, hashes.Count);
        await using var without = await StoreHost.StartAsync(settings with { Mongo = null });
        foreach (var account in accounts)
        {
            Assert.Equal(hashes[account.Id], (await without.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
            var metadata = await without.Get<IMetadataStore>().FindAsync(account.Id, Cancel);
            Assert.Equal((account.Email, merges.GetValueOrDefault(account.Id)), ((string)metadata["of"]!, (int?)metadata["turn"] ?? 0));
        }
    }

    [Fact]
    public async Task Home_WhileItIsAboutToChange_RefusesWhatCouldNotBePutInOrderAndIsPutBackWhenStopped()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var account = (await FilledAsync(host, 1))[0];
        await Migration(host).ToMongoAsync(progress: null, Cancel);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var leaving = Migration(host, Timeout.InfiniteTimeSpan).ToRelationalAsync(progress: null, stop.Token);
        while (await CredentialHome.ReadAsync(host.Get<StoreDatabase>(), Cancel) != CredentialHome.Closing)
        {
            await Task.Yield();
        }

        await Assert.ThrowsAsync<StoreUnavailableException>(async () =>
        {
            while (true)
            {
                await host.Get<IMetadataStore>().MergeAsync(account.Id, new JsonObject { ["a"] = 1 }, Cancel);
            }
        });
        Assert.False(await host.Get<ICredentialStore>().TrySetPasswordAsync(account.Id, "hash", "hash anew", TimeProvider.System.GetUtcNow(), Cancel));
        Assert.Equal(account.Email, (string?)(await host.Get<IMetadataStore>().FindAsync(account.Id, Cancel))["of"]);
        await ChangeAsync(host, account, "hash", "changed");
        Assert.Equal("changed", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        Assert.True(await host.Get<IMetadataStore>().MergeAsync(account.Id, new JsonObject { ["a"] = 1 }, Cancel));
        Assert.Equal(1, await host.Get<MongoMoves>().MoveAllAsync(progress: null, Cancel));
        Assert.Equal("changed", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))!.PasswordHash);
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

    private static async Task<List<Account>> FilledAsync(StoreHost host, int count = Many)
    {
        var now = TimeProvider.System.GetUtcNow();
        var accounts = Enumerable.Range(0, count).Select(_ => Guid.CreateVersion7(now)).Order()
            .Select(id => new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = now, UpdatedAt = now, SecurityStamp = "stamp" }).ToList();

        // As an import brings them: rows, which then wait.
        await host.Get<StoreDatabase>().TransactAsync(
            (context, token) =>
            {
                context.AddRange(accounts.Select(SqlAccountStore.Map));
                context.AddRange(accounts.Select(account => new CredentialRow { AccountId = account.Id, PasswordHash = "hash", PasswordChangedAt = now }));
                context.AddRange(accounts.Select(account => new MetadataRow { AccountId = account.Id, Document = new JsonObject { ["of"] = account.Email }.ToJsonString() }));
                return context.SaveChangesAsync(token);
            },
            Cancel);
        return accounts;
    }

    private static async Task ChangeAsync(StoreHost host, Account account, string from, string to)
    {
        var mine = (await host.Get<IAccountStore>().FindAsync(account.Id, Cancel))!;
        var consequences = new AccountConsequences { Password = new(from, to, TimeProvider.System.GetUtcNow()) };
        Assert.Equal(AccountWrite.Done, (await host.Get<IAccountStore>().UpdateAsync(mine, mine.Version, [], consequences, Cancel)).Outcome);
    }

    private static async Task AssertAllThereAsync(StoreHost host, IReadOnlyList<Account> accounts)
    {
        foreach (var account in accounts)
        {
            Assert.Equal("hash", (await host.Get<ICredentialStore>().FindAsync(account.Id, Cancel))?.PasswordHash);
        }

        var metadata = await host.Get<IMetadataStore>().FindManyAsync([.. accounts.Select(account => account.Id)], Cancel);
        Assert.All(accounts, account => Assert.Equal(account.Email, (string?)metadata[account.Id]["of"]));
    }
}
