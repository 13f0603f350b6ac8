using System.Text;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Tests.Kit;
using Identity.Worker.Broker;
using Identity.Worker.Tests.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Identity.Worker.Tests.Broker;

/// <summary>The queue otp_requests as the contract has it, at a real broker.</summary>
[Collection(BrokerCollection.Name)]
public sealed class OtpQueueTests(RabbitMqServer broker) : IDisposable
{
    private const string Body = """{"email":"ann@example.com","channel":"email","purpose":"login"}""";

    private readonly TemporaryFolder _folder = new();
    private readonly RecordingIssuer _issuer = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Request_WhenBare_IsAnsweredBare()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var answer = await requester.AskAsync(Body);
        Assert.Equal(["otpId", "channel", "destination", "expiresAt"], answer.Select(member => member.Key));
        var sent = Assert.Single(_issuer.Sent);
        Assert.Equal("ann@example.com", sent.Email);
        Assert.Equal("login", sent.Purpose);
    }

    [Fact]
    public async Task Request_WhenInAnEnvelope_IsAnsweredInOne()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var answer = await requester.AskAsync($$"""{"pattern":"otp.generate","data":{{Body}},"id":"n1"}""");
        Assert.Equal(["response", "isDisposed"], answer.Select(member => member.Key));
        Assert.True((bool)answer["isDisposed"]!);
        Assert.Equal(["otpId", "channel", "destination", "expiresAt"], answer["response"]!.AsObject().Select(member => member.Key));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_WhenItsIdRepeats_SendsOneCodeAndGivesTheSameAnswer(bool envelope)
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var body = envelope ? $$"""{"pattern":"otp","data":{{Body}},"id":"nest-7"}""" : Body;
        var messageId = envelope ? null : "m-7";
        var first = await requester.AskAsync(body, messageId);
        var repeats = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => requester.AskAsync(body, messageId)));
        Assert.All(repeats, repeat => Assert.Equal(first.ToJsonString(), repeat.ToJsonString()));
        Assert.Single(_issuer.Sent);
    }

    [Fact]
    public async Task Request_WhenFiftyRepeatsArriveAtOnce_SendsOneCode()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => requester.AskAsync(Body, "race")));
        Assert.Single(answers.Select(answer => answer.ToJsonString()).Distinct());
        Assert.Single(_issuer.Sent);
    }

    [Fact]
    public async Task Request_WhenItRepeatsAfterARestart_SendsNothing()
    {
        var (worker, requester) = await StartAsync();
        await using var closing = requester;
        var first = await requester.AskAsync(Body, "over-restart");
        await worker.DisposeAsync();
        await using var second = await TestWorker.StartAsync(_uri!, _folder.Path, _issuer);
        Assert.Equal(first.ToJsonString(), (await requester.AskAsync(Body, "over-restart")).ToJsonString());
        Assert.Single(_issuer.Sent);
    }

    [Theory]
    [InlineData("not json", "not JSON")]
    [InlineData("", "not JSON")]
    [InlineData("[1]", "not a JSON object")]
    [InlineData("{}", "none of userId")]
    [InlineData("""{"userId":5}""", "userId is not a string")]
    [InlineData("""{"userId":"nobody"}""", "userId is not an id")]
    [InlineData("""{"email":"a@b.c","channel":"pigeon"}""", "channel is none of")]
    [InlineData("""{"email":["a@b.c"]}""", "email is not a string")]
    [InlineData("""{"email":"a@b.c\u0000"}""", "control characters")]
    [InlineData("""{"email":"\ud800"}""", "not valid text")]
    [InlineData("""{"pattern":"otp","id":"1"}""", "data is not a JSON object")]
    [InlineData("""{"pattern":"otp","data":"text","id":"1"}""", "data is not a JSON object")]
    [InlineData("""{"pattern":"otp","data":{"email":"a@b.c"},"id":{}}""", "id is neither")]
    [InlineData("""{"pattern":"otp","data":{"email":"a@b.c"},"id":"\ud800"}""", "not valid text")]
    [InlineData("""{"email":"a@b.c","\ud800":1}""", "not valid text")]
    [InlineData("""{"email":"a@b.c","purpose":"second_factor:email"}""", "purpose")]
    [InlineData("""{"email":"a@b.c","purpose":"verification.email_new"}""", "purpose")]
    public async Task Request_WhenItIsNotOne_IsDeadLetteredAtOnceWithTheReasonAndAnswered(string body, string reason)
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var answer = await requester.AskAsync(body);
        var error = body.Contains("pattern") ? answer["err"]!.AsObject() : answer;
        Assert.Equal("error", (string)error["status"]!);
        if (body.Contains("pattern"))
        {
            Assert.Equal(["err", "isDisposed"], answer.Select(member => member.Key));
        }

        var dead = await requester.TakeAsync("otp_requests.dead");
        Assert.Contains(reason, Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["x-reason"]!));
        Assert.Equal(body, Encoding.UTF8.GetString(dead.Body.Span));
        Assert.Empty(_issuer.Sent);
        await requester.AskAsync(Body);
        Assert.Single(_issuer.Sent);
    }

    // A client of NestJS takes an answer without isDisposed for a success that says nothing.
    [Theory]
    [InlineData("""{"email":"ann@example.com","x":"FILL"}""", false)]
    [InlineData("""{"pattern":"otp","data":{"email":"ann@example.com","x":"FILL"},"id":"1"}""", true)]
    public async Task Request_WhenItIsTooLarge_IsDeadLetteredAndAnsweredInItsFraming(string body, bool envelope)
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var answer = await requester.AskAsync(body.Replace("FILL", new string('x', 70_000)));
        Assert.Equal(envelope ? ["err", "isDisposed"] : ["status", "message"], answer.Select(member => member.Key));
        Assert.Equal("The request is too large.", (string)(envelope ? answer["err"]! : answer)["message"]!);
        var dead = await requester.TakeAsync("otp_requests.dead");
        Assert.Contains("larger than", Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["x-reason"]!));
        Assert.Empty(_issuer.Sent);
    }

    // RFC 8259 §8.1, as at /api/identity; and a number as people write it, which the routes take at the same length.
    [Theory]
    [InlineData("\uFEFF" + Body, "ann@example.com")]
    [InlineData("""{"phoneNumber":"+49 (0) 151  /  12 34 - 56 78  ( mobile )"}""", "+49 (0) 151  /  12 34 - 56 78  ( mobile )")]
    public async Task Request_WhenWrittenAsTheRoutesTakeIt_IsTaken(string body, string recipient)
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        await requester.AskAsync(body);
        var sent = Assert.Single(_issuer.Sent);
        Assert.Equal(recipient, sent.Email ?? sent.PhoneNumber);
    }

    // What lies there names people, and nobody may ever come for it.
    [Fact]
    public async Task DeadLetterQueue_WhenTheWorkerMakesIt_HasALengthAndALife()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, _issuer);
        await Eventually.TrueAsync(() => worker.IsConsuming, "requests for codes are taken");
        Assert.Equal(268_435_456, (long?)await broker.ArgumentAsync(uri, "otp_requests.dead", "x-max-length-bytes"));
        Assert.Equal(604_800_000, (long?)await broker.ArgumentAsync(uri, "otp_requests.dead", "x-message-ttl"));
        Assert.Equal("drop-head", (string?)await broker.ArgumentAsync(uri, "otp_requests.dead", "x-overflow"));
    }

    [Fact]
    public async Task Request_WhenItHasAMegabyte_IsDeadLetteredAndTheQueueGoesOn()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        await requester.SendAsync($$"""{"email":"{{new string('a', 1024 * 1024)}}"}""");
        await requester.AskAsync(Body);
        var dead = await requester.TakeAsync("otp_requests.dead");
        Assert.Contains("larger than", Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["x-reason"]!));
    }

    // As large as a frame may be: with a header of ours more, the broker would close the connection it is forwarded on, and the message would come again for ever.
    [Fact]
    public async Task Request_WhenItsHeadersFillAFrame_IsDeadLetteredWithoutThem()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var connection = worker.Services.GetRequiredService<RabbitMqConnection>().Current;
        var headers = Enumerable.Range(0, 128).ToDictionary(i => $"h{i:D3}", object? (_) => new string('v', 1000));
        headers["pad"] = new string('v', 1680);
        headers["trace"] = "kept";
        await requester.Channel.BasicPublishAsync("", "otp_requests", mandatory: true, new BasicProperties { Headers = headers, Persistent = true }, Encoding.UTF8.GetBytes("not json"));
        var dead = await requester.TakeAsync("otp_requests.dead");
        Assert.Equal("not JSON", Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["x-reason"]!));
        Assert.Equal("kept", Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["trace"]!));
        Assert.InRange(dead.BasicProperties.Headers!.Count, 4, 10);
        await requester.AskAsync(Body);
        Assert.Same(connection, worker.Services.GetRequiredService<RabbitMqConnection>().Current);
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("amq.rabbitmq.reply-to.nobody.waits")]
    [InlineData("otp_requests")]
    public async Task Request_WhenNobodyCanBeAnswered_IsDoneAndTheQueueGoesOn(string replyTo)
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        await requester.SendAsync(Body, "closed", "c", replyTo);
        await Eventually.TrueAsync(() => _issuer.Sent.Count == 1, "the request is done");
        await requester.AskAsync(Body);
        Assert.Equal(2, _issuer.Sent.Count);

        // Between many such, nobody else's answer is lost.
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => i % 4 == 0 ? requester.SendAsync(Body, null, "c", replyTo) : requester.AskAsync(Body)));
    }

    [Fact]
    public async Task Request_WhenItFailsForAPassingReason_IsRetriedWithoutHoldingUpOthers()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var attempts = 0;
        _issuer.Before = request => request.Email == "slow@example.com" && Interlocked.Increment(ref attempts) <= 2 ? throw new IOException("away") : Task.CompletedTask;
        var failing = requester.AskAsync("""{"email":"slow@example.com"}""", "retry");
        await requester.AskAsync(Body);
        var answer = await failing;
        Assert.NotNull(answer["otpId"]);
        Assert.Equal(3, attempts);
        Assert.Equal(1, _issuer.Sent.Count(sent => sent.Email == "slow@example.com"));
    }

    [Fact]
    public async Task Request_WhenDeliveryFailsOnce_IsSentOnceInTheEnd()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var attempts = 0;
        _issuer.Deliver = (_, _) => Interlocked.Increment(ref attempts) == 1 ? throw new IOException("away") : Task.CompletedTask;
        Assert.NotNull((await requester.AskAsync(Body, "delivery"))["otpId"]);
        Assert.Single(_issuer.Sent);
        Assert.Equal(2, attempts);
    }

    [Fact]
    public async Task Request_WhenItNeverSucceeds_IsDeadLetteredAfterTheLastRetryAndAnswered()
    {
        var (worker, requester) = await StartAsync(retryDelays: [TimeSpan.FromMilliseconds(30), TimeSpan.FromMilliseconds(60)]);
        await using var stopping = worker;
        await using var closing = requester;
        _issuer.Before = _ => throw new IOException("away");
        var answer = await requester.AskAsync($$"""{"pattern":"p","data":{{Body}},"id":"never"}""");
        Assert.Equal("error", (string)answer["err"]!["status"]!);
        var dead = await requester.TakeAsync("otp_requests.dead");
        Assert.Equal("IOException", Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["x-reason"]!));
        Assert.Equal(3, Convert.ToInt32(dead.BasicProperties.Headers["x-attempt"]));
    }

    [Fact]
    public async Task Request_WhenRefusedForAPassingReasonAndNobodyWaits_IsRetriedAndThenDeadLettered()
    {
        var (worker, requester) = await StartAsync(retryDelays: [TimeSpan.FromMilliseconds(30)]);
        await using var stopping = worker;
        await using var closing = requester;
        _issuer.Admit = _ => new CodeIssue.Refused("Too many codes were asked for. Try again in 60 seconds.", IsPassing: true);
        Assert.Equal("error", (string)(await requester.AskAsync(Body, "told"))["status"]!);
        await requester.SendAsync(Body, "untold");
        var dead = await requester.TakeAsync("otp_requests.dead");
        Assert.Equal("untold", dead.BasicProperties.MessageId);
        Assert.StartsWith("refused: Too many codes", Encoding.UTF8.GetString((byte[])dead.BasicProperties.Headers!["x-reason"]!));
        Assert.Equal(2, Convert.ToInt32(dead.BasicProperties.Headers["x-attempt"]));
    }

    [Fact]
    public async Task Worker_WhenItStops_FinishesWhatItBeganAndLeavesTheRest()
    {
        var (worker, requester) = await StartAsync();
        await using var closing = requester;
        var release = new TaskCompletionSource();
        var begun = 0;
        _issuer.Before = _ =>
        {
            Interlocked.Increment(ref begun);
            return release.Task;
        };
        for (var i = 0; i < 100; i++)
        {
            await requester.SendAsync(Body, "drain-" + i);
        }

        await Eventually.TrueAsync(() => Volatile.Read(ref begun) == 32, "as many as the prefetch allows");
        var stop = worker.StopAsync();
        Assert.False(stop.IsCompleted);
        release.SetResult();
        await stop;
        Assert.Equal(32, _issuer.Sent.Count);
        Assert.Equal(68u, await requester.DepthAsync("otp_requests"));
        await worker.DisposeAsync();
        await using var next = await TestWorker.StartAsync(_uri!, _folder.Path, _issuer);
        await Eventually.TrueAsync(() => _issuer.Sent.Count == 100, "the rest is done");
    }

    // A mail server that is slow, and a broker that goes away meanwhile: the message comes again while the first one is at it.
    [Fact]
    public async Task Request_WhenTheConnectionDropsWhileItsCodeIsSent_IsNotAnsweredAsSentBeforeItIs()
    {
        var (worker, requester) = await StartAsync(retryDelays: [TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(1500)]);
        await using var stopping = worker;
        await requester.Channel.QueueDeclareAsync("answers", durable: true, exclusive: false, autoDelete: false);
        var (begun, failed) = (new TaskCompletionSource(), new TaskCompletionSource());
        var attempts = 0;
        _issuer.Deliver = (_, _) =>
        {
            begun.TrySetResult();
            return Interlocked.Increment(ref attempts) == 1 ? failed.Task : Task.CompletedTask;
        };
        await requester.SendAsync(Body, "slow", "c", "answers");
        await begun.Task.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(async () => await broker.CloseConnectionsAsync(_uri!) >= 2, "connections are listed");
        await requester.DisposeAsync();
        await using var again = await Requester.ConnectAsync(_uri!);
        await Eventually.TrueAsync(async () => await again.DepthAsync("otp_requests.retry.1500") > 0 || await again.DepthAsync("answers") > 0, "the message came again");
        Assert.Equal(0u, await again.DepthAsync("answers"));

        // Now the mail server says no: the code is made and sent anew, and answered then.
        failed.SetException(new IOException("away"));
        await again.TakeAsync("answers");
        Assert.Single(_issuer.Sent);
        Assert.Equal(2, attempts);
    }

    [Fact]
    public async Task Worker_WhenItStopsWhileTheMailServerIsSlow_LeavesTheRequestToTheNext()
    {
        var (worker, requester) = await StartAsync();
        await using var closing = requester;
        var begun = new TaskCompletionSource();
        _issuer.Deliver = (_, stop) =>
        {
            begun.TrySetResult();
            return Task.Delay(Timeout.Infinite, stop);
        };
        var asking = requester.AskAsync(Body, "stop");
        await begun.Task.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken);
        await worker.DisposeAsync();
        Assert.Empty(_issuer.Sent);
        _issuer.Deliver = (_, _) => Task.CompletedTask;
        await using var next = await TestWorker.StartAsync(_uri!, _folder.Path, _issuer);
        Assert.NotNull((await asking)["otpId"]);
        Assert.Single(_issuer.Sent);
    }

    [Fact]
    public async Task Topology_WhenItExistsWithOtherArguments_IsUsedAsItIs()
    {
        broker.Require();
        _uri = await broker.CreateHostAsync();
        await using var requester = await Requester.ConnectAsync(_uri);
        await requester.Channel.QueueDeclareAsync("otp_requests", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-max-length"] = 1000 });
        await requester.Channel.QueueDeclareAsync("otp_requests.retry.50", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-message-ttl"] = 10, ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = "otp_requests" });
        await requester.Channel.ExchangeDeclareAsync("identity_events", "fanout", durable: true);
        await using var worker = await TestWorker.StartAsync(_uri, _folder.Path, _issuer);
        await requester.AskAsync(Body);
        Assert.Single(_issuer.Sent);
    }

    [Fact]
    public async Task Queue_WhenItIsDeletedUnderTheWorker_IsMadeAgain()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        await requester.Channel.QueueDeleteAsync("otp_requests");
        await Eventually.TrueAsync(
            async () =>
            {
                try
                {
                    await requester.SendAsync(Body, "again", "again", requester.ReplyTo);
                    return true;
                }
                catch (PublishException)
                {
                    return false;
                }
            },
            "the queue is back");
        await requester.AnswerAsync("again");
    }

    [Fact]
    public async Task Workers_WhenTwoShareRequests_DoEachOnce()
    {
        var count = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_OTP_REQUESTS"), out var wanted) ? wanted : 1_000;
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var otherIssuer = new RecordingIssuer();
        await using var other = await TestWorker.StartAsync(_uri!, _folder.Path, otherIssuer);
        var bodies = Enumerable.Range(0, count).Select(i => $$"""{"email":"user{{i}}@example.com"}""").ToArray();
        // Every tenth is sent twice.
        var sends = bodies.Select((body, i) => (Body: body, Id: "share-" + i)).SelectMany((message, i) => i % 10 == 0 ? [message, message] : new[] { message });
        await Task.WhenAll(sends.Select(message => requester.SendAsync(message.Body, message.Id)));
        await Eventually.TrueAsync(() => _issuer.Sent.Count + otherIssuer.Sent.Count >= count, "all requests are done", 300);
        await Eventually.TrueAsync(async () => await requester.DepthAsync("otp_requests") == 0, "the queue is empty");
        var sent = _issuer.Sent.Concat(otherIssuer.Sent).Select(request => request.Email!).ToList();
        Assert.Equal(count, sent.Count);
        Assert.Equal(count, sent.Distinct().Count());
        Assert.NotEmpty(_issuer.Sent);
        Assert.NotEmpty(otherIssuer.Sent);
    }

    [Fact]
    public async Task Connection_WhenTheBrokerClosesIt_ComesBackAndNothingIsDoneTwice()
    {
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await requester.AskAsync(Body, "before");
        await Eventually.TrueAsync(async () => await broker.CloseConnectionsAsync(_uri!) >= 3, "connections are listed");
        await requester.DisposeAsync();
        await using var again = await Requester.ConnectAsync(_uri!);
        await again.AskAsync(Body, "before");
        await again.AskAsync(Body, "after");
        Assert.Equal(2, _issuer.Sent.Count);
    }

    [Fact]
    public async Task Metrics_WhenRequestsEnd_TellHow()
    {
        var totals = new System.Collections.Concurrent.ConcurrentDictionary<string, double>();
        using var meters = new System.Diagnostics.Metrics.MeterListener();
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Identity.Messaging")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        void Add(string name, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) => totals.AddOrUpdate(name + (tags.Length > 0 ? ":" + tags[0].Value : ""), value, (_, sum) => sum + value);
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
        meters.Start();
        var (worker, requester) = await StartAsync();
        await using var stopping = worker;
        await using var closing = requester;
        var attempts = 0;
        _issuer.Before = _ => Interlocked.Increment(ref attempts) == 1 ? throw new IOException("away") : Task.CompletedTask;
        await requester.AskAsync(Body, "metrics");
        await requester.AskAsync("{}");
        await Eventually.TrueAsync(() => totals.ContainsKey("identity.otp.requests:dead_lettered"), "the second is counted");
        meters.RecordObservableInstruments();
        Assert.Equal(1, totals["identity.otp.requests:sent"]);
        Assert.Equal(1, totals["identity.otp.requests:dead_lettered"]);
        Assert.Equal(1, totals["identity.otp.retries"]);
        Assert.Equal(1, totals["identity.otp.dead_letters"]);
        Assert.True(totals["identity.otp.duration:sent"] > 0);
        Assert.Equal(0, totals["identity.outbox.depth"]);
        Assert.Equal(0, totals["identity.outbox.age"]);
    }

    private string? _uri;

    private async Task<(TestWorker Worker, Requester Requester)> StartAsync(IReadOnlyList<TimeSpan>? retryDelays = null)
    {
        broker.Require();
        _uri = await broker.CreateHostAsync();
        // The first address answers nobody: the second is tried in turn.
        var worker = await TestWorker.StartAsync($"amqp://guest:guest@127.0.0.1:1,{_uri}", _folder.Path, _issuer, retryDelays);
        await Eventually.TrueAsync(() => worker.IsConsuming, "the worker takes requests");
        return (worker, await Requester.ConnectAsync(_uri));
    }
}
