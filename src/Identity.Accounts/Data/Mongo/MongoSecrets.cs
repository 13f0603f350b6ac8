using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data.Mongo;

/// <summary>What a relational row keeps in MongoDB.</summary>
/// <param name="Id">Of the row, UUIDv7.</param>
/// <param name="Key">Of the document. What can change has a part of it that changes along: under one key there is one secret for ever.</param>
/// <param name="Value">Empty: it was moved.</param>
internal sealed record RowSecret(Guid Id, string Key, string Value)
{
    public bool IsMoved => Value.Length == 0;
}

/// <summary>
/// Secrets of rows that stay relational: the row decides what there is, what is unique, counted and told of; a document holds its secret. It is first a
/// column of the transaction that makes it true; while the column holds it, it waits, and is the truth. A document is written once and means the same
/// ever after, so no move can come too late and none needs an order; a row whose secret is here is emptied only while the database itself says
/// that they live here.
/// </summary>
internal abstract class MongoSecrets(MongoServer server, string collection, StoreDatabase database, CredentialHome home, TimeProvider timeProvider)
{
    private const int BatchSize = 200;

    // Nobody waits this long between writing a document and emptying its row.
    private static readonly TimeSpan s_orphanAge = TimeSpan.FromMinutes(10);

    private volatile bool _isBehind;

    /// <summary>Whether a move of this process failed since everything was moved last.</summary>
    public bool IsBehind => _isBehind;

    public string Collection => collection;

    /// <summary>Whether rows end one by one. False: all of a kind may end at once, as sessions do, and leave all their documents behind.</summary>
    public virtual bool OutlivesSessions => true;

    protected StoreDatabase Database => database;

    private DateTime Youngest => (timeProvider.GetUtcNow() - s_orphanAge).UtcDateTime;

    private IMongoCollection<BsonDocument> Documents => server.Collection(collection);

    /// <summary>The first row's id of a key.</summary>
    protected static Guid RowOf(string key) => Guid.ParseExact(key[..32], "N");

    /// <summary>Rows in order of their ids; <paramref name="which"/>: true those that were moved, false those that wait, null both.</summary>
    protected abstract Task<List<RowSecret>> PageAsync(Guid? after, bool? which, int size, CancellationToken cancellationToken);

    /// <summary>These rows, in any order.</summary>
    protected abstract Task<List<RowSecret>> RowsAsync(Guid[] ids, CancellationToken cancellationToken);

    /// <summary>Empties the row if it still holds this, and the database says that secrets live in MongoDB: in one statement.</summary>
    protected abstract Task EmptyAsync(RowSecret waiting, CancellationToken cancellationToken);

    /// <summary>Fills the row if it is empty and still means this document. True where it did.</summary>
    protected abstract Task<bool> FillAsync(RowSecret moved, string value, CancellationToken cancellationToken);

    /// <summary>Whether what is kept under the key is what the row holds.</summary>
    protected virtual bool IsSame(string kept, string value) => kept == value;

    public abstract Task<long> CountWaitingAsync(CancellationToken cancellationToken);

    /// <summary>The secrets of those that were moved, by key. Missing: the row is gone or has another secret by now, or its document was lost (then <paramref name="lost"/> is told).</summary>
    public async Task<Dictionary<string, string>> FindAsync(IReadOnlyCollection<RowSecret> moved, Action<Guid>? lost, CancellationToken cancellationToken)
    {
        if (moved.Count == 0)
        {
            return [];
        }

        var found = await KeptAsync(moved.Select(row => row.Key), cancellationToken);
        var missing = moved.Where(row => !found.ContainsKey(row.Key)).ToArray();
        if (missing.Length > 0)
        {
            // Brought back meanwhile, or removed.
            var now = (await RowsAsync([.. missing.Select(row => row.Id)], cancellationToken)).ToDictionary(row => row.Key, StringComparer.Ordinal);
            foreach (var row in missing.Select(row => now.GetValueOrDefault(row.Key)).OfType<RowSecret>())
            {
                if (row.IsMoved)
                {
                    lost?.Invoke(row.Id);
                }
                else
                {
                    found[row.Key] = row.Value;
                }
            }
        }

        return found;
    }

