using Microsoft.EntityFrameworkCore;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data.Mongo;

/// <summary>
/// Which relational database a MongoDB belongs to: a random id that both hold (<c>store_values</c>, collection <c>owner</c>). A process of another
/// database would find no account to any document here, and take all of them for left over.
/// </summary>
internal sealed class MongoOwner(MongoServer server, StoreDatabase database, TimeProvider timeProvider)
{
    internal const string Name = "mongodb_owner";

    private const string HowToMend = "(look at MONGO_URI and at DB_NAME or DATA_DIR; if both are meant, as after a restore: identity migrate-credentials --to mongodb --adopt)";

    private static readonly FilterDefinition<BsonDocument> s_mark = Builders<BsonDocument>.Filter.Eq("_id", "owner");

    private IMongoCollection<BsonDocument> Marks => server.Collection("owner");

    /// <summary>Why this MongoDB must not be used with this database, in one line for the operator; null: nothing speaks against it.</summary>
    /// <exception cref="StoreUnavailableException">One of them does not answer.</exception>
    public async Task<string?> FindProblemAsync(CancellationToken cancellationToken)
    {
        var (mine, theirs) = (await MineAsync(cancellationToken), await TheirsAsync(cancellationToken));
        if (theirs is not null)
        {
            return theirs == mine ? null : $"MONGO_URI: expected the MongoDB of this database; {server.Description} holds the credentials of another one {HowToMend}.";
        }

        if (await CredentialHome.ReadAsync(database, cancellationToken) is null or CredentialHome.Relational)
        {
            return await IsEmptyAsync(cancellationToken) ? null : $"MONGO_URI: expected a MongoDB without documents, as this database never used one; {server.Description} has some {HowToMend}.";
        }

        // Without a mark of its own the database is of a build that made none, and so is its MongoDB.
        return mine is null ? null : $"MONGO_URI: expected the MongoDB that the credentials of this database live in; {server.Description} is not, and elsewhere every password would be wrong {HowToMend}.";
    }

    /// <summary>Marks both, where neither is; what is marked already stays. Any number of nodes may do it at once.</summary>
    /// <returns>As <see cref="FindProblemAsync"/>; then nothing was marked in MongoDB.</returns>
    public async Task<string?> ClaimAsync(CancellationToken cancellationToken)
    {
        if (await FindProblemAsync(cancellationToken) is { } problem)
        {
            return problem;
        }

        var mine = await MarkAsync(cancellationToken);
        try
        {
            await PutAsync(Builders<BsonDocument>.Update.SetOnInsert("database", mine), cancellationToken);
        }
        catch (MongoException exception) when (MongoServer.IsDuplicate(exception))
        {
            // Somebody was faster; whose database is it?
        }

        return await FindProblemAsync(cancellationToken);
    }

    /// <summary>Makes it this database's, whosever it was.</summary>
    public async Task AdoptAsync(CancellationToken cancellationToken) =>
        await PutAsync(Builders<BsonDocument>.Update.Set("database", await MarkAsync(cancellationToken)), cancellationToken);

    /// <summary>Whether both say so; where neither says anything, it is not.</summary>
    public async Task<bool> IsOursAsync(CancellationToken cancellationToken) =>
        await MineAsync(cancellationToken) is { } mine && await TheirsAsync(cancellationToken) == mine;

    /// <summary>Credentials were brought back: it is nobody's from here on.</summary>
    public async Task ForgetAsync(CancellationToken cancellationToken)
    {
        await MongoServer.CallAsync(() => Marks.DeleteOneAsync(s_mark, cancellationToken));
        await database.WriteAsync((context, token) => context.StoreValues.Where(r => r.Name == Name).ExecuteDeleteAsync(token), cancellationToken);
    }

    private async Task<string> MarkAsync(CancellationToken cancellationToken)
    {
        var insert = database.Dialect.Upsert("store_values", ["name"], ["name", "value"], new Dictionary<string, string>(StringComparer.Ordinal), where: null);
        object[] values = [Name, Guid.NewGuid().ToString("N")];
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(insert, values, token), cancellationToken);
        return (await MineAsync(cancellationToken))!;
    }

    private Task<UpdateResult> PutAsync(UpdateDefinition<BsonDocument> update, CancellationToken cancellationToken) =>
        MongoServer.CallAsync(() => Marks.UpdateOneAsync(
            s_mark,
            update.SetOnInsert("schema", MongoServer.SchemaVersion).SetOnInsert("writtenAt", timeProvider.GetUtcNow().UtcDateTime),
            new UpdateOptions { IsUpsert = true },
            cancellationToken));

    private Task<string?> MineAsync(CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.StoreValues.Where(r => r.Name == Name).Select(r => r.Value).FirstOrDefaultAsync(token), cancellationToken);

    private async Task<string?> TheirsAsync(CancellationToken cancellationToken)
    {
        var mark = await MongoServer.CallAsync(() => Marks.Find(s_mark).FirstOrDefaultAsync(cancellationToken));
        return mark is null ? null : MongoServer.Checked(mark)["database"].AsString;
    }

    private async Task<bool> IsEmptyAsync(CancellationToken cancellationToken)
    {
        foreach (var name in (string[])["credentials", "metadata", "second_factors", "devices"])
        {
            if (await MongoServer.CallAsync(() => server.Collection(name).Find(FilterDefinition<BsonDocument>.Empty).Limit(1).AnyAsync(cancellationToken)))
            {
                return false;
            }
        }

        return true;
    }
}
