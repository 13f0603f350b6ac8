// Security catalogue: an outage of one store is not made one of all, and nothing is let through meanwhile.
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

/// <summary>MongoDB goes away under a running server, and comes back.</summary>
public sealed partial class MongoOutageTests
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

        var settings = await SettingsAsync(directory, mongo);
        await using (var process = ServerProcess.Start(settings))
        {
            await process.WaitReadyAsync();
            using var node = new AddressedNode(process.Address);
            var (id, email) = await node.RegisterAsync();
            using var browser = new Browser(node.Address);
            await browser.SignInAsync(email, Node.Password);
            var tokens = await node.TokensAsync(browser);
            Assert.Equal((HttpStatusCode.OK, "Healthy"), await ReadyAsync(node));

            // Proofs that work once, for what needs both stores.
            var outbox = Path.Combine(settings["DATA_DIR"], "outbox");
            using (var change = new HttpRequestMessage(HttpMethod.Put, new Uri(node.Address, "/api/identity/users/" + id)) { Content = JsonContent.Create(new { userName = "mongo.user" }) })
            {
                change.Headers.Authorization = new("Bearer", await LoginAsync(node, email, Node.Password));
                using var changed = await node.Http.SendAsync(change, TestContext.Current.CancellationToken);
                Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
            }

            var link = new Uri(await MailAsync(outbox, Link()));
            Assert.Equal(HttpStatusCode.OK, await PostAsync(node, "password/forgot", new { email }));
            var reset = new { email, code = await MailAsync(outbox, Code()), newPassword = "another sound phrase 8" };

            await mongo.StopAsync();
            Assert.Equal((HttpStatusCode.OK, "Degraded"), await ReadyAsync(node));
            var began = Stopwatch.GetTimestamp();
            Assert.Equal((HttpStatusCode.OK, "Degraded"), await ReadyAsync(node));
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeLimit.Seconds(2.5), "A probe does not wait for as long as a request does.");
            Assert.Equal(HttpStatusCode.OK, (await node.RefreshAsync((string)tokens["refresh_token"]!)).Status);
            Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)tokens["access_token"]!));
            await node.RegisterAsync();
            var brought = new { email = "brought@example.com", password = Node.Password, metadata = new { theme = "dark" } };
            Assert.Equal(HttpStatusCode.Created, await PostAsync(node, "register", brought));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await PostAsync(node, "password/reset", reset));
            using (var disowned = await browser.SubmitAsync(link.PathAndQuery, []))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, disowned.StatusCode);
            }

            using (var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password }))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, login.StatusCode);
            }

            await mongo.StartAgainAsync();
            while (await ReadyAsync(node) is not (HttpStatusCode.OK, "Healthy"))
            {
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }

            // What was refused meanwhile was not used up, and what was taken is there.
            var metadata = await MetadataAsync(node, await LoginAsync(node, brought.email, Node.Password));
            Assert.Equal("dark", (string?)metadata["theme"]);
            Assert.Equal(HttpStatusCode.OK, await PostAsync(node, "password/reset", reset));
            await LoginAsync(node, email, reset.newPassword);
            using (var disowned = await browser.SubmitAsync(link.PathAndQuery, []))
            {
                Assert.Equal(HttpStatusCode.SeeOther, disowned.StatusCode);
            }

            await process.KillAsync();
        }

        directory.Delete(recursive: true);
    }

    // The answer holds the person's metadata. Read after the rotation, it left whoever came again a minute later with a token that looked stolen.
    [Fact]
    public async Task ApiRefresh_WhenMongoIsAway_Answers503_AndItsTokenIsNotUsedUp()
    {
        var directory = Directory.CreateTempSubdirectory("identity-mongo-refresh-test-");
        await using var mongo = await MongoInstance.StartAsync();
        if (mongo is not { IsPrivate: true })
        {
            Assert.Skip("Only a MongoDB of our own can be stopped.");
        }

        var settings = await SettingsAsync(directory, mongo);

        // As if every outage were longer than the window.
        settings["OAuth__RefreshGrace"] = "00:00:00";
        await using (var process = ServerProcess.Start(settings))
        {
            await process.WaitReadyAsync();
            using var node = new AddressedNode(process.Address);
            var (_, email) = await node.RegisterAsync();
            using var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password = Node.Password }, TestContext.Current.CancellationToken);
            var refreshToken = (string)(await login.Content.ReadFromJsonAsync<JsonNode>(TestContext.Current.CancellationToken))!["refreshToken"]!;

            await mongo.StopAsync();
            using (var refused = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/refresh-token"), new { refreshToken }, TestContext.Current.CancellationToken))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
                Assert.NotNull(refused.Headers.RetryAfter);
            }

            await mongo.StartAgainAsync();
            while (await ReadyAsync(node) is not (HttpStatusCode.OK, "Healthy"))
            {
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }

            Assert.Equal(HttpStatusCode.OK, await PostAsync(node, "refresh-token", new { refreshToken }));
            Assert.Equal(HttpStatusCode.Unauthorized, await PostAsync(node, "refresh-token", new { refreshToken }));
            await process.KillAsync();
        }

        directory.Delete(recursive: true);
    }

    private static async Task<Dictionary<string, string>> SettingsAsync(DirectoryInfo directory, MongoInstance mongo)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        settings["DATA_DIR"] = Path.Combine(directory.FullName, "data");
        settings["MONGO_URI"] = mongo.Uri();
        return settings;
    }

    private static async Task<HttpStatusCode> PostAsync(Node node, string route, object body)
    {
        using var answer = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/" + route), body, TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private static async Task<string> LoginAsync(Node node, string email, string password)
    {
        using var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password }, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, login.StatusCode);
        return (string)(await login.Content.ReadFromJsonAsync<JsonNode>(TestContext.Current.CancellationToken))!["accessToken"]!;
    }

    private static async Task<JsonNode> MetadataAsync(Node node, string access)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(node.Address, "/api/identity/users/me"));
        request.Headers.Authorization = new("Bearer", access);
        using var answer = await node.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return (await answer.Content.ReadFromJsonAsync<JsonNode>(TestContext.Current.CancellationToken))!["metadata"]!;
    }

    // Mail is written behind the answer.
    private static async Task<string> MailAsync(string outbox, Regex what)
    {
        for (var started = Stopwatch.GetTimestamp(); ; await Task.Delay(50, TestContext.Current.CancellationToken))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeLimit.Patience, "No such mail came.");
            foreach (var file in Directory.Exists(outbox) ? Directory.GetFiles(outbox, "*.eml") : [])
            {
                if (what.Match(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)) is { Success: true } match)
                {
                    return match.Value;
                }
            }
        }
    }

    [GeneratedRegex(@"https?://\S+/not-me\?ticket=[A-Za-z0-9_-]+(?=\s)", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Link();

    [GeneratedRegex(@"(?<=\n {4})[0-9]{6}\b", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Code();

    private static async Task<(HttpStatusCode Status, string Text)> ReadyAsync(Node node)
    {
        using var ready = await node.Http.GetAsync(new Uri(node.Address, "/health/ready"));
        return (ready.StatusCode, await ready.Content.ReadAsStringAsync());
    }
}
