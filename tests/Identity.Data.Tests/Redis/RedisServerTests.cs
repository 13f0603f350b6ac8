using Identity.Accounts.Data;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.RateLimits;
using Identity.Data.Tests.Sql;
using Identity.OAuth.Storage;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Identity.Data.Tests.Redis;

/// <summary>How the service starts with Redis, goes without it, and finds it again.</summary>
public sealed class RedisServerTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Stores_WhenRedisIsAway_ThrowAndComeBackByThemselvesWithNothingLost()
    {
        await using var redis = await NeededAsync();
        await using var host = await StoreHost.StartAsync(With(redis.Settings()));
        var now = TimeProvider.System.GetUtcNow();
        var code = new OneTimeCode(Guid.NewGuid(), Guid.NewGuid(), "email", "login", new byte[32], now, now.AddMinutes(5));
        await host.Get<IOneTimeCodeStore>().ReplaceAsync(code, Cancel);
        await host.Get<IDenyList>().DenyAsync("denied", now.AddHours(1), Cancel);
        Assert.True(await host.Get<IReplayCache>().TryAddAsync("k", "seen", now.AddHours(1), Cancel));
        Assert.True((await host.Get<IRateLimiter>().AcquireAsync("k", 1, TimeSpan.FromDays(10_000), Cancel)).Allowed);

        await redis.StopAsync();
        Func<Task>[] questions =
        [
            async () => await host.Get<IDenyList>().IsDeniedAsync(new[] { "a" }, Cancel),
            () => host.Get<IDenyList>().DenyAsync("a", now.AddHours(1), Cancel),
            () => host.Get<IReplayCache>().TryAddAsync("k", "v", now.AddHours(1), Cancel),
            () => host.Get<IRateLimiter>().AcquireAsync("k", 1, TimeSpan.FromMinutes(1), Cancel),
            () => host.Get<IOneTimeCodeStore>().ReplaceAsync(code, Cancel),
            () => host.Get<IOneTimeCodeStore>().TryUseAsync(code.Id, code.CodeHash, 5, now, Cancel),
            () => host.Get<IOneTimeCodeStore>().FindAsync(code.Id, Cancel),
        ];
        foreach (var question in questions)
        {
            var thrown = await Assert.ThrowsAsync<StoreUnavailableException>(question);
            Assert.True(StoreOutage.Is(thrown));
        }

        Assert.Equal(HealthStatus.Unhealthy, (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"].Status);

        await redis.StartAsync();
        await EventuallyAsync(async () => (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"].Status == HealthStatus.Healthy);
        Assert.True(await host.Get<IDenyList>().IsDeniedAsync(new[] { "denied" }, Cancel));
        Assert.False(await host.Get<IDenyList>().IsDeniedAsync(new[] { "a" }, Cancel));
        Assert.False(await host.Get<IReplayCache>().TryAddAsync("k", "seen", now.AddHours(1), Cancel));
        Assert.False((await host.Get<IRateLimiter>().AcquireAsync("k", 1, TimeSpan.FromDays(10_000), Cancel)).Allowed);
        Assert.True(await host.Get<IOneTimeCodeStore>().TryUseAsync(code.Id, code.CodeHash, 5, now, Cancel));
    }

    // A replica that is cut off from its master does not know what was acknowledged since; that it answers is no reason to ask it.
    [Fact]
    public async Task Questions_WhenAReplicaAloneIsLeft_ThrowUntilItIsTheMaster()
    {
        await using var master = await NeededAsync();
        await using var replica = await NeededAsync();
        await FollowAsync(replica, master);
        await using var host = await StoreHost.StartAsync(With(Both(master, replica)));
        var now = TimeProvider.System.GetUtcNow();
        var code = new OneTimeCode(Guid.NewGuid(), Guid.NewGuid(), "email", "login", new byte[32], now, now.AddMinutes(5));
        await host.Get<IOneTimeCodeStore>().ReplaceAsync(code, Cancel);
        await replica.CommandAsync("REPLICAOF 127.0.0.1 1");
        await host.Get<IDenyList>().DenyAsync("denied", now.AddHours(1), Cancel);

        await master.StopAsync();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (var i = 0; i < 40; i++)
        {
            await Assert.ThrowsAsync<StoreUnavailableException>(async () => await host.Get<IDenyList>().IsDeniedAsync(new[] { "denied" }, Cancel));
            await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<IOneTimeCodeStore>().FindAsync(code.Id, Cancel));
            await Assert.ThrowsAsync<StoreUnavailableException>(() => host.Get<IOneTimeCodeStore>().FindLatestAsync(code.AccountId!.Value, code.Purpose, Cancel));
            Assert.Equal(HealthStatus.Unhealthy, (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"].Status);
            await timer.WaitForNextTickAsync(Cancel);
        }

        await replica.CommandAsync("REPLICAOF NO ONE");
        await EventuallyAsync(async () => (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"].Status == HealthStatus.Healthy);
        Assert.NotNull(await host.Get<IOneTimeCodeStore>().FindAsync(code.Id, Cancel));
    }

    // As Sentinel does it, and who patches one machine after the other: no connection breaks.
    [Fact]
    public async Task Stores_WhenMasterAndReplicaChangePlaces_GoOnAtTheOther()
    {
        await using var master = await NeededAsync();
        await using var replica = await NeededAsync();
        await FollowAsync(replica, master);
        await using var host = await StoreHost.StartAsync(With(Both(master, replica)));
        var now = TimeProvider.System.GetUtcNow();
        await host.Get<IDenyList>().DenyAsync("before", now.AddHours(1), Cancel);
        await EventuallyAsync(async () => (await replica.CommandAsync("DBSIZE")).StartsWith(":1", StringComparison.Ordinal));

        await replica.CommandAsync("REPLICAOF NO ONE");
        await FollowAsync(master, replica);
        await EventuallyAsync(async () => (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"].Status == HealthStatus.Healthy);
        Assert.True(await host.Get<IDenyList>().IsDeniedAsync(new[] { "before" }, Cancel));
        await host.Get<IDenyList>().DenyAsync("after", now.AddHours(1), Cancel);
        Assert.True(await host.Get<IDenyList>().IsDeniedAsync(new[] { "after" }, Cancel));
        Assert.Contains("after", await replica.CommandAsync("KEYS *"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WhenRedisIsNotThere_WaitsAndStopsWithOneLine()
    {
        await using var redis = await NeededAsync("secret-canary");
        await redis.StopAsync();
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(With(redis.Settings())));
        Assert.StartsWith("REDIS_HOST: expected a usable Redis (Redis at 127.0.0.1:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WhenRedisComesLater_WaitsForIt()
    {
        await using var redis = await NeededAsync();
        await redis.StopAsync();
        var settings = redis.Settings();
        var starting = StoreHost.StartAsync(With(new() { Endpoints = settings.Endpoints, StartWait = TimeSpan.FromSeconds(30) }));
        await redis.StartAsync();
        await using var host = await starting;
        Assert.False(await host.Get<IDenyList>().IsDeniedAsync(new[] { "a" }, Cancel));
    }

    [Fact]
    public async Task Start_WhenThePasswordIsWrong_SaysSoWithoutWaiting()
    {
        await using var redis = await NeededAsync("right");
        var wrong = new RedisSettings { Endpoints = redis.Settings().Endpoints, Password = "wrong-canary", StartWait = TimeSpan.FromSeconds(20) };
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(With(wrong)));
        Assert.StartsWith("REDIS_PASSWORD:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
        await using var host = await StoreHost.StartAsync(With(redis.Settings()));
    }

    // A ping needs no rights: the node said Healthy, and every sign-in was answered 503.
    [Theory]
    [InlineData("~other:* &* +@all")]
    [InlineData("~* resetchannels +@all")]
    [InlineData("~* &* +@all -@scripting")]
    [InlineData("~* &* +@all -hincrby")]
    public async Task Start_WhenTheUserHasNoRightsToOurKeysOrChannel_IsRefusedAtOnceAndSaysWhoseRights(string rights)
    {
        await using var redis = await NeededAsync();
        await redis.CommandAsync($"ACL SETUSER service on >canary {rights}");
        var settings = new RedisSettings { Endpoints = redis.Settings().Endpoints, UserName = "service", Password = "canary", StartWait = TimeSpan.FromSeconds(20) };
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(With(settings)));
        Assert.StartsWith("REDIS_USERNAME: expected a user of Redis at ", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", failure.Message, StringComparison.Ordinal);
    }

    // The words of the line, taken at their word; and a right that goes while the node runs.
    [Fact]
    public async Task Readiness_WhenTheUserHasTheRightsThatAreNamedAndThenLosesThem_IsTrueAndThenFalse()
    {
        await using var redis = await NeededAsync();
        await redis.CommandAsync("ACL SETUSER service on >p ~identity:* &identity:* +@read +@write +@scripting +@pubsub +@connection +info");
        var settings = new RedisSettings { Endpoints = redis.Settings().Endpoints, UserName = "service", Password = "p", StartWait = TimeSpan.FromSeconds(1) };
        await using var host = await StoreHost.StartAsync(With(settings));
        Assert.Equal(HealthStatus.Healthy, (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"].Status);
        await redis.CommandAsync("ACL SETUSER service resetkeys");
        var entry = (await host.Get<HealthCheckService>().CheckHealthAsync(Cancel)).Entries["redis"];
        Assert.Equal(HealthStatus.Unhealthy, entry.Status);
        Assert.StartsWith("REDIS_USERNAME: ", entry.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WhenRedisEvictsKeys_IsRefused()
    {
        await using var redis = await NeededAsync(arguments: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(With(redis.Settings())));
        Assert.Contains("noeviction", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_WhenRequired_IsUsedAndWhenVerifiedRefusesAnUnknownCertificate()
    {
        await using var redis = await NeededAsync("p", tls: true);
        await using (var host = await StoreHost.StartAsync(With(redis.Settings())))
        {
            Assert.False(await host.Get<IDenyList>().IsDeniedAsync(new[] { "a" }, Cancel));
        }

        var verify = new RedisSettings { Endpoints = redis.Settings().Endpoints, Password = "p", Tls = RedisTls.Verify, StartWait = TimeSpan.FromSeconds(1) };
        await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(With(verify)));
        var clear = new RedisSettings { Endpoints = redis.Settings().Endpoints, Password = "p", StartWait = TimeSpan.FromSeconds(1) };
        await Assert.ThrowsAsync<StartFailureException>(() => StoreHost.StartAsync(With(clear)));
    }

    [Fact]
    public async Task Keys_WhenWritten_HaveThePrefixAndAnEnd()
    {
        await using var redis = await NeededAsync();
        await using var host = await StoreHost.StartAsync(With(redis.Settings("mine")));
        var now = TimeProvider.System.GetUtcNow();
        await host.Get<IOneTimeCodeStore>().ReplaceAsync(new(Guid.NewGuid(), Guid.NewGuid(), "email", "login", new byte[32], now, now.AddMinutes(5)), Cancel);
        await host.Get<IDenyList>().DenyAsync("a", now.AddHours(1), Cancel);
        await host.Get<IReplayCache>().TryAddAsync("k", "v", now.AddHours(1), Cancel);
        await host.Get<IRateLimiter>().AcquireAsync("k", 1, TimeSpan.FromMinutes(1), Cancel);
        var keys = (await redis.CommandAsync("KEYS *")).Split("\r\n").Where(line => line.Contains(':', StringComparison.Ordinal)).ToArray();
        Assert.Equal(5, keys.Length);
        foreach (var key in keys)
        {
            Assert.StartsWith("mine:", key, StringComparison.Ordinal);
            Assert.DoesNotContain(":-1", await redis.CommandAsync("PTTL " + key), StringComparison.Ordinal);
        }
    }

    private StorageSettings With(RedisSettings redis) => StorageSettings.Embedded(_directory.Path) with { Redis = redis };

    private static async Task<RedisInstance> NeededAsync(string? password = null, bool tls = false, params string[] arguments)
    {
        var server = await RedisInstance.StartAsync(password, tls, cluster: false, arguments);
        if (server is null)
        {
            Assert.Skip(RedisInstance.WhatIsMissing);
        }

        return server;
    }

    private static RedisSettings Both(RedisInstance one, RedisInstance other) => new() { Endpoints = [("127.0.0.1", one.Port), ("127.0.0.1", other.Port)], StartWait = TimeSpan.FromSeconds(1) };

    private static async Task FollowAsync(RedisInstance replica, RedisInstance master)
    {
        await replica.CommandAsync($"REPLICAOF 127.0.0.1 {master.Port}");
        await EventuallyAsync(async () => (await replica.CommandAsync("INFO replication")).Contains("master_link_status:up", StringComparison.Ordinal));
    }

    private static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeLimit.Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            await timer.WaitForNextTickAsync(limit.Token);
        }
    }
}
