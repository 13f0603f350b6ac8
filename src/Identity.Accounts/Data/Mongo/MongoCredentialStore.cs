using Identity.Accounts.Credentials;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data.Mongo;

/// <summary>How a replacement waits for its move: in a row that is there, or in a new one.</summary>
internal sealed record StagedPassword(PasswordReplacement Replacement, bool IsNew);

/// <summary>
/// Credentials in MongoDB. A hash that must become true together with something relational (a new account, the end of its sessions)
/// is a row of that transaction first, and is then moved here; while the row is there it is the truth. Every change of one account's
/// credentials has a later time than the one before, the document's <c>order</c>, and a move never puts an older one over a newer. Hashing the same
/// password anew is no change: it is one conditional write over the very hash that was read, and leaves the order alone, so that whatever
/// change waits or is about to still comes after it.
/// </summary>
internal sealed class MongoCredentialStore(MongoServer server, StoreDatabase database, TimeProvider timeProvider) : ICredentialStore
{
    private const int Attempts = 10;

    // Before every time, and after what Lt is asked with where nothing may match.
    private const long Never = long.MinValue + 1;

    private IMongoCollection<BsonDocument> Documents => server.Collection("credentials");

    public async Task<AccountCredentials?> FindAsync(Guid accountId, CancellationToken cancellationToken) =>
        await WaitingAsync(accountId, cancellationToken) is { } waiting ? waiting : (await KeptAsync(accountId, cancellationToken))?.Credentials;

    public async Task<bool> TrySetPasswordAsync(Guid accountId, string? expectedHash, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (await WaitingAsync(accountId, cancellationToken) is { } waiting)
            {
                if (waiting.PasswordHash != expectedHash)
                {
                    return false;
                }

                await MoveAsync(waiting, cancellationToken);
                continue;
            }

            var kept = await KeptAsync(accountId, cancellationToken);
            if (kept?.Credentials.PasswordHash != expectedHash)
            {
                return false;
            }

            if (await TryReplaceAsync(kept, accountId, passwordHash, now, cancellationToken))
            {
                return true;
            }
        }

