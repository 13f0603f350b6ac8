using System.Collections.Concurrent;

namespace Identity.Accounts.Data;

/// <summary>
/// Remembers what was read for up to a second, so that a change made at another node holds here within that time.
/// What was not found is not remembered: anybody can ask for what does not exist.
/// </summary>
public sealed class ShortCache<TKey, TValue>(TimeProvider timeProvider)
    where TKey : notnull
    where TValue : class
{
    private const int MaximumEntries = 20_000;

    private static readonly TimeSpan s_lifetime = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<TKey, Entry> _entries = new();
    private int _changes;

    public ValueTask<TValue?> GetAsync(TKey key, Func<TKey, CancellationToken, Task<TValue?>> read, CancellationToken cancellationToken) =>
        _entries.TryGetValue(key, out var entry) && timeProvider.GetElapsedTime(entry.ReadAt) is var age && age >= TimeSpan.Zero && age < s_lifetime
            ? ValueTask.FromResult<TValue?>(entry.Value)
            : new(ReadAsync(key, read, cancellationToken));

    /// <summary>Whether it was there when somebody last asked for it, however long ago.</summary>
    public bool WasFound(TKey key) => _entries.ContainsKey(key);

    /// <summary>After a change made here: the next read sees it at once.</summary>
    public void Remove(TKey key)
    {
        Interlocked.Increment(ref _changes);
        _entries.TryRemove(key, out _);
    }

    /// <summary>After a change that made many untrue, or when there is no telling which.</summary>
    public void RemoveWhere(Func<TValue, bool> isUntrue)
    {
        Interlocked.Increment(ref _changes);
        foreach (var (key, entry) in _entries)
        {
            if (isUntrue(entry.Value))
            {
                _entries.TryRemove(key, out _);
            }
        }
    }

    private async Task<TValue?> ReadAsync(TKey key, Func<TKey, CancellationToken, Task<TValue?>> read, CancellationToken cancellationToken)
    {
        // The age counts from before the read, and a read that a change overtook is not kept.
        var readAt = timeProvider.GetTimestamp();
        var changes = Volatile.Read(ref _changes);
        var value = await read(key, cancellationToken);
        if (value is not null && changes == Volatile.Read(ref _changes))
        {
            if (_entries.Count >= MaximumEntries)
            {
                _entries.Clear();
            }

            _entries[key] = new(value, readAt);
            if (changes != Volatile.Read(ref _changes))
            {
                // Between the question above and the line before this one: who changed it may not have found it.
                _entries.TryRemove(key, out _);
            }
        }

        return value;
    }

    private sealed record Entry(TValue Value, long ReadAt);
}
