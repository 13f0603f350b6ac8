using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Identity.Accounts.Sessions;
using Identity.Data.Tests.Sql;
using Identity.Tests.Kit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Data.Tests.Mongo;

/// <summary>Push tokens apart from their rows: tokens that change, moves that come late, and the way back.</summary>
public sealed class MongoDeviceTests(MongoFixture fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Token_OfADevice_IsInMongoAlone_AndGoesWithTheDevice()
    {
        await using var host = await StoreHost.StartAsync(await fixture.NewAsync());
        var owner = await OwnerAsync(host);
        var device = await RegisteredAsync(host, owner, "token-a");
        var row = await RowAsync(host, device);
        Assert.Empty(row.SealedToken);
        var document = Assert.Single(await DocumentsAsync(host));
        Assert.Equal(($"{device:N}.{row.TokenHash}", MongoServer.SchemaVersion), (document["_id"].AsString, document["schema"].AsInt32));
        Assert.Equal("token-a", await Registry(host).TokenAsync(row, Cancel));
        Assert.NotNull(await Registry(host).RemoveAsync(owner.Account, device, new Caller(null, null), notice: null, Cancel));
        Assert.Empty(await DocumentsAsync(host));
    }

    [Fact]
    public async Task Token_WhenItChangesAndAnOldMoveComesLate_IsTheNewOne_AndTheOldDocumentGoes()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var owner = await OwnerAsync(host);
        var device = await RegisteredAsync(host, owner, "token-a", name: "phone");
        var stale = await RowAsync(host, device);
        stale.SealedToken = Convert.FromBase64String((await DocumentsAsync(host))[0]["secret"].AsString);
        Assert.Equal(device, await RegisteredAsync(host, owner, "token-b", name: "phone"));
        await host.Get<DeviceSecrets>().TryMoveAsync(DeviceSecrets.Of(stale));
        Assert.Equal("token-b", await Registry(host).TokenAsync(await RowAsync(host, device), Cancel));

        // And back: sealed anew, under the key of before.
        Assert.Equal(device, await RegisteredAsync(host, owner, "token-a", name: "phone"));
        await host.Get<DeviceSecrets>().TryMoveAsync(DeviceSecrets.Of(stale));
        Assert.False(host.Get<DeviceSecrets>().IsBehind);
        Assert.Equal("token-a", await Registry(host).TokenAsync(await RowAsync(host, device), Cancel));
        Assert.Equal(0, await host.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        await using var later = await StoreHost.StartAsync(settings, new OffsetTimeProvider(TimeSpan.FromMinutes(11)));
        Assert.Equal(1, await later.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        Assert.Equal("token-a", await Registry(host).TokenAsync(await RowAsync(host, device), Cancel));
    }

    [Fact]
    public async Task SignOut_TakesTheDevice_AndTheRepairItsDocument()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        var (gone, kept) = (await OwnerAsync(host), await OwnerAsync(host));
        await RegisteredAsync(host, gone, "token-a");
        var device = await RegisteredAsync(host, kept, "token-b");
        var now = TimeProvider.System.GetUtcNow();
        await host.Get<ISessionStore>().EndAsync(gone.Session, now, new(Guid.CreateVersion7(now), EventExchanges.Session, EventTypes.SessionDestroyed, gone.Account, now, new JsonObject { ["reason"] = "logout" }), Cancel);
        Assert.Equal(2, (await DocumentsAsync(host)).Count);
        await using var later = await StoreHost.StartAsync(settings, new OffsetTimeProvider(TimeSpan.FromMinutes(11)));
        Assert.Equal(1, await later.Get<MongoMoves>().RemoveOrphansAsync(Cancel));
        Assert.Equal("token-b", await Registry(host).TokenAsync(await RowAsync(host, device), Cancel));
    }

    [Fact]
    public async Task Tokens_FromBeforeMongo_AreMovedBroughtBackAndExported()
    {
        var settings = await fixture.NewAsync() with { MasterKey = new byte[32] };
        var devices = new List<Guid>();
        await using (var before = await StoreHost.StartAsync(settings with { Mongo = null }))
        {
            for (var i = 0; i < 5; i++)
            {
                devices.Add(await RegisteredAsync(before, await OwnerAsync(before), $"token-{i}"));
            }
        }

        await using var host = await StoreHost.StartAsync(settings);
        await AssertAllAsync(host);
        var there = await Migration(host).ToMongoAsync(progress: null, Cancel);
        Assert.Equal((5, 0), (there.Secrets, await host.Get<DeviceSecrets>().CountWaitingAsync(Cancel)));
        await AssertAllAsync(host);

        using var copy = new MemoryStream();
        await host.Get<DatabaseCopy>().WriteAsync(copy, progress: null, Cancel);
        await using (var taken = await StoreHost.StartAsync(await fixture.NewAsync() with { MasterKey = settings.MasterKey, Mongo = null }))
        {
            await taken.Get<DatabaseCopy>().ReadAsync(() => new MemoryStream(copy.ToArray()), progress: null, Cancel);
            await AssertAllAsync(taken);
        }

        var back = await Migration(host).ToRelationalAsync(progress: null, Cancel);
        Assert.Equal((there.Secrets, there.Sha256), (back.Secrets, back.Sha256));
        Assert.Equal(5, await host.Get<DeviceSecrets>().CountWaitingAsync(Cancel));
        Assert.Empty(await DocumentsAsync(host));
        await AssertAllAsync(host);
        await using var without = await StoreHost.StartAsync(settings with { Mongo = null });
        await AssertAllAsync(without);

        async Task AssertAllAsync(StoreHost node)
        {
            for (var i = 0; i < devices.Count; i++)
            {
                Assert.Equal($"token-{i}", await Registry(node).TokenAsync(await RowAsync(node, devices[i]), Cancel));
            }
        }
    }

    [Fact]
    public async Task BringingBack_WhileDevicesRegisterAtTwoNodes_LosesNoToken()
    {
        var settings = await fixture.NewAsync();
        await using var host = await StoreHost.StartAsync(settings);
        await using var other = await StoreHost.StartAsync(settings);
        var last = new System.Collections.Concurrent.ConcurrentDictionary<Guid, string>();
        var owners = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => OwnerAsync(host)));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var people = owners.Select((owner, i) => Task.Run(async () =>
        {
            for (var turn = 0; !stop.IsCancellationRequested; turn++)
            {
                // The same token again every other time, from the other node.
                var token = $"token-{i}.{turn / 2}";
                last[await RegisteredAsync((i + turn) % 2 == 0 ? host : other, owner, token, name: "phone")] = token;
            }
        }, Cancel)).ToArray();
        while (last.Count < owners.Length)
        {
            await Task.Yield();
        }

        await Migration(host, TimeSpan.FromSeconds(2)).ToRelationalAsync(progress: null, Cancel);
        await stop.CancelAsync();
        await Task.WhenAll(people);
        await using var without = await StoreHost.StartAsync(settings with { Mongo = null });
        Assert.Equal(owners.Length, last.Count);
        foreach (var (device, token) in last)
        {
            Assert.Equal(token, await Registry(without).TokenAsync(await RowAsync(without, device), Cancel));
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

    private static DeviceRegistry Registry(StoreHost host) =>
        new(host.Get<StoreDatabase>(), host.Get<MasterKey>(), host.Get<MailOutbox>(), new AuditTrail(host.Get<IAuditLog>(), TimeProvider.System), TimeProvider.System, host.Services.GetService<DeviceSecrets>());

    private static async Task<(Guid Account, string Session)> OwnerAsync(StoreHost host)
    {
        var now = TimeProvider.System.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = now, UpdatedAt = now };
        Assert.Equal(AccountWrite.Done, await host.Get<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [], Cancel));
        var session = new Session(id.ToString("N"), id, now, now, ["pwd"], "1", now.AddDays(1), now, now.AddDays(1), null, [], null, null, null);
        await host.Get<ISessionStore>().CreateAsync(session, new(Guid.CreateVersion7(now), EventExchanges.Session, EventTypes.SessionCreated, id, now, []), Cancel);
        return (id, session.Id);
    }

    private static async Task<Guid> RegisteredAsync(StoreHost host, (Guid Account, string Session) owner, string token, string? name = null) =>
        Assert.IsType<DeviceRegistration.Registered>(await Registry(host).RegisterAsync(owner.Account, owner.Session, new NewDevice("android", token, name), new Caller("192.0.2.1", "app"), notice: null, Cancel)).Device.Id;

    private static Task<DeviceRow> RowAsync(StoreHost host, Guid device) =>
        host.Get<StoreDatabase>().ReadAsync((context, token) => context.Set<DeviceRow>().SingleAsync(r => r.Id == device, token), Cancel);

    private static Task<List<BsonDocument>> DocumentsAsync(StoreHost host) => host.Get<MongoServer>().Collection("devices").Find(FilterDefinition<BsonDocument>.Empty).ToListAsync(Cancel);
}