    /// <summary>Moves what was just acknowledged. Where that fails it waits for the repair.</summary>
    public async Task TryMoveAsync(RowSecret waiting)
    {
        try
        {
            await MoveAsync([waiting], CancellationToken.None);
        }
        catch (Exception exception) when (exception is StoreUnavailableException or NotArrivedException or System.Data.Common.DbException)
        {
            _isBehind = true;
        }
    }

    /// <summary>Takes the document of a row that was removed. Where that fails the repair finds it.</summary>
    public async Task TryRemoveAsync(string key)
    {
        try
        {
            await MongoServer.CallAsync(() => Documents.DeleteOneAsync(Builders<BsonDocument>.Filter.Eq("_id", key), CancellationToken.None));
        }
        catch (StoreUnavailableException)
        {
        }
    }

    /// <summary>Moves all that wait; how many. It may be stopped at any point and begun again. While secrets are brought back nothing waits.</summary>
    /// <exception cref="NotArrivedException">One is not there after it was written; its row keeps it.</exception>
    public async Task<int> MoveAllAsync(Action<int>? progress, CancellationToken cancellationToken)
    {
        _isBehind = false;
        var moved = 0;
        try
        {
            await foreach (var rows in PagesAsync(which: false, cancellationToken))
            {
                if (!await MoveAsync(rows, cancellationToken))
                {
                    break;
                }

                progress?.Invoke(moved += rows.Count);
            }
        }
        catch
        {
            _isBehind = true;
            throw;
        }

        return moved;
    }

    /// <summary>Fills the rows again; how many. Nobody empties one meanwhile, as the database says that rows are the truth.</summary>
    /// <exception cref="NotArrivedException">A document's row is still empty.</exception>
    public async Task<int> BringBackAsync(Action<int>? progress, CancellationToken cancellationToken)
    {
        var (brought, seen) = (0, 0);
        await foreach (var rows in PagesAsync(which: true, cancellationToken))
        {
            var kept = await KeptAsync(rows.Select(row => row.Key), cancellationToken);
            foreach (var row in rows.Where(row => kept.ContainsKey(row.Key)))
            {
                brought += await FillAsync(row, kept[row.Key], cancellationToken) ? 1 : 0;
            }

            progress?.Invoke(seen += rows.Count);
        }

        await foreach (var rows in PagesAsync(which: true, cancellationToken))
        {
            if ((await KeptAsync(rows.Select(row => row.Key), cancellationToken)).Keys.FirstOrDefault() is { } key)
            {
                throw NotArrived(RowOf(key));
            }
        }

        return brought;
    }

    /// <summary>The documents that no row means any more; null: more than so many.</summary>
    public async Task<List<string>?> FindOrphansAsync(long most, CancellationToken cancellationToken)
    {
        var orphans = new List<string>();
        BsonValue after = BsonMinKey.Value;
        while (true)
        {
            var from = after;
            var batch = await MongoServer.CallAsync(() => Documents
                .Find(Builders<BsonDocument>.Filter.Gt("_id", from))
                .Sort(Builders<BsonDocument>.Sort.Ascending("_id"))
                .Project(Builders<BsonDocument>.Projection.Include("_id").Include("writtenAt"))
                .Limit(BatchSize)
                .ToListAsync(cancellationToken));
            if (batch.Count == 0)
            {
                return orphans;
            }

            after = batch[^1]["_id"];
            var meant = (await RowsAsync([.. batch.Select(document => RowOf(document["_id"].AsString)).Distinct()], cancellationToken)).Select(row => row.Key).ToHashSet(StringComparer.Ordinal);
            orphans.AddRange(batch.Where(document => document["writtenAt"].ToUniversalTime() < Youngest).Select(document => document["_id"].AsString).Where(key => !meant.Contains(key)));
            if (orphans.Count > most)
            {
                return null;
            }
        }
    }

