using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data.Mongo;

/// <summary>
/// Removes documents whose account, factor or device is gone: what an outage or a crash left behind, and so a few. Nothing is removed while MongoDB is not
/// marked as this database's, or where it would be more than a small share: then it is the database that is wrong, not the documents.
/// </summary>
internal sealed partial class MongoOrphans(MongoServer server, MongoOwner owner, IEnumerable<MongoSecrets> secrets, CredentialHome home, StoreDatabase database, TimeProvider timeProvider, ILogger<MongoOrphans> logger)
{
    /// <summary>So many of a kind are never too many.</summary>
    internal const int Few = 20;

    private const int Share = 10;

    private const int BatchSize = 500;

    // An account comes before its documents, so only a removed one has none; but who removes one may be at it.
    private static readonly TimeSpan s_age = TimeSpan.FromMinutes(10);

    /// <summary>How many were removed: all there are, or none.</summary>
    /// <param name="isConfirmed">The operator says that this database is the right one: the share does not matter.</param>
    /// <param name="cancellationToken">Ends it, between two batches.</param>
    public async Task<int> RemoveAsync(bool isConfirmed, CancellationToken cancellationToken)
    {
        // While secrets are brought back documents go anyway, and with the last of them the mark.
        if (await home.IsLeftAsync(cancellationToken))
        {
            return 0;
        }

        if (!await owner.IsOursAsync(cancellationToken))
        {
            LogNotOurs(server.Description);
            return 0;
        }

        // Looked at before the first one goes: a wrong database shows in one of the kinds, and is wrong for all.
        var removals = new List<Func<CancellationToken, Task<int>>>();
        foreach (var name in (string[])["credentials", "metadata"])
        {
            var documents = server.Collection(name);
            var total = await MongoServer.CallAsync(() => documents.CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: cancellationToken));
            var gone = await FindAsync(documents, isConfirmed ? total : Most(total), cancellationToken);
            if (gone is null)
            {
                LogTooMany(Share, total, name);
                return 0;
            }

            removals.Add(token => RemoveAsync(documents, gone, token));
        }

        foreach (var one in secrets)
        {
            var total = await one.CountKeptAsync(cancellationToken);
            var gone = await one.FindOrphansAsync(isConfirmed || !one.OutlivesSessions ? total : Most(total), cancellationToken);
            if (gone is null)
            {
                LogTooMany(Share, total, one.Collection);
                return 0;
            }

            removals.Add(token => one.RemoveOrphansAsync(gone, token));
        }

        var removed = 0;
        foreach (var removal in removals)
        {
            removed += await removal(cancellationToken);
        }

        return removed;
    }

    private static long Most(long total) => Math.Max(Few, total * Share / 100);

    private static async Task<int> RemoveAsync(IMongoCollection<BsonDocument> documents, List<Guid> gone, CancellationToken cancellationToken)
    {
        var removed = 0L;
        foreach (var batch in gone.Chunk(BatchSize))
        {
            var filter = Builders<BsonDocument>.Filter.In("_id", batch.Select(MongoServer.Id));
            removed += (await MongoServer.CallAsync(() => documents.DeleteManyAsync(filter, cancellationToken))).DeletedCount;
        }

        return (int)removed;
    }

    // Null: more than so many.
    private async Task<List<Guid>?> FindAsync(IMongoCollection<BsonDocument> documents, long most, CancellationToken cancellationToken)
    {
        var gone = new List<Guid>();
        BsonValue after = BsonMinKey.Value;
        while (true)
        {
            var from = after;
            var ids = await MongoServer.CallAsync(() => documents
                .Find(Builders<BsonDocument>.Filter.Gt("_id", from))
                .Sort(Builders<BsonDocument>.Sort.Ascending("_id"))
                .Project(Builders<BsonDocument>.Projection.Include("_id"))
                .Limit(BatchSize)
                .ToListAsync(cancellationToken));
            if (ids.Count == 0)
            {
                return gone;
            }

            after = ids[^1]["_id"];
            var known = ids.Select(document => MongoServer.Id(document["_id"])).ToArray();
            var alive = await database.ReadAsync((context, token) => context.Accounts.Where(r => known.Contains(r.Id)).Select(r => r.Id).ToListAsync(token), cancellationToken);
            var youngest = timeProvider.GetUtcNow() - s_age;
            gone.AddRange(known.Except(alive).Where(id => id.Version != 7 || MadeAt(id) < youngest));
            if (gone.Count > most)
            {
                return null;
            }
        }
    }

    // RFC 9562 §5.7: milliseconds since 1970 are the first 48 bits.
    private static DateTimeOffset MadeAt(Guid id)
    {
        var bytes = id.ToByteArray(bigEndian: true);
        long milliseconds = 0;
        for (var i = 0; i < 6; i++)
        {
            milliseconds = (milliseconds << 8) | bytes[i];
        }

        return DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
    }

    [LoggerMessage(2834, LogLevel.Critical, "{Server} is not marked as this database's: nothing of it is removed. Look at MONGO_URI and at DB_NAME or DATA_DIR, and restart")]
    private partial void LogNotOurs(string server);

    [LoggerMessage(2835, LogLevel.Critical, "More than {Share} % of {Total} documents in {Collection} have nobody in this database whom they belong to: none is removed. Is the database an old one? If it is meant: identity migrate-credentials --to mongodb --adopt")]
    private partial void LogTooMany(int share, long total, string collection);
}
