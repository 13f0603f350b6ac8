using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Clients;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Clients;

internal sealed class SqlClientStore(StoreDatabase database, TimeProvider timeProvider) : IClientStore
{
    private readonly ShortCache<string, Client> _cache = new(timeProvider);
    private readonly string _upsert = DocumentTable.Upsert(database.Dialect, "clients", "client_id");

    public ValueTask<Client?> FindAsync(string clientId, CancellationToken cancellationToken) => _cache.GetAsync(
        clientId,
        async (id, token) =>
        {
            var document = await database.ReadAsync((context, t) => context.Clients.Where(r => r.ClientId == id).Select(r => r.Document).FirstOrDefaultAsync(t), token);
            return document is null ? null : Text.Parse<Client>(document);
        },
        cancellationToken);

    public async ValueTask<IReadOnlyList<Client>> ListAsync(CancellationToken cancellationToken)
    {
        var documents = await database.ReadAsync((context, token) => context.Clients.OrderBy(r => r.ClientId).Select(r => r.Document).ToListAsync(token), cancellationToken);
        return [.. documents.Select(Text.Parse<Client>)];
    }

    public async Task UpsertAsync(Client client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        object[] values = [client.ClientId, Text.Json(client), database.Dialect.Time(timeProvider.GetUtcNow())];
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken);
        _cache.Remove(client.ClientId);
    }
}

/// <summary>Tables of whole JSON documents under one key.</summary>
internal static class DocumentTable
{
    public static string Upsert(SqlDialect dialect, string table, string key) => dialect.Upsert(
        table,
        [key],
        [key, "document", "updated_at"],
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["document"] = "excluded.document",
            ["updated_at"] = "excluded.updated_at",
        },
        where: null);
}
