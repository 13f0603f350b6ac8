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
/// change waits or is about to still comes after it. While credentials are brought back (<see cref="CredentialHome"/>) rows wait for no move, and
/// nothing is written here.
/// </summary>
internal sealed class MongoCredentialStore(MongoServer server, StoreDatabase database, CredentialHome home, TimeProvider timeProvider) : ICredentialStore
{
    private const int Attempts = 10;

    // Before every time, and after what Lt is asked with where nothing may match.
    private const long Never = long.MinValue + 1;

    private IMongoCollection<BsonDocument> Documents => server.Collection("credentials");

    // A third look, where there is neither: what is brought back meanwhile is a row by then.
    public async Task<AccountCredentials?> FindAsync(Guid accountId, CancellationToken cancellationToken) =>
        await WaitingAsync(accountId, cancellationToken) ?? (await KeptAsync(accountId, cancellationToken))?.Credentials ?? await WaitingAsync(accountId, cancellationToken);

    /// <summary>Those that there are, wherever each of them is.</summary>
    public async Task<IReadOnlyList<AccountCredentials>> FindManyAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var found = await WaitingAsync(accountIds, cancellationToken);
        var filter = Builders<BsonDocument>.Filter.In("_id", accountIds.Where(id => !found.ContainsKey(id)).Select(MongoServer.Id));
        foreach (var kept in (await MongoServer.CallAsync(() => Documents.Find(filter).ToListAsync(cancellationToken))).Select(Map))
        {
            found[kept.AccountId] = kept;
        }

        foreach (var (id, brought) in await WaitingAsync([.. accountIds.Where(id => !found.ContainsKey(id))], cancellationToken))
        {
            found[id] = brought;
        }

        return [.. found.Values];
    }

    public async Task<bool> TrySetPasswordAsync(Guid accountId, string? expectedHash, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // Only a sign-in that hashes anew comes here, and does so another time.
        if (await home.IsClosingAsync(cancellationToken))
        {
            return false;
        }

        if (await home.IsLeftAsync(cancellationToken))
        {
            await BringBackAsync([accountId], cancellationToken);
            return await database.WriteAsync((context, token) => SqlCredentialStore.TrySetPasswordAsync(database, context, accountId, new PasswordReplacement(expectedHash, passwordHash, now), token), cancellationToken);
        }

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

    /// <summary>Puts the row's hash here, and only then takes the row away, if it still is the same. While credentials are brought back it stays where it is.</summary>
    public async Task MoveAsync(AccountCredentials waiting, CancellationToken cancellationToken)
    {
        if (await home.IsLeftAsync(cancellationToken))
        {
            return;
        }

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

    /// <summary>Makes a row of each document whose account has none: from then on the row is the truth. How many were made.</summary>
    public async Task<int> BringBackAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var filter = Builders<BsonDocument>.Filter.In("_id", accountIds.Select(MongoServer.Id));
        var documents = await MongoServer.CallAsync(() => Documents.Find(filter).ToListAsync(cancellationToken));
        var kept = documents.Select(document => (Credentials: Map(document), At: Math.Max(document["order"].AsInt64, document["changedAt"].AsInt64))).ToArray();
        if (kept.Length == 0)
        {
            return 0;
        }

        var ids = kept.Select(found => found.Credentials.AccountId).ToArray();
        return await database.TransactAsync(
            async (context, token) =>
            {
                // The accounts' rows are the transaction's from here on: none of them is deleted meanwhile, and nobody makes the row that is made below.
                await context.Accounts.Where(r => ids.Contains(r.Id)).ExecuteUpdateAsync(set => set.SetProperty(r => r.Version, r => r.Version), token);
                var alive = (await context.Accounts.Where(r => ids.Contains(r.Id)).Select(r => r.Id).ToListAsync(token)).ToHashSet();
                alive.ExceptWith(await context.Credentials.Where(r => ids.Contains(r.AccountId)).Select(r => r.AccountId).ToListAsync(token));
                foreach (var (credentials, at) in kept.Where(found => alive.Contains(found.Credentials.AccountId)))
                {
                    context.Add(new CredentialRow { AccountId = credentials.AccountId, PasswordHash = credentials.PasswordHash, PasswordChangedAt = at == Never ? null : Time(at) });
                }

                await context.SaveChangesAsync(token);
                return alive.Count;
            },
            cancellationToken);
    }

    private async Task<Dictionary<Guid, AccountCredentials>> WaitingAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var ids = accountIds.ToArray();
        return ids.Length == 0 ? [] : (await database.ReadAsync((context, token) => context.Credentials.Where(r => ids.Contains(r.AccountId)).ToListAsync(token), cancellationToken)).Select(Map).ToDictionary(row => row.AccountId);
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
