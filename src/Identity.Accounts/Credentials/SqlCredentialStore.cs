using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Credentials;

internal sealed class SqlCredentialStore(StoreDatabase database) : ICredentialStore
{
    public async Task<AccountCredentials?> FindAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Credentials.FirstOrDefaultAsync(r => r.AccountId == accountId, token), cancellationToken);
        return row is null ? null : new(row.AccountId, row.PasswordHash, row.PasswordChangedAt);
    }

    public Task<bool> TrySetPasswordAsync(Guid accountId, string? expectedHash, string passwordHash, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync((context, token) => TrySetPasswordAsync(database, context, accountId, new PasswordReplacement(expectedHash, passwordHash, now), token), cancellationToken);

    public Task DeleteAsync(Guid accountId, CancellationToken cancellationToken) =>
        database.WriteAsync((context, token) => context.Credentials.Where(r => r.AccountId == accountId).ExecuteDeleteAsync(token), cancellationToken);

    /// <summary>One statement; also as a part of a change of the account.</summary>
    public static async Task<bool> TrySetPasswordAsync(StoreDatabase database, IdentityDbContext context, Guid accountId, PasswordReplacement password, CancellationToken cancellationToken)
    {
        if (password.ExpectedHash is { } expected)
        {
            return await context.Credentials
                .Where(r => r.AccountId == accountId && r.PasswordHash == expected)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.PasswordHash, password.Hash).SetProperty(r => r.PasswordChangedAt, password.At), cancellationToken) == 1;
        }

        if (password.Hash is null)
        {
            return !await context.Credentials.AnyAsync(r => r.AccountId == accountId && r.PasswordHash != null, cancellationToken);
        }

        var insert = database.Dialect.Upsert(
            "credentials",
            ["account_id"],
            ["account_id", "password_hash", "password_changed_at"],
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["password_hash"] = "excluded.password_hash",
                ["password_changed_at"] = "excluded.password_changed_at",
            },
            where: "old.password_hash IS NULL");
        object[] values = [database.Dialect.Id(accountId), password.Hash, database.Dialect.Time(password.At)];
        return await context.Database.ExecuteSqlRawAsync(insert, values, cancellationToken) == 1;
    }
}
