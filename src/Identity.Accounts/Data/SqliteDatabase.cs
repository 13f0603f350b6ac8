using System.Collections.Concurrent;
using System.Threading.Channels;
using Identity.Accounts.Data.Tables;
using Identity.ServiceDefaults.Settings;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Data;

/// <summary>
/// SQLite in WAL mode: readers never wait, and there is one writer. Writes queue here rather than at the file's lock, where
/// waiting is polling; those that wait together are committed together, since a commit's price is its fsync (synchronous=FULL).
/// </summary>
internal sealed class SqliteDatabase : StoreDatabase
{
    /// <summary>Writes in one commit. Bounds how long the first of them waits for the last.</summary>
    private const int MaximumGroup = 64;

    private readonly DbContextOptions<SqliteIdentityDbContext> _options;
    private readonly string _file;
    private readonly ConcurrentBag<IdentityDbContext> _readers = [];
    private readonly Channel<IWork> _queue = Channel.CreateUnbounded<IWork>(new() { SingleReader = true });
    private readonly Task _writer;
    private volatile bool _disposed;

    public SqliteDatabase(StorageSettings settings, IServiceProvider services)
    {
        _file = new SqliteConnectionStringBuilder(settings.ConnectionString).DataSource;
        _options = new DbContextOptionsBuilder<SqliteIdentityDbContext>(ProviderOptions.Sqlite(settings.ConnectionString, services)).AddInterceptors(new PreparedStatements()).Options;
        _writer = Task.Run(WriteLoopAsync);
    }

    public override SqlDialect Dialect { get; } = new SqliteDialect();

    public override bool IsEmbedded => true;

    public override IdentityDbContext CreateContext() => Open();

