using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Push;
using Identity.Accounts.Devices;
using Identity.Accounts.Sessions;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Api;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Push;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Push;

/// <summary>The worker's side of push messages over stand-ins of both providers, an SQLite file and a clock that tests move. Nothing is sent but by <see cref="DrainAsync"/>.</summary>
internal sealed class PushWorld : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-push-test-");
    private readonly List<ServiceProvider> _nodes = [];
    private readonly MeterListener _meters = new();
    private readonly HashSet<object?> _factories = [];
    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);
    private PushSettings _settings = null!;
    private MongoSettings? _mongo;

    public FakeTimeProvider Time { get; } = new();

    public StandInFcm Fcm { get; private set; } = null!;

    public StandInApns Apns { get; private set; } = null!;

    public CapturedLogs Logs { get; } = new();

    public ServiceProvider Node => _nodes[0];

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="mongo">Where tokens live; null: in the file.</param>
    public static async Task<PushWorld> StartAsync(MongoSettings? mongo = null)
    {
        var world = new PushWorld { Fcm = await StandInFcm.StartAsync(), _mongo = mongo };
        world.Apns = await StandInApns.StartAsync(world.Time);
        var problems = new List<string>();
        world._settings = PushSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(world.Settings()).Build(), problems)!;
        Assert.Empty(problems);
        world._meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name.StartsWith("identity.push.", StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        world._meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var reason = "";
            foreach (var tag in tags)
            {
                reason = tag.Key == "reason" ? "/" + tag.Value : reason;
            }

            lock (world._counts)
            {
                // Other tests' servers send as well meanwhile.
                if (!world._factories.Contains(instrument.Meter.Scope))
                {
                    return;
                }

                world._counts[instrument.Name["identity.push.".Length..] + reason] = world._counts.GetValueOrDefault(instrument.Name["identity.push.".Length..] + reason) + value;
            }
        });
        world._meters.Start();
        await world.AddNodeAsync();
        return world;
    }

    /// <summary>As a host would read them.</summary>
    public Dictionary<string, string?> Settings() => new(StringComparer.Ordinal)
    {
        ["FIREBASE_CREDENTIALS"] = Fcm.Credentials,
        ["FCM_ENDPOINT"] = Fcm.Address.AbsoluteUri,
        ["APNS_KEY"] = Apns.Key,
        ["APNS_KEY_ID"] = StandInApns.KeyId,
        ["APNS_TEAM_ID"] = StandInApns.TeamId,
        ["APNS_TOPIC"] = StandInApns.Topic,
        ["APNS_ENDPOINT"] = Apns.Address.AbsoluteUri,
        ["APNS_SANDBOX_ENDPOINT"] = Apns.Address.AbsoluteUri,
    };

    /// <summary>Another process over the same store.</summary>
    public async Task<ServiceProvider> AddNodeAsync()
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(Logs));
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        services.AddSingleton<TimeProvider>(Time);
        services.AddSqlStores(StorageSettings.Embedded(_directory.FullName) with { Mongo = _mongo });
        services.AddStoreDataProtection();
        services.AddOAuthStores();
        services.AddPushOutbox(_settings);
        services.AddIdentityAccounts(allowWeakHash: true);
        services.AddPushDelivery(_settings);
        var node = services.BuildServiceProvider();
        await node.InitializeStoresAsync(Cancel);
        _nodes.Add(node);
        lock (_counts)
        {
            _factories.Add(node.GetRequiredService<IMeterFactory>());
        }

        return node;
    }

    public long Count(string name)
    {
        lock (_counts)
        {
            return _counts.GetValueOrDefault(name);
        }
    }

    public async Task<(Guid Account, string Session)> AddAccountAsync()
    {
        var id = Guid.NewGuid();
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = Time.GetUtcNow(), UpdatedAt = Time.GetUtcNow() };
        Assert.Equal(AccountWrite.Done, await Node.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [], Cancel));
        var session = await Node.GetRequiredService<SessionService>().StartAsync(account, ["pwd"], new Caller(null, null), Cancel);
        return (id, session!.Value.Session.Id);
    }

    public async Task<(Device Device, string Token)> AddDeviceAsync((Guid Account, string Session) owner, string platform, string? token = null, string? environment = null)
    {
        token ??= platform == "ios" ? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)) : "t:" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var registered = await Node.GetRequiredService<DeviceRegistry>().RegisterAsync(owner.Account, owner.Session, new NewDevice(platform, token, Environment: environment), new Caller(null, null), notice: null, Cancel);
        return (Assert.IsType<DeviceRegistration.Registered>(registered).Device, token);
    }

    /// <summary>A message to every device of the account.</summary>
    public Task<int> WriteAsync(Guid account, TimeSpan? life = null, string text = "hello") => Node.GetRequiredService<StoreDatabase>().TransactAsync(
        (context, token) => Node.GetRequiredService<PushOutbox>().WriteAsync(
            context, account, Guid.CreateVersion7(), PushKinds.Code, new PushContent("title", text, new(StringComparer.Ordinal) { ["type"] = "code" }), Time.GetUtcNow(), Time.GetUtcNow() + (life ?? TimeSpan.FromHours(1)), withKeyOnly: false, token),
        Cancel);

    public Task<int> WaitingAsync() => Node.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<PushMessageRow>().CountAsync(token), Cancel);

    /// <summary>Sends until nothing waits, or the time is over; time passes only where nothing is due.</summary>
    public async Task DrainAsync(TimeSpan? within = null)
    {
        var end = Time.GetUtcNow() + (within ?? TimeSpan.FromHours(1));
        while (await WaitingAsync() > 0 && Time.GetUtcNow() < end)
        {
            if (await SendAsync() == 0)
            {
                Time.Advance(TimeSpan.FromSeconds(10));
            }
        }
    }

    /// <summary>What is due now, by all processes at once.</summary>
    public async Task<int> SendAsync() => (await Task.WhenAll(_nodes.Select(node => Task.Run(() => node.GetRequiredService<PushDelivery>().SendDueAsync(Cancel))))).Sum();

    public async Task<IReadOnlyList<string>> EventsAsync(string type) =>
        await Node.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Outbox.Where(r => r.RoutingKey == type).Select(r => r.Body).ToListAsync(token), Cancel);

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        _meters.Dispose();
        await Fcm.DisposeAsync();
        await Apns.DisposeAsync();
        _directory.Delete(recursive: true);
    }
}
