using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Profile;

internal sealed class SqlMetadataStore(StoreDatabase database) : IMetadataStore
{
    private const int MaximumBytes = 16 * 1024;

    private readonly string _upsert = database.Dialect.Upsert(
        "account_metadata",
        ["account_id"],
        ["account_id", "document"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["document"] = "excluded.document" },
        where: null);

    public Task<JsonObject> FindAsync(Guid accountId, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => ReadAsync(context, accountId, token), cancellationToken);

    public Task<bool> MergeAsync(Guid accountId, JsonObject patch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(patch);
        return database.TransactAsync(
            async (context, token) =>
            {
                // A merge reads what it changes; the lock keeps two merges of one account apart.
                await database.Dialect.LockAsync(context, $"metadata:{accountId:N}", token);
                var document = await ReadAsync(context, accountId, token);
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

                var text = document.ToJsonString();
                if (Encoding.UTF8.GetByteCount(text) > MaximumBytes)
                {
                    return false;
                }

                object[] values = [database.Dialect.Id(accountId), text];
                await context.Database.ExecuteSqlRawAsync(_upsert, values, token);
                return true;
            },
            cancellationToken);
    }

    private static async Task<JsonObject> ReadAsync(IdentityDbContext context, Guid accountId, CancellationToken cancellationToken)
    {
        var document = await context.Metadata.Where(r => r.AccountId == accountId).Select(r => r.Document).FirstOrDefaultAsync(cancellationToken);
        return document is null ? [] : JsonNode.Parse(document)!.AsObject();
    }
}
