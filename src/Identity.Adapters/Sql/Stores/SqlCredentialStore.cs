using Identity.Accounts.Credentials;
using Identity.Adapters.Sql.Model;
using Microsoft.EntityFrameworkCore;

namespace Identity.Adapters.Sql.Stores;

internal sealed class SqlCredentialStore(StoreDatabase database) : ICredentialStore
{
    private readonly string _insert = database.Dialect.Upsert(
        "credentials",
        ["account_id"],
        ["account_id", "password_hash", "password_changed_at"],
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["password_hash"] = "excluded.password_hash",
            ["password_changed_at"] = "excluded.password_changed_at",
        },
        where: "old.password_hash IS NULL");

    public async Task<AccountCredentials?> FindAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Credentials.FirstOrDefaultAsync(r => r.AccountId == accountId, token), cancellationToken);
        return row is null ? null : new(row.AccountId, row.PasswordHash, row.PasswordChangedAt);
    }

    public async Task<bool> TrySetPasswordAsync(Guid accountId, string? expectedHash, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (expectedHash is null)
        {
            object[] values = [database.Dialect.Id(accountId), passwordHash, database.Dialect.Time(now)];
            return await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_insert, values, token), cancellationToken) == 1;
        }

        return await database.WriteAsync(
            (context, token) => context.Credentials
                .Where(r => r.AccountId == accountId && r.PasswordHash == expectedHash)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.PasswordHash, passwordHash).SetProperty(r => r.PasswordChangedAt, now), token),
            cancellationToken) == 1;
    }
}
