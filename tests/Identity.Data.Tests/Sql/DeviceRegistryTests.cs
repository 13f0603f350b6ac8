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
using Identity.Data.Tests.Mongo;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Data.Tests.Sql;

/// <summary>Races over the ownership of device tokens, on each kind of store and over two nodes.</summary>
public sealed class DeviceRegistryTests(SqliteFixture sqlite, PostgresFixture postgres, MongoFixture mongo, MongoAndPostgresFixture mongoAndPostgres)
{
    private const int Width = 50;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task Register_WhenRacedByManyOnSqlite_LeavesOneOwner() => RegisterAsync(sqlite, nodes: 1);

    [Fact]
    public Task Register_WhenRacedByManyOnPostgres_LeavesOneOwner() => RegisterAsync(postgres, nodes: 2);

    [Fact]
    public Task Register_WhenRacedByManyOnMongo_LeavesOneOwner() => RegisterAsync(mongo, nodes: 1);

    [Fact]
    public Task Register_WhenRacedByManyOnMongoAndPostgres_LeavesOneOwner() => RegisterAsync(mongoAndPostgres, nodes: 2);

    [Fact]
    public Task Register_WhenRacedBySignOutOnMongo_LeavesNothingBehind() => SignOutAsync(mongo, nodes: 1);

    [Fact]
    public Task Register_WhenRacedBySignOutOnMongoAndPostgres_LeavesNothingBehind() => SignOutAsync(mongoAndPostgres, nodes: 2);

    [Fact]
    public Task Register_WhenRacedBySignOutOnSqlite_LeavesNothingBehind() => SignOutAsync(sqlite, nodes: 1);

    [Fact]
    public Task Register_WhenRacedBySignOutOnPostgres_LeavesNothingBehind() => SignOutAsync(postgres, nodes: 2);

    // By the provider's clock the old token died after the app had brought another: the refusal is the old one's all the same.
    [Fact]
    public async Task Refusal_OfATokenThatWasReplacedMeanwhile_KeepsTheDevice()
    {
        await using var world = await World.OpenAsync(sqlite, nodes: 1);
        var person = await world.AddAsync();
        await world.Registry(0).RegisterAsync(person.Account, person.Session, new NewDevice("android", "token-a"), World.Caller, notice: null, Cancel);
        var old = await world.Database.ReadAsync((context, token) => context.Set<DeviceRow>().SingleAsync(token), Cancel);
        await world.Database.WriteAsync((context, token) => context.Set<DeviceRow>().ExecuteUpdateAsync(set => set.SetProperty(r => r.TokenHash, "another"), token), Cancel);
        Assert.False(await world.Registry(0).RemoveRefusedAsync(old, world.Now.AddHours(1), Cancel));
        var current = await world.Database.ReadAsync((context, token) => context.Set<DeviceRow>().SingleAsync(token), Cancel);
        Assert.True(await world.Registry(0).RemoveRefusedAsync(current, world.Now.AddHours(1), Cancel));
    }

    // Each pair moves two tokens back and forth in opposite order: locks taken in two orders would wait for each other.
    private static async Task RegisterAsync(StoreFixture fixture, int nodes)
    {
        await using var world = await World.OpenAsync(fixture, nodes);
        var people = await Task.WhenAll(Enumerable.Range(0, Width).Select(_ => world.AddAsync()));
        string[] tokens = ["token-a", "token-b"];
        var results = await Task.WhenAll(people.Select((person, i) => Task.Run(async () => new[]
        {
            await world.Registry(i).RegisterAsync(person.Account, person.Session, new NewDevice("android", tokens[i % 2]), World.Caller, notice: null, Cancel),
            await world.Registry(i + 1).RegisterAsync(person.Account, person.Session, new NewDevice("android", tokens[(i + 1) % 2]), World.Caller, notice: null, Cancel),
        })));
        Assert.All(results.SelectMany(pair => pair), result => Assert.IsType<DeviceRegistration.Registered>(result));

        var rows = await world.Database.ReadAsync((context, token) => context.Set<DeviceRow>().ToListAsync(token), Cancel);
        Assert.Equal(2, rows.Count);
        var found = await Task.WhenAll(rows.Select(row => world.Registry(0).TokenAsync(row, Cancel)));
        Assert.Equal(["token-a", "token-b"], found.Order());
        if (world.Services(0).GetService<DeviceSecrets>() is not null)
        {
            Assert.All(rows, row => Assert.Empty(row.SealedToken));
        }

        var events = await world.Database.ReadAsync((context, token) => context.Outbox.Where(r => r.RoutingKey.StartsWith("device.")).ToListAsync(token), Cancel);
        Assert.Equal(2, events.Count(e => e.RoutingKey == EventTypes.DeviceRegistered) - events.Count(e => e.RoutingKey == EventTypes.DeviceRemoved));
    }

