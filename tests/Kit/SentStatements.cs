using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Identity.Tests.Kit;

/// <summary>What EF Core sends to one database. To be made before the first statement: for a second EF Core remembers that nobody listens.</summary>
public sealed class SentStatements : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private readonly string _database;
    private readonly ConcurrentQueue<(string Text, DbParameter[] Parameters)> _sent = new();
    private readonly List<IDisposable> _subscriptions = [];

    public SentStatements(string database)
    {
        _database = database;
        var all = DiagnosticListener.AllListeners.Subscribe(this);
        lock (_subscriptions)
        {
            _subscriptions.Add(all);
        }
    }

    public IReadOnlyCollection<(string Text, DbParameter[] Parameters)> All => _sent;

    public int CountOf(string table) => _sent.Count(statement => statement.Text.Contains(table, StringComparison.Ordinal));

    public void OnNext(DiagnosticListener value)
    {
        if (value.Name == "Microsoft.EntityFrameworkCore")
        {
            lock (_subscriptions)
            {
                _subscriptions.Add(value.Subscribe(this));
            }
        }
    }

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value.Value is CommandExecutedEventData { Command: { Connection.Database: var database } command } && database == _database)
        {
            _sent.Enqueue((command.CommandText, [.. command.Parameters.Cast<DbParameter>()]));
        }
    }

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }

    public void Dispose()
    {
        lock (_subscriptions)
        {
            _subscriptions.ForEach(subscription => subscription.Dispose());
        }
    }
}
