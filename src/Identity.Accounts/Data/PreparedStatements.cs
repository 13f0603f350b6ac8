using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Identity.Accounts.Data;

/// <summary>
/// SQLite compiles what it is sent each time anew, as EF Core makes a command for each use: up to half of what a request costs. Those that come
/// again are kept compiled here, with their connection, and give way to others once they come no more. SQLite itself compiles them again after a change of the schema.
/// </summary>
internal sealed class PreparedStatements : DbCommandInterceptor
{
    /// <summary>A connection keeps no more: one takes some ten kilobytes.</summary>
    public const int MostKept = 24;

    /// <summary>Commands of its connection, in none of which it was asked for.</summary>
    public const int GivesWayAfter = 1000;

    // What a start or a clean-up sends a few times is not worth a place.
    private const int SentBefore = 8;

    // More texts than that, and they are made of what was asked (filters, lists): counting them all would only grow.
    private const int MostCounted = 500;

    private readonly ConditionalWeakTable<SqliteConnection, Statements> _statements = [];

    public override InterceptionResult<DbDataReader> ReaderExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result) =>
        Find(command) is { } kept ? InterceptionResult<DbDataReader>.SuppressWithResult(kept.Read()) : result;

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default) =>
        new(ReaderExecuting(command, eventData, result));

    public override InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<int> result) =>
        Find(command) is { } kept ? InterceptionResult<int>.SuppressWithResult(kept.Command.ExecuteNonQuery()) : result;

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default) =>
        new(NonQueryExecuting(command, eventData, result));

    // Ready to run as it was sent; null: not kept, or being read from just now.
    private Statement? Find(DbCommand sent)
    {
        if (sent is not SqliteCommand { Connection: { } connection } command || _statements.GetOrCreateValue(connection).Find(command) is not { IsFree: true } kept)
        {
            return null;
        }

        kept.Command.Transaction = command.Transaction;
        kept.Command.CommandTimeout = command.CommandTimeout;
        kept.Command.Parameters.Clear();
        foreach (SqliteParameter parameter in command.Parameters)
        {
            kept.Command.Parameters.Add(parameter);
        }

        return kept;
    }

    // A connection is one caller's at a time.
    private sealed class Statements
    {
        private readonly Dictionary<string, Statement> _kept = new(StringComparer.Ordinal);
        private readonly Dictionary<string, int> _sent = new(StringComparer.Ordinal);
        private long _uses;

        public Statement? Find(SqliteCommand command)
        {
            var text = command.CommandText;
            _uses++;
            if (_kept.TryGetValue(text, out var known))
            {
                known.LastUse = _uses;
                return known;
            }

            var sent = _sent.GetValueOrDefault(text) + 1;
            if (sent <= SentBefore)
            {
                if (_sent.Count == MostCounted)
                {
                    _sent.Clear();
                }

                _sent[text] = sent;
                return null;
            }

            if (_kept.Count == MostKept && !TryMakeRoom())
            {
                return null;
            }

            _sent.Remove(text);
            return _kept[text] = new Statement(command.Connection!, text) { LastUse = _uses };
        }

        // Only one that was not asked for in so many turns: else two that take turns would be compiled in turns.
        private bool TryMakeRoom()
        {
            var (text, oldest) = _kept.MinBy(pair => pair.Value.LastUse);
            if (!oldest.IsFree || _uses - oldest.LastUse < GivesWayAfter)
            {
                return false;
            }

            _kept.Remove(text);
            oldest.Command.Dispose();
            return true;
        }
    }

    private sealed class Statement(SqliteConnection connection, string text)
    {
        private SqliteDataReader? _reader;

        // Goes with its connection, which knows its commands.
        public SqliteCommand Command { get; } = new(text, connection);

        /// <summary>Which of the connection's commands it ran last as.</summary>
        public long LastUse { get; set; }

        public bool IsFree => _reader is null or { IsClosed: true };

        public SqliteDataReader Read() => _reader = Command.ExecuteReader();
    }
}