    private static async Task SignOutAsync(StoreFixture fixture, int nodes)
    {
        await using var world = await World.OpenAsync(fixture, nodes);
        var people = await Task.WhenAll(Enumerable.Range(0, Width).Select(_ => world.AddAsync()));
        var sessions = world.Services(nodes - 1).GetRequiredService<ISessionStore>();
        await Task.WhenAll(people.SelectMany((person, i) => new Task[]
        {
            Task.Run(() => world.Registry(i).RegisterAsync(person.Account, person.Session, new NewDevice("android", "mine-" + i), World.Caller, notice: null, Cancel)),
            Task.Run(() => sessions.EndAsync(person.Session, world.Now, World.Event(person.Account, world.Now, ("reason", "logout")), Cancel)),
        }));

        Assert.Equal(0, await world.Database.ReadAsync((context, token) => context.Set<DeviceRow>().CountAsync(token), Cancel));
        var events = await world.Database.ReadAsync((context, token) => context.Outbox.Where(r => r.RoutingKey.StartsWith("device.")).ToListAsync(token), Cancel);
        Assert.All(events.GroupBy(e => e.AccountId), group => Assert.Equal(["device.registered", "device.removed"], group.OrderBy(e => e.Sequence).Select(e => e.RoutingKey)));
    }

    private sealed class World(IReadOnlyList<ServiceProvider> nodes, TimeProvider time) : IAsyncDisposable
    {
        public static readonly Caller Caller = new("192.0.2.1", "app");

        public DateTimeOffset Now => time.GetUtcNow();

        public StoreDatabase Database => Services(0).GetRequiredService<StoreDatabase>();

        public static async Task<World> OpenAsync(StoreFixture fixture, int nodes)
        {
            var time = new FakeTimeProvider();
            var open = await fixture.IsolateAsync(time);
            var opened = new List<ServiceProvider>();
            for (var i = 0; i < nodes; i++)
            {
                opened.Add((ServiceProvider)await open());
            }

            return new(opened, time);
        }

        public static LifecycleEvent Event(Guid account, DateTimeOffset now, params (string Name, JsonNode? Value)[] data) =>
            new(Guid.CreateVersion7(now), EventExchanges.Session, EventTypes.SessionDestroyed, account, now, new JsonObject(data.Select(d => KeyValuePair.Create(d.Name, d.Value))));

        public ServiceProvider Services(int node) => nodes[node % nodes.Count];

        public DeviceRegistry Registry(int node) => new(
            Services(node).GetRequiredService<StoreDatabase>(),
            Services(node).GetRequiredService<MasterKey>(),
            Services(node).GetRequiredService<MailOutbox>(),
            new AuditTrail(Services(node).GetRequiredService<IAuditLog>(), time),
            time,
            Services(node).GetService<DeviceSecrets>());

        public async Task<(Guid Account, string Session)> AddAsync()
        {
            var id = Guid.NewGuid();
            var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = Now, UpdatedAt = Now };
            Assert.Equal(AccountWrite.Done, await Services(0).GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [], Cancel));
            var session = new Session(id.ToString("N"), id, Now, Now, ["pwd"], "1", Now.AddDays(1), Now, Now.AddDays(1), null, [], null, null, null);
            await Services(0).GetRequiredService<ISessionStore>().CreateAsync(session, Event(id, Now), Cancel);
            return (id, session.Id);
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var node in nodes)
            {
                await node.DisposeAsync();
            }
        }
    }
}
