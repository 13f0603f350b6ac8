using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Identity.Accounts.Data.Tables;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Identity.Accounts.Data;

/// <summary>The little that LINQ cannot say and that each provider says in its own way.</summary>
public abstract class SqlDialect
{
    /// <summary>A time as a parameter of hand-written SQL.</summary>
    public abstract object Time(DateTimeOffset time);

    /// <summary>An id as a parameter of hand-written SQL.</summary>
    public virtual object Id(Guid id) => GuidBytesConverter.Of(id);

    /// <summary>
    /// "Insert, or where the key exists already change the row if a condition holds", as one atomic statement; 1 row is affected if
    /// either happened, else 0. Expressions call the stored row <c>old</c> and the given one <c>excluded</c>.
    /// </summary>
    public abstract string Upsert(string table, IReadOnlyList<string> keys, IReadOnlyList<string> columns, IReadOnlyDictionary<string, string> set, string? where);

    /// <summary>Waits for a lock that ends with the transaction. Two transactions never hold the same name.</summary>
    public abstract Task LockAsync(IdentityDbContext context, string name, CancellationToken cancellationToken);

    /// <summary>Takes the lock that lets one node at a time migrate; it belongs to the connection, so it dies with the process.</summary>
    public virtual string MigrationLock => "";

    public virtual string MigrationUnlock => "";

    /// <summary>Indexes that no migration can make, since they depend on what the server has; run at each start after the migrations.</summary>
    public virtual string SearchIndexes => "";

    /// <summary>Asks whether reading waits for writing here, as it must not: 1 where it does. Empty: it never does.</summary>
    public virtual string ReadsWait => "";

    /// <summary>
    /// As an expression of hand-written SQL: the given time, or the server's own where that is later, by half a minute at most (a clock that is wrong by
    /// more must not count for more). A statement may wait long between its sender and the row, and be done after its sender gave up.
    /// </summary>
    public virtual string NotBefore(string time) => time;

    /// <summary>Asks whether this server takes no writes (the standby of a fail-over): 1 where it does not. Empty: it always does.</summary>
    public virtual string RefusesWrites => "";

    /// <summary>True, with what the database said of it (it names the index or its columns), where a unique index refused the row.</summary>
    public abstract bool IsUniqueViolation(Exception exception, [NotNullWhen(true)] out string? detail);

    /// <summary>Whether the database rolled the whole transaction back to free others; doing it again is right.</summary>
    public virtual bool IsDeadlock(Exception exception) => false;

    /// <summary>Whether a connection that stood broke: another may do, and what was not committed is to be done again.</summary>
    public virtual bool IsBroken(Exception exception) => false;

    /// <summary>Whether the server was not there to answer: it starts, restarts, or cannot be reached.</summary>
    public virtual bool IsAway(Exception exception) => false;

    /// <summary>Whether a server refused to write because it is not, or no longer, the one that does: nothing was written, and another connection may lead to that one.</summary>
    public virtual bool IsReadOnly(Exception exception) => false;

    /// <summary>Connections that are open now are not used again.</summary>
    public virtual void ClearPool(DbConnection connection)
    {
    }

    protected static string Quote(string name) => $"\"{name}\"";

    protected static string List(IEnumerable<string> names) => string.Join(", ", names);

    protected static string Parameters(int count) => string.Join(", ", Enumerable.Range(0, count).Select(i => "{" + i.ToString(System.Globalization.CultureInfo.InvariantCulture) + "}"));

    /// <summary>However deep: EF Core wraps in what it calls transient what SaveChanges has wrapped already.</summary>
    protected static TException? Find<TException>(Exception exception)
        where TException : Exception
    {
        for (var one = exception; one is not null; one = one.InnerException)
        {
            if (one is TException found)
            {
                return found;
            }
        }

        return null;
    }
}

/// <summary>SQLite and PostgreSQL share the upsert.</summary>
public abstract class OnConflictDialect : SqlDialect
{
    public override string Upsert(string table, IReadOnlyList<string> keys, IReadOnlyList<string> columns, IReadOnlyDictionary<string, string> set, string? where)
    {
        var insert = $"INSERT INTO {table} AS old ({List(columns.Select(Quote))}) VALUES ({Parameters(columns.Count)}) ON CONFLICT ({List(keys.Select(Quote))}) DO ";
        return set.Count == 0
            ? insert + "NOTHING"
            : insert + "UPDATE SET " + List(set.Select(s => $"{Quote(s.Key)} = {s.Value}")) + (where is null ? "" : " WHERE " + where);
    }
}

