using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Identity.Worker.Tests.Fixtures;

/// <summary>Another service at the broker: sends requests, gets answers through a queue of its own, looks into queues.</summary>
internal sealed class Requester : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<string>> _waiting = new();

    private Requester(IConnection connection, IChannel channel, string replyTo) => (_connection, _channel, ReplyTo) = (connection, channel, replyTo);

    public string ReplyTo { get; }

    public IChannel Channel => _channel;

    public static async Task<Requester> ConnectAsync(string uri)
    {
        var connection = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync();
        var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        var queue = await channel.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true);
        var requester = new Requester(connection, channel, queue.QueueName);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            requester.Waiting(delivery.BasicProperties.CorrelationId ?? "").TrySetResult(Encoding.UTF8.GetString(delivery.Body.Span));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue.QueueName, autoAck: true, consumer);
        return requester;
    }

    public async Task SendAsync(string body, string? messageId = null, string? correlationId = null, string? replyTo = null)
    {
        var properties = new BasicProperties { Persistent = true };
        if (messageId is not null)
        {
            properties.MessageId = messageId;
        }

        if (correlationId is not null)
        {
            properties.CorrelationId = correlationId;
        }

        if (replyTo is not null)
        {
            properties.ReplyTo = replyTo;
        }

        await _channel.BasicPublishAsync("", "otp_requests", mandatory: true, properties, Encoding.UTF8.GetBytes(body));
    }

    public async Task<JsonObject> AskAsync(string body, string? messageId = null)
    {
        var correlationId = Guid.NewGuid().ToString();
        await SendAsync(body, messageId, correlationId, ReplyTo);
        return JsonNode.Parse(await AnswerAsync(correlationId))!.AsObject();
    }

    public Task<string> AnswerAsync(string correlationId) => Waiting(correlationId).Task.WaitAsync(TimeLimit.Patience);

    public async Task<uint> DepthAsync(string queue) => await _channel.MessageCountAsync(queue);

    /// <summary>Waits for a message in the queue and takes it.</summary>
    public async Task<BasicGetResult> TakeAsync(string queue)
    {
        BasicGetResult? result = null;
        await Eventually.TrueAsync(async () => (result = await _channel.BasicGetAsync(queue, autoAck: true)) is not null, "a message in " + queue);
        return result!;
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private TaskCompletionSource<string> Waiting(string correlationId) => _waiting.GetOrAdd(correlationId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
}
