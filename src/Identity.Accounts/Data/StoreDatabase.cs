using System.Data.Common;
using Identity.Accounts.Data.Redis;
using Identity.Accounts.Data.Tables;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Storage;

namespace Identity.Accounts.Data;

/// <summary>
/// How stores reach the database. A store says what it does (read, one statement, a transaction); how that is run best
/// differs by provider. What fails throws: no caller may take an outage for an answer.
/// </summary>
public abstract class StoreDatabase : IAsyncDisposable, IDisposable
{
    public abstract SqlDialect Dialect { get; }

    /// <summary>In this process: a read is no round trip.</summary>
    public virtual bool IsEmbedded => false;

    /// <summary>Says when a mail was committed here.</summary>
    internal MailSignal NewMail { get; } = new();

    /// <summary>Where sessions are remembered at all nodes; null: nowhere.</summary>
    internal RedisSessionCache? SessionCache { get; init; }

    /// <summary>A context for who works outside the two ways below; the caller disposes it.</summary>
    public abstract IdentityDbContext CreateContext();

    /// <summary>Reads, without tracking and without a transaction.</summary>
    public abstract Task<T> ReadAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> query, CancellationToken cancellationToken);

    /// <summary>Runs one writing statement; it is durable when the task completes.</summary>
    public abstract Task<T> WriteAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statement, CancellationToken cancellationToken);

    /// <summary>Runs several statements as one. It may be run again where the database chose it as a deadlock's victim.</summary>
    public abstract Task<T> TransactAsync<T>(Func<IdentityDbContext, CancellationToken, Task<T>> statements, CancellationToken cancellationToken);

    /// <summary>Whether the database was not there to answer, so that it would not have answered another question either.</summary>
    public bool IsAway(Exception exception) => exception is StoreUnavailableException or TimeoutException || Dialect.IsAway(exception) || Dialect.IsBroken(exception);

    /// <summary>False where the server answers and takes no writes: a fail-over made it a standby, or it is one. The next connections may lead to another.</summary>
    public virtual Task<bool> TakesWritesAsync(CancellationToken cancellationToken) => Task.FromResult(true);

    /// <summary>
    /// Creates the database where it is missing, brings its schema up to date and then runs <paramref name="prepare"/>, which makes
    /// what must exist once. Of several nodes that start at once, one at a time does all of it.
    /// </summary>
    public abstract Task MigrateAsync(Func<CancellationToken, Task> prepare, CancellationToken cancellationToken);

    /// <summary>What keeps this version from using the database as it is, in one line; null: nothing. Nothing is made or changed.</summary>
    /// <exception cref="StartFailureException">As <see cref="MigrateAsync"/> would.</exception>
    public virtual async Task<string?> FindSchemaProblemAsync(CancellationToken cancellationToken)
    {
        await using var context = CreateContext();
        if (!await context.GetService<IRelationalDatabaseCreator>().ExistsAsync(cancellationToken))
        {
            return "there is no such database yet; make it with: identity migrate";
        }

        await RefuseForeignAsync(context, cancellationToken);
        var pending = (await context.Database.GetPendingMigrationsAsync(cancellationToken)).Count();
        return pending == 0 ? null : "its schema is not yet that of this version; bring it up to date with: identity migrate";
    }

    /// <summary>What the operator had better change in the database, in one line; null: nothing. It works meanwhile.</summary>
    public Task<string?> FindTrapAsync(CancellationToken cancellationToken) => Dialect.ReadsWait.Length == 0 ? Task.FromResult<string?>(null) : ReadAsync(
        async (context, token) => (await context.Database.SqlQueryRaw<int>(Dialect.ReadsWait).ToListAsync(token)).Contains(1)
            ? "DB_NAME: expected a database with READ_COMMITTED_SNAPSHOT on, so that nobody who reads waits for those who write: ALTER DATABASE [" + context.Database.GetDbConnection().Database + "] SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE"
            : null,
        cancellationToken);

    /// <exception cref="StartFailureException">As <see cref="MigrateAsync"/>.</exception>
    protected static async Task UpdateSchemaAsync(IdentityDbContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        await RefuseForeignAsync(context, cancellationToken);

        // Where nothing is to be done, not even EF Core's migrator is made: every start but the first of a version.
        if ((await context.Database.GetPendingMigrationsAsync(cancellationToken)).Any())
        {
            await context.Database.MigrateAsync(cancellationToken);
        }
    }

    /// <summary>The migrations that the database has and this version does not know, in their order.</summary>
    public async Task<IReadOnlyList<string>> FindNewerMigrationsAsync(CancellationToken cancellationToken)
    {
        await using var context = CreateContext();
        return [.. (await context.Database.GetAppliedMigrationsAsync(cancellationToken)).Except(context.Database.GetMigrations(), StringComparer.Ordinal)];
    }

    /// <exception cref="StartFailureException">The database is somebody else's, or was made before the schema that this version begins with.</exception>
    protected static async Task RefuseForeignAsync(IdentityDbContext context, CancellationToken cancellationToken)
    {
        if (await IsSomebodyElsesAsync(context, cancellationToken))
        {
            throw new StartFailureException("DB_NAME: expected an empty database, or one that this service made; this one has tables of something else. Is the name right? (Embedded: DATA_DIR.)");
        }

        if (await IsOlderAsync(context, cancellationToken))
        {
            throw new StartFailureException("DB_NAME: expected an empty database, or one of this version; this one was made before the first release and cannot be carried over (embedded: move DATA_DIR away).");
        }
    }

    // A history without a migration is what a start leaves that was killed in the midst of the first one.
    private static async Task<bool> IsSomebodyElsesAsync(IdentityDbContext context, CancellationToken cancellationToken) =>
        !await context.GetService<IHistoryRepository>().ExistsAsync(cancellationToken) && await context.GetService<IRelationalDatabaseCreator>().HasTablesAsync(cancellationToken);

    private static async Task<bool> IsOlderAsync(IdentityDbContext context, CancellationToken cancellationToken)
    {
        try
        {
            var applied = (await context.Database.GetAppliedMigrationsAsync(cancellationToken)).ToList();
            return applied.Count > 0 && !applied.Contains(context.Database.GetMigrations().First(), StringComparer.Ordinal);
        }
        catch (DbException)
        {
            // Before names had underscores everywhere, the history's columns were EF Core's own.
            try
            {
                await context.Database.ExecuteSqlRawAsync("SELECT h.\"MigrationId\" FROM \"__EFMigrationsHistory\" h", cancellationToken);
                return true;
            }
            catch (DbException)
            {
                // Neither: what kept the first question from its answer is the thing to tell.
            }

            throw;
        }
    }

    /// <summary>
    /// To be awaited after a commit, and before whoever asked for it hears of it: what is acknowledged is told to all nodes, and mail in it to its delivery.
    /// After a failure too, since a commit whose answer was lost may have been made.
    /// </summary>
    protected Task TellAsync(IdentityDbContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.TakeMailAdded())
        {
            NewMail.Set();
        }

        var changed = context.TakeChangedSessions();
        return changed.Count == 0 || SessionCache is null ? Task.CompletedTask : SessionCache.InvalidateAsync(changed);
    }

    public abstract ValueTask DisposeAsync();

    /// <summary>For owners that know no other way; what was accepted is still written.</summary>
    public void Dispose()
    {
        DisposeAsync().AsTask().GetAwaiter().GetResult();
        GC.SuppressFinalize(this);
    }
}
