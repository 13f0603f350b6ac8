using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.SignIn;

internal sealed class SqlKnownDeviceStore(StoreDatabase database) : IKnownDeviceStore
{
    private readonly string _upsert = database.Dialect.Upsert(
        "known_devices",
        ["account_id", "key"],
        ["account_id", "key", "failures", "expires_at"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["failures"] = "0", ["expires_at"] = "excluded.expires_at" },
        where: null);

    public Task<bool> IsKnownAsync(Guid accountId, string key, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.Set<KnownDeviceRow>().AnyAsync(r => r.AccountId == accountId && r.Key == key && r.ExpiresAt > now, token), cancellationToken);

    public Task RememberAsync(Guid accountId, string key, DateTimeOffset until, CancellationToken cancellationToken)
    {
        object[] values = [database.Dialect.Id(accountId), key, 0, database.Dialect.Time(until)];
        return database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken);
    }

    public Task<bool> TryCountFailureAsync(Guid accountId, string key, int limit, DateTimeOffset now, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            var device = context.Set<KnownDeviceRow>().Where(r => r.AccountId == accountId && r.Key == key);
            var counted = await device.Where(r => r.ExpiresAt > now).ExecuteUpdateAsync(set => set.SetProperty(r => r.Failures, r => r.Failures + 1), token) == 1;

            // The row is ours until the commit.
            await device.Where(r => r.Failures >= limit).ExecuteDeleteAsync(token);
            return counted;
        },
        cancellationToken);

    public Task ForgetAllAsync(Guid accountId, CancellationToken cancellationToken) =>
        database.WriteAsync((context, token) => context.Set<KnownDeviceRow>().Where(r => r.AccountId == accountId).ExecuteDeleteAsync(token), cancellationToken);
}
