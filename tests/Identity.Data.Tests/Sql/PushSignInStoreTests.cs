using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Identity.Accounts;
using Identity.Accounts.Audit;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Events;
using Identity.Accounts.PushSignIn;
using Identity.Accounts.RateLimits;
using Identity.Accounts.SignIn;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Conformance;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Data.Tests.Sql;

/// <summary>Races over questions to a person's phones and their answers, on each kind of store and over two nodes.</summary>
public sealed class PushSignInStoreTests(SqliteFixture sqlite, PostgresFixture postgres)
{
    private const int Width = 50;

    private static readonly Caller Caller = new(null, "app");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public Task Questions_WhenAskedFiftyTimesAtOnceOnSqlite_AreThree() => AskAsync(sqlite, nodes: 1);

    [Fact]
    public Task Questions_WhenAskedFiftyTimesAtOnceOnPostgres_AreThree() => AskAsync(postgres, nodes: 2);

    [Fact]
    public Task Answers_WhenGivenFiftyTimesAtOnceOnSqlite_AreOne_AndUsedOnce() => AnswerAsync(sqlite, nodes: 1);

    [Fact]
    public Task Answers_WhenGivenFiftyTimesAtOnceOnPostgres_AreOne_AndUsedOnce() => AnswerAsync(postgres, nodes: 2);

    private static async Task AskAsync(StoreFixture fixture, int nodes)
    {
        var (opened, time) = await OpenAsync(fixture, nodes);
        var account = Guid.NewGuid();
        Task<PushAsked[]> Race() => Task.WhenAll(Enumerable.Range(0, Width).Select(i => Task.Run(async () =>
            (await SignIns(opened[i % nodes], time).AskAsync(new PushQuestion(account, "stamp", "half:" + Guid.NewGuid().ToString("N"), IsAlone: false, "Atlas", CultureInfo.InvariantCulture), Caller, Cancel)).Asked)));
        Assert.Equal(PushSignIns.MostPending, (await Race()).Count(asked => asked is PushAsked.Asked));
        var database = opened[0].GetRequiredService<StoreDatabase>();
        Assert.Equal(3, await database.ReadAsync((context, token) => context.Set<PushSignInRow>().CountAsync(r => r.AccountId == account, token), Cancel));

        // Ten an hour: three, three, three and one.
        foreach (var left in (int[])[3, 3, 1, 0])
        {
            time.Advance(TimeSpan.FromSeconds(61));
            Assert.Equal(left, (await Race()).Count(asked => asked is PushAsked.Asked));
        }

        await CloseAsync(opened);
    }

    private static async Task AnswerAsync(StoreFixture fixture, int nodes)
    {
        var (opened, time) = await OpenAsync(fixture, nodes);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (id, now) = (Guid.NewGuid(), time.GetUtcNow());
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = now, UpdatedAt = now };
        Assert.Equal(AccountWrite.Done, await opened[0].GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [], Cancel));
        var database = opened[0].GetRequiredService<StoreDatabase>();
        var device = new DeviceRow { Id = Guid.CreateVersion7(now), AccountId = id, SessionId = "s", Platform = "android", TokenHash = id.ToString("N"), SealedToken = [1], PublicKey = key.ExportSubjectPublicKeyInfo(), CreatedAt = now, RegisteredAt = now, LastSeenAt = now };
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(device);
                return context.SaveChangesAsync(token);
            },
            Cancel);
        var binding = "half:" + Guid.NewGuid().ToString("N");
        Assert.IsType<PushAsked.Asked>((await SignIns(opened[0], time).AskAsync(new PushQuestion(id, account.SecurityStamp, binding, IsAlone: false, null, CultureInfo.InvariantCulture), Caller, Cancel)).Asked);
        var row = await database.ReadAsync((context, token) => context.Set<PushSignInRow>().SingleAsync(r => r.AccountId == id, token), Cancel);
        var signature = Convert.ToBase64String(key.SignData(Encoding.ASCII.GetBytes(SignInChallenge.OfDecision(row.Id, approves: true, row.Number, userVerified: false, device.Id, row.Nonce)), HashAlgorithmName.SHA256));
        var decided = await Task.WhenAll(Enumerable.Range(0, Width).Select(i => Task.Run(() =>
            Approvals(opened[i % nodes], time).DecideAsync(row.Id, new DeviceDecision(device.Id, row.Number, UserVerified: false, signature), Caller, Cancel))));
        Assert.Single(decided, answer => answer is DecidedSignIn.Done);
        Assert.Equal(Width - 1, decided.Count(answer => answer is DecidedSignIn.Over));
        var used = await Task.WhenAll(Enumerable.Range(0, Width).Select(i => Task.Run(() => SignIns(opened[i % nodes], time).TryUseAsync(binding, Cancel))));
        Assert.Equal(id, Assert.Single(used, one => one is not null)!.Value.AccountId);
        Assert.Equal(PushAnswer.Expired, (await SignIns(opened[0], time).ReadAsync(binding, Cancel)).Answer);
        await CloseAsync(opened);
    }

    private static PushSignIns SignIns(IServiceProvider node, TimeProvider time) =>
        new(node.GetRequiredService<StoreDatabase>(), node.GetRequiredService<MasterKey>(), outbox: null, Audit(node, time), Options.Create(new PushSignInOptions()), time);

    private static DeviceApprovals Approvals(IServiceProvider node, TimeProvider time)
    {
        var (accounts, limiter, options) = (node.GetRequiredService<IAccountStore>(), node.GetRequiredService<IRateLimiter>(), Options.Create(new AccountsOptions()));

        // Nobody is locked here, so nobody is told of it.
        var lockout = new Lockout(accounts, new LifecycleEvents(time), new KnownDevices(node.GetRequiredService<IKnownDeviceStore>(), options, time), notice: null!, limiter, options, time);
        return new(node.GetRequiredService<StoreDatabase>(), accounts, lockout, Audit(node, time), limiter, options, time);
    }

    private static AuditTrail Audit(IServiceProvider node, TimeProvider time) => new(node.GetRequiredService<IAuditLog>(), time);

    private static async Task<(List<ServiceProvider> Nodes, FakeTimeProvider Time)> OpenAsync(StoreFixture fixture, int nodes)
    {
        var time = new FakeTimeProvider();
        var open = await fixture.IsolateAsync(time);
        var opened = new List<ServiceProvider>();
        for (var i = 0; i < nodes; i++)
        {
            opened.Add((ServiceProvider)await open());
        }

        return (opened, time);
    }

    private static async Task CloseAsync(IEnumerable<ServiceProvider> nodes)
    {
        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }
    }
}
