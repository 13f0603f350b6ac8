using System.Diagnostics.Metrics;
using Identity.Accounts;
using Identity.Accounts.Changes;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Api;
using Identity.Tests.Kit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Accounts.Delivery;

/// <summary>Nodes over one SQLite file, one mail server and a clock that tests move. Nothing is sent but by <see cref="SendAsync"/>.</summary>
internal sealed class MailWorld : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-mail-test-");
    private readonly List<ServiceProvider> _nodes = [];
    private readonly MeterListener _meters = new();
    private readonly HashSet<object?> _factories = [];
    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);

    public FakeTimeProvider Time { get; } = new();

    public Relay Relay { get; } = new();

    public CapturedLogs Logs { get; } = new();

    public ServiceProvider Node => _nodes[0];

    public StoreDatabase Database => Node.GetRequiredService<StoreDatabase>();

    public static Caller Caller { get; } = new("192.0.2.1", "Mozilla/5.0");

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<MailWorld> StartAsync()
    {
        var world = new MailWorld();
        world._meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name.StartsWith("identity.mail.", StringComparison.Ordinal))
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
                if (world._factories.Contains(instrument.Meter.Scope))
                {
                    world._counts[instrument.Name["identity.mail.".Length..] + reason] = world._counts.GetValueOrDefault(instrument.Name["identity.mail.".Length..] + reason) + value;
                }
            }
        });
        world._meters.Start();
        await world.AddNodeAsync();
        return world;
    }

    /// <summary>Another process over the same store.</summary>
    public async Task<ServiceProvider> AddNodeAsync()
    {
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(Logs));
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        services.AddSingleton<TimeProvider>(Time);
        services.AddSqlStores(StorageSettings.Embedded(_directory.FullName));
        services.AddStoreDataProtection();
        services.AddOAuthStores();
        services.AddSingleton<IMessageSender>(Relay);
        services.AddIdentityAccounts(allowWeakHash: true);
        services.AddMailDelivery();
        services.Configure<AccountsOptions>(options => (options.PublicUrl, options.PasswordHashIterations) = ("https://id.example.com", 1000));
        var node = services.BuildServiceProvider();
        await node.InitializeStoresAsync(Cancel);
        _nodes.Add(node);
        lock (_counts)
        {
            _factories.Add(node.GetRequiredService<IMeterFactory>());
        }

        return node;
    }

    /// <summary>What the nodes counted, by the end of the instrument's name and the reason.</summary>
    public long Count(string name)
    {
        lock (_counts)
        {
            return _counts.GetValueOrDefault(name);
        }
    }

    public async Task<Account> AddAccountAsync()
    {
        var id = Guid.NewGuid();
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = Time.GetUtcNow(), UpdatedAt = Time.GetUtcNow() };
        Assert.Equal(AccountWrite.Done, await Node.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [], Cancel));
        return account;
    }

    /// <summary>Has a notice: the user name is another one now.</summary>
    public Task<AccountChangeResult> ChangeAsync(Account account, string? userName = null) =>
        Node.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { UserName = userName ?? "u" + Guid.NewGuid().ToString("N") }, expectedVersion: null, Caller, Cancel);

    public Task<int> WaitingAsync(Account? account = null) =>
        Database.ReadAsync((context, token) => context.Set<MailMessageRow>().CountAsync(row => account == null || row.AccountId == account.Id, token), Cancel);

    public Task<int> LinksAsync(Account account) => Database.ReadAsync((context, token) => context.Set<AccessNoticeRow>().CountAsync(row => row.AccountId == account.Id, token), Cancel);

    /// <summary>What is due now, by all nodes at once; how many tries there were.</summary>
    public async Task<int> SendAsync() => (await Task.WhenAll(_nodes.Select(node => Task.Run(() => node.GetRequiredService<MailDelivery>().SendDueAsync(Cancel))))).Sum(tries => tries.Found);

    /// <summary>Sends for this long, or until nothing waits; time passes only where nothing is due.</summary>
    public async Task PassAsync(TimeSpan time, TimeSpan? step = null)
    {
        var end = Time.GetUtcNow() + time;
        while (Time.GetUtcNow() < end && await WaitingAsync() > 0)
        {
            if (await SendAsync() == 0)
            {
                Time.Advance(step ?? TimeSpan.FromSeconds(30));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }

        _meters.Dispose();
        _directory.Delete(recursive: true);
    }
}

/// <summary>A mail server that can be away.</summary>
internal sealed class Relay : IMessageSender
{
    private readonly Lock _lock = new();
    private readonly List<PersonalMessage> _taken = [];
    private int _asked;

    public string Channel => "email";

    public bool IsAway { get; set; }

    /// <summary>Takes mails, and never says so.</summary>
    public bool Hangs { get; set; }

    public int Asked => Volatile.Read(ref _asked);

    public IReadOnlyList<PersonalMessage> Taken
    {
        get
        {
            lock (_lock)
            {
                return [.. _taken];
            }
        }
    }

    public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _asked);
        if (Hangs)
        {
            await Task.Delay(Timeout.Infinite, CancellationToken.None);
        }

        if (IsAway)
        {
            throw new IOException("550 no such user " + message.To);
        }

        await Task.Yield();
        lock (_lock)
        {
            _taken.Add(message);
        }
    }
}
