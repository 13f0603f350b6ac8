// An outage is thousands of refused requests with one cause: told each time with its stack trace, six kilobytes each, it fills the log's disk next.
using System.Collections.Concurrent;
using System.Data.Common;

namespace Identity.OAuth.Storage;

/// <summary>Which requests that an outage refused are logged with their stack trace: the first of a kind, and one a minute after it. The others are a line. Safe for use by many at once.</summary>
public sealed class OutageTraces(TimeProvider timeProvider)
{
    /// <summary>Between two traces of one kind.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, long> _told = new(StringComparer.Ordinal);

    /// <summary>The types of an exception and of what caused it, with the database's codes. No message: it may hold what no log should.</summary>
    public static string Kind(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var types = new List<string>();
        for (var one = exception; one is not null; one = one.InnerException)
        {
            types.Add(one is DbException { SqlState: { } state } ? one.GetType().Name + " " + state : one.GetType().Name);
        }

        return string.Join(" < ", types);
    }

    /// <summary>Whether the trace is to be told now; of many who ask at once one is told yes.</summary>
    public bool IsDue(string kind)
    {
        var now = timeProvider.GetTimestamp();
        while (true)
        {
            if (_told.TryAdd(kind, now))
            {
                return true;
            }

            if (_told.TryGetValue(kind, out var last))
            {
                if (timeProvider.GetElapsedTime(last) < Pause)
                {
                    return false;
                }

                if (_told.TryUpdate(kind, now, last))
                {
                    return true;
                }
            }
        }
    }
}
