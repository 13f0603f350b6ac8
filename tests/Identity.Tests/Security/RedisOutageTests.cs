// Security catalogue: nothing that decides fails open while Redis is away.
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

/// <summary>Redis goes away under a running server, and comes back.</summary>
public sealed class RedisOutageTests
{
    [Fact]
    public Task Server_WhenRedisIsAway_Answers503AndGoesOnWhenItIsBack() => RunAsync(async (redis, process) =>
    {
        using var node = new AddressedNode(process.Address);
        var (_, email) = await node.RegisterAsync();
        using var browser = new Browser(node.Address);
        await browser.SignInAsync(email, Node.Password);
        var tokens = await node.TokensAsync(browser, scope: "openid offline_access notes.read");
        var revoked = (string)(await node.TokensAsync(browser, scope: "openid notes.read"))["access_token"]!;
        var access = (string)tokens["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, (await node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", revoked))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync(revoked));
        Assert.Contains("identity:denied:", await redis.CommandAsync("KEYS *"), StringComparison.Ordinal);

        await redis.StopAsync();
        using (var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password }))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, login.StatusCode);
            Assert.NotNull(login.Headers.RetryAfter);
        }

        var (status, body) = await node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", access));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "temporarily_unavailable"), (status, (string?)body["error"]));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await node.UserInfoAsync(access));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await node.UserInfoAsync(revoked));
        using (var ready = await node.Http.GetAsync(new Uri(node.Address, "/health/ready")))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        }

        await redis.StartAsync();
        await process.WaitReadyAsync();
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync(access));
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync(revoked));
        using (var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password }))
        {
            Assert.True(login.IsSuccessStatusCode);
        }
    });

    // As while min-replicas-to-write is not met, when its memory is full, or at a replica: questions are answered, changes are not.
    [Fact]
    public Task ReuseOfARefreshToken_WhileRedisRefusesToWrite_EndsTheSessionAllTheSame() => RunAsync(async (redis, process) =>
    {
        using var node = new AddressedNode(process.Address);
        using var browser = await node.SignedInAsync();
        var first = (string)(await node.TokensAsync(browser))["refresh_token"]!;
        var second = (string)(await node.RefreshAsync(first)).Body["refresh_token"]!;
        var third = (await node.RefreshAsync(second)).Body;
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)third["access_token"]!));

        await redis.CommandAsync("CONFIG SET min-replicas-to-write 1");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await node.RefreshAsync(first)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync((string)third["access_token"]!));
        using (var again = await browser.GetAsync(node.AuthorizeUrl("spa", "openid", ("prompt", "none"))))
        {
            Assert.Equal("login_required", Node.Query(again.Headers.Location).GetValueOrDefault("error"));
        }

        await redis.CommandAsync("CONFIG SET min-replicas-to-write 0");
        Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync((string)third["refresh_token"]!)).Body["error"]);
        await process.KillAsync();
        Assert.Contains("RefreshTokenGrant[1010]", process.Output, StringComparison.Ordinal);
    });

    private static async Task RunAsync(Func<RedisInstance, ServerProcess, Task> test)
    {
        var directory = Directory.CreateTempSubdirectory("identity-redis-outage-test-");
        await using var redis = await RedisInstance.StartAsync();
        if (redis is null)
        {
            Assert.Skip(RedisInstance.WhatIsMissing);
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        settings["DATA_DIR"] = Path.Combine(directory.FullName, "data");
        settings["REDIS_HOST"] = redis.Host;
        await using (var process = ServerProcess.Start(settings))
        {
            await process.WaitReadyAsync();
            await test(redis, process);
        }

        directory.Delete(recursive: true);
    }
}
