using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Worker.Tests.Fixtures;

namespace Identity.Worker.Tests;

/// <summary>Server and worker as two processes over one store and one broker: what is done over HTTP arrives at an independent consumer.</summary>
[Collection(BrokerCollection.Name)]
public sealed class EndToEndTests(RabbitMqServer broker) : IDisposable
{
    private const string Password = "a long enough pass phrase";

    private readonly TemporaryFolder _folder = new();
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(30) };
    private string _address = "";

    public void Dispose()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Events_WhenThingsAreDoneOverHttp_ReachAnIndependentConsumerAndFitTheDocument()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var consumer = await ListenAsync(uri);
        await using var server = await StartServerAsync(uri);
        await using var worker = ServiceProcess.StartWorker(Settings(uri));

        var id = (await RegisterAsync("ann@example.com"))!;
        var first = await LoginAsync("ann@example.com", Password);
        await SendAsync(HttpMethod.Put, $"users/{id}", new { firstName = "Ann" }, first);
        await SendAsync(HttpMethod.Post, "password/change", new { currentPassword = Password, newPassword = Password + " indeed" }, first);
        var second = await LoginAsync("ann@example.com", Password + " indeed");
        await SendAsync(HttpMethod.Post, "logout", new { }, second);
        for (var i = 0; i < 3; i++)
        {
            using var wrong = await _client.PostAsJsonAsync(_address + "login", new { email = "ann@example.com", password = "not the pass phrase" });
            Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        }

        var admin = await LoginAsync("admin@example.com", Password);
        await SendAsync(HttpMethod.Put, $"users/{id}", new { isActive = false }, admin);

        // Deactivating is a change as well: it comes with a user.updated of its own.
        string[] expected =
        [
            "session.created", "session.created", "session.destroyed", "session.destroyed",
            "user.created", "user.deactivated", "user.locked_out", "user.password_changed", "user.updated", "user.updated",
        ];
        await consumer.WaitAsync(() => Of(consumer, id).Count >= expected.Length, "the events arrive: " + string.Join(' ', expected));
        var events = Of(consumer, id);
        Assert.Equal(expected, events.Select(Type).Order(StringComparer.Ordinal));
        Assert.Equal("user.created", Type(events[0]));
        Assert.Equal(["logout", "password_changed"], events.Where(message => Type(message) == "session.destroyed").Select(message => (string)message["body"]!["data"]!["reason"]!).Order());
        Assert.All(events, message => Assert.DoesNotContain("pass phrase", message.ToJsonString()));
        await AsyncApi.ValidateAsync(Messages(consumer).Select(message => (Type(message), message["body"]!)));
    }

    [Fact]
    public async Task Registrations_WhenTheBrokerIsAway_GoOnAsFastAndTheirEventsArriveAfterwards()
    {
        broker.RequireOurs();
        var seconds = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_OUTAGE_SECONDS"), out var wanted) ? wanted : 3;
        var uri = await broker.CreateHostAsync();
        await using var consumer = await ListenAsync(uri);
        await using var server = await StartServerAsync(uri);
        await using var worker = ServiceProcess.StartWorker(Settings(uri));
        await worker.WaitReadyAsync();
        var registered = new ConcurrentBag<string>();
        await LoadAsync(registered, 2);
        var before = await LoadAsync(registered, seconds);
        await broker.KillAsync();
        var during = await LoadAsync(registered, seconds);
        Assert.Equal(200, await server.StatusAsync("/health/ready"));
        Assert.Equal(503, await worker.StatusAsync("/health/ready"));
        await broker.StartAsync();
        await LoadAsync(registered, 1);
        await consumer.WaitAsync(() => registered.All(Created(consumer).Contains), $"user.created of {registered.Count} registrations");
        TestContext.Current.TestOutputHelper?.WriteLine($"{registered.Count} registrations; p95 {before.TotalMilliseconds:F0} ms with the broker, {during.TotalMilliseconds:F0} ms without");
        if (TimeLimit.IsHeld)
        {
            // A time is only worth comparing where there is enough of it: ./test.sh --long.
            Assert.True(during < (before * 2) + TimeSpan.FromMilliseconds(100), $"p95 {before} with the broker, {during} without");
        }
    }

    [Fact]
    public async Task Registrations_WhenServerAndWorkerAreKilled_LoseNoEventOfAnAcknowledgedOne()
    {
        broker.Require();
        var kills = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_KILLS"), out var wanted) ? wanted : 3;
        var uri = await broker.CreateHostAsync();
        await using var consumer = await ListenAsync(uri);
        var registered = new ConcurrentBag<(string Id, string Email)>();
        var random = new Random(4711);
        var number = 0;
        for (var kill = 0; kill < kills; kill++)
        {
            await using var server = await StartServerAsync(uri);
            await using var worker = ServiceProcess.StartWorker(Settings(uri));
            await worker.WaitReadyAsync();
            var load = Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
            {
                while (true)
                {
                    var email = $"k{Interlocked.Increment(ref number)}@example.com";
                    try
                    {
                        if (await RegisterAsync(email) is { } id)
                        {
                            registered.Add((id, email));
                        }
                    }
                    catch (Exception exception) when (exception is HttpRequestException or IOException or TaskCanceledException)
                    {
                        // Killed: not acknowledged, so nothing is owed.
                        return;
                    }
                }
            })).ToArray();
            // A new process's first answers take longest; the point of the kill is counted from there.
            var soFar = registered.Count;
            await Eventually.TrueAsync(() => registered.Count > soFar, "registrations are acknowledged");
            await Task.Delay(random.Next(0, 400));
            var both = new[] { server, worker };
            random.Shuffle(both);
            await both[0].KillAsync();
            await both[1].KillAsync();
            await Task.WhenAll(load);
        }

        Assert.NotEmpty(registered);
        await using var lastServer = await StartServerAsync(uri);
        await using var lastWorker = ServiceProcess.StartWorker(Settings(uri));
        await consumer.WaitAsync(() => registered.All(account => Created(consumer).Contains(account.Id)), $"user.created of {registered.Count} registrations");
        TestContext.Current.TestOutputHelper?.WriteLine($"{kills} kills of both, {registered.Count} acknowledged registrations, none lost");
        foreach (var account in registered.Take(20))
        {
            await LoginAsync(account.Email, Password);
        }
    }

    private static async Task<NodeClient> ListenAsync(string uri)
    {
        var consumer = await NodeClient.StartAsync("consumer.mjs", uri, "listener");
        await consumer.WaitAsync(() => consumer.Lines.Contains("\"ready\""), "the consumer listens");
        return consumer;
    }

    private static List<JsonNode> Messages(NodeClient consumer) => [.. consumer.Lines.Where(line => line.StartsWith('{')).Select(line => JsonNode.Parse(line)!)];

    private static List<JsonNode> Of(NodeClient consumer, string accountId) => [.. Messages(consumer).Where(message => (string)message["body"]!["subject"]! == accountId)];

    private static HashSet<string> Created(NodeClient consumer) =>
        [.. Messages(consumer).Where(message => Type(message) == "user.created").Select(message => (string)message["body"]!["subject"]!)];

    private static string Type(JsonNode message) => (string)message["routingKey"]!;

    private Dictionary<string, string> Settings(string uri) => new()
    {
        ["RABBITMQ_URIS"] = uri,
        ["DATA_DIR"] = _folder.Path,
        ["ADMIN_EMAIL"] = "admin@example.com",
        ["ADMIN_PASSWORD"] = Password,
        ["Accounts__LockoutThreshold"] = "3",
        ["Outbox__ClaimDuration"] = "00:00:02",
    };

    private async Task<ServiceProcess> StartServerAsync(string uri)
    {
        // Development takes a weak hash: these tests are about messages, and 50 strong ones a second are more than a small machine has.
        var server = ServiceProcess.StartServer(new Dictionary<string, string>(Settings(uri)) { ["Accounts__PasswordHashIterations"] = "1000" });
        await server.WaitReadyAsync();
        _address = $"http://127.0.0.1:{server.Port}/api/identity/";
        return server;
    }

    private async Task<string?> RegisterAsync(string email)
    {
        using var answer = await _client.PostAsJsonAsync(_address + "register", new { email, password = Password });
        return answer.StatusCode == HttpStatusCode.Created ? (string)(await answer.Content.ReadFromJsonAsync<JsonObject>())!["id"]! : null;
    }

    private async Task<string> LoginAsync(string email, string password)
    {
        using var answer = await _client.PostAsJsonAsync(_address + "login", new { email, password });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (string)(await answer.Content.ReadFromJsonAsync<JsonObject>())!["accessToken"]!;
    }

    private async Task SendAsync(HttpMethod method, string path, object body, string token)
    {
        using var request = new HttpRequestMessage(method, _address + path) { Content = JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _client.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }

    // Fifty a second, at their times whether or not the one before was answered. The 95th percentile of how long they took.
    private async Task<TimeSpan> LoadAsync(ConcurrentBag<string> registered, int seconds)
    {
        var times = new ConcurrentBag<TimeSpan>();
        var running = new List<Task>();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var i = 0; i < seconds * 50; i++)
        {
            await timer.WaitForNextTickAsync();
            running.Add(Task.Run(async () =>
            {
                var started = Stopwatch.GetTimestamp();
                var id = await RegisterAsync($"u{Guid.NewGuid():N}@example.com");
                times.Add(Stopwatch.GetElapsedTime(started));
                Assert.NotNull(id);
                registered.Add(id);
            }));
        }

        await Task.WhenAll(running);
        return times.Order().ElementAt((int)(times.Count * 0.95));
    }
}
