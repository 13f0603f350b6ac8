using System.Security.Cryptography;
using System.Text;
using Identity.Accounts.Credentials;
using Identity.Accounts.Data.Mongo;
using Identity.ServiceDefaults.Settings;
using Microsoft.EntityFrameworkCore;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data;

/// <summary>What a migration of credentials came to.</summary>
/// <param name="Moved">Credentials, metadata documents and secrets that this run moved.</param>
/// <param name="Credentials">Password credentials at the new home.</param>
/// <param name="Secrets">What else proves somebody or reaches them: authenticator keys, passkeys and push tokens.</param>
/// <param name="Sha256">Over ids and hashes of both, in order of id: equal content, equal digest. Lower-case hex.</param>
public sealed record CredentialMigrationReport(long Moved, long Credentials, long Secrets, string Sha256);

/// <summary>What was moved is not where it was moved to. The message is one line for the operator.</summary>
public sealed class NotArrivedException : Exception
{
    public NotArrivedException()
    {
    }

    public NotArrivedException(string message)
        : base(message)
    {
    }

    public NotArrivedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>
/// Moves all credentials, metadata and secrets of factors and devices from one home to the other while the service runs. It may be stopped at any point and begun again, in
/// either direction: whatever waits for its move is in force where it is. Needs MONGO_URI.
/// </summary>
public sealed class CredentialMigration
{
    private const int BatchSize = 200;

    private readonly MongoServer _server;
    private readonly MongoCredentialStore _credentials;
    private readonly MongoMetadataStore _metadata;
    private readonly IReadOnlyList<MongoSecrets> _secrets;
    private readonly MongoOwner _owner;
    private readonly MongoOrphans _orphans;
    private readonly CredentialHome _home;
    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;

    internal CredentialMigration(MongoServer server, MongoCredentialStore credentials, MongoMetadataStore metadata, IEnumerable<MongoSecrets> secrets, MongoOwner owner, MongoOrphans orphans, CredentialHome home, StoreDatabase database, TimeProvider timeProvider) =>
        (_server, _credentials, _metadata, _secrets, _owner, _orphans, _home, _database, _timeProvider) = (server, credentials, metadata, [.. secrets], owner, orphans, home, database, timeProvider);