public sealed class SqliteDialect : OnConflictDialect
{
    private const int Constraint = 19;
    private const int UniqueIndex = 2067;
    private const int PrimaryKey = 1555;

    public override object Time(DateTimeOffset time) => UnixMicrosecondsConverter.Of(time);

    // The write gate lets one transaction in at a time, and it begins by taking the file's write lock.
    public override Task LockAsync(IdentityDbContext context, string name, CancellationToken cancellationToken) => Task.CompletedTask;

    public override bool IsUniqueViolation(Exception exception, [NotNullWhen(true)] out string? detail)
    {
        var found = Find<SqliteException>(exception) is { SqliteErrorCode: Constraint, SqliteExtendedErrorCode: UniqueIndex or PrimaryKey } refusal ? refusal : null;
        detail = found?.Message;
        return found is not null;
    }
}

public sealed class PostgresDialect : OnConflictDialect
{
    private const string IdleInTransactionTimeout = "25P03";
    private const string IdleSessionTimeout = "57P05";

    public override object Time(DateTimeOffset time) => UtcMicrosecondsConverter.Of(time);

    public override object Id(Guid id) => id;

    // Held between statements, by nobody any more where its machine is gone; the server looks for one that is silent after two hours by default.
    public override string MigrationLock => "SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false), pg_advisory_lock(7209186123771)";

    public override string MigrationUnlock => "SELECT pg_advisory_unlock(7209186123771)";

    // A piece in the middle of a text is found by trigrams alone, and their extension is not on every server; without it a search reads all accounts.
    // Roles are few people's. (Asked first: CREATE INDEX IF NOT EXISTS waits for writers even where there is nothing to do.)
    public override string SearchIndexes => """
        DO $$
        BEGIN
          IF to_regclass('ix_accounts_with_roles') IS NULL THEN
            CREATE INDEX ix_accounts_with_roles ON accounts (id) WHERE roles <> '[]';
          END IF;
          IF to_regclass('ix_accounts_search_text') IS NULL AND EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
            BEGIN
              CREATE EXTENSION IF NOT EXISTS pg_trgm;
              CREATE INDEX ix_accounts_search_text ON accounts USING gin (search_text gin_trgm_ops);
            EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
              NULL;
            END;
          END IF;
        END $$
        """;

    // Some of these all nodes take in turn. From one that froze in the midst of its transaction, or whose machine is gone, the server takes them back after a minute.
    public override Task LockAsync(IdentityDbContext context, string name, CancellationToken cancellationToken) =>
        context.Database.ExecuteSqlAsync($"SELECT set_config('idle_in_transaction_session_timeout', '60s', true), pg_advisory_xact_lock(hashtextextended({name}, 0))", cancellationToken);

    public override bool IsUniqueViolation(Exception exception, [NotNullWhen(true)] out string? detail)
    {
        var found = Find<PostgresException>(exception) is { SqlState: PostgresErrorCodes.UniqueViolation } refusal ? refusal : null;
        detail = found is null ? null : found.ConstraintName ?? found.MessageText;
        return found is not null;
    }

    public override bool IsAway(Exception exception) =>
        Find<NpgsqlException>(exception) is { } failure && (failure is PostgresException ? failure.IsTransient && !IsDeadlock(exception) : failure.InnerException is System.Net.Sockets.SocketException or IOException or TimeoutException);

    // A pooled connection of before a restart or a fail-over tells of it when it is next used, and so does one that the server ended because nothing came over it.
    public override bool IsBroken(Exception exception) => Find<NpgsqlException>(exception) is { } failure
        && (failure is PostgresException { SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or IdleInTransactionTimeout or IdleSessionTimeout } || (failure is not PostgresException && failure.InnerException is IOException));

    public override string NotBefore(string time) => $"LEAST(GREATEST({time}, clock_timestamp()), {time} + interval '30 seconds')";

    public override string RefusesWrites => "SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN 1 ELSE 0 END AS \"Value\"";

    public override bool IsReadOnly(Exception exception) => Find<PostgresException>(exception) is { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction };

    public override void ClearPool(DbConnection connection) => NpgsqlConnection.ClearPool((NpgsqlConnection)connection);

    public override bool IsDeadlock(Exception exception) =>
        Find<PostgresException>(exception) is { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure };
}

internal sealed partial class SqlServerDialect : SqlDialect
{
    public override object Time(DateTimeOffset time) => UtcMicrosecondsConverter.Of(time);

