using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data;
using Identity.Accounts.Delivery;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.ServiceDefaults.Settings;
using Identity.Worker.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Identity.Worker.Tests;

/// <summary>What a server without RABBITMQ_URIS does in its own process.</summary>
public sealed class InProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Events_WhenNoBrokerIsConfigured_ReachSubscribersInOrderAndAgainAfterAFailure()
    {
        var subscriber = new Subscriber();
        using var host = await StartAsync(services => services.AddSingleton<IEventSubscriber>(subscriber).AddInProcessEvents());
        var now = DateTimeOffset.UtcNow;
        var account = new Account { Id = Guid.CreateVersion7(now), Email = "a@example.com", NormalizedEmail = "A@EXAMPLE.COM", SecurityStamp = "s" };
        var events = new LifecycleEvents(TimeProvider.System);
        await host.Services.GetRequiredService<IAccountStore>().CreateAsync(
            account,
            new AccountCredentials(account.Id, null, null),
            [events.OfUser(EventTypes.UserCreated, account), events.OfUser(EventTypes.UserEmailVerified, account)],
            default);
        await Eventually.TrueAsync(() => subscriber.Seen.Count == 3, "both events, the first of them twice");
        Assert.Equal(["user.created", "user.created", "user.email_verified"], subscriber.Seen);
        await Eventually.TrueAsync(async () => (await host.Services.GetRequiredService<SqlOutbox>().StatusAsync(default)).Depth == 0, "the outbox is empty");
        await host.StopAsync();
    }

    [Fact]
    public async Task Requests_WhenNoBrokerIsConfigured_AreAnsweredOncePerMessageId()
    {
        var issuer = new RecordingIssuer();
        using var host = await StartAsync(services => services.AddSingleton<ICodeIssuer>(issuer).AddInProcessCodeRequests());
        var requests = host.Services.GetRequiredService<InProcessCodeRequests>();
        var body = Encoding.UTF8.GetBytes("""{"pattern":"p","data":{"email":"ann@example.com"},"id":"1"}""");
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => requests.AskAsync(body, null, default)));
        Assert.Single(answers.Select(Encoding.UTF8.GetString).Distinct());
        Assert.Single(issuer.Sent);
        var error = JsonNode.Parse(await requests.AskAsync(Encoding.UTF8.GetBytes("{}"), null, default))!;
        Assert.Equal("error", (string)error["status"]!);
        await host.StopAsync();
    }

    // PostgreSQL takes no NUL, and an index no more than so many bytes: an id of any form is one that a store can keep.
    [Theory]
    [InlineData("a\0b", "a\0c")]
    [InlineData("a\nb", "a\nc")]
    [InlineData("LONG1", "LONG2")]
    public async Task Requests_WhenTheirIdsAreOfAnyForm_AreToldApartByIdsThatAStoreCanKeep(string one, string other)
    {
        string Long(string id) => id.Replace("LONG", new string('x', 5000), StringComparison.Ordinal);
        var issuer = new RecordingIssuer();
        var seen = new SeenIds();
        using var host = await StartAsync(services => services.AddSingleton<ICodeIssuer>(issuer).AddInProcessCodeRequests().AddSingleton<IProcessedMessages>(seen));
        var requests = host.Services.GetRequiredService<InProcessCodeRequests>();
        foreach (var id in (string[])[Long(one), Long(one), Long(other)])
        {
            var body = new JsonObject { ["pattern"] = "p", ["data"] = new JsonObject { ["email"] = "ann@example.com" }, ["id"] = id };
            Assert.NotNull(JsonNode.Parse(await requests.AskAsync(Encoding.UTF8.GetBytes(body.ToJsonString()), null, default))!["response"]);
            await requests.AskAsync(Encoding.UTF8.GetBytes("""{"email":"bob@example.com"}"""), id, default);
        }

        Assert.Equal(2, issuer.Sent.Count(sent => sent.Email == "ann@example.com"));
        Assert.NotEmpty(seen.Ids);
        Assert.All(seen.Ids, id => Assert.True(id.Length <= 128 && !id.Any(char.IsControl), id));
        await host.StopAsync();
    }

    [Fact]
    public async Task Delivery_WhenTheProcessStops_SendsWhatWaits()
    {
        var sender = new SlowSender();
        using var host = await StartAsync(services => { services.AddSingleton<IMessageSender>(sender); services.AddSingleton<DeliveryMetrics>(); services.AddSingleton<DeliveryQueue>(); services.AddHostedService(provider => provider.GetRequiredService<DeliveryQueue>()); });
        var delivery = host.Services.GetRequiredService<DeliveryQueue>();
        for (var i = 0; i < 20; i++)
        {
            delivery.Post("email", new("a@example.com", "s", "t"));
        }

        // Nobody has waited for the sender so far.
        Assert.Equal(0, sender.Sent);
        var stop = host.StopAsync();
        sender.Go.SetResult();
        await stop;
        Assert.Equal(20, sender.Sent);
        Assert.False(delivery.Has("push"));
    }

    private async Task<IHost> StartAsync(Action<IServiceCollection> add)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration["Outbox:IdleDelay"] = "00:00:00.020";
        builder.Configuration["Outbox:ClaimDuration"] = "00:00:01";
        builder.Services.AddSqlStores(StorageSettings.Embedded(_folder.Path));
        add(builder.Services);
        var host = builder.Build();
        await host.Services.InitializeStoresAsync();
        await host.StartAsync();
        return host;
    }

    /// <summary>Keeps claims by id, and the ids.</summary>
    private sealed class SeenIds : IProcessedMessages
    {
        private readonly ConcurrentDictionary<string, string?> _answers = new(StringComparer.Ordinal);

        public IEnumerable<string> Ids => _answers.Keys;

        public Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
            Task.FromResult(_answers.TryAdd(messageId, null) ? new MessageClaim(MessageState.Claimed, Answer: null) : new MessageClaim(MessageState.Done, _answers[messageId]));

        public Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken) => Task.FromResult(_answers.TryUpdate(messageId, answer, null));

        public Task<bool> TryBeginAsync(string messageId, Guid claim, string answer, DateTimeOffset until, DateTimeOffset expiresAt, CancellationToken cancellationToken) => TryCommitAsync(messageId, claim, answer, expiresAt, cancellationToken);

        public Task HoldAsync(string messageId, Guid claim, DateTimeOffset until, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task EndAsync(string messageId, Guid claim, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class Subscriber : IEventSubscriber
    {
        public ConcurrentQueue<string> Seen { get; } = new();

        public Task OnEventAsync(OutboxMessage message, CancellationToken cancellationToken)
        {
            Seen.Enqueue(message.RoutingKey);
            return Seen.Count == 1 ? throw new IOException("the first time") : Task.CompletedTask;
        }
    }

    private sealed class SlowSender : IMessageSender
    {
        private int _sent;

        public TaskCompletionSource Go { get; } = new();

        public int Sent => _sent;

        public string Channel => "email";

        public async Task SendAsync(PersonalMessage message, CancellationToken cancellationToken)
        {
            await Go.Task;
            Interlocked.Increment(ref _sent);
        }
    }
}
