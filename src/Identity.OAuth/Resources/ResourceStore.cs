// RFC 9728 §2: the APIs that were declared, and what they declared.
using Identity.Accounts.Data;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Resources;

/// <summary>
/// Declared APIs, read through a cache of a second. Each of their scopes is an OpenIddict scope with the API as its resource, written
/// in the same transaction; the API itself (RFC 9728) may have none.
/// </summary>
public sealed class ResourceStore(StoreDatabase database, TimeProvider timeProvider)
{
    private readonly ShortCache<string, IReadOnlyList<Resource>> _cache = new(timeProvider);
    private readonly string _upsert = database.Dialect.Upsert(
        "resources",
        ["identifier"],
        ["identifier", "document", "updated_at"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["document"] = "excluded.document", ["updated_at"] = "excluded.updated_at" },
        where: null);

    private readonly string _upsertScope = database.Dialect.Upsert(
        "scopes",
        ["name"],
        ["id", "concurrency_token", "name", "display_name", "resources"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["display_name"] = "excluded.display_name", ["resources"] = "excluded.resources" },
        where: null);

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
        var now = timeProvider.GetUtcNow();
        object[] values = [resource.Identifier, Text.Json(resource), database.Dialect.Time(now)];
        await database.TransactAsync(
            async (context, token) =>
            {
                var written = await context.Database.ExecuteSqlRawAsync(_upsert, values, token);
                foreach (var scope in resource.ScopesSupported)
                {
                    object[] row = [database.Dialect.Id(Guid.CreateVersion7(now)), Guid.NewGuid().ToString(), scope, resource.ResourceName ?? resource.Identifier, Text.Json(new[] { resource.Identifier })];
                    written += await context.Database.ExecuteSqlRawAsync(_upsertScope, row, token);
                }

                return written;
            },
            cancellationToken);
        _cache.Remove("");
    }
}
