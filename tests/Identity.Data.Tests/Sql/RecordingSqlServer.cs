using System.Collections;
using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Identity.Data.Tests.Sql;

/// <summary>
/// In the place of a SQL Server, which is not at hand: EF Core makes its statements as for one, they are kept as text, and each is answered as it is told to be.
/// </summary>
internal sealed partial class RecordingSqlServer(bool hasRow, bool hasValues, int changed) : DbCommandInterceptor, IDbConnectionInterceptor, IDbTransactionInterceptor
{
    public SortedSet<string> Statements { get; } = new(StringComparer.Ordinal);

    public StoreDatabase Open()
    {
        var options = new DbContextOptionsBuilder<SqlServerIdentityDbContext>(ProviderOptions.SqlServer("Server=none", services: null)).AddInterceptors(this).Options;
        return new ServerDatabase<SqlServerIdentityDbContext>(options, new SqlServerDialect());
    }

    public override InterceptionResult<DbCommand> CommandCreating(CommandCorrelatedEventData eventData, InterceptionResult<DbCommand> result) =>
        InterceptionResult<DbCommand>.SuppressWithResult(new Command(this));

    public InterceptionResult ConnectionOpening(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) => InterceptionResult.Suppress();

    public ValueTask<InterceptionResult> ConnectionOpeningAsync(DbConnection connection, ConnectionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default) => new(InterceptionResult.Suppress());

    public InterceptionResult ConnectionClosing(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) => InterceptionResult.Suppress();

    public ValueTask<InterceptionResult> ConnectionClosingAsync(DbConnection connection, ConnectionEventData eventData, InterceptionResult result) => new(InterceptionResult.Suppress());

    public InterceptionResult<DbTransaction> TransactionStarting(DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result) =>
        InterceptionResult<DbTransaction>.SuppressWithResult(new Transaction(connection));

    public ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result, CancellationToken cancellationToken = default) =>
        new(InterceptionResult<DbTransaction>.SuppressWithResult(new Transaction(connection)));

    /// <summary>How many more are answered: whoever reads until nothing comes would read for ever.</summary>
    public int Budget { get; set; }

    private void Record(string text)
    {
        lock (Statements)
        {
            if (--Budget < 0)
            {
                throw new TimeoutException("Enough.");
            }

            Statements.Add(text.ReplaceLineEndings("\n").Trim());
        }
    }

    private sealed class Transaction(DbConnection connection) : DbTransaction
    {
        public override IsolationLevel IsolationLevel => IsolationLevel.ReadCommitted;

        protected override DbConnection DbConnection => connection;

        public override void Commit()
        {
        }

        public override void Rollback()
        {
        }

        public override void Save(string savepointName)
        {
        }
    }

    private sealed class Command(RecordingSqlServer server) : DbCommand
    {
        private readonly SqlCommand _parameters = new();

        [AllowNull]
        public override string CommandText { get; set; } = "";

        public override int CommandTimeout { get; set; }

        public override CommandType CommandType { get; set; } = CommandType.Text;

        public override bool DesignTimeVisible { get; set; }

        public override UpdateRowSource UpdatedRowSource { get; set; }

        protected override DbConnection? DbConnection { get; set; }

        protected override DbParameterCollection DbParameterCollection => _parameters.Parameters;

        protected override DbTransaction? DbTransaction { get; set; }

        public override void Cancel()
        {
        }

        public override int ExecuteNonQuery()
        {
            server.Record(CommandText);
            return server.Changed;
        }

        public override object ExecuteScalar()
        {
            server.Record(CommandText);
            return server.Changed;
        }

        public override void Prepare()
        {
        }

        protected override DbParameter CreateDbParameter() => new SqlParameter();

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior)
        {
            server.Record(CommandText);
            return new Reader(server, CommandText);
        }

        protected override void Dispose(bool disposing)
        {
            _parameters.Dispose();
            base.Dispose(disposing);
        }
    }

    private int Changed => changed;

    private bool HasRow => hasRow;

    private bool HasValues => hasValues;

    /// <summary>One row or none, of values that may stand in any column.</summary>
    private sealed partial class Reader(RecordingSqlServer server, string statement) : DbDataReader
    {
        private static readonly DateTimeOffset s_time = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

        private readonly string[] _columns = [.. SelectList().Match(statement).Groups["list"].Value.Split(',').Select(column => Name().Match(column.Trim()).Groups["name"].Value)];
        private bool _isRead;

        public override int Depth => 0;

        public override int FieldCount => 100;

        public override bool HasRows => server.HasRow;

        public override bool IsClosed => false;

        public override int RecordsAffected => server.Changed;

        public override object this[int ordinal] => GetValue(ordinal);

        public override object this[string name] => "x";

        // A write is read by how many rows it changed, a query by its row.
        public override bool Read() => !_isRead && (_isRead = true) && (statement.Contains("INSERT", StringComparison.Ordinal) || statement.StartsWith("UPDATE", StringComparison.Ordinal) ? server.Changed == 1 : server.HasRow);

        public override bool NextResult() => false;

        public override bool IsDBNull(int ordinal) => !server.HasValues;

        public override bool GetBoolean(int ordinal) => server.HasValues;

        public override byte GetByte(int ordinal) => 1;

        public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) => 0;

        public override char GetChar(int ordinal) => 'x';

        public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) => 0;

        public override string GetDataTypeName(int ordinal) => "nvarchar";

        public override DateTime GetDateTime(int ordinal) => s_time.UtcDateTime;

        public override decimal GetDecimal(int ordinal) => 1;

        public override double GetDouble(int ordinal) => 1;

        public override IEnumerator GetEnumerator() => throw new NotSupportedException();

        public override Type GetFieldType(int ordinal) => typeof(string);

        public override T GetFieldValue<T>(int ordinal) => (T)(object)(
            typeof(T) == typeof(byte[]) ? new byte[16]
            : typeof(T) == typeof(DateTimeOffset) ? s_time
            : typeof(T) == typeof(string) ? GetString(ordinal)
            : typeof(T) == typeof(long) ? 1L
            : typeof(T) == typeof(bool) ? GetBoolean(ordinal)
            : Convert.ChangeType(1, Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T), System.Globalization.CultureInfo.InvariantCulture));

        public override float GetFloat(int ordinal) => 1;

        public override Guid GetGuid(int ordinal) => Guid.Empty;

        public override short GetInt16(int ordinal) => 1;

        public override int GetInt32(int ordinal) => 1;

        public override long GetInt64(int ordinal) => 1;

        public override string GetName(int ordinal) => ordinal == 0 ? "Value" : "c" + ordinal.ToString(System.Globalization.CultureInfo.InvariantCulture);

        public override int GetOrdinal(string name) => 0;

        public override string GetString(int ordinal) => (ordinal < _columns.Length ? _columns[ordinal] : "") switch
        {
            "roles" or "resources" or "scopes" => "[]",
            "profile" or "document" or "details" or "metadata" or "properties" => "{}",
            _ => "x",
        };

        public override object GetValue(int ordinal) => new byte[16];

        public override int GetValues(object[] values) => 0;

        [GeneratedRegex(@"SELECT (?:TOP\([^)]*\) )?(?<list>.*?)\sFROM ", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
        private static partial Regex SelectList();

        [GeneratedRegex(@"\[(?<name>\w+)\]$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
        private static partial Regex Name();
    }
}
