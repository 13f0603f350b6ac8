using System.Data;
using System.Data.Common;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace Identity.Accounts.Data;

/// <summary>PostgreSQL and SQL Server: the server does the queueing, contexts come from a pool.</summary>
internal sealed class ServerDatabase<TContext>(DbContextOptions<TContext> options, SqlDialect dialect) : StoreDatabase
    where TContext : IdentityDbContext
{
    private const int DeadlockAttempts = 5;

    private readonly PooledDbContextFactory<TContext> _contexts = new(options, poolSize: 128);

    public override SqlDialect Dialect { get; } = dialect;

    public override IdentityDbContext CreateContext() => _contexts.CreateDbContext();

    public override async Task<T> ReadAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> query, CancellationToken cancellationToken)
    {
        try
        {
            await using var context = _contexts.CreateDbContext();
            return await query(context, cancellationToken);
        }
        catch (Exception exception) when (Dialect.IsBroken(exception))
        {
            await using var context = _contexts.CreateDbContext();
            return await query(context, cancellationToken);
        }
    }

    // Never again after a break: it may have been done.
    public override Task<T> WriteAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statement, CancellationToken cancellationToken) =>
        RetryAsync(() => false, async () =>
        {
            await using var context = _contexts.CreateDbContext();
            try
            {
                return await statement(context, cancellationToken);
            }
            finally
            {
                await TellAsync(context);
            }
        });

    public override Task<T> TransactAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statements, CancellationToken cancellationToken)
    {
        var isCommitted = false;
        return RetryAsync(() => !isCommitted, async () =>
        {
            await using var context = _contexts.CreateDbContext();
            try
            {
                await using var transaction = await context.Database.BeginTransactionAsync(cancellationToken);
                var result = await StatementsAsync(context, statements, cancellationToken);

                // Once sent, a commit's fate is the server's: a caller who leaves now must not make it look undone.
                isCommitted = true;
                await transaction.CommitAsync(CancellationToken.None);
                return result;
            }
            finally
            {
                await TellAsync(context);
            }
        });
    }

    // Twice: of the pool's connections one may be of before a fail-over, and the server behind a new one another.
    public override async Task<bool> TakesWritesAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (!await ReadAsync(async (context, token) => (await context.Database.SqlQueryRaw<int>(Dialect.RefusesWrites).ToListAsync(token)).Contains(1), cancellationToken))
            {
                return true;
            }

            ClearPool();
        }

        return false;
    }

    public override async Task MigrateAsync(Func<CancellationToken, Task> prepare, CancellationToken cancellationToken)
    {
        await using var context = _contexts.CreateDbContext();
        await CreateAsync(context, cancellationToken);
        context.Database.SetCommandTimeout(TimeSpan.FromMinutes(10));
        await context.Database.OpenConnectionAsync(cancellationToken);
        await context.Database.ExecuteSqlRawAsync(Dialect.MigrationLock, cancellationToken);
        try
        {
            await UpdateSchemaAsync(context, cancellationToken);
            if (Dialect.SearchIndexes is { Length: > 0 } indexes)
            {
                await context.Database.ExecuteSqlRawAsync(indexes, [], cancellationToken);
            }

            await prepare(cancellationToken);
        }
        finally
        {
            await UnlockAsync(context);
        }
    }

    // Also after a failure: the connection goes back to the pool as it is.
    private async Task UnlockAsync(TContext context)
    {
        try
        {
            await context.Database.ExecuteSqlRawAsync(Dialect.MigrationUnlock, CancellationToken.None);
        }
        catch (DbException)
        {
            // The session is gone, and its lock with it; what broke it is thrown already.
        }
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    // Between two statements the drivers tell of a connection that broke as if we had ended the transaction ourselves.
    private static async Task<T> StatementsAsync<T>(TContext context, Func<IdentityDbContext, CancellationToken, Task<T>> statements, CancellationToken cancellationToken)
    {
        try
        {
            return await statements(context, cancellationToken);
        }
        catch (InvalidOperationException exception) when (context.Database.GetDbConnection().State != ConnectionState.Open)
        {
            throw new StoreUnavailableException("The connection to the database broke in the middle of a transaction.", exception);
        }
    }

    private static async Task CreateAsync(IdentityDbContext context, CancellationToken cancellationToken)
    {
        var creator = context.GetService<IRelationalDatabaseCreator>();
        if (await creator.ExistsAsync(cancellationToken))
        {
            return;
        }

        try
        {
            await creator.CreateAsync(cancellationToken);
        }
        catch (DbException)
        {
            // Another node may have made it in between; anything else is an outage or a missing right, and is told.
            if (!await creator.ExistsAsync(cancellationToken))
            {
                throw;
            }
        }
    }

    // What is open leads to where the address led when it was opened.
    private void ClearPool()
    {
        using var context = _contexts.CreateDbContext();
        Dialect.ClearPool(context.Database.GetDbConnection());
    }

    private async Task<T> RetryAsync<T>(Func<bool> mayRepeat, Func<Task<T>> work)
    {
        var isRefused = false;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await work();
            }
            catch (Exception exception) when (attempt < DeadlockAttempts && Dialect.IsDeadlock(exception))
            {
                // Rolled back as a whole by the server: run again.
            }
            catch (Exception exception) when (attempt == 1 && mayRepeat() && (Dialect.IsBroken(exception) || exception is StoreUnavailableException))
            {
                // The connection broke before the commit was sent, so nothing was done: once more, over another.
            }
            catch (Exception exception) when (Dialect.IsReadOnly(exception))
            {
                // It led to a server that a fail-over demoted, and that wrote nothing: once more, over a new one.
                ClearPool();
                if (isRefused)
                {
                    throw new StoreUnavailableException("The database takes no writes: it is a standby, or was made read-only.", exception);
                }

                isRefused = true;
            }
        }
    }
}
