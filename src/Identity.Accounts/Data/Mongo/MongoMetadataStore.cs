using System.Text.Json.Nodes;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Profile;
using Microsoft.EntityFrameworkCore;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data.Mongo;

/// <summary>
/// Metadata in MongoDB, as text: names with dots and dollar signs and numbers of any length come back as they went in. A change holds to
/// the revision it read, so of two merges neither undoes the other. Rows from before are moved here when they are met; while they are brought
/// back (<see cref="CredentialHome"/>) a row is the truth, and nothing is written here.
/// </summary>
internal sealed class MongoMetadataStore(MongoServer server, StoreDatabase database, CredentialHome home) : IMetadataStore
{
    private IMongoCollection<BsonDocument> Documents => server.Collection("metadata");

    public async Task<JsonObject> FindAsync(Guid accountId, CancellationToken cancellationToken)
    {
        if (await home.IsLeftAsync(cancellationToken))
        {
            return (await FindManyLeftAsync([accountId], cancellationToken))[accountId];
        }

        await MoveAsync(accountId, cancellationToken);
        return (await ReadAsync(accountId, cancellationToken)).Document;
    }

    public async Task<bool> MergeAsync(Guid accountId, JsonObject patch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(patch);
        if (await home.IsClosingAsync(cancellationToken))
        {
            throw new StoreUnavailableException("Metadata cannot be changed for some seconds: it is about to be moved.");
        }

        if (await home.IsLeftAsync(cancellationToken))
        {
            await BringBackAsync([accountId], cancellationToken);
            return await database.TransactAsync((context, token) => SqlMetadataStore.TryMergeAsync(database, context, accountId, patch, token), cancellationToken);
        }

        await MoveAsync(accountId, cancellationToken);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (document, revision) = await ReadAsync(accountId, cancellationToken);
            Apply(document, patch);
            if (!AccountRules.FitsMetadata(document))
            {
                return false;
            }

            if (await TryWriteAsync(accountId, document.ToJsonString(), revision, cancellationToken))
            {
                return true;
            }
        }
    }

    public async Task<IReadOnlyDictionary<Guid, JsonObject>> FindManyAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(accountIds);
        if (await home.IsLeftAsync(cancellationToken))
        {
            return await FindManyLeftAsync(accountIds, cancellationToken);
        }

        var ids = accountIds.ToArray();
        var waiting = await database.ReadAsync((context, token) => context.Metadata.Where(r => ids.Contains(r.AccountId)).Select(r => r.AccountId).ToListAsync(token), cancellationToken);
        foreach (var id in waiting)
        {
            await MoveAsync(id, cancellationToken);
        }

        var filter = Builders<BsonDocument>.Filter.In("_id", ids.Select(MongoServer.Id));
        var found = await MongoServer.CallAsync(() => Documents.Find(filter).ToListAsync(cancellationToken));
        var result = ids.ToDictionary(id => id, _ => new JsonObject());
        foreach (var document in found)
        {
            result[MongoServer.Id(document["_id"])] = JsonNode.Parse(MongoServer.Checked(document)["document"].AsString)!.AsObject();
        }

        return result;
    }

    public async Task DeleteAsync(Guid accountId, CancellationToken cancellationToken)
    {
        await database.WriteAsync((context, token) => context.Metadata.Where(r => r.AccountId == accountId).ExecuteDeleteAsync(token), cancellationToken);
        await MongoServer.CallAsync(() => Documents.DeleteOneAsync(Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(accountId)), cancellationToken));
    }

    /// <summary>Whether the merge would stay under the limit, as things are now.</summary>
    public async Task<bool> FitsAsync(Guid accountId, JsonObject patch, CancellationToken cancellationToken)
    {
        var document = await FindAsync(accountId, cancellationToken);
        Apply(document, patch);
        return AccountRules.FitsMetadata(document);
    }

    /// <summary>Moves the account's row, if there is one; what is here already is newer.</summary>
    public async Task MoveAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Metadata.FirstOrDefaultAsync(r => r.AccountId == accountId, token), cancellationToken);
        if (row is null || await home.IsLeftAsync(cancellationToken))
        {
            return;
        }

        await TryWriteAsync(accountId, row.Document, revision: 0, cancellationToken);
        await database.WriteAsync((context, token) => context.Metadata.Where(r => r.AccountId == accountId && r.Document == row.Document).ExecuteDeleteAsync(token), CancellationToken.None);
    }

    /// <summary>Makes a row of each document whose account has none: from then on the row is the truth. How many were made.</summary>
    public async Task<int> BringBackAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var kept = await KeptAsync(accountIds, cancellationToken);
        if (kept.Count == 0)
        {
            return 0;
        }

        var ids = kept.Keys.ToArray();
        return await database.TransactAsync(
            async (context, token) =>
            {
                // As with credentials; a merge of one account's metadata waits for the same name.
                foreach (var id in ids.Order())
                {
                    await database.Dialect.LockAsync(context, $"metadata:{id:N}", token);
                }

                await context.Accounts.Where(r => ids.Contains(r.Id)).ExecuteUpdateAsync(set => set.SetProperty(r => r.Version, r => r.Version), token);
                var alive = (await context.Accounts.Where(r => ids.Contains(r.Id)).Select(r => r.Id).ToListAsync(token)).ToHashSet();
                alive.ExceptWith(await context.Metadata.Where(r => ids.Contains(r.AccountId)).Select(r => r.AccountId).ToListAsync(token));
                context.AddRange(alive.Select(id => new MetadataRow { AccountId = id, Document = kept[id] }));
                await context.SaveChangesAsync(token);
                return alive.Count;
            },
            cancellationToken);
    }

    /// <summary>Removes documents whose account has a row, where rows are the truth.</summary>
    public async Task RemoveOutdatedAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var outdated = (await RowsAsync(accountIds, cancellationToken)).Keys.Select(MongoServer.Id).ToArray();
        if (outdated.Length > 0)
        {
            await MongoServer.CallAsync(() => Documents.DeleteManyAsync(Builders<BsonDocument>.Filter.In("_id", outdated), cancellationToken));
        }
    }

    // Rows first; and again where there was neither: what is brought back meanwhile is a row by then.
    private async Task<IReadOnlyDictionary<Guid, JsonObject>> FindManyLeftAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var found = await RowsAsync(accountIds, cancellationToken);
        foreach (var (id, text) in await KeptAsync([.. accountIds.Where(id => !found.ContainsKey(id))], cancellationToken))
        {
            found[id] = text;
        }

        foreach (var (id, text) in await RowsAsync([.. accountIds.Where(id => !found.ContainsKey(id))], cancellationToken))
        {
            found[id] = text;
        }

        return accountIds.Distinct().ToDictionary(id => id, id => found.TryGetValue(id, out var text) ? JsonNode.Parse(text)!.AsObject() : []);
    }

    private async Task<Dictionary<Guid, string>> RowsAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var ids = accountIds.ToArray();
        return ids.Length == 0 ? [] : await database.ReadAsync((context, token) => context.Metadata.Where(r => ids.Contains(r.AccountId)).ToDictionaryAsync(r => r.AccountId, r => r.Document, token), cancellationToken);
    }

    private async Task<Dictionary<Guid, string>> KeptAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        if (accountIds.Count == 0)
        {
            return [];
        }

        var filter = Builders<BsonDocument>.Filter.In("_id", accountIds.Select(MongoServer.Id));
        var documents = await MongoServer.CallAsync(() => Documents.Find(filter).ToListAsync(cancellationToken));
        return documents.ToDictionary(document => MongoServer.Id(document["_id"]), document => MongoServer.Checked(document)["document"].AsString);
    }

    private async Task<(JsonObject Document, long Revision)> ReadAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var stored = await MongoServer.CallAsync(() => Documents.Find(Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(accountId))).FirstOrDefaultAsync(cancellationToken));
        return stored is null ? ([], 0) : (JsonNode.Parse(MongoServer.Checked(stored)["document"].AsString)!.AsObject(), stored["revision"].AsInt64);
    }

    private static void Apply(JsonObject document, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            if (value is null)
            {
                document.Remove(name);
            }
            else
            {
                document[name] = value.DeepClone();
            }
        }
    }

    // Revision 0: there is none yet.
    private async Task<bool> TryWriteAsync(Guid accountId, string text, long revision, CancellationToken cancellationToken)
    {
        var same = Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(accountId)) & Builders<BsonDocument>.Filter.Eq("revision", revision);
        var update = Builders<BsonDocument>.Update.Set("schema", MongoServer.SchemaVersion).Set("document", text).Set("revision", revision + 1);
        try
        {
            var result = await MongoServer.CallAsync(() => Documents.UpdateOneAsync(same, update, new UpdateOptions { IsUpsert = revision == 0 }, cancellationToken));
            return result.MatchedCount == 1 || result.UpsertedId is not null;
        }
        catch (MongoException exception) when (MongoServer.IsDuplicate(exception))
        {
            return false;
        }
    }
}
