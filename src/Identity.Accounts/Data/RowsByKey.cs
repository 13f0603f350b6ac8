using Identity.Accounts.Data.Tables;

namespace Identity.Accounts.Data;

/// <summary>
/// Rows by their key. On a database server those that are asked for at once travel together (<see cref="GroupedReads{TQuestion, TAnswer}"/>);
/// a database in the process is asked for each, since a read is no round trip there.
/// </summary>
/// <param name="database">Where they are.</param>
/// <param name="one">A compiled query.</param>
/// <param name="many">The same for several keys; what is missing is left out.</param>
/// <param name="keyOf">A row's key.</param>
internal sealed class RowsByKey<TKey, TRow>(
    StoreDatabase database,
    Func<IdentityDbContext, TKey, CancellationToken, Task<TRow?>> one,
    Func<IdentityDbContext, TKey[], IAsyncEnumerable<TRow>> many,
    Func<TRow, TKey> keyOf)
    where TKey : notnull
    where TRow : class
{
    private readonly GroupedReads<TKey, TRow?>? _grouped = database.IsEmbedded ? null : new(atOnce: 2, database.IsAway, keys => ReadAsync(database, one, many, keyOf, keys));

    /// <summary>Null where there is none. Who asks for the same key may get the same row: it is to be read, not changed.</summary>
    public Task<TRow?> FindAsync(TKey key, CancellationToken cancellationToken) =>
        _grouped?.ReadAsync(key).WaitAsync(cancellationToken) ?? database.ReadAsync((context, token) => one(context, key, token), cancellationToken);

    private static async Task<IReadOnlyList<TRow?>> ReadAsync(
        StoreDatabase database,
        Func<IdentityDbContext, TKey, CancellationToken, Task<TRow?>> one,
        Func<IdentityDbContext, TKey[], IAsyncEnumerable<TRow>> many,
        Func<TRow, TKey> keyOf,
        IReadOnlyList<TKey> keys)
    {
        if (keys is [var only])
        {
            return [await database.ReadAsync((context, token) => one(context, only, token), CancellationToken.None)];
        }

        var distinct = keys.Distinct().ToArray();
        var found = await database.ReadAsync(
            async (context, token) =>
            {
                var rows = new Dictionary<TKey, TRow>();
                await foreach (var row in many(context, distinct).WithCancellation(token))
                {
                    rows[keyOf(row)] = row;
                }

                return rows;
            },
            CancellationToken.None);
        return [.. keys.Select(key => found.GetValueOrDefault(key))];
    }
}
