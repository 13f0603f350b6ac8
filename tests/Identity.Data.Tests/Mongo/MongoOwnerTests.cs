using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.SecondFactors;
using Identity.Data.Tests.Sql;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Data.Tests.Mongo;

/// <summary>A MongoDB belongs to one relational database: another one neither starts with it nor removes anything of it.</summary>
public sealed class MongoOwnerTests(MongoFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // DB_NAME mistyped, a staging service with the default name, a restore half done: the database is new, and no document has an account in it.
    [Fact]
    public async Task Start_WithAnEmptyDatabaseAndTheMongoOfAnother_IsRefusedAndLeavesEveryDocument()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await FilledAsync(host, 3);
        var other = await fixture.NewAsync() with { Mongo = settings.Mongo };
        var refused = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(other));
        Assert.StartsWith("MONGO_URI: expected the MongoDB of this database;", refused.Message, StringComparison.Ordinal);
        Assert.Contains("migrate-credentials --to mongodb --adopt", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);

        // Again, as a service that is restarted does; and of the database nothing is noted, so it may be used without.
        refused = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(other));
        Assert.StartsWith("MONGO_URI:", refused.Message, StringComparison.Ordinal);
        await using (await StoreHost.StartAsync(other with { Mongo = null }))
        {
        }

        Assert.Equal(3, await CountAsync(host, "credentials"));
        await using var again = await StoreHost.StartAsync(settings);
    }

    // The mark of a build that made none is missing at both sides.
    [Fact]
    public async Task Start_WithAnEmptyDatabaseAndDocumentsWithoutAMark_IsRefused_AndTheirOwnDatabaseMarksThem()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await FilledAsync(host, 1);
        await host.Get<MongoOwner>().ForgetAsync(Cancel);
        var refused = await Assert.ThrowsAsync<StartFailureException>(async () => await StoreHost.StartAsync(await fixture.NewAsync() with { Mongo = settings.Mongo }));
        Assert.StartsWith("MONGO_URI: expected a MongoDB without documents", refused.Message, StringComparison.Ordinal);
        Assert.False(await host.Get<MongoOwner>().IsOursAsync(Cancel));
        await using var again = await StoreHost.StartAsync(settings);
        Assert.True(await again.Get<MongoOwner>().IsOursAsync(Cancel));
    }

    [Fact]
    public async Task Start_WithAnotherMongoThanTheCredentialsLiveIn_IsRefused()
    {
        var settings = await fixture.NewAsync();
        await using (await StoreHost.StartAsync(settings))
        {
        }

        var refused = await Assert.ThrowsAsync<StartFailureException>(async () => await StoreHost.StartAsync(settings with { Mongo = (await fixture.NewAsync()).Mongo }));
        Assert.StartsWith("MONGO_URI: expected the MongoDB that the credentials of this database live in;", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mongo_WhenTwoDatabasesStartWithItAtOnce_IsOfOneOfThem()
    {
        var first = await fixture.NewAsync();
        var second = await fixture.NewAsync() with { Mongo = first.Mongo };
        var starts = await Task.WhenAll(new[] { first, second, first, second }.Select(async settings =>
        {
            try
            {
                await using var host = await StoreHost.StartAsync(settings);
                return await host.Get<MongoOwner>().IsOursAsync(Cancel) ? settings : null;
            }
            catch (StartFailureException)
            {
                return null;
            }
        }));
        Assert.Single(starts.OfType<StorageSettings>().Distinct(ReferenceEqualityComparer.Instance));
        Assert.Equal(2, starts.Count(settings => settings is not null));
    }

    // The mark goes while nodes run, as where MongoDB is restored beneath them.
    [Fact]
    public async Task Repair_WhileMongoIsMarkedAsAnothers_RemovesNothing()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await FilledAsync(host, 2);
        await GoneAsync(host, 2);
        await host.Get<MongoServer>().Collection("owner").UpdateOneAsync(FilterDefinition<BsonDocument>.Empty, Builders<BsonDocument>.Update.Set("database", "another"), cancellationToken: Cancel);
        Assert.Equal(0, await host.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        Assert.Equal(2, await CountAsync(host, "credentials"));
        await host.Get<MongoOwner>().AdoptAsync(Cancel);
        Assert.Equal(2, await host.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
    }

    // A database that was restored from long ago carries the right mark.
    [Fact]
    public async Task Repair_WhenMoreThanASmallShareHasNoAccount_RemovesNothingOfAnyKind_UntilTheOperatorConfirmsIt()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await FilledAsync(host, 60);
        var factor = new SecondFactor(Guid.CreateVersion7(), Guid.NewGuid(), FactorKinds.Totp, "totp:x", "App", "the secret", 0, TimeProvider.System.GetUtcNow(), null);
        await host.Get<MongoServer>().Collection("second_factors").InsertOneAsync(
            new BsonDocument { ["_id"] = FactorSecrets.Key(factor.Id), ["schema"] = MongoServer.SchemaVersion, ["secret"] = "x", ["writtenAt"] = host.Get<TimeProvider>().GetUtcNow().UtcDateTime.AddHours(-1) }, cancellationToken: Cancel);
        await GoneAsync(host, MongoOrphans.Few + 1);
        Assert.Equal(0, await host.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        Assert.Equal((60, 1), (await CountAsync(host, "credentials"), await CountAsync(host, "second_factors")));
        Assert.Equal(MongoOrphans.Few + 2, await host.Get<CredentialMigration>().RemoveOrphansAsync(Cancel));
        Assert.Equal((60 - MongoOrphans.Few - 1, 0), (await CountAsync(host, "credentials"), await CountAsync(host, "second_factors")));
    }

    [Fact]
    public async Task Mark_WhenCredentialsWereBroughtBack_IsGoneFromBoth_AndMadeAnewWhenTheyMoveAgain()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await FilledAsync(host, 2);
        var migration = new CredentialMigration(
            host.Get<MongoServer>(), host.Get<MongoCredentialStore>(), host.Get<MongoMetadataStore>(), [], host.Get<MongoOwner>(), host.Get<MongoOrphans>(), host.Get<CredentialHome>(), host.Get<StoreDatabase>(), TimeProvider.System)
        { Settling = TimeSpan.Zero };
        await migration.ToRelationalAsync(progress: null, Cancel);
        Assert.Equal(0, await CountAsync(host, "owner"));
        Assert.False(await host.Get<StoreDatabase>().ReadAsync((context, token) => context.StoreValues.AnyAsync(r => r.Name == MongoOwner.Name, token), Cancel));
        await migration.ToMongoAsync(progress: null, Cancel);
        Assert.True(await host.Get<MongoOwner>().IsOursAsync(Cancel));
    }

    private static async Task FilledAsync(StoreHost host, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var now = TimeProvider.System.GetUtcNow().AddHours(-1).AddSeconds(i);
            var id = Guid.CreateVersion7(now);
            var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = now, UpdatedAt = now, SecurityStamp = "stamp" };
            Assert.Equal(AccountWrite.Done, await host.Get<IAccountStore>().CreateAsync(account, new(id, "hash", now), [], Cancel));
        }
    }

    private static Task GoneAsync(StoreHost host, int count) => host.Get<StoreDatabase>().WriteAsync(
        (context, token) => context.Accounts.Where(r => context.Accounts.OrderBy(a => a.NormalizedEmail).Select(a => a.Id).Take(count).Contains(r.Id)).ExecuteDeleteAsync(token), Cancel);

    private static Task<long> CountAsync(StoreHost host, string collection) =>
        host.Get<MongoServer>().Collection(collection).CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: Cancel);
}
