using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Events;
using Identity.Worker.Broker;
using Identity.Worker.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Identity.Worker.Tests.Broker;

/// <summary>The outbox on its way to the broker: nothing lost, of one account in order.</summary>
[Collection(BrokerCollection.Name)]
public sealed class EventTests(RabbitMqServer broker) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Event_WhenWrittenWithItsChange_ArrivesPersistentWithItsId()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var listener = await Listener.BindAsync(uri);
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer());
        var account = await CreateAsync(worker, EventTypes.UserCreated);
        await Eventually.TrueAsync(() => listener.Received.Count == 1, "the event arrives");
        var (routingKey, properties, body) = listener.Received.Single();
        Assert.Equal("user.created", routingKey);
        Assert.Equal(DeliveryModes.Persistent, properties.DeliveryMode);
        Assert.Equal((string)body["id"]!, properties.MessageId);
        Assert.Equal("user.created", (string)body["type"]!);
        Assert.Equal("user.created", (string)body["pattern"]!);
        Assert.Equal("1.0", (string)body["specversion"]!);
        Assert.Equal(account.ToString(), (string)body["subject"]!);
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
    }

    [Fact]
    public async Task Event_OfATracedRequest_ArrivesWithItsTrace_AndAnotherWithNone()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var listener = await Listener.BindAsync(uri);
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer());
        var trace = ActivityTraceId.CreateRandom().ToHexString();
        await CreateAsync(worker, EventTypes.UserCreated, $"00-{trace}-{ActivitySpanId.CreateRandom().ToHexString()}-01");
        await Eventually.TrueAsync(() => listener.Received.Count == 1, "the event arrives");
        await CreateAsync(worker, EventTypes.UserUpdated);
        await Eventually.TrueAsync(() => listener.Received.Count == 2, "the other arrives");
        Assert.StartsWith($"00-{trace}-", Encoding.UTF8.GetString((byte[])listener.Received[0].Properties.Headers!["traceparent"]!), StringComparison.Ordinal);
        Assert.False(listener.Received[^1].Properties.Headers!.TryGetValue("traceparent", out var none) && Encoding.UTF8.GetString((byte[])none!).Contains(trace, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Event_WhenNobodyIsBoundYet_IsSentAgainInOrderOnceSomebodyIs()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), claim: TimeSpan.FromSeconds(1));
        var account = await CreateAsync(worker, EventTypes.UserCreated);
        await UpdateAsync(worker, account, 5);
        // Returned at least once: it stays in the outbox although the broker is there.
        await Eventually.TrueAsync(async () => await ClaimedAsync(worker), "the relay tried");
        await using var listener = await Listener.BindAsync(uri);
        await Eventually.TrueAsync(() => listener.Received.Count >= 6, "the events arrive");
        Assert.Equal([EventTypes.UserCreated, .. Enumerable.Repeat(EventTypes.UserUpdated, 5)], listener.Received.Select(message => message.RoutingKey));
        Assert.Equal([1, 2, 3, 4, 5], listener.Received.Skip(1).Select(message => (int)message.Body["data"]!["step"]!));
    }

    [Fact]
    public async Task Event_WhenNobodyListensForLong_IsParkedAndHoldsUpNobody()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), unroutedAfter: TimeSpan.FromMilliseconds(500), claim: TimeSpan.FromSeconds(1));
        await CreateAsync(worker, EventTypes.UserCreated);
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
        await using var requester = await Requester.ConnectAsync(uri);
        var parked = await requester.TakeAsync("identity_events.unrouted");
        Assert.Equal("user.created", Encoding.UTF8.GetString((byte[])parked.BasicProperties.Headers!["x-routing-key"]!));
    }

    // Operators set quorum queues for a virtual host; the broker then adds x-queue-type to what is declared, and refuses what does not go with it.
    [Fact]
    public async Task Event_WhenNobodyListensInAHostOfQuorumQueues_IsParkedToo()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync("quorum");
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), unroutedAfter: TimeSpan.FromMilliseconds(500), claim: TimeSpan.FromSeconds(1));
        await CreateAsync(worker, EventTypes.UserCreated);
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
        Assert.Equal("quorum", await broker.QueueTypeAsync(uri, "identity_events.unrouted"));
        await using var requester = await Requester.ConnectAsync(uri);
        var parked = await requester.TakeAsync("identity_events.unrouted");
        Assert.Equal("user.created", Encoding.UTF8.GetString((byte[])parked.BasicProperties.Headers!["x-routing-key"]!));
        await Eventually.TrueAsync(() => worker.IsConsuming, "requests for codes are taken");
    }

    [Fact]
    public async Task Queue_WhenItExistsWithOtherArguments_IsUsedAsItIs_AndOneThatIsRefusedIsTold()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using (var connection = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync())
        {
            await using (var channel = await connection.CreateChannelAsync())
            {
                // As versions before this one declared it.
                await channel.QueueDeclareAsync("otp_requests.dead", durable: true, exclusive: false, autoDelete: false);
                await channel.QueueDeclareAsync("identity_events.unrouted", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-message-ttl"] = 604_800_000L, ["x-queue-mode"] = "lazy" });
            }

            await RabbitMqTopology.DeclareEventsAsync(connection, TestContext.Current.CancellationToken);
            await RabbitMqTopology.DeclareRequestsAsync(connection, [], TestContext.Current.CancellationToken);
        }

        // Longer than the broker lets a message wait.
        await using var other = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync();
        var refused = await Assert.ThrowsAsync<RabbitMQ.Client.Exceptions.OperationInterruptedException>(() => RabbitMqTopology.DeclareRequestsAsync(other, [TimeSpan.FromDays(73_000)], TestContext.Current.CancellationToken));
        Assert.Equal(Constants.PreconditionFailed, refused.ShutdownReason!.ReplyCode);
    }

    // A queue that refuses what it has no room for, as operators limit them: the broker says no to the event as a whole, and has put it into every other queue.
    [Fact]
    public async Task Event_WhenOneQueueRefusesIt_IsNotSentToTheOthersInALoop()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var listener = await Listener.BindAsync(uri);
        await using var requester = await Requester.ConnectAsync(uri);
        await BindFullAsync(requester);
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), claim: TimeSpan.FromSeconds(30));
        await CreateAsync(worker, EventTypes.UserCreated);
        await Eventually.TrueAsync(() => listener.Received.Count >= 1, "the listener has it although another queue is full");

        // Others come through, each in a round of its own, and none of those takes the refused one along.
        for (var other = 1; other <= 20; other++)
        {
            await CreateAsync(worker, EventTypes.UserUpdated);
            await Eventually.TrueAsync(() => listener.Received.Count(message => message.RoutingKey == EventTypes.UserUpdated) >= other, "the next arrives");
        }

        Assert.Single(listener.Received, message => message.RoutingKey == EventTypes.UserCreated);
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 1, "it alone waits");
    }

    [Fact]
    public async Task Event_WhenTheQueueThatRefusedItHasRoomAgain_IsSentAgain()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var listener = await Listener.BindAsync(uri);
        await using var requester = await Requester.ConnectAsync(uri);
        await BindFullAsync(requester);
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), claim: TimeSpan.FromSeconds(1));
        var account = await CreateAsync(worker, EventTypes.UserCreated);
        await UpdateAsync(worker, account, 1);
        await Eventually.TrueAsync(() => listener.Received.Count >= 1, "the listener has it although another queue is full");
        Assert.DoesNotContain(listener.Received, message => message.RoutingKey == EventTypes.UserUpdated);
        await requester.Channel.QueuePurgeAsync("full");
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
        Assert.Equal(EventTypes.UserUpdated, listener.Received[^1].RoutingKey);
        AssertOrder(listener);
    }

    // It reads nothing then, so there is no word of it about any one event: they wait for the broker, and not for half their age.
    [Fact]
    public async Task Event_WhenTheBrokerIsShortOfMemory_GoesOutAsSoonAsItHasSomeAgain()
    {
        broker.RequireOurs();
        var uri = await broker.CreateHostAsync();
        await using var listener = await Listener.BindAsync(uri);
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), claim: TimeSpan.FromMinutes(10), confirmTimeout: TimeSpan.FromSeconds(1));
        await CreateAsync(worker, EventTypes.UserCreated);
        await Eventually.TrueAsync(() => listener.Received.Count == 1, "the first arrives");
        await broker.AlarmAsync(isShort: true);
        try
        {
            await CreateAsync(worker, EventTypes.UserUpdated);
            await Eventually.TrueAsync(() => ClaimedAsync(worker), "the relay tries it");
            await Eventually.TrueAsync(async () => !await ClaimedAsync(worker), "it is not put off", 20);
        }
        finally
        {
            await broker.AlarmAsync(isShort: false);
        }

        await Eventually.TrueAsync(() => listener.Received.Any(message => message.RoutingKey == EventTypes.UserUpdated), "it arrives");
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
    }

    [Fact]
    public async Task Event_WhenTheQueueForTheUnheardWasDeleted_IsParkedInANewOne()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), unroutedAfter: TimeSpan.FromMilliseconds(500), claim: TimeSpan.FromSeconds(1));
        await CreateAsync(worker, EventTypes.UserCreated);
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
        await using var requester = await Requester.ConnectAsync(uri);
        await requester.Channel.QueueDeleteAsync("identity_events.unrouted");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CreateAsync(worker, EventTypes.UserCreated)));
        await Eventually.TrueAsync(async () => (await worker.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty again");
        Assert.Equal(20u, await requester.DepthAsync("identity_events.unrouted"));
    }

    // A consumer that starts before anything happened has something to bind to.
    [Fact]
    public async Task Exchanges_WhenTheWorkerIsConnected_ExistBeforeTheFirstEvent()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer());
        foreach (var exchange in (string[])[EventExchanges.Identity, EventExchanges.Session])
        {
            await Eventually.TrueAsync(() => broker.ExistsAsync(uri, "exchanges", exchange), exchange + " exists");
            await Eventually.TrueAsync(() => broker.ExistsAsync(uri, "queues", exchange + ".unrouted"), "the queue for what nobody listens to exists");
            Assert.Equal(268_435_456, (long?)await broker.ArgumentAsync(uri, exchange + ".unrouted", "x-max-length-bytes"));
        }
    }

    [Fact]
    public async Task Events_WhenTwoWorkersShareThem_ArriveOnceAndInOrderPerAccount()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var listener = await Listener.BindAsync(uri);
        await using var one = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), claim: TimeSpan.FromSeconds(30));
        await using var two = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer(), claim: TimeSpan.FromSeconds(30));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            var account = await CreateAsync(one, EventTypes.UserCreated);
            await UpdateAsync(one, account, 10);
        }));
        await Eventually.TrueAsync(() => listener.Received.Count >= 220, "the events arrive");
        Assert.Equal(220, listener.Received.Count);
        AssertOrder(listener);
    }

    [Fact]
    public async Task Events_WhenTheBrokerIsKilledUnderThem_AllArriveInOrderOnceItIsBack()
    {
        broker.RequireOurs();
        var uri = await broker.CreateHostAsync();
        await (await Listener.BindAsync(uri, "survivors")).DisposeAsync();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, new RecordingIssuer());
        var accounts = new ConcurrentBag<Guid>();
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var account = await CreateAsync(worker, EventTypes.UserCreated);
                await UpdateAsync(worker, account, 3);
                accounts.Add(account);
            }
        })).ToArray();
        await Eventually.TrueAsync(() => accounts.Count >= 50, "load before");
        await broker.KillAsync();
        var before = accounts.Count;
        await Eventually.TrueAsync(() => accounts.Count >= before + 50, "changes go on without the broker");
        await broker.StartAsync();
        before = accounts.Count;
        await Eventually.TrueAsync(() => accounts.Count >= before + 50, "load after");
        await stop.CancelAsync();
        await Task.WhenAll(load);
        await using var listener = await Listener.BindAsync(uri, "survivors");
        await Eventually.TrueAsync(
            () => listener.Received.Select(message => (string)message.Body["id"]!).Distinct().Count() >= accounts.Count * 4,
            $"all {accounts.Count * 4} events arrive",
            60);
        AssertOrder(listener);
        Assert.Equal(accounts.Order(), listener.Received.Select(message => Guid.Parse((string)message.Body["subject"]!)).Distinct().Order());
    }

    /// <summary>Binds a queue with room for one message, which is taken, and that refuses user.created from then on.</summary>
    private static async Task BindFullAsync(Requester requester)
    {
        await requester.Channel.QueueDeclareAsync("full", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-max-length"] = 1, ["x-overflow"] = "reject-publish" });
        await requester.Channel.QueueBindAsync("full", EventExchanges.Identity, EventTypes.UserCreated);
        await requester.Channel.BasicPublishAsync("", "full", mandatory: true, Encoding.UTF8.GetBytes("{}"));
    }

    // Of repeats the first counts: a consumer drops the others by their id.
    private static void AssertOrder(Listener listener)
    {
        var seen = new HashSet<string>();
        foreach (var account in listener.Received.Where(message => seen.Add((string)message.Body["id"]!)).GroupBy(message => (string)message.Body["subject"]!))
        {
            var steps = account.Select(message => (int)message.Body["data"]!["step"]!).ToList();
            Assert.Equal(Enumerable.Range(0, steps.Count), steps);
        }
    }

    private static async Task<bool> ClaimedAsync(TestWorker worker)
    {
        var outbox = worker.Services.GetRequiredService<SqlOutbox>();
        var free = await outbox.ClaimAsync("test", 1, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddMilliseconds(1), default);
        await outbox.ReleaseAsync("test", [.. free.Select(message => message.Sequence)], default);
        return free.Count == 0;
    }

    private static async Task<Guid> CreateAsync(TestWorker worker, string type, string? traceParent = null)
    {
        var id = Guid.CreateVersion7();
        var account = new Account { Id = id, Email = $"{id:N}@example.com", NormalizedEmail = $"{id:N}@EXAMPLE.COM", CreatedAt = DateTimeOffset.UtcNow, UpdatedAt = DateTimeOffset.UtcNow, SecurityStamp = "s" };
        var written = await worker.Services.GetRequiredService<IAccountStore>().CreateAsync(account, new AccountCredentials(id, null, null), [Event(id, type, 0) with { TraceParent = traceParent }], default);
        Assert.Equal(AccountWrite.Done, written);
        return id;
    }

    private static async Task UpdateAsync(TestWorker worker, Guid id, int times)
    {
        var store = worker.Services.GetRequiredService<IAccountStore>();
        var account = (await store.FindAsync(id, default))!;
        for (var step = 1; step <= times; step++)
        {
            Assert.Equal(AccountWrite.Done, await store.UpdateAsync(account, account.Version, [Event(id, EventTypes.UserUpdated, step)], default));
        }
    }

    private static LifecycleEvent Event(Guid account, string type, int step) =>
        new(Guid.CreateVersion7(), EventExchanges.Identity, type, account, DateTimeOffset.UtcNow, new JsonObject { ["step"] = step });

    private sealed class Listener : IAsyncDisposable
    {
        private readonly IConnection _connection;
        private readonly ConcurrentQueue<(string RoutingKey, IReadOnlyBasicProperties Properties, JsonNode Body)> _received = new();

        private Listener(IConnection connection) => _connection = connection;

        public IReadOnlyList<(string RoutingKey, IReadOnlyBasicProperties Properties, JsonNode Body)> Received => [.. _received];

        public static async Task<Listener> BindAsync(string uri, string queue = "listener")
        {
            var connection = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync();
            var channel = await connection.CreateChannelAsync();
            await channel.ExchangeDeclareAsync(EventExchanges.Identity, ExchangeType.Topic, durable: true);
            await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
            await channel.QueueBindAsync(queue, EventExchanges.Identity, "#");
            var listener = new Listener(connection);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += async (_, delivery) =>
            {
                listener._received.Enqueue((delivery.RoutingKey, new BasicProperties(delivery.BasicProperties), JsonNode.Parse(delivery.Body.ToArray())!));
                await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
            };
            await channel.BasicConsumeAsync(queue, autoAck: false, consumer);
            return listener;
        }

        public async ValueTask DisposeAsync() => await _connection.DisposeAsync();
    }
}
