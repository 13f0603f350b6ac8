using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Accounts.RateLimits;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

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
            var failed = await Processor(world).ProcessAsync(s_request, "one", World.Cancel);
            Assert.Equal((CodeRequestFate.Retry, "failed"), (failed.Fate, failed.Outcome));
        }

        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "one", World.Cancel)).Outcome);
        Assert.Equal("repeated", (await Processor(world).ProcessAsync(s_request, "one", World.Cancel)).Outcome);
        Assert.Single(world.Mail.All);

        // Five may be asked for in a quarter of an hour: four are left.
        for (var other = 0; other < 4; other++)
        {
            Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "other-" + other, World.Cancel)).Outcome);
        }

        Assert.Equal("refused", (await Processor(world).ProcessAsync(s_request, "sixth", World.Cancel)).Outcome);
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
            _ = Processor(world, new Killed(world.Get<IProcessedMessages>(), reached)).ProcessAsync(s_request, "one", CancellationToken.None);
            await reached.Task.WaitAsync(World.Cancel);
            Assert.Equal("busy", (await Processor(world).ProcessAsync(s_request, "one", World.Cancel)).Outcome);
            world.Time.Advance(TimeSpan.FromSeconds(5));
        }

        Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "one", World.Cancel)).Outcome);
        Assert.Single(world.Mail.All);
    }

    [Fact]
    public async Task Request_WhenRefusedByTheLimit_IsRefusedAgainUnderTheSameId()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("sent", (await Processor(world).ProcessAsync(s_request, "n-" + i, World.Cancel)).Outcome);
        }

        for (var i = 0; i < 3; i++)
        {
            var refused = await Processor(world).ProcessAsync(s_request, "more", World.Cancel);
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
        var away = ActivatorUtilities.CreateInstance<Identity.Accounts.OneTimeCodes.OneTimeCodeService>(world.Services, new NoLimiter());
        var ids = Enumerable.Range(0, 20).Select(i => "burst-" + i).ToList();
        foreach (var id in ids)
        {
            Assert.Equal("failed", (await Processor(world, issuer: away).ProcessAsync(s_request, id, World.Cancel)).Outcome);
        }

        var outcomes = new List<string>();
        foreach (var id in ids)
        {
            outcomes.Add((await Processor(world).ProcessAsync(s_request, id, World.Cancel)).Outcome);
        }

        Assert.Equal(5, outcomes.Count(outcome => outcome == "sent"));
        Assert.Equal(15, outcomes.Count(outcome => outcome == "refused"));
    }

    [Fact]
    public async Task Requests_WhenFiftyRepeatsRace_SendOneCode()
    {
        await using var world = new World();
        await world.AddAsync(email: "ada@example.com");
        var results = await World.RaceAsync(_ => Processor(world).ProcessAsync(s_request, "one", World.Cancel));
        Assert.Single(results, result => result.Outcome == "sent");
        Assert.Single(world.Mail.All);
    }

    // One for each attempt, as each worker has its own.
    private static CodeRequestProcessor Processor(World world, IProcessedMessages? processed = null, ICodeIssuer? issuer = null) => new(
        processed ?? world.Get<IProcessedMessages>(),
        issuer ?? world.Get<ICodeIssuer>(),
        world.Get<IOptions<AccountsOptions>>(),
        world.Time,
        NullLogger<CodeRequestProcessor>.Instance);

    /// <summary>The store as a worker sees it that is killed when it wants to commit.</summary>
    private sealed class Killed(IProcessedMessages inner, TaskCompletionSource reached) : IProcessedMessages
    {
        public Task<MessageClaim> ClaimAsync(string messageId, Guid claim, DateTimeOffset now, DateTimeOffset claimedUntil, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
            inner.ClaimAsync(messageId, claim, now, claimedUntil, expiresAt, cancellationToken);

        public Task<bool> TryCommitAsync(string messageId, Guid claim, string answer, DateTimeOffset expiresAt, CancellationToken cancellationToken)
        {
            reached.TrySetResult();
            return new TaskCompletionSource<bool>().Task;
        }

        public Task ReleaseAsync(string messageId, Guid claim, DateTimeOffset now, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");

        public Task ForgetAsync(string messageId, Guid claim, CancellationToken cancellationToken) => throw new InvalidOperationException("dead");
    }

    private sealed class NoLimiter : IRateLimiter
    {
        public Task<RateLimitLease> AcquireAsync(string key, int limit, TimeSpan window, CancellationToken cancellationToken) => throw new IOException("away");
    }
}