    /// <summary>
    /// How long nodes may still write as before after it was noted that they must not: the second for which they remember what was noted, and
    /// what was under way. Metadata cannot be changed meanwhile (503).
    /// </summary>
    public TimeSpan Settling { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How much there is to move, for a bar.</summary>
    public async Task<long> CountAsync(bool toMongo, CancellationToken cancellationToken)
    {
        var count = toMongo
            ? await _database.ReadAsync(async (context, token) => await context.Credentials.LongCountAsync(token) + await context.Metadata.LongCountAsync(token), cancellationToken)
            : await CountAsync("credentials", cancellationToken) + await CountAsync("metadata", cancellationToken);
        foreach (var secrets in _secrets)
        {
            count += toMongo ? await secrets.CountWaitingAsync(cancellationToken) : await secrets.CountKeptAsync(cancellationToken);
        }

        return count;
    }

    /// <summary>Every node has to run with MONGO_URI before, or not at all: another would look for what was moved in the database.</summary>
    /// <exception cref="NotArrivedException">Something did not arrive as it was.</exception>
    /// <exception cref="StartFailureException">The MongoDB is another database's.</exception>
    public async Task<CredentialMigrationReport> ToMongoAsync(Action<long>? progress, CancellationToken cancellationToken)
    {
        if (await _owner.ClaimAsync(cancellationToken) is { } problem)
        {
            throw new StartFailureException(problem);
        }

        if (await CredentialHome.ReadAsync(_database, cancellationToken) is not (null or CredentialHome.Mongo))
        {
            // Rows were the truth; a document beside one must not be taken for something newer.
            await CloseAsync(cancellationToken);
            await foreach (var batch in DocumentsAsync("metadata", cancellationToken))
            {
                await _metadata.RemoveOutdatedAsync([.. batch.Select(document => MongoServer.Id(document["_id"]))], cancellationToken);
            }
        }

        await _home.ChangeAsync(CredentialHome.Mongo, cancellationToken);
        var moved = 0L;
        Guid? after = null;
        while (true)
        {
            var rows = await RowsAsync(after, cancellationToken);
            if (rows.Count == 0)
            {
                break;
            }

            foreach (var row in rows)
            {
                await _credentials.MoveAsync(row, cancellationToken);
                progress?.Invoke(++moved);
            }

            await VerifyMovedAsync(rows, cancellationToken);
            after = rows[^1].AccountId;
        }

        after = null;
        while (true)
        {
            var ids = await _database.ReadAsync(
                (context, token) => (after is { } id ? context.Metadata.Where(r => r.AccountId > id) : context.Metadata).OrderBy(r => r.AccountId).Select(r => r.AccountId).Take(BatchSize).ToListAsync(token),
                cancellationToken);
            if (ids.Count == 0)
            {
                break;
            }

            foreach (var id in ids)
            {
                await _metadata.MoveAsync(id, cancellationToken);
                progress?.Invoke(++moved);
            }

            after = ids[^1];
        }

        foreach (var secrets in _secrets)
        {
            var before = moved;
            moved += await secrets.MoveAllAsync(count => progress?.Invoke(before + count), cancellationToken);
        }

        var digest = new Digest();
        await foreach (var batch in DocumentsAsync("credentials", cancellationToken))
        {
            digest.Add(batch.Select(MongoCredentialStore.Map));
        }

        return await ReportAsync(moved, digest, cancellationToken);
    }

    /// <summary>
    /// Removes the documents that have no account, factor or device in this database, however many they are: to be asked for where the operator said that the two belong
    /// together. How many.
    /// </summary>
    public Task<int> RemoveOrphansAsync(CancellationToken cancellationToken) => _orphans.RemoveAsync(isConfirmed: true, cancellationToken);

    /// <summary>
    /// Nodes go on with MONGO_URI until it is done, and are then started without it. The documents are removed only when each of them was found
    /// in the database.
    /// </summary>
    /// <exception cref="NotArrivedException">Something did not arrive as it was. Nothing was removed.</exception>
    public async Task<CredentialMigrationReport> ToRelationalAsync(Action<long>? progress, CancellationToken cancellationToken)
    {
        var home = await CredentialHome.ReadAsync(_database, cancellationToken);
        if (home is null)
        {
            return await ReportRowsAsync(moved: 0, cancellationToken);
        }

        if (home is CredentialHome.Mongo or CredentialHome.Closing)
        {
            await CloseAsync(cancellationToken);
            await _home.ChangeAsync(CredentialHome.Leaving, cancellationToken);
        }

        var (moved, seen) = (0L, 0L);
        await foreach (var batch in DocumentsAsync("credentials", cancellationToken))
        {
            moved += await _credentials.BringBackAsync([.. batch.Select(document => MongoServer.Id(document["_id"]))], cancellationToken);
            progress?.Invoke(seen += batch.Count);
        }

        await foreach (var batch in DocumentsAsync("metadata", cancellationToken))
        {
            moved += await _metadata.BringBackAsync([.. batch.Select(document => MongoServer.Id(document["_id"]))], cancellationToken);
            progress?.Invoke(seen += batch.Count);
        }

        foreach (var secrets in _secrets)
        {
            var before = seen;
            moved += await secrets.BringBackAsync(count => progress?.Invoke(seen = before + count), cancellationToken);
        }

        await VerifyBroughtBackAsync(cancellationToken);
        await _home.ChangeAsync(CredentialHome.Relational, cancellationToken);
        foreach (var name in (string[])["credentials", "metadata"])
        {
            await MongoServer.CallAsync(() => _server.Collection(name).DeleteManyAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken));
        }

        foreach (var secrets in _secrets)
        {
            await secrets.RemoveAllAsync(cancellationToken);
        }

        await _owner.ForgetAsync(cancellationToken);
        return await ReportRowsAsync(moved, cancellationToken);
    }

