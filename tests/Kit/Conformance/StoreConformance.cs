using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Identity.Accounts.Profile;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Kit.Conformance;

/// <summary>What every implementation of a port must do. A subclass per adapter runs it.</summary>
public abstract class StoreConformance<TPort>(StoreFixture fixture) : IAsyncLifetime
    where TPort : notnull
{
    /// <summary>How many attempts race for each single-use rule and limit.</summary>
    protected const int Width = 50;

    private readonly List<IServiceProvider> _nodes = [];

    protected FakeTimeProvider Time { get; } = new();

    protected DateTimeOffset Now => Time.GetUtcNow();

    protected IServiceProvider Services => _nodes[0];

    protected TPort Store => Get<TPort>();

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync() => _nodes.Add(await OpenFirstAsync());

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var node in _nodes)
        {
            if (node is IAsyncDisposable disposable)
            {
                await disposable.DisposeAsync();
            }
        }
    }

    protected virtual ValueTask<IServiceProvider> OpenFirstAsync() => fixture.OpenAsync(Time);

    protected T Get<T>()
        where T : notnull => Services.GetRequiredService<T>();

    /// <summary>The same port at another node.</summary>
    protected async Task<TPort> OtherNodeAsync()
    {
        Assert.SkipUnless(fixture.HasNodes, "The adapter keeps its data in one process.");
        var node = await fixture.OpenAsync(Time);
        _nodes.Add(node);
        return node.GetRequiredService<TPort>();
    }

    protected void AddNode(IServiceProvider node) => _nodes.Add(node);

    /// <summary>Runs all attempts at once.</summary>
    protected static async Task<IReadOnlyList<T>> RaceAsync<T>(Func<int, Task<T>> attempt, int width = Width)
    {
        var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var attempts = Enumerable.Range(0, width).Select(i => Task.Run(async () =>
        {
            await start.Task;
            return await attempt(i);
        })).ToArray();
        start.SetResult();
        return await Task.WhenAll(attempts);
    }

    protected Guid NewId() => Guid.CreateVersion7(Now);

    /// <summary>A mail with a link: whether the store wrote it shows by the link.</summary>
    protected Notice NewNotice(Guid account) =>
        new(NewId(), account, "PasswordChanged", new PersonalMessage("a@example.com", "s", "t"), Now, new AccessNotice(Guid.NewGuid().ToString("N"), account, AccessChange.PasswordChanged, "before@example.com", Now.AddDays(7)));

    protected static string Unique(string prefix = "t") => prefix + "-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(10));

    protected LifecycleEvent NewEvent(Guid accountId, string type, string exchange = EventExchanges.Identity) =>
        new(NewId(), exchange, type, accountId, Now, new JsonObject { ["userId"] = accountId.ToString() });
}
