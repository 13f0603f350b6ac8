using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

internal sealed class SqlSingleUseStore(StoreDatabase database) : ISingleUseStore
{
    private readonly Func<IdentityDbContext, string, string, CancellationToken, Task<SingleUseRow?>> _find =
        EF.CompileAsyncQuery((IdentityDbContext context, string kind, string key, CancellationToken token) => context.SingleUse.FirstOrDefault(r => r.Kind == kind && r.Key == key));

    public Task SaveAsync(SingleUseEntry entry, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return database.WriteAsync(
            (context, token) =>
            {
                context.Add(new SingleUseRow
                {
                    Kind = entry.Kind,
                    Key = entry.Key,
                    ClientId = entry.ClientId,
                    Payload = entry.Payload,
                    ExpiresAt = entry.ExpiresAt,
                    KeepUntil = entry.KeepUntil,
                    ConsumedAt = entry.ConsumedAt,
                });
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    public async Task<SingleUseEntry?> FindAsync(string kind, string key, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => _find(context, kind, key, token), cancellationToken);
        return row is null ? null : new(row.Kind, row.Key, row.ClientId, row.Payload, row.ExpiresAt, row.KeepUntil, row.ConsumedAt);
    }

    public async Task<bool> TryConsumeAsync(string kind, string key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        object[] values = [kind, key, database.Dialect.Time(now)];
        return await database.WriteAsync(
            (context, token) => context.Database.ExecuteSqlRawAsync(
                "UPDATE single_use SET consumed_at = {2} WHERE kind = {0} AND \"key\" = {1} AND consumed_at IS NULL AND expires_at > {2}",
                values,
                token),
            cancellationToken) == 1;
    }
}
