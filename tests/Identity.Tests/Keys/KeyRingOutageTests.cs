// RFC 7517: the key set while the database is away.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth;
using Identity.OAuth.Keys;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Identity.Tests.Keys;

/// <summary>A database that hangs is not waited for by one request behind the other, and keys that are known go on for a while.</summary>
public sealed class KeyRingOutageTests : IAsyncLifetime
{
    private readonly OffsetTimeProvider _time = new(TimeSpan.Zero);
    private HostedServer _server = null!;
    private StalledDatabase _database = null!;
    private KeyRing _ring = null!;
    private string _kid = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await HostedServer.StartAsync();
        _database = new(_server.Services.GetRequiredService<StoreDatabase>());
        _ring = new(new SigningKeyStore(_database), _server.Services.GetRequiredService<KeyProtector>(), QuickKeys.Generate, _server.Services.GetRequiredService<IOptions<OAuthOptions>>(), _time, NullLogger<KeyRing>.Instance);
        _kid = (await _ring.GetSigningKeyAsync("ES256", Cancel)).Kid;
        _database.Stall();
    }

    public async ValueTask DisposeAsync()
    {
        _database.Fail();
        _ring.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Keys_WhileTheDatabaseHangs_AreThoseKnownForEverybodyAtOnce()
    {
        _time.Advance(TimeSpan.FromSeconds(31));
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => _ring.FindAsync(_kid, Cancel).AsTask())), key => Assert.Equal(_kid, key?.Kid));
        Assert.Equal(_kid, (await _ring.GetSigningKeyAsync("ES256", Cancel)).Kid);
        await _ring.EnsureFreshAsync(Cancel);
        Assert.Contains(_ring.Published, key => key.Kid == _kid);
        Assert.Equal(1, _database.Asked);

        // Failed a moment ago: it is not asked by each request.
        _database.Fail();
        Assert.NotNull(await _ring.FindAsync(_kid, Cancel));
        Assert.NotNull(await _ring.FindAsync(_kid, Cancel));
        Assert.InRange(_database.Asked, 1, 2);
    }

    [Fact]
    public async Task Keys_WhenTheDatabaseHasBeenAwayForLonger_FailForAllWhoWaitAtOnce_AndAreThereWhenItIsBack()
    {
        _time.Advance(TimeSpan.FromMinutes(6));
        var waiting = Enumerable.Range(0, 50).Select(_ => _ring.FindAsync(_kid, Cancel).AsTask()).ToArray();
        await _database.HasBeenAsked;
        _database.Fail();
        foreach (var one in waiting)
        {
            await Assert.ThrowsAsync<TimeoutException>(() => one);
        }

        Assert.Equal(1, _database.Asked);
        _database.Mend();
        Assert.NotNull(await _ring.FindAsync(_kid, Cancel));
    }

    // Not "there is no such key", which would be a 401 to whoever holds a token of another node's new one.
    [Fact]
    public async Task Key_ThatNobodyHereKnows_WhileTheDatabaseIsAway_IsAnOutage()
    {
        _time.Advance(TimeSpan.FromSeconds(6));
        var unknown = _ring.FindAsync("unknown", Cancel).AsTask();
        await _database.HasBeenAsked;
        _database.Fail();
        await Assert.ThrowsAsync<TimeoutException>(() => unknown);
        _database.Mend();
        Assert.Null(await _ring.FindAsync("unknown", Cancel));
    }

    [Fact]
    public async Task Reading_WhenOneWhoWaitsGoesAway_GoesOnForTheOthers()
    {
        _time.Advance(TimeSpan.FromMinutes(6));
        using var left = new CancellationTokenSource();
        var first = _ring.FindAsync(_kid, left.Token).AsTask();
        await _database.HasBeenAsked;
        var second = _ring.FindAsync(_kid, Cancel).AsTask();
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        _database.Mend();
        Assert.NotNull(await second);
        Assert.Equal(1, _database.Asked);
    }

    /// <summary>Answers nothing until it is told how.</summary>
    private sealed class StalledDatabase(StoreDatabase inner) : StoreDatabase
    {
        private TaskCompletionSource _answer = Answered();
        private TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;

        public int Asked => Volatile.Read(ref _count);

        public Task HasBeenAsked => _asked.Task;

        public override SqlDialect Dialect => inner.Dialect;

        public void Stall() => (_answer, _asked, _count) = (new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously), 0);

        public void Fail() => _answer.TrySetException(new TimeoutException("The database does not answer."));

        public void Mend()
        {
            var stalled = _answer;
            _answer = Answered();
            stalled.TrySetResult();
        }

        public override IdentityDbContext CreateContext() => inner.CreateContext();

        public override async Task<T> ReadAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> query, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _count);
            _asked.TrySetResult();
            await _answer.Task.WaitAsync(cancellationToken);
            return await inner.ReadAsync(query, cancellationToken);
        }

        public override Task<T> WriteAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statement, CancellationToken cancellationToken) => inner.WriteAsync(statement, cancellationToken);

        public override Task<T> TransactAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statements, CancellationToken cancellationToken) => inner.TransactAsync(statements, cancellationToken);

        public override Task MigrateAsync(Func<CancellationToken, Task> prepare, CancellationToken cancellationToken) => inner.MigrateAsync(prepare, cancellationToken);

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static TaskCompletionSource Answered()
        {
            var answered = new TaskCompletionSource();
            answered.SetResult();
            return answered;
        }
    }
}
