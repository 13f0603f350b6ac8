// Security catalogue: an outage of one store is not made one of all, and nothing is let through meanwhile.
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

/// <summary>MongoDB goes away under a running server, and comes back.</summary>
public sealed class MongoOutageTests
{
    [Fact]
    public async Task Server_WhenMongoIsAway_IsReadyForWhatGoesOn_AndLetsNobodyInByPassword()
    {
        var directory = Directory.CreateTempSubdirectory("identity-mongo-outage-test-");
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is not { IsPrivate: true })
        {
            Assert.Skip("Only a MongoDB of our own can be stopped.");
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        settings["DATA_DIR"] = Path.Combine(directory.FullName, "data");
        settings["MONGO_URI"] = mongo.Uri();
        await using (var process = ServerProcess.Start(settings))
        {
            await process.WaitReadyAsync();
            using var node = new AddressedNode(process.Address);
            var (_, email) = await node.RegisterAsync();
            using var browser = new Browser(node.Address);
            await browser.SignInAsync(email, Node.Password);
            var tokens = await node.TokensAsync(browser);
            Assert.Equal((HttpStatusCode.OK, "Healthy"), await ReadyAsync(node));

            await mongo.StopAsync();
            Assert.Equal((HttpStatusCode.OK, "Degraded"), await ReadyAsync(node));
            var began = Stopwatch.GetTimestamp();
            Assert.Equal((HttpStatusCode.OK, "Degraded"), await ReadyAsync(node));
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeLimit.Seconds(2.5), "A probe does not wait for as long as a request does.");
            Assert.Equal(HttpStatusCode.OK, (await node.RefreshAsync((string)tokens["refresh_token"]!)).Status);
            Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)tokens["access_token"]!));
            await node.RegisterAsync();
            using (var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password }))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, login.StatusCode);
            }

            await mongo.StartAgainAsync();
            while (await ReadyAsync(node) is not (HttpStatusCode.OK, "Healthy"))
            {
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }

            using (var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password }))
            {
                Assert.Equal(HttpStatusCode.OK, login.StatusCode);
            }

            await process.KillAsync();
        }

        directory.Delete(recursive: true);
    }

    private static async Task<(HttpStatusCode Status, string Text)> ReadyAsync(Node node)
    {
        using var ready = await node.Http.GetAsync(new Uri(node.Address, "/health/ready"));
        return (ready.StatusCode, await ready.Content.ReadAsStringAsync());
    }
}