        return false;
    }

    public async Task DeleteAsync(Guid accountId, CancellationToken cancellationToken)
    {
        await database.WriteAsync((context, token) => context.Credentials.Where(r => r.AccountId == accountId).ExecuteDeleteAsync(token), cancellationToken);
        await MongoServer.CallAsync(() => Documents.DeleteOneAsync(Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(accountId)), cancellationToken));
    }

    /// <summary>
    /// What a relational transaction has to do so that this replacement holds with it. Null where the expected hash is not the one in
    /// force. To be asked after the account's version was read, which the transaction then holds to: of two changes at once one is done.
    /// </summary>
    public async Task<StagedPassword?> PrepareAsync(Guid accountId, PasswordReplacement replacement, CancellationToken cancellationToken)
    {
        // In this order: what is moved meanwhile is found where it went.
        var waiting = await WaitingAsync(accountId, cancellationToken);
        var current = waiting is null ? await KeptAsync(accountId, cancellationToken) : new(waiting, Microseconds(waiting.PasswordChangedAt));
        return current?.Credentials.PasswordHash == replacement.ExpectedHash ? new(replacement with { At = After(current, replacement.At) }, IsNew: waiting is null) : null;
    }

    /// <summary>As a part of a change of the account: the row that waits, made or changed. False where somebody was faster.</summary>
    public static async Task<bool> TryStageAsync(StoreDatabase database, IdentityDbContext context, Guid accountId, StagedPassword staged, CancellationToken cancellationToken)
    {
        if (!staged.IsNew)
        {
            return await SqlCredentialStore.TrySetPasswordAsync(database, context, accountId, staged.Replacement, cancellationToken);
        }

        // The account's row is the transaction's by now, and rows are only made under it.
        if (await context.Credentials.AnyAsync(r => r.AccountId == accountId, cancellationToken))
        {
            return false;
        }

        context.Add(new CredentialRow { AccountId = accountId, PasswordHash = staged.Replacement.Hash, PasswordChangedAt = staged.Replacement.At });
        await context.SaveChangesAsync(cancellationToken);
        return true;
    }

    /// <summary>Moves the account's row, if one waits.</summary>
    public async Task MoveAsync(Guid accountId, CancellationToken cancellationToken)
    {
        if (await WaitingAsync(accountId, cancellationToken) is { } waiting)
        {
            await MoveAsync(waiting, cancellationToken);
        }
    }

    /// <summary>Puts the row's hash here, and only then takes the row away, if it still is the same.</summary>
    public async Task MoveAsync(AccountCredentials waiting, CancellationToken cancellationToken)
    {
        var at = Microseconds(waiting.PasswordChangedAt);
        var older = Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(waiting.AccountId)) & Builders<BsonDocument>.Filter.Lt("order", at);
        try
        {
            await MongoServer.CallAsync(() => Documents.UpdateOneAsync(older, Set(waiting.PasswordHash, at).Set("order", at), new UpdateOptions { IsUpsert = true }, cancellationToken));
        }
        catch (MongoException exception) when (MongoServer.IsDuplicate(exception))
        {
            // What is here is as new or newer.
        }

        // The time is part of the comparison: a hash can come back, a time does not.
        var (id, hash, changedAt) = (waiting.AccountId, waiting.PasswordHash, waiting.PasswordChangedAt);
        await database.WriteAsync(
            (context, token) => context.Credentials.Where(r => r.AccountId == id && r.PasswordHash == hash && r.PasswordChangedAt == changedAt).ExecuteDeleteAsync(token),
            CancellationToken.None);
    }

    private async Task<AccountCredentials?> WaitingAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Credentials.FirstOrDefaultAsync(r => r.AccountId == accountId, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    private async Task<Kept?> KeptAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var document = await MongoServer.CallAsync(() => Documents.Find(Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(accountId))).FirstOrDefaultAsync(cancellationToken));
        return document is null ? null : new(Map(document), document["order"].AsInt64);
    }

    private async Task<bool> TryReplaceAsync(Kept? kept, Guid accountId, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var id = Builders<BsonDocument>.Filter.Eq("_id", MongoServer.Id(accountId));
        var update = Set(passwordHash, Microseconds(now));
        try
        {
            if (kept is null)
            {
                // Matches nothing that is there: an insert, or a duplicate where somebody was faster. Before every change.
                var none = id & Builders<BsonDocument>.Filter.Lt("order", long.MinValue);
                return (await MongoServer.CallAsync(() => Documents.UpdateOneAsync(none, update.Set("order", Never), new UpdateOptions { IsUpsert = true }, cancellationToken))).UpsertedId is not null;
            }

            // Both: a hash can come back, and the order stays when a password is hashed anew.
            var unchanged = id & Builders<BsonDocument>.Filter.Eq("order", kept.Order) & Builders<BsonDocument>.Filter.Eq("passwordHash", Value(kept.Credentials.PasswordHash));
            return await MongoServer.CallAsync(() => Documents.FindOneAndUpdateAsync(unchanged, update, cancellationToken: cancellationToken)) is not null;
        }
        catch (MongoException exception) when (MongoServer.IsDuplicate(exception))
        {
            return false;
        }
    }

    private UpdateDefinition<BsonDocument> Set(string? passwordHash, long changedAt) => Builders<BsonDocument>.Update
        .Set("schema", MongoServer.SchemaVersion)
        .Set("passwordHash", Value(passwordHash))
        .Set("changedAt", changedAt)
        .Set("writtenAt", timeProvider.GetUtcNow().UtcDateTime);

    internal static AccountCredentials Map(CredentialRow row) => new(row.AccountId, row.PasswordHash, row.PasswordChangedAt);

    internal static AccountCredentials Map(BsonDocument document)
    {
        MongoServer.Checked(document);
        var at = document["changedAt"].AsInt64;
        return new(
            MongoServer.Id(document["_id"]),
            document["passwordHash"] is { IsBsonNull: false } hash ? hash.AsString : null,
            at == Never ? null : Time(at));
    }

    private static long Microseconds(DateTimeOffset? time) => time is { } at ? UnixMicrosecondsConverter.Of(at) : Never;

    private static BsonValue Value(string? passwordHash) => passwordHash is null ? BsonNull.Value : (BsonValue)passwordHash;

    private static DateTimeOffset After(Kept? current, DateTimeOffset now) =>
        current is { Order: var last } && last >= Microseconds(now) ? Time(last + 1) : now;

    private static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    // Order: the time of the last change, which hashing anew is not.
    private sealed record Kept(AccountCredentials Credentials, long Order);
}