    /// <summary>Removes what was found; how many.</summary>
    public async Task<int> RemoveOrphansAsync(List<string> orphans, CancellationToken cancellationToken)
    {
        // Asked again: a document that is written anew, because its row waits again, is young again. None that a row is about to mean goes.
        var old = Builders<BsonDocument>.Filter.Lt("writtenAt", Youngest);
        var removed = 0L;
        foreach (var keys in orphans.Chunk(BatchSize))
        {
            removed += (await MongoServer.CallAsync(() => Documents.DeleteManyAsync(Builders<BsonDocument>.Filter.In("_id", keys) & old, cancellationToken))).DeletedCount;
        }

        return (int)removed;
    }

    /// <summary>All that there are, wherever each is, in no order that stores agree on.</summary>
    public async IAsyncEnumerable<(string Key, string Value)> AllAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var rows in PagesAsync(which: null, cancellationToken))
        {
            var kept = await FindAsync([.. rows.Where(row => row.IsMoved)], lost: null, cancellationToken);
            foreach (var row in rows)
            {
                if ((row.IsMoved ? kept.GetValueOrDefault(row.Key) : row.Value) is { } value)
                {
                    yield return (row.Key, value);
                }
            }
        }
    }

    public Task<long> CountKeptAsync(CancellationToken cancellationToken) =>
        MongoServer.CallAsync(() => Documents.CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: cancellationToken));

    public Task RemoveAllAsync(CancellationToken cancellationToken) =>
        MongoServer.CallAsync(() => Documents.DeleteManyAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken));

    // False while secrets are brought back: they stay where they are.
    private async Task<bool> MoveAsync(IReadOnlyList<RowSecret> waiting, CancellationToken cancellationToken)
    {
        if (await home.IsLeftAsync(cancellationToken))
        {
            return false;
        }

        foreach (var row in waiting)
        {
            await PutAsync(row, cancellationToken);
        }

        // Seen there before any of them goes here.
        var kept = await KeptAsync(waiting.Select(row => row.Key), cancellationToken);
        foreach (var row in waiting)
        {
            if (kept.TryGetValue(row.Key, out var value) && IsSame(value, row.Value))
            {
                await EmptyAsync(row, CancellationToken.None);
            }
            else if ((await RowsAsync([row.Id], cancellationToken)).Contains(row))
            {
                throw NotArrived(row.Id);
            }
        }

        return true;
    }

    private async Task PutAsync(RowSecret row, CancellationToken cancellationToken)
    {
        var update = Builders<BsonDocument>.Update
            .Set("schema", MongoServer.SchemaVersion)
            .Set("secret", row.Value)
            .Set("writtenAt", timeProvider.GetUtcNow().UtcDateTime);
        try
        {
            await MongoServer.CallAsync(() => Documents.UpdateOneAsync(Builders<BsonDocument>.Filter.Eq("_id", row.Key), update, new UpdateOptions { IsUpsert = true }, cancellationToken));
        }
        catch (MongoException exception) when (MongoServer.IsDuplicate(exception))
        {
            // Another mover was faster, with the same.
        }
    }

    private async Task<Dictionary<string, string>> KeptAsync(IEnumerable<string> keys, CancellationToken cancellationToken)
    {
        var filter = Builders<BsonDocument>.Filter.In("_id", keys);
        var documents = await MongoServer.CallAsync(() => Documents.Find(filter).ToListAsync(cancellationToken));
        return documents.ToDictionary(document => document["_id"].AsString, document => MongoServer.Checked(document)["secret"].AsString, StringComparer.Ordinal);
    }

    private async IAsyncEnumerable<List<RowSecret>> PagesAsync(bool? which, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Guid? after = null;
        while (await PageAsync(after, which, BatchSize, cancellationToken) is [.., var last] rows)
        {
            yield return rows;
            after = last.Id;
        }
    }

    private NotArrivedException NotArrived(Guid row) => new($"What belongs to {row:D} of {collection} did not arrive; nothing was removed. Run it again.");
}
