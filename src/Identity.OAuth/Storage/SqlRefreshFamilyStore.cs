// RFC 6749 §6, RFC 9700 §4.14: rotation is one conditional UPDATE.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

internal sealed class SqlRefreshFamilyStore(StoreDatabase database) : IRefreshFamilyStore
{
    // Compiled once: asked at every refresh.
    private readonly Func<IdentityDbContext, Guid, CancellationToken, Task<RefreshFamilyRow?>> _find =
        EF.CompileAsyncQuery((IdentityDbContext context, Guid id, CancellationToken token) => context.RefreshFamilies.FirstOrDefault(r => r.Id == id));

    public Task CreateAsync(RefreshFamily family, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(family);
        return database.WriteAsync(
            (context, token) =>
            {
                context.Add(new RefreshFamilyRow
                {
                    Id = family.Id,
                    ClientId = family.ClientId,
                    Subject = family.Subject,
                    SessionId = family.SessionId,
                    Scopes = Text.Json(family.Scopes),
                    Resources = Text.Json(family.Resources),
                    Generation = family.Generation,
                    RotatedAt = family.RotatedAt,
                    CreatedAt = family.CreatedAt,
                    ExpiresAt = family.ExpiresAt,
                    RevokedAt = family.RevokedAt,
                    Details = family.Details,
                });
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    public async Task<RefreshFamily?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => _find(context, id, token), cancellationToken);
        return row is null
            ? null
            : new(
                row.Id,
                row.ClientId,
                row.Subject,
                row.SessionId,
                Text.ParseList(row.Scopes),
                Text.ParseList(row.Resources),
                row.Generation,
                row.RotatedAt,
                row.CreatedAt,
                row.ExpiresAt,
                row.RevokedAt,
                row.Details);
    }

    // Written by hand: translating the expression anew at every refresh costs more than the statement does.
    public async Task<bool> TryRotateAsync(Guid id, int generation, DateTimeOffset now, CancellationToken cancellationToken)
    {
        object[] values = [database.Dialect.Id(id), generation, database.Dialect.Time(now)];
        return await database.WriteAsync(
            (context, token) => context.Database.ExecuteSqlRawAsync(
                "UPDATE refresh_families SET generation = {1} + 1, rotated_at = {2} WHERE id = {0} AND generation = {1} AND revoked_at IS NULL AND expires_at > {2}",
                values,
                token),
            cancellationToken) == 1;
    }

    public Task RevokeAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.RefreshFamilies
            .Where(r => r.Id == id && r.RevokedAt == null)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.RevokedAt, now), token),
        cancellationToken);
}