    public override string MigrationLock =>
        "DECLARE @result int; EXEC @result = sp_getapplock @Resource = 'identity_migrations', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 600000; IF @result < 0 RAISERROR('The lock was not granted.', 16, 1);";

    public override string MigrationUnlock => "EXEC sp_releaseapplock @Resource = 'identity_migrations', @LockOwner = 'Session'";

    // EF Core turns it on in a database that it makes; one that was made by hand has it off, and there every sign-in waits for every other.
    public override string ReadsWait => "SELECT CASE WHEN is_read_committed_snapshot_on = 1 THEN 0 ELSE 1 END AS \"Value\" FROM sys.databases WHERE database_id = DB_ID()";

    // Without HOLDLOCK two MERGEs may both find no row and the second fails on the key.
    public override string Upsert(string table, IReadOnlyList<string> keys, IReadOnlyList<string> columns, IReadOnlyDictionary<string, string> set, string? where)
    {
        var names = List(columns.Select(Quote));
        var update = set.Count == 0
            ? ""
            : $" WHEN MATCHED{(where is null ? "" : $" AND ({where})")} THEN UPDATE SET {List(set.Select(s => $"{Quote(s.Key)} = {s.Value}"))}";
        return $"MERGE INTO {table} WITH (HOLDLOCK) AS old USING (VALUES ({Parameters(columns.Count)})) AS excluded ({names}) ON "
            + string.Join(" AND ", keys.Select(k => $"old.{Quote(k)} = excluded.{Quote(k)}"))
            + update
            + $" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({List(columns.Select(c => $"excluded.{Quote(c)}"))});";
    }

    public override Task LockAsync(IdentityDbContext context, string name, CancellationToken cancellationToken) =>
        context.Database.ExecuteSqlAsync(
            $"DECLARE @result int; EXEC @result = sp_getapplock @Resource = {name}, @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 15000; IF @result = -3 RAISERROR('The lock was not granted: a deadlock.', 16, 3); IF @result < 0 RAISERROR('The lock was not granted.', 16, 1);",
            cancellationToken);

    public override bool IsUniqueViolation(Exception exception, [NotNullWhen(true)] out string? detail)
    {
        var found = Find<SqlException>(exception) is { Number: 2601 or 2627 } refusal ? refusal : null;

        // The message ends in the duplicate value, which a caller could have made look like the name of an index.
        detail = found is null ? null : IndexName().Match(found.Message).Value;
        return found is not null;
    }

    // Unreachable, refused, cut off, starting, failing over; and Azure's busy and moving.
    public override bool IsAway(Exception exception) =>
        Find<SqlException>(exception) is { Number: -2 or -1 or 0 or 2 or 20 or 40 or 53 or 64 or 121 or 233 or 258 or 921 or 922 or 10053 or 10054 or 10060 or 10061 or 10928 or 10929 or 11001 or 17142 or 40197 or 40501 or 40613 or 49918 or 49919 or 49920 };

    // Of the transport, and Azure's "the service is being moved".
    public override bool IsBroken(Exception exception) => Find<SqlException>(exception) is { Number: 64 or 121 or 233 or 10053 or 10054 or 40197 or 40613 };

    // GREATEST and LEAST are of 2022.
    public override string NotBefore(string time) =>
        $"CASE WHEN SYSDATETIMEOFFSET() <= {time} THEN {time} WHEN SYSDATETIMEOFFSET() > DATEADD(second, 30, {time}) THEN DATEADD(second, 30, {time}) ELSE SYSDATETIMEOFFSET() END";

    // Of a replica that may be read from it says this too.
    public override string RefusesWrites => "SELECT CASE WHEN CONVERT(nvarchar(20), DATABASEPROPERTYEX(DB_NAME(), 'Updateability')) = N'READ_WRITE' THEN 0 ELSE 1 END AS \"Value\"";

    public override bool IsReadOnly(Exception exception) => Find<SqlException>(exception) is { Number: 3906 };

    public override void ClearPool(DbConnection connection) => SqlConnection.ClearPool((SqlConnection)connection);

    // Of a row, and of a lock by name, whose procedure says it by its result: LockAsync raises it in a state of its own.
    public override bool IsDeadlock(Exception exception) => Find<SqlException>(exception) is { Number: 1205 } or { Number: 50000, State: 3 };

    [GeneratedRegex("(?:ix|pk)_[a-z_]+", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex IndexName();
}
