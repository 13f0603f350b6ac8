using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Delivery;
using Identity.Accounts.Devices;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.Sessions;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Push;
using Identity.Worker.Tests.Fixtures;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Worker.Tests;

/// <summary>The worker as a process: what it publishes, what survives it being killed, how it starts and stops.</summary>
[Collection(BrokerCollection.Name)]
public sealed class WorkerProcessTests(RabbitMqServer broker) : IAsyncLifetime
{
    private static readonly LifecycleEvents s_events = new(TimeProvider.System);

    private readonly TemporaryFolder _folder = new();
    private readonly List<ServiceProvider> _opened = [];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var services in _opened)
        {
            await services.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task Events_WhenChangesAreMade_ReachAnIndependentConsumerAndFitTheDocument()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var consumer = await NodeClient.StartAsync("consumer.mjs", uri, "listener");
        await consumer.WaitAsync(() => consumer.Lines.Contains("\"ready\""), "the consumer listens");
        await using var worker = ServiceProcess.StartWorker(Settings(uri));
        await worker.WaitReadyAsync();
        var store = await OpenStoreAsync();
        var now = DateTimeOffset.UtcNow;
        var account = NewAccount(now);
        string[] types = [.. typeof(EventTypes).GetFields().Select(field => (string)field.GetValue(null)!).Where(type => type.StartsWith("user.", StringComparison.Ordinal) && type != EventTypes.UserCreated)];
        await store.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(account.Id, null, null), [s_events.OfUser(EventTypes.UserCreated, account)], default);
        foreach (var type in types)
        {
            await store.GetRequiredService<IAccountStore>().UpdateAsync(account, account.Version, [s_events.OfUser(type, account)], default);
        }

        // One session ends by sign-out; the other by time, which the worker sees.
        var sessions = store.GetRequiredService<ISessionStore>();
        foreach (var id in (string[])["0123456789abcdef-out", "0123456789abcdef-old"])
        {
            var session = new Session(id, account.Id, now, now, ["pwd"], "1", now.AddDays(1), now, id.EndsWith("old", StringComparison.Ordinal) ? now.AddSeconds(-1) : now.AddDays(1), null, ["shop"], "203.0.113.7", "Mozilla/5.0", null);
            await sessions.CreateAsync(session, s_events.SessionCreated(session), default);
        }

        var live = (await sessions.FindAsync("0123456789abcdef-out", default))!;
        await sessions.EndAsync(live.Id, now, s_events.SessionDestroyed(live, SessionEndReasons.Logout, caller: null), default);

        var expected = 1 + types.Length + 4;
        await consumer.WaitAsync(() => consumer.Lines.Count - 1 >= expected, $"{expected} events arrive");
        var events = consumer.Lines.Where(line => line.StartsWith('{')).Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Equal(expected, events.Count);
        Assert.All(events, message =>
        {
            Assert.Equal(2, (int)message["deliveryMode"]!);
            Assert.Equal((string)message["messageId"]!, (string)message["body"]!["id"]!);
            Assert.Equal((string)message["routingKey"]!, (string)message["body"]!["type"]!);
            Assert.Equal(((string)message["routingKey"]!).StartsWith("session.", StringComparison.Ordinal) ? "session_manager" : "identity_events", (string)message["exchange"]!);
        });
        Assert.Equal([EventTypes.UserCreated, .. types], events.Where(message => (string)message["exchange"]! == "identity_events").Select(message => (string)message["routingKey"]!));
        Assert.Equal(["expired", "logout"], events.Where(message => (string)message["routingKey"]! == "session.destroyed").Select(message => (string)message["body"]!["data"]!["reason"]!).Order());
        await AsyncApi.ValidateAsync(events.Select(message => ((string)message["routingKey"]!, message["body"]!)));
    }

    [Fact]
    public async Task Codes_WhenAskedForOverTheQueue_AreSentAndVerifiableAndNeverInAnAnswer()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var worker = ServiceProcess.StartWorker(Settings(uri));
        await worker.WaitReadyAsync();
        var store = await OpenStoreAsync();
        var account = NewAccount(DateTimeOffset.UtcNow);
        await store.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(account.Id, null, null), [], default);
        await using var requester = await Requester.ConnectAsync(uri);

        var answer = await requester.AskAsync($$"""{"email":"{{account.Email}}","purpose":"verification"}""", "one");
        var unknown = await requester.AskAsync("""{"email":"nobody@example.com","purpose":"verification"}""", "two");
        Assert.Equal(answer.Select(member => member.Key), unknown.Select(member => member.Key));
        Assert.Equal("n***@e***.com", (string)unknown["destination"]!);

        var mail = await File.ReadAllTextAsync(Assert.Single(Mails()));
        var code = System.Text.RegularExpressions.Regex.Match(mail, @"\b\d{6}\b").Value;
        var verified = await store.GetRequiredService<OneTimeCodeService>().VerifyAsync(Guid.Parse((string)answer["otpId"]!), "verification", code, new Caller(null, null), default);
        Assert.True(Assert.IsType<TriedCode.Verified>(verified).Account.EmailVerified);
        Assert.DoesNotContain(code, answer.ToJsonString());
        Assert.DoesNotContain(code, worker.Output);

        // Five a quarter of an hour: the answer says so, and no sixth mail goes out.
        for (var i = 0; i < 4; i++)
        {
            await requester.AskAsync($$"""{"userId":"{{account.Id}}"}""", "more-" + i);
        }

        var limited = await requester.AskAsync($$"""{"pattern":"p","data":{"userId":"{{account.Id}}"},"id":"sixth"}""");
        Assert.StartsWith("Too many", (string)limited["err"]!["message"]!);
        Assert.Equal(5, Mails().Length);
        Assert.Equal(0, await worker.TerminateAsync());
    }

    [Fact]
    public async Task Worker_WhenKilledAtRandomPoints_SendsNoCodeTwiceAndLosesNoEvent()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        var settings = Settings(uri);
        await using var consumer = await NodeClient.StartAsync("consumer.mjs", uri, "listener");
        await consumer.WaitAsync(() => consumer.Lines.Contains("\"ready\""), "the consumer listens");
        var store = await OpenStoreAsync();
        var accounts = store.GetRequiredService<IAccountStore>();
        await using var requester = await Requester.ConnectAsync(uri);
        await requester.Channel.QueueDeclareAsync("otp_requests", durable: true, exclusive: false, autoDelete: false);
        var kills = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_KILLS"), out var wanted) ? wanted : 3;
        var asked = new List<(string MessageId, string Email, string Answer)>();
        var written = new List<Guid>();
        using var stop = new CancellationTokenSource();
        var load = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var account = NewAccount(DateTimeOffset.UtcNow);
                var created = s_events.OfUser(EventTypes.UserCreated, account);
                var updated = s_events.OfUser(EventTypes.UserUpdated, account);
                Assert.Equal(AccountWrite.Done, await accounts.CreateAsync(account, new AccountCredentials(account.Id, null, null), [created, updated], default));
                written.Add(created.Id);
                written.Add(updated.Id);
                var id = "kill-" + asked.Count;
                asked.Add((id, account.Email, id));
                await requester.SendAsync($$"""{"email":"{{account.Email}}"}""", id, id, requester.ReplyTo);
                await Task.Delay(5);
            }
        });

        var random = new Random(20251);
        for (var i = 0; i < kills; i++)
        {
            await using var worker = ServiceProcess.StartWorker(settings);
            await worker.WaitReadyAsync();
            await Task.Delay(random.Next(20, 400));
            await worker.KillAsync();
        }

        await stop.CancelAsync();
        await load;
        await using var last = ServiceProcess.StartWorker(settings);
        await last.WaitReadyAsync();
        var answers = await Task.WhenAll(asked.Select(async request => JsonNode.Parse(await requester.AnswerAsync(request.Answer))!));
        await consumer.WaitAsync(() => written.All(Received(consumer).Contains), $"all {written.Count} events arrive");

        // One mail for each message id that was answered as sent. Where the kill fell between deciding to send and knowing that it was, one at most, and a person is told.
        var mails = Mails().Select(File.ReadAllText).ToList();
        var mailed = asked.Select(request => mails.Count(mail => mail.Contains("To: " + request.Email + "\r\n", StringComparison.Ordinal))).ToList();
        Assert.All(answers.Zip(mailed), request => Assert.InRange(request.Second, request.First["otpId"] is null ? 0 : 1, 1));
        var doubtful = answers.Where(answer => answer["otpId"] is null).ToList();
        Assert.All(doubtful, answer => Assert.Equal(CodeRequestProcessor.InDoubtMessage, (string)answer["message"]!));
        Assert.InRange(doubtful.Count, 0, kills * 32);
        Assert.True(mailed.Count(count => count == 1) >= asked.Count * 0.9, $"{mailed.Count(count => count == 1)} of {asked.Count} codes were sent");
        Assert.Equal((uint)doubtful.Count, await requester.DepthAsync("otp_requests.dead"));
        TestContext.Current.TestOutputHelper?.WriteLine($"{kills} kills, {asked.Count} requests, {doubtful.Count} in doubt, {written.Count} events");
    }

    [Fact]
    public async Task PushMessage_WhenTheWorkerIsKilledBeforeItsRetry_IsSentOnceByTheNext()
    {
        await using var fcm = await StandInFcm.StartAsync();
        var push = new Dictionary<string, string> { ["FIREBASE_CREDENTIALS"] = fcm.Credentials, ["FCM_ENDPOINT"] = fcm.Address.AbsoluteUri };

        // Sending does not need the broker.
        var settings = new Dictionary<string, string>(Settings("amqp://guest:guest@127.0.0.1:1").Concat(push));
        var store = await OpenStoreAsync(push);
        var now = DateTimeOffset.UtcNow;
        var account = NewAccount(now);
        await store.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(account.Id, null, null), [], default);
        var session = new Session("0123456789abcdef-app", account.Id, now, now, ["pwd"], "1", now.AddDays(1), now, now.AddDays(1), null, ["shop"], null, null, null);
        await store.GetRequiredService<ISessionStore>().CreateAsync(session, s_events.SessionCreated(session), default);
        var registered = await store.GetRequiredService<DeviceRegistry>().RegisterAsync(account.Id, session.Id, new NewDevice("android", "token-1"), new Caller(null, null), notice: null, default);
        Assert.IsType<DeviceRegistration.Registered>(registered);
        fcm.Plan("token-1", StandInFcm.Error(503, "UNAVAILABLE", retryAfter: "1"));
        await store.GetServices<IMessageSender>().Single(sender => sender.Channel == "push").SendAsync(new PersonalMessage(account.Id.ToString("N"), "Your code", "123456", Id: Guid.CreateVersion7(now)), default);

        await using (var worker = ServiceProcess.StartWorker(settings))
        {
            await Eventually.TrueAsync(() => worker.Output.Contains("UNAVAILABLE", StringComparison.Ordinal), "the first attempt is put off");
            await worker.KillAsync();
        }

        Assert.Empty(fcm.Taken);
        await using var next = ServiceProcess.StartWorker(settings);
        await Eventually.TrueAsync(() => !fcm.Taken.IsEmpty, "the next worker sends it");
        Assert.Equal(0, await next.TerminateAsync());
        Assert.Equal("123456", (string)Assert.Single(fcm.Taken)["notification"]!["body"]!);
        Assert.Equal(2, fcm.Asked.Count);
        Assert.Empty(fcm.Complaints);
    }

    [Fact]
    public async Task Readiness_WhenTheBrokerIsAway_IsFalseAndComesBack()
    {
        broker.RequireOurs();
        var uri = await broker.CreateHostAsync();
        await using var worker = ServiceProcess.StartWorker(Settings(uri));
        await worker.WaitReadyAsync();
        await broker.KillAsync();
        await Eventually.TrueAsync(async () => await worker.StatusAsync("/health/ready") == 503, "not ready without the broker");
        Assert.Equal(200, await worker.StatusAsync("/health/live"));
        Assert.Equal(404, await worker.StatusAsync("/"));
        await broker.StartAsync();
        await worker.WaitReadyAsync();
        Assert.Equal(0, await worker.TerminateAsync());
        Assert.DoesNotContain("guest", worker.Output);
    }

    // By the settings that a server has, and the same metrics: OpenTelemetry's, as Prometheus reads them.
    [Theory]
    [InlineData("MANAGEMENT_PORT")]
    [InlineData("PORT")]
    [InlineData("WORKER_PORT")]
    public async Task Metrics_WhenPrometheusAsks_AreBesideHealthOnThePortThatTheSettingNames(string name)
    {
        broker.Require();
        var settings = Settings(await broker.CreateHostAsync());
        settings["BIND_ADDRESS"] = "127.0.0.1";
        var port = Ports.Free();
        settings[name] = port.ToString(CultureInfo.InvariantCulture);
        if (name == "MANAGEMENT_PORT")
        {
            settings["PORT"] = Ports.Free().ToString(CultureInfo.InvariantCulture);
        }

        await using var worker = ServiceProcess.StartWorker(settings, port, name);
        await worker.WaitReadyAsync();
        Assert.Equal(200, await worker.StatusAsync("/health/live"));
        using var client = new HttpClient();
        string[] told = ["identity_outbox_depth", "identity_otp_dead_letters_total", "http_server_request_duration_seconds_count", "dotnet_process_cpu_time_seconds_total"];
        var metrics = "";
        await Eventually.TrueAsync(
            async () => told.All((metrics = await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"))).Contains),
            "the outbox, requests and the runtime are measured");
        Assert.Contains("service_name=\"identity-worker\"", metrics);
        Assert.Equal(404, await worker.StatusAsync("/"));
    }

    // As at the server: by default none is told of, and with its query at no level.
    [Theory]
    [InlineData("Information", false)]
    [InlineData("Debug", true)]
    public async Task Requests_AtAnyLogLevel_AreNotToldWithTheirQuery(string level, bool tellsOfRequests)
    {
        broker.Require();
        var settings = Settings(await broker.CreateHostAsync());
        settings["Logging__LogLevel__Default"] = level;
        if (tellsOfRequests)
        {
            settings["Logging__LogLevel__Microsoft.AspNetCore"] = level;
        }

        await using var worker = ServiceProcess.StartWorker(settings);
        await worker.WaitReadyAsync();
        Assert.Equal(200, await worker.StatusAsync("/health/live?token=canary"));
        Assert.Equal(0, await worker.TerminateAsync());
        Assert.Equal(tellsOfRequests, worker.Output.Contains("\"category\":\"Microsoft.AspNetCore.", StringComparison.Ordinal));
        Assert.DoesNotContain("canary", worker.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WhenThePortIsTaken_EndsWithOneLineThatNamesTheSetting()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var settings = new Dictionary<string, string>(Settings("amqp://guest:guest@127.0.0.1:1")) { ["BIND_ADDRESS"] = "127.0.0.1" };
        await using var worker = ServiceProcess.StartWorker(settings, port, "WORKER_PORT");
        Assert.Equal(1, await worker.WaitForExitAsync());
        await Eventually.TrueAsync(() => worker.Output.Length > 0, "the line is read");
        Assert.Equal($"WORKER_PORT: expected a free port; {port} is taken. Stop what listens there, or choose another: WORKER_PORT={port + 1}", worker.Output);
        Assert.False(File.Exists(Path.Combine(_folder.Path, "identity.db")));
    }

    [Fact]
    public async Task Connection_WhenItsCertificateIsNotTrusted_IsNotMade()
    {
        broker.RequireOurs();
        var host = new Uri(await broker.CreateHostAsync()).AbsolutePath;
        var uri = $"amqps://guest:guest@localhost:{broker.TlsPort}{host}";
        await using var strict = ServiceProcess.StartWorker(Settings(uri));
        await using var trusting = ServiceProcess.StartWorker(new Dictionary<string, string>(Settings(uri)) { ["SSL_CERT_FILE"] = broker.Authority });
        await trusting.WaitReadyAsync();
        await Eventually.TrueAsync(() => strict.Output.Contains("AuthenticationException", StringComparison.Ordinal), "the certificate is refused");
        Assert.Equal(503, await strict.StatusAsync("/health/ready"));
    }

    [Fact]
    public async Task Credentials_WhenTheBrokerRefusesThem_AreNotLogged()
    {
        broker.RequireOurs();
        await using var worker = ServiceProcess.StartWorker(Settings($"amqp://canaryuser:canarypassword@127.0.0.1:{broker.Port}"));
        await Eventually.TrueAsync(() => worker.Output.Contains("cannot be used", StringComparison.Ordinal), "the refusal is logged");
        Assert.Equal(503, await worker.StatusAsync("/health/ready"));
        Assert.Equal(0, await worker.TerminateAsync());
        Assert.DoesNotContain("canary", worker.Output);
    }

    [Theory]
    [InlineData("RABBITMQ_URIS", "", "RABBITMQ_URIS: expected")]
    [InlineData("RABBITMQ_URIS", "amqp://u:canary@", "RABBITMQ_URIS: expected")]
    [InlineData("WORKER_PORT", "canary", "WORKER_PORT: expected")]
    [InlineData("BIND_ADDRESS", "canary", "BIND_ADDRESS: expected")]
    [InlineData("BIND_ADDRESS", "192.0.2.1", "BIND_ADDRESS: expected an address of this machine")]
    [InlineData("DATA_DIR", "/proc/identity", "DATA_DIR: ")]
    [InlineData("SMTP_URL", "canary", "SMTP_URL: expected")]
    [InlineData("FIREBASE_CREDENTIALS", "canary", "FIREBASE_CREDENTIALS: expected")]
    [InlineData("FCM_ENDPOINT", "http://canary.example.com", "FCM_ENDPOINT: expected")]
    [InlineData("DB_PROVIDER", "canary", "DB_PROVIDER: expected")]
    [InlineData("Outbox__BatchSize", "0", "Outbox:BatchSize: expected")]
    [InlineData("Outbox__IdleDelay", "canary", "Outbox:IdleDelay: expected a duration")]
    [InlineData("Accounts__RequireVerifiedEmail", "canary", "Accounts:RequireVerifiedEmail: expected true or false")]
    [InlineData("Logging__LogLevel__Default", "canary", "Logging:LogLevel:Default: expected")]
    [InlineData("RABBITMQ_URIS", "amqp://u:canary:canary@127.0.0.1", "RABBITMQ_URIS: expected")]
    public async Task Start_WhenASettingCannotBeUsed_EndsWithOneLineThatNamesIt(string name, string value, string line)
    {
        var settings = new Dictionary<string, string>(Settings("amqp://guest:guest@127.0.0.1:1")) { [name] = value };
        await using var worker = ServiceProcess.StartWorker(settings);
        Assert.Equal(1, await worker.WaitForExitAsync());
        await Eventually.TrueAsync(() => worker.Output.Length > 0, "the line is read");
        Assert.StartsWith(line, worker.Output);
        Assert.DoesNotContain('\n', worker.Output);
        Assert.DoesNotContain("canary", worker.Output);
    }

    private static HashSet<Guid> Received(NodeClient consumer) =>
        [.. consumer.Lines.Where(line => line.StartsWith('{')).Select(line => Guid.Parse((string)JsonNode.Parse(line)!["messageId"]!))];

    private string[] Mails() => Directory.Exists(Path.Combine(_folder.Path, "outbox")) ? Directory.GetFiles(Path.Combine(_folder.Path, "outbox"), "*.eml") : [];

    private Dictionary<string, string> Settings(string uri) => new()
    {
        ["RABBITMQ_URIS"] = uri,
        ["DATA_DIR"] = _folder.Path,
        ["CLEANUP_INTERVAL"] = "1s",
        // What a killed worker had claimed is taken over after this.
        ["Outbox__ClaimDuration"] = "00:00:02",
    };

    // The server's part: the same store, opened from another process.
    private async Task<IServiceProvider> OpenStoreAsync(IReadOnlyDictionary<string, string>? settings = null)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        services.AddSqlStores(StorageSettings.Embedded(_folder.Path));
        services.AddStoreDataProtection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        services.AddDelivery(DeliverySettings.Read(new ConfigurationBuilder().AddInMemoryCollection([new("DATA_DIR", _folder.Path), .. (settings ?? new Dictionary<string, string>()).Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value))]).Build(), [])!);
        services.AddIdentityAccounts();
        var provider = services.BuildServiceProvider();
        _opened.Add(provider);
        await provider.InitializeStoresAsync();
        return provider;
    }

    private static Account NewAccount(DateTimeOffset now)
    {
        var id = Guid.CreateVersion7(now);
        return new Account
        {
            Id = id,
            Email = $"u{id:N}@example.com",
            NormalizedEmail = $"U{id:N}@EXAMPLE.COM".ToUpperInvariant(),
            CreatedAt = now,
            UpdatedAt = now,
            SecurityStamp = "s",
            Roles = ["admin"],
        };
    }
}