    // Contexts keep their connection open: opening one anew costs more (functions, pragmas) than the queries made here.
    public override async Task<T> ReadAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> query, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_readers.TryTake(out var context))
        {
            context = Open();
        }

        var sound = false;
        try
        {
            var result = await query(context, cancellationToken);
            sound = true;
            return result;
        }
        finally
        {
            if (sound && !_disposed)
            {
                _readers.Add(context);
            }
            else
            {
                await context.DisposeAsync();
            }
        }
    }

    public override Task<T> WriteAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statement, CancellationToken cancellationToken)
    {
        var work = new Work<T>(statement, cancellationToken);
        return _queue.Writer.TryWrite(work) ? work.Task : throw new ObjectDisposedException(nameof(SqliteDatabase));
    }

    public override Task<T> TransactAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statements, CancellationToken cancellationToken) =>
        WriteAsync(statements, cancellationToken);

    public override async Task MigrateAsync(Func<CancellationToken, Task> prepare, CancellationToken cancellationToken)
    {
        EmbeddedFiles.CreateDirectory(Path.GetDirectoryName(_file)!);
        await using var fileLock = await EmbeddedFiles.LockAsync(_file + ".lock", cancellationToken);
        EmbeddedFiles.CreatePrivate(_file);
        await using var context = new SqliteIdentityDbContext(_options);
        await context.Database.OpenConnectionAsync(cancellationToken);
        await context.Database.ExecuteSqlRawAsync("PRAGMA journal_mode = WAL", cancellationToken);

        // EF Core's own lock is a row, which a process that is killed leaves behind for ever; whoever holds the file lock may take it away.
        await context.Database.ExecuteSqlRawAsync("DROP TABLE IF EXISTS \"__EFMigrationsLock\"", cancellationToken);
        await UpdateSchemaAsync(context, cancellationToken);
        await prepare(cancellationToken);
    }

    // Opening it would make it.
    public override async Task<string?> FindSchemaProblemAsync(CancellationToken cancellationToken) =>
        File.Exists(_file) ? await base.FindSchemaProblemAsync(cancellationToken) : "there is no such file yet; make it with: identity migrate";

    public override async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _queue.Writer.TryComplete();
        await _writer;
        while (_readers.TryTake(out var context))
        {
            await context.DisposeAsync();
        }

        using var connection = new SqliteConnection(_options.Extensions.OfType<Microsoft.EntityFrameworkCore.Infrastructure.RelationalOptionsExtension>().Single().ConnectionString);
        SqliteConnection.ClearPool(connection);
    }

    private SqliteIdentityDbContext Open()
    {
        var context = new SqliteIdentityDbContext(_options);
        try
        {
            context.Database.AutoSavepointsEnabled = false;
            context.Database.OpenConnection();
            context.Database.ExecuteSqlRaw("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 15000;");
            return context;
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    private async Task WriteLoopAsync()
    {
        IdentityDbContext? context = null;
        var group = new List<IWork>(MaximumGroup);
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (group.Count < MaximumGroup && _queue.Reader.TryRead(out var work))
            {
                if (!work.CancelIfAsked())
                {
                    group.Add(work);
                }
            }

            if (group.Count == 0)
            {
                continue;
            }

            try
            {
                context ??= Open();
                await CommitAsync(context, group);
            }
            catch (Exception exception)
            {
                // Nothing of the group was committed, so all of it failed. The connection may be the cause: the next group gets another.
                foreach (var work in group)
                {
                    work.Fail(exception);
                }

                if (context is not null)
                {
                    await context.DisposeAsync();
                    context = null;
                }
            }

            group.Clear();
        }

        if (context is not null)
        {
            await context.DisposeAsync();
        }
    }

    private async Task CommitAsync(IdentityDbContext context, List<IWork> group)
    {
        // BEGIN IMMEDIATE: the write lock is taken first, so no statement in it can fail on a stale snapshot.
        await using (var transaction = await context.Database.BeginTransactionAsync())
        {
            foreach (var work in group)
            {
                if (group.Count == 1)
                {
                    await work.RunAsync(context);
                    if (work.HasFailed)
                    {
                        context.ChangeTracker.Clear();
                        break;
                    }
                }
                else
                {
                    await transaction.CreateSavepointAsync("work");
                    await work.RunAsync(context);
                    if (work.HasFailed)
                    {
                        await transaction.RollbackToSavepointAsync("work");
                    }

                    await transaction.ReleaseSavepointAsync("work");
                }

                context.ChangeTracker.Clear();
            }

            if (group.Count == 1 && group[0].HasFailed)
            {
                await transaction.RollbackAsync();
            }
            else
            {
                await transaction.CommitAsync();
            }
        }

        // The writer does not wait for the other nodes; those who asked for the writes do.
        var telling = TellAsync(context);
        if (telling.IsCompletedSuccessfully)
        {
            group.ForEach(work => work.Complete());
        }
        else
        {
            _ = CompleteAsync(telling, [.. group]);
        }
    }

    private static async Task CompleteAsync(Task telling, IWork[] group)
    {
        await telling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Array.ForEach(group, work => work.Complete());
    }

    private interface IWork
    {
        bool HasFailed { get; }

        /// <summary>True where the caller has gone before the work began.</summary>
        bool CancelIfAsked();

        /// <summary>Runs it inside the group's transaction and keeps the outcome; a failure of this work alone is no failure of the group.</summary>
        Task RunAsync(IdentityDbContext context);

        /// <summary>Tells the caller, once the outcome is durable.</summary>
        void Complete();

        void Fail(Exception exception);
    }

    private sealed class Work<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statements, CancellationToken cancellationToken) : IWork
    {
        private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _result;
        private Exception? _failure;

        public Task<T> Task => _completion.Task;

        public bool HasFailed => _failure is not null;

        public bool CancelIfAsked() => cancellationToken.IsCancellationRequested && _completion.TrySetCanceled(cancellationToken);

        public async Task RunAsync(IdentityDbContext context)
        {
            try
            {
                // Microsoft.Data.Sqlite runs synchronously: a token given further would only be looked at between statements.
                _result = await statements(context, CancellationToken.None);
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
        }

        public void Complete()
        {
            if (_failure is null)
            {
                _completion.TrySetResult(_result!);
            }
            else
            {
                _completion.TrySetException(_failure);
            }
        }

        public void Fail(Exception exception) => _completion.TrySetException(_failure ?? exception);
    }
}
