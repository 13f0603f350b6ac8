using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Profile;

internal sealed class SqlMetadataStore(StoreDatabase database) : IMetadataStore
{
    // Asked for every answer of /api/identity that has tokens.
    private readonly RowsByKey<Guid, MetadataRow> _rows = new(
        database,
        EF.CompileAsyncQuery((IdentityDbContext context, Guid id, CancellationToken token) => context.Metadata.FirstOrDefault(r => r.AccountId == id)),
        EF.CompileAsyncQuery((IdentityDbContext context, Guid[] ids) => context.Metadata.Where(r => ids.Contains(r.AccountId))),
        row => row.AccountId);

    public async Task<JsonObject> FindAsync(Guid accountId, CancellationToken cancellationToken) => Parse((await _rows.FindAsync(accountId, cancellationToken))?.Document);

    public Task<bool> MergeAsync(Guid accountId, JsonObject patch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(patch);
        return database.TransactAsync((context, token) => TryMergeAsync(database, context, accountId, patch, token), cancellationToken);
    }

    public async Task<IReadOnlyDictionary<Guid, JsonObject>> FindManyAsync(IReadOnlyCollection<Guid> accountIds, CancellationToken cancellationToken)
    {
        var ids = accountIds.ToArray();
        var rows = await database.ReadAsync((context, token) => context.Metadata.Where(r => ids.Contains(r.AccountId)).ToListAsync(token), cancellationToken);
        var found = rows.ToDictionary(row => row.AccountId, row => Parse(row.Document));
        return ids.ToDictionary(id => id, id => found.GetValueOrDefault(id) ?? []);
    }

    public Task DeleteAsync(Guid accountId, CancellationToken cancellationToken) =>
        database.WriteAsync((context, token) => context.Metadata.Where(r => r.AccountId == accountId).ExecuteDeleteAsync(token), cancellationToken);

    /// <summary>The merge as a part of a change of the account. False, and nothing written, where the result would be over the limit.</summary>
    public static async Task<bool> TryMergeAsync(StoreDatabase database, IdentityDbContext context, Guid accountId, JsonObject patch, CancellationToken cancellationToken)
    {
        // A merge reads what it changes; the lock keeps two merges of one account apart.
        await database.Dialect.LockAsync(context, $"metadata:{accountId:N}", cancellationToken);
        var document = await ReadAsync(context, accountId, cancellationToken);
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

        if (!AccountRules.FitsMetadata(document))
        {
            return false;
        }

        var upsert = database.Dialect.Upsert(
            "account_metadata",
            ["account_id"],
            ["account_id", "document"],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["document"] = "excluded.document" },
            where: null);
        object[] values = [database.Dialect.Id(accountId), document.ToJsonString()];
        await context.Database.ExecuteSqlRawAsync(upsert, values, cancellationToken);
        return true;
    }

    private static async Task<JsonObject> ReadAsync(IdentityDbContext context, Guid accountId, CancellationToken cancellationToken) =>
        Parse(await context.Metadata.Where(r => r.AccountId == accountId).Select(r => r.Document).FirstOrDefaultAsync(cancellationToken));

    private static JsonObject Parse(string? document) => document is null ? [] : JsonNode.Parse(document)!.AsObject();
}
