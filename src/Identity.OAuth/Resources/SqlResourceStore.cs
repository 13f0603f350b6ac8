using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Resources;

internal sealed class SqlResourceStore(StoreDatabase database, TimeProvider timeProvider) : IResourceStore
{
    private readonly ShortCache<string, IReadOnlyList<Resource>> _cache = new(timeProvider);
    private readonly string _upsert = DocumentTable.Upsert(database.Dialect, "resources", "identifier");

    public async ValueTask<IReadOnlyList<Resource>> ListAsync(CancellationToken cancellationToken) => (await _cache.GetAsync(
        "",
        async (_, token) =>
        {
            var documents = await database.ReadAsync((context, t) => context.Resources.OrderBy(r => r.Identifier).Select(r => r.Document).ToListAsync(t), token);
            return [.. documents.Select(Text.Parse<Resource>)];
        },
        cancellationToken))!;

    public async Task UpsertAsync(Resource resource, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(resource);
        object[] values = [resource.Identifier, Text.Json(resource), database.Dialect.Time(timeProvider.GetUtcNow())];
        await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken);
        _cache.Remove("");
    }
}
