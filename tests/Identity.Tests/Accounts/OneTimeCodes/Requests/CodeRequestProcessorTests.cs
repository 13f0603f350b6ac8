using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Identity.Accounts.Delivery;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.RateLimits;
using Identity.Tests.Api;
using MailKit.Net.Smtp;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Identity.Tests.Accounts.OneTimeCodes.Requests;

public sealed class CodeRequestProcessorTests
{
    private static readonly byte[] s_request = """{"email":"ada@example.com","purpose":"verification"}"""u8.ToArray();

    [Fact]
    public async Task Request_WhenItsDeliveryFailsMoreOftenThanCodesMayBeAskedFor_IsSentInTheEndAndCountedOnce()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        world.Mail.Failures = 7;
        for (var attempt = 0; attempt < 7; attempt++)
        {
            var failed = await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
            Assert.Equal((CodeRequestFate.Retry, "failed"), (failed.Fate, failed.Outcome));
        }

        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        Assert.Equal("repeated", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        Assert.Single(world.Mail.All);

        // Five may be asked for in a quarter of an hour: four are left.
        for (var other = 0; other < 4; other++)
        {
            Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "other-" + other, isAnswered: true, CancellationToken.None)).Outcome);
        }

        Assert.Equal("refused", (await Processor(world).ProcessAsync(s_request, "sixth", isAnswered: true, CancellationToken.None)).Outcome);
    }

    // Greylisting, the most usual of passing refusals, names the mailbox.
    [Fact]
    public async Task Request_WhenTheMailServerRefusesItsAddressForNow_IsTriedAgainAndTheAddressIsInNoLog()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        world.Mail.Fail = message => new SmtpCommandException(SmtpErrorCode.RecipientNotAccepted, SmtpStatusCode.MailboxBusy, $"4.2.0 <{message.To}>: Recipient address rejected: Greylisted");
        using var logs = new CapturedLogs();
        using var factory = LoggerFactory.Create(logging => logging.AddProvider(logs));
        var processor = new CodeRequestProcessor(world.Get<IProcessedMessages>(), world.Get<ICodeIssuer>(), world.Time, factory.CreateLogger<CodeRequestProcessor>());
        foreach (var id in (string?[])["one", null])
        {
            var failed = await processor.ProcessAsync(s_request, id, isAnswered: true, CancellationToken.None);
            Assert.Equal((CodeRequestFate.Retry, "failed", nameof(SmtpCommandException)), (failed.Fate, failed.Outcome, failed.Reason));
        }

        Assert.NotEmpty(logs.Lines);
        Assert.DoesNotContain(logs.Lines, line => line.Contains("ada@example.com", StringComparison.Ordinal));
        Assert.Contains(logs.Lines, line => line.Contains(nameof(SmtpCommandException), StringComparison.Ordinal));
        world.Mail.Fail = _ => null;
        Assert.Equal("sent", (await processor.ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
    }

    [Fact]
    public async Task Request_WhenItsWorkersAreKilledMoreOftenThanCodesMayBeAskedFor_IsSentInTheEnd()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        for (var kill = 0; kill < 7; kill++)
        {
            // Killed with the code made and nothing committed: this attempt never comes back.
            var reached = new TaskCompletionSource();
            _ = Processor(world, new Killed(world.Get<IProcessedMessages>(), reached, hasBegun: false)).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
            await reached.Task.WaitAsync(World.Cancel);
            Assert.Equal("busy", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
            world.Time.Advance(TimeSpan.FromSeconds(5));
        }

        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        Assert.Single(world.Mail.All);
    }

    // The code may have been sent, or not: it is not sent twice, and nobody is told that it was.
    [Fact]
    public async Task Request_WhenItsWorkerIsKilledWhileItSends_IsPutAsideAndNotAnsweredAsSent()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var reached = new TaskCompletionSource();
        _ = Processor(world, new Killed(world.Get<IProcessedMessages>(), reached, hasBegun: true)).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
        await reached.Task.WaitAsync(World.Cancel);
        Assert.Equal("busy", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        world.Time.Advance(TimeSpan.FromSeconds(5));
        for (var repeat = 0; repeat < 2; repeat++)
        {
            var doubtful = await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
            Assert.Equal((CodeRequestFate.Dead, "may not have been sent"), (doubtful.Fate, doubtful.Reason));
        }

        Assert.Empty(world.Mail.All);
        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "two", isAnswered: true, CancellationToken.None)).Outcome);
    }

    [Fact]
    public async Task Request_WhileTheMailServerIsSlow_IsBusyForAsLongAsItTakesAndRepeatedAfterThat()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        world.Mail.Hold();
        var store = new Watched(world.Get<IProcessedMessages>());
        var sending = Processor(world, store).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        for (var second = 0; second < 10; second++)
        {
            Assert.Equal("busy", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
            do
            {
                world.Time.Advance(TimeSpan.FromMilliseconds(250));
                await timer.WaitForNextTickAsync(World.Cancel);
            }
            while (!store.Held.Reader.TryRead(out _));
        }

        world.Mail.Release();
        var sent = await sending;
        Assert.Equal("sent", sent.Outcome);
        var repeated = await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
        Assert.Equal(("repeated", Encoding.UTF8.GetString(sent.Reply)), (repeated.Outcome, Encoding.UTF8.GetString(repeated.Reply)));
    }

    // The store goes away between the mail and the mark: the code is with its person, and is not sent again.
    [Fact]
    public async Task Request_WhenItCannotBeMarkedAsSent_IsAnsweredAndNotSentAgain()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var store = new Watched(world.Get<IProcessedMessages>()) { EndFails = true };
        Assert.Equal("sent", (await Processor(world, store).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        world.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("in_doubt", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        Assert.Single(world.Mail.All);
    }

    [Fact]
    public async Task Request_WhenTheMailServerRefusesItsAddressForGood_IsPutAsideAtOnce()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        world.Mail.Fail = _ => new MessageRefusedException("550");
        var refused = await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
        Assert.Equal((CodeRequestFate.Dead, "undeliverable"), (refused.Fate, refused.Outcome));
        world.Mail.Fail = _ => null;

        // Whoever puts it back into the queue once the address is mended gets a code.
        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
    }

    // A message that an outage kept on its way comes long after its code is over: one code is sent for an id.
    [Fact]
    public async Task Request_WhenItComesAgainWithinADay_GetsTheSameAnswerAndNoSecondCode()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var sent = await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
        Assert.Equal("sent", sent.Outcome);
        foreach (var later in (TimeSpan[])[TimeSpan.FromMinutes(6), TimeSpan.FromHours(23)])
        {
            world.Time.Advance(later);
            var repeated = await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None);
            Assert.Equal(("repeated", Encoding.UTF8.GetString(sent.Reply)), (repeated.Outcome, Encoding.UTF8.GetString(repeated.Reply)));
        }

        Assert.Single(world.Mail.All);
        world.Time.Advance(TimeSpan.FromHours(1));
        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
    }

    [Fact]
    public async Task Request_WhenItIsInDoubt_StaysSoWithinADay()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var store = new Watched(world.Get<IProcessedMessages>()) { EndFails = true };
        Assert.Equal("sent", (await Processor(world, store).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        foreach (var later in (TimeSpan[])[TimeSpan.FromMinutes(6), TimeSpan.FromHours(23)])
        {
            world.Time.Advance(later);
            Assert.Equal("in_doubt", (await Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None)).Outcome);
        }

        Assert.Single(world.Mail.All);
    }

    // Somebody who waits is told how long; where nobody does, only another try can help.
    [Fact]
    public async Task Request_WhenRefusedByTheLimitAndNobodyWaits_IsTriedAgain()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "n-" + i, isAnswered: false, CancellationToken.None)).Outcome);
        }

        var refused = await Processor(world).ProcessAsync(s_request, "more", isAnswered: false, CancellationToken.None);
        Assert.Equal((CodeRequestFate.Retry, "refused"), (refused.Fate, refused.Outcome));
        Assert.StartsWith("refused: Too many", refused.Reason);
        world.Time.Advance(TimeSpan.FromMinutes(15));
        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "more", isAnswered: false, CancellationToken.None)).Outcome);
    }

    [Fact]
    public async Task Request_WhenRefusedByTheLimit_IsRefusedAgainUnderTheSameId()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "n-" + i, isAnswered: true, CancellationToken.None)).Outcome);
        }

        for (var i = 0; i < 3; i++)
        {
            var refused = await Processor(world).ProcessAsync(s_request, "more", isAnswered: true, CancellationToken.None);
            Assert.Equal((CodeRequestFate.Finished, "refused"), (refused.Fate, refused.Outcome));
            Assert.StartsWith("Too many", (string)JsonNode.Parse(Encoding.UTF8.GetString(refused.Reply))!["message"]!);
        }

        Assert.Equal(5, world.Mail.All.Count);
    }

    [Fact]
    public async Task Requests_WhenTheLimitsCouldNotAnswer_AreCountedOnceTheyCan()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var away = ActivatorUtilities.CreateInstance<RequestedCodes>(world.Services, ActivatorUtilities.CreateInstance<Identity.Accounts.OneTimeCodes.CodeLimits>(world.Services, new NoLimiter()));
        var ids = Enumerable.Range(0, 20).Select(i => "burst-" + i).ToList();
        foreach (var id in ids)
        {
            Assert.Equal("failed", (await Processor(world, issuer: away).ProcessAsync(s_request, id, isAnswered: true, CancellationToken.None)).Outcome);
        }

        var outcomes = new List<string>();
        foreach (var id in ids)
        {
            outcomes.Add((await Processor(world).ProcessAsync(s_request, id, isAnswered: true, CancellationToken.None)).Outcome);
        }

        Assert.Equal(5, outcomes.Count(outcome => outcome == "sent"));
        Assert.Equal(15, outcomes.Count(outcome => outcome == "refused"));
    }

    [Fact]
    public async Task Requests_WhenFiftyRepeatsRace_SendOneCode()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var results = await World.RaceAsync(_ => Processor(world).ProcessAsync(s_request, "one", isAnswered: true, CancellationToken.None));
        Assert.Single(results, result => result.Outcome == "sent");
        Assert.Single(world.Mail.All);
    }

    // One for each attempt, as each worker has its own.
    private static CodeRequestProcessor Processor(World world, IProcessedMessages? processed = null, ICodeIssuer? issuer = null) => new(
        processed ?? world.Get<IProcessedMessages>(),
        issuer ?? world.Get<ICodeIssuer>(),
        world.Time,
        NullLogger<CodeRequestProcessor>.Instance);

    /// <summary>The store as a worker sees it that is killed when it wants to commit, or right after it has.</summary>
    private sealed class Killed(IProcessedMessages inner, TaskCompletionSource reached, bool hasBegun) : IProcessedMessages
    {
        public Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
            inner.ClaimAsync(messageId, claim, now, claimedUntil, expiresAt, cancellationToken);

        public Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");

        public async Task<bool> TryBeginAsync(string messageId, Guid claim, string answer, DateTimeOffset until, DateTimeOffset expiresAt, CancellationToken cancellationToken)
        {
            if (hasBegun)
            {
                Assert.True(await inner.TryBeginAsync(messageId, claim, answer, until, expiresAt, cancellationToken));
            }

            reached.TrySetResult();
            return await new TaskCompletionSource<bool>().Task;
        }

        public Task HoldAsync(string messageId, Guid claim, DateTimeOffset until, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");

        public Task EndAsync(string messageId, Guid claim, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");

        public Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");

        public Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");
    }

    private sealed class Watched(IProcessedMessages inner) : IProcessedMessages
    {
        public Channel<bool> Held { get; } = Channel.CreateUnbounded<bool>();

        public bool EndFails { get; init; }

        public Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
            inner.ClaimAsync(messageId, claim, now, claimedUntil, expiresAt, cancellationToken);

        public Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken) => inner.TryCommitAsync(messageId, claim, answer, expiresAt, cancellationToken);

        public Task<bool> TryBeginAsync(string messageId, Guid claim, string answer, DateTimeOffset until, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
            inner.TryBeginAsync(messageId, claim, answer, until, expiresAt, cancellationToken);

        public async Task HoldAsync(string messageId, Guid claim, DateTimeOffset until, CancellationToken cancellationToken)
        {
            await inner.HoldAsync(messageId, claim, until, cancellationToken);
            Held.Writer.TryWrite(true);
        }

        public Task EndAsync(string messageId, Guid claim, CancellationToken cancellationToken) => EndFails ? throw new IOException("away") : inner.EndAsync(messageId, claim, cancellationToken);

        public Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken) => inner.ReleaseAsync(messageId, claim, now, cancellationToken);

        public Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken) => inner.ForgetAsync(messageId, claim, cancellationToken);
    }

    private sealed class NoLimiter : IRateLimiter
    {
        public Task<RateLimitLease> AcquireAsync(string key, int limit, TimeSpan window, CancellationToken cancellationToken) => throw new IOException("away");
    }
}
