using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Worker.Tests.Fixtures;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Worker.Tests;

/// <summary>What the worker clears away, turn by turn.</summary>
public sealed class CleanUpLoopTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Turn_WhenSessionsCannotBeEnded_ClearsAwayTheRest()
    {
        var time = new FakeTimeProvider();
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        services.AddSingleton<TimeProvider>(time);
        services.AddSqlStores(StorageSettings.Embedded(_folder.Path));
        services.AddStoreDataProtection();
        services.AddIdentityAccounts(allowWeakHash: true);
        await using var provider = services.BuildServiceProvider();
        await provider.InitializeStoresAsync(TestContext.Current.CancellationToken);
        var database = provider.GetRequiredService<StoreDatabase>();
        var id = Guid.CreateVersion7(time.GetUtcNow());
        var account = new Account { Id = id, Email = "ann@example.com", NormalizedEmail = "ANN@EXAMPLE.COM", CreatedAt = time.GetUtcNow(), UpdatedAt = time.GetUtcNow() };
        Assert.Equal(AccountWrite.Done, await provider.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [], TestContext.Current.CancellationToken));
        Assert.NotNull(await provider.GetRequiredService<SessionService>().StartAsync(account, ["pwd"], new Caller(null, null), TestContext.Current.CancellationToken));
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync("CREATE TRIGGER stuck BEFORE UPDATE OF ended_at ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END", token), TestContext.Current.CancellationToken);
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ProcessedMessageRow { Key = "old", Claim = Guid.NewGuid(), ClaimedUntil = time.GetUtcNow(), ExpiresAt = time.GetUtcNow() });
                return context.SaveChangesAsync(token);
            },
            TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromDays(8));

        using var loop = ActivatorUtilities.CreateInstance<CleanUpLoop>(provider, TimeSpan.FromMinutes(1));
        await loop.StartAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(
            async () =>
            {
                time.Advance(TimeSpan.FromMinutes(2));
                return !await database.ReadAsync((context, token) => context.ProcessedMessages.AnyAsync(token), TestContext.Current.CancellationToken);
            },
            "the processed message is forgotten",
            20);
        await loop.StopAsync(TestContext.Current.CancellationToken);
    }
}
