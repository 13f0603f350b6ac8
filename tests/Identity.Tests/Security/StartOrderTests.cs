// Security catalogue: a store that is not there yet is waited for, and never replaced by another.
using System.Diagnostics;
using System.Security.Cryptography;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

/// <summary>Server processes that are started before their stores.</summary>
public sealed class StartOrderTests
{
    [Fact]
    public async Task Server_WhenStartedBeforeItsDatabase_WaitsSaysSo_AndServesFromItAlone()
    {
        var directory = Directory.CreateTempSubdirectory("identity-start-test-");
        await using var database = await PostgresServer.StartAsync();
        Assert.SkipUnless(database is { IsPrivate: true }, "Needs a PostgreSQL of its own.");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        settings["DATA_DIR"] = Path.Combine(directory.FullName, "data");
        database.AddSettings(settings);
        await database.StopAsync();
        await using (var process = ServerProcess.Start(settings))
        {
            await SaysAsync(process, "does not answer yet: waiting for up to 60 s");
            await database.StartAgainAsync();
            await process.WaitReadyAsync();
            using var node = new AddressedNode(process.Address);
            using var browser = await node.SignedInAsync();
            Assert.Single(process.Output.Split('\n'), line => line.Contains("does not answer yet", StringComparison.Ordinal));
            Assert.Empty(Directory.EnumerateFiles(directory.FullName, "*.db", SearchOption.AllDirectories));
        }

        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenRedisNeverComes_WaitsThirtySeconds_AndStopsWithALineThatNamesIt()
    {
        var directory = Directory.CreateTempSubdirectory("identity-start-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["REDIS_HOST"] = $"127.0.0.1:{Ports.Free()}" };
        var started = Stopwatch.GetTimestamp();
        await using (var process = ServerProcess.Start(settings))
        {
            await SaysAsync(process, "does not answer yet: waiting for up to 30 s");
            Assert.Equal(1, await process.WaitForExitAsync());
            Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.FromSeconds(29), TimeLimit.Seconds(60));
            await process.WaitOutputAsync();
            Assert.Contains("REDIS_HOST: expected a usable Redis", process.Output, StringComparison.Ordinal);
        }

        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenStartedBeforeItsRedisAndMongo_WaitsForBothAndServes()
    {
        var directory = Directory.CreateTempSubdirectory("identity-start-test-");
        await using var redis = await RedisInstance.StartAsync();
        await using var mongo = await MongoInstance.StartAsync();
        Assert.SkipUnless(redis is not null && mongo is { IsPrivate: true }, "Needs a Redis and a MongoDB of its own.");
        await redis.StopAsync();
        await mongo.StopAsync();
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["REDIS_HOST"] = redis.Host, ["MONGO_URI"] = mongo.Uri(), ["Accounts__PasswordHashIterations"] = "1000" };
        await using (var process = ServerProcess.Start(settings))
        {
            await SaysAsync(process, "MongoDB at");
            await mongo.StartAgainAsync();
            await SaysAsync(process, "waiting for up to 30 s");
            await redis.StartAsync();
            await process.WaitReadyAsync();
            using var node = new AddressedNode(process.Address);
            await node.RegisterAsync();
        }

        directory.Delete(recursive: true);
    }

    private static async Task SaysAsync(ServerProcess process, string words)
    {
        for (var started = Stopwatch.GetTimestamp(); !process.Output.Contains(words, StringComparison.Ordinal); await Task.Delay(50))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeLimit.Seconds(60), process.Output);
        }
    }
}
