// The wire contract's queue otp_requests.
using System.Globalization;
using Identity.Accounts.Events;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.ServiceDefaults.Settings;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Identity.Worker.Broker;

/// <summary>
/// Takes requests from <c>otp_requests</c> and acknowledges each only after its work is done: answered, put into a retry queue,
/// or dead-lettered with the reason. A retry waits in a queue of its own, so nothing behind it does.
/// </summary>
public sealed partial class OneTimeCodeConsumer(
    RabbitMqConnection broker,
    RabbitMqSettings settings,
    CodeRequestProcessor processor,
    EventMetrics metrics,
    TimeProvider timeProvider,
    ILogger<OneTimeCodeConsumer> logger) : BackgroundService
{
    public const string AttemptHeader = "x-attempt";
    public const string ReasonHeader = "x-reason";

    // All of a message's headers must fit in one frame, with ours: of more than that the broker closes the connection. The smallest frame that can be agreed on has 4 KiB.
    private const int MostHeaderBytes = 2048;
    private const int MostOfOneHeader = 512;

    // Longer than a mail server has to take a mail that it was begun to be given.
    private static readonly TimeSpan s_drainTime = TimeSpan.FromSeconds(22);

    private volatile bool _consuming;

    /// <summary>Whether requests are being taken.</summary>
    public bool IsConsuming => _consuming;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        metrics.Begin();
        try
        {
            while (true)
            {
                var connection = await broker.WaitAsync(stoppingToken);
                try
                {
                    await ConsumeAsync(connection, stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    LogInterrupted(exception.GetType().Name, exception.Message);
                }
                finally
                {
                    _consuming = false;
                }

                // A queue that cannot be declared, or is deleted again and again, must not spin.
                await Task.Delay(TimeSpan.FromMilliseconds(250 + (500 * Random.Shared.NextDouble())), timeProvider, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Drained.
        }
    }

    private async Task ConsumeAsync(IConnection connection, CancellationToken stoppingToken)
    {
        await RabbitMqTopology.DeclareRequestsAsync(connection, settings.RetryDelays, stoppingToken);
        var incoming = await connection.CreateChannelAsync(new CreateChannelOptions(false, false, consumerDispatchConcurrency: settings.Prefetch), stoppingToken);
        await using var closingIncoming = incoming;
        var outgoing = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), stoppingToken);
        await using var closingOutgoing = outgoing;
        await using var answers = new AnswerConnection(broker, settings.ConfirmTimeout);

        await incoming.BasicQosAsync(0, settings.Prefetch, global: false, stoppingToken);
        var ended = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        incoming.ChannelShutdownAsync += (_, reason) => End(reason.ReplyText);
        outgoing.ChannelShutdownAsync += (_, reason) => End(reason.ReplyText);
        var consumer = new AsyncEventingBasicConsumer(incoming);
        // The broker cancels consumers of a queue that was deleted.
        consumer.UnregisteredAsync += (_, _) => End("the queue is gone");

        var stopping = false;
        var working = new InFlight();
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            // What was fetched but not begun goes back to the queue with the channel.
            if (Volatile.Read(ref stopping) || !working.TryEnter())
            {
                return;
            }

            try
            {
                await HandleAsync(incoming, outgoing, answers, delivery, stoppingToken);
            }
            catch (Exception exception)
            {
                // Not acknowledged: it comes again, to whoever is there. Its words may be a mail server's, with the person's address.
                LogNotFinished(exception.GetType().Name);
                await End("a request could not be finished");
            }
            finally
            {
                working.Leave();
            }
        };

        var tag = await incoming.BasicConsumeAsync(RabbitMqTopology.RequestQueue, autoAck: false, consumer, stoppingToken);
        _consuming = true;
        LogConsuming(RabbitMqTopology.RequestQueue, settings.Prefetch);
        try
        {
            LogEnded(await ended.Task.WaitAsync(stoppingToken));
        }
        finally
        {
            _consuming = false;
            Volatile.Write(ref stopping, true);
            if (incoming.IsOpen)
            {
                using var limit = new CancellationTokenSource(s_drainTime);
                try
                {
                    await incoming.BasicCancelAsync(tag, cancellationToken: limit.Token);
                    await working.DrainAsync().WaitAsync(limit.Token);
                }
                catch (Exception exception)
                {
                    LogNotDrained(exception.GetType().Name);
                }
            }
        }

        Task End(string reason)
        {
            ended.TrySetResult(reason);
            return Task.CompletedTask;
        }
    }

    private async Task HandleAsync(IChannel incoming, IChannel outgoing, AnswerConnection answers, BasicDeliverEventArgs delivery, CancellationToken stoppingToken)
    {
        var started = timeProvider.GetTimestamp();
        var properties = delivery.BasicProperties;
        var result = delivery.Body.Length > settings.MaximumBodyBytes
            ? new CodeRequestResult(CodeRequestFate.Dead, CodeRequest.FormatError(CodeRequest.LookForFraming(delivery.Body.Span), "The request is too large."), "invalid", "body larger than " + settings.MaximumBodyBytes.ToString(CultureInfo.InvariantCulture) + " bytes")
            // What was handed to the mail server is finished while the process drains; what was not goes back to the queue.
            : await processor.ProcessAsync(delivery.Body, properties.MessageId, IsAnswered(properties), stoppingToken);

        var attempt = Attempt(properties);
        var outcome = result.Outcome;
        if (result.Fate == CodeRequestFate.Retry && attempt < settings.RetryDelays.Count)
        {
            await ForwardAsync(outgoing, RabbitMqTopology.RetryQueue(settings.RetryDelays[attempt]), delivery, headers => headers[AttemptHeader] = attempt + 1);
            metrics.RequestRetried();
        }
        else
        {
            if (result.Fate != CodeRequestFate.Finished)
            {
                await ForwardAsync(outgoing, RabbitMqTopology.DeadLetterQueue, delivery, headers =>
                {
                    headers[ReasonHeader] = result.Reason;
                    headers[AttemptHeader] = attempt + 1;
                    headers["x-failed-at"] = timeProvider.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
                });
                metrics.DeadLettered();
                LogDeadLettered(result.Reason ?? outcome, attempt + 1);
                outcome = "dead_lettered";
            }

            await AnswerAsync(answers, properties, result.Reply);
            metrics.RequestFinished(outcome, timeProvider.GetElapsedTime(started));
        }

        await incoming.BasicAckAsync(delivery.DeliveryTag, multiple: false, CancellationToken.None);
    }

    private static bool IsAnswered(IReadOnlyBasicProperties request) => request.IsReplyToPresent() && request.ReplyTo is { Length: > 0 };

    private static int Attempt(IReadOnlyBasicProperties properties) =>
        properties.Headers is { } headers && headers.TryGetValue(AttemptHeader, out var value) && value is int or long or short or byte
            ? (int)Math.Clamp(Convert.ToInt64(value, CultureInfo.InvariantCulture), 0, 1000)
            : 0;

    // What is no text or number (a table, an array) is larger than there is room.
    private static int Size(string name, object? value) => name.Length + value switch
    {
        null or bool or byte or sbyte or short or ushort or int or uint or long or float or double or decimal or AmqpTimestamp => 16,
        byte[] bytes => bytes.Length + 16,
        string text => (text.Length * 3) + 16,
        _ => int.MaxValue - short.MaxValue,
    };

    private async Task ForwardAsync(IChannel outgoing, string queue, BasicDeliverEventArgs delivery, Action<Dictionary<string, object?>> change)
    {
        var original = delivery.BasicProperties;
        var headers = new Dictionary<string, object?>(StringComparer.Ordinal);
        var room = MostHeaderBytes;
        foreach (var (name, value) in original.Headers ?? new Dictionary<string, object?>(StringComparer.Ordinal))
        {
            // Not the broker's own record of dead-lettering, which it writes anew.
            if (!name.StartsWith("x-death", StringComparison.Ordinal) && !name.StartsWith("x-first-death", StringComparison.Ordinal) && Size(name, value) is var size && size <= Math.Min(room, MostOfOneHeader))
            {
                headers[name] = value;
                room -= size;
            }
        }

        change(headers);
        var properties = new BasicProperties { Persistent = true, Headers = headers };
        if (original.IsMessageIdPresent())
        {
            properties.MessageId = original.MessageId;
        }

        if (original.IsCorrelationIdPresent())
        {
            properties.CorrelationId = original.CorrelationId;
        }

        if (original.IsReplyToPresent())
        {
            properties.ReplyTo = original.ReplyTo;
        }

        if (original.IsContentTypePresent())
        {
            properties.ContentType = original.ContentType;
        }

        if (original.IsAppIdPresent())
        {
            properties.AppId = original.AppId;
        }

        using var timeout = new CancellationTokenSource(settings.ConfirmTimeout);
        await outgoing.BasicPublishAsync("", queue, mandatory: true, properties, delivery.Body, timeout.Token);
    }

    private async Task AnswerAsync(AnswerConnection answers, IReadOnlyBasicProperties request, byte[] body)
    {
        if (!IsAnswered(request))
        {
            return;
        }

        var properties = new BasicProperties { ContentType = "application/json" };
        if (request.IsCorrelationIdPresent())
        {
            properties.CorrelationId = request.CorrelationId;
        }

        try
        {
            await answers.SendAsync(request.ReplyTo!, properties, body);
        }
        catch (Exception exception)
        {
            // Nobody waits any more, or the name is not one: the work is done all the same.
            LogNotAnswered(exception.GetType().Name);
        }
    }

    [LoggerMessage(3420, LogLevel.Information, "Taking requests from {Queue}, {Prefetch} at once")]
    private partial void LogConsuming(string queue, int prefetch);

    [LoggerMessage(3421, LogLevel.Warning, "Taking requests ended: {Reason}")]
    private partial void LogEnded(string reason);

    [LoggerMessage(3422, LogLevel.Warning, "Requests cannot be taken: {Kind}: {Reason}")]
    private partial void LogInterrupted(string kind, string reason);

    [LoggerMessage(3423, LogLevel.Warning, "A request could not be finished and comes again: {Kind}")]
    private partial void LogNotFinished(string kind);

    [LoggerMessage(3424, LogLevel.Warning, "A request was dead-lettered at attempt {Attempt}: {Reason}")]
    private partial void LogDeadLettered(string reason, int attempt);

    [LoggerMessage(3425, LogLevel.Information, "An answer could not be sent: {Kind}")]
    private partial void LogNotAnswered(string kind);

    [LoggerMessage(3426, LogLevel.Warning, "Not every request was finished before stopping ({Kind}); those come again")]
    private partial void LogNotDrained(string kind);
}