    // Until every node knows.
    private async Task CloseAsync(CancellationToken cancellationToken)
    {
        var before = (await CredentialHome.ReadAsync(_database, cancellationToken))!;
        await _home.ChangeAsync(CredentialHome.Closing, cancellationToken);
        try
        {
            await Task.Delay(Settling, _timeProvider, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await _home.ChangeAsync(before, CancellationToken.None);
            throw;
        }
    }

    private async Task<CredentialMigrationReport> ReportRowsAsync(long moved, CancellationToken cancellationToken)
    {
        var digest = new Digest();
        Guid? after = null;
        while (await RowsAsync(after, cancellationToken) is [.., var last] rows)
        {
            digest.Add(rows);
            after = last.AccountId;
        }

        return await ReportAsync(moved, digest, cancellationToken);
    }

    private async Task<CredentialMigrationReport> ReportAsync(long moved, Digest digest, CancellationToken cancellationToken)
    {
        var (credentials, count) = (digest.Count, 0L);
        foreach (var secrets in _secrets)
        {
            await foreach (var (key, value) in secrets.AllAsync(cancellationToken))
            {
                digest.Add(key, value);
                count++;
            }
        }

        return new(moved, credentials, count, digest.Hex());
    }

    // By what was moved: each has to be there, or one of a later change.
    private async Task VerifyMovedAsync(List<AccountCredentials> rows, CancellationToken cancellationToken)
    {
        var filter = Builders<BsonDocument>.Filter.In("_id", rows.Select(row => MongoServer.Id(row.AccountId)));
        var found = (await MongoServer.CallAsync(() => _server.Collection("credentials").Find(filter).ToListAsync(cancellationToken))).Select(MongoCredentialStore.Map).ToDictionary(credentials => credentials.AccountId);
        foreach (var row in rows)
        {
            var there = found.GetValueOrDefault(row.AccountId);
            if (there?.PasswordHash != row.PasswordHash && !(there?.PasswordChangedAt >= row.PasswordChangedAt) && await _credentials.FindAsync(row.AccountId, cancellationToken) is { } current && current.PasswordHash == row.PasswordHash)
            {
                throw NotArrived(row.AccountId);
            }
        }
    }

    private async Task VerifyBroughtBackAsync(CancellationToken cancellationToken)
    {
        await foreach (var batch in DocumentsAsync("credentials", cancellationToken))
        {
            var documents = batch.Select(MongoCredentialStore.Map).ToArray();
            var ids = documents.Select(document => document.AccountId).ToArray();
            var rows = await _database.ReadAsync((context, token) => context.Credentials.Where(r => ids.Contains(r.AccountId)).ToDictionaryAsync(r => r.AccountId, token), cancellationToken);
            var alive = await AliveAsync(ids, cancellationToken);
            foreach (var document in documents.Where(document => alive.Contains(document.AccountId)))
            {
                var row = rows.GetValueOrDefault(document.AccountId);
                if (row is null || (row.PasswordHash != document.PasswordHash && !(document.PasswordChangedAt is null || row.PasswordChangedAt > document.PasswordChangedAt)))
                {
                    throw NotArrived(document.AccountId);
                }
            }
        }

        await foreach (var batch in DocumentsAsync("metadata", cancellationToken))
        {
            var ids = batch.Select(document => MongoServer.Id(document["_id"])).ToArray();
            var there = await _database.ReadAsync((context, token) => context.Metadata.Where(r => ids.Contains(r.AccountId)).Select(r => r.AccountId).ToListAsync(token), cancellationToken);
            if ((await AliveAsync(ids, cancellationToken)).Except(there).ToArray() is [var missing, ..])
            {
                throw NotArrived(missing);
            }
        }
    }

    private static NotArrivedException NotArrived(Guid account) => new($"What belongs to account {account:D} did not arrive; nothing was removed. Run it again.");

    private async Task<HashSet<Guid>> AliveAsync(Guid[] ids, CancellationToken cancellationToken) =>
        [.. await _database.ReadAsync((context, token) => context.Accounts.Where(r => ids.Contains(r.Id)).Select(r => r.Id).ToListAsync(token), cancellationToken)];

    private Task<long> CountAsync(string collection, CancellationToken cancellationToken) =>
        MongoServer.CallAsync(() => _server.Collection(collection).CountDocumentsAsync(FilterDefinition<BsonDocument>.Empty, cancellationToken: cancellationToken));

    private async Task<List<AccountCredentials>> RowsAsync(Guid? after, CancellationToken cancellationToken)
    {
        var rows = await _database.ReadAsync(
            (context, token) => (after is { } id ? context.Credentials.Where(r => r.AccountId > id) : context.Credentials).OrderBy(r => r.AccountId).Take(BatchSize).ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(MongoCredentialStore.Map)];
    }

    private async IAsyncEnumerable<List<BsonDocument>> DocumentsAsync(string collection, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var documents = _server.Collection(collection);
        BsonValue after = BsonMinKey.Value;
        while (true)
        {
            var from = after;
            var batch = await MongoServer.CallAsync(() => documents.Find(Builders<BsonDocument>.Filter.Gt("_id", from)).Sort(Builders<BsonDocument>.Sort.Ascending("_id")).Limit(BatchSize).ToListAsync(cancellationToken));
            if (batch.Count == 0)
            {
                yield break;
            }

            batch.ForEach(document => MongoServer.Checked(document));
            yield return batch;
            after = batch[^1]["_id"];
        }
    }

    // Sorted by the id's text: stores order ids in their own ways.
    private sealed class Digest
    {
        private readonly List<(string Id, byte[] Hash)> _all = [];

        public long Count => _all.Count;

        public void Add(IEnumerable<AccountCredentials> credentials) =>
            _all.AddRange(credentials.Select(one => (one.AccountId.ToString("N"), SHA256.HashData(Encoding.UTF8.GetBytes(one.PasswordHash ?? "")))));

        public void Add(string key, string secret) => _all.Add((key, SHA256.HashData(Encoding.UTF8.GetBytes(secret))));

        public string Hex()
        {
            using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var (id, hash) in _all.OrderBy(one => one.Id, StringComparer.Ordinal))
            {
                digest.AppendData(Encoding.ASCII.GetBytes(id));
                digest.AppendData(hash);
            }

            return Convert.ToHexStringLower(digest.GetHashAndReset());
        }
    }
}
