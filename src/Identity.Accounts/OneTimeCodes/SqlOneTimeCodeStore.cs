// NIST SP 800-63B-4 §3.1.3.
using System.Security.Cryptography;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.OneTimeCodes;

internal sealed class SqlOneTimeCodeStore(StoreDatabase database) : IOneTimeCodeStore
{
    public Task ReplaceAsync(OneTimeCode code, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(code);
        return database.TransactAsync(
            async (context, token) =>
            {
                if (code.AccountId is { } accountId)
                {
                    // Of two codes made at once, each would else miss the other, and both would live.
                    await database.Dialect.LockAsync(context, $"one-time-code:{accountId:N}:{code.Purpose}", token);
                    await context.OneTimeCodes.Where(r => r.AccountId == accountId && r.Purpose == code.Purpose).ExecuteDeleteAsync(token);
                }

                context.Add(new OneTimeCodeRow
                {
                    Id = code.Id,
                    AccountId = code.AccountId,
                    Channel = code.Channel,
                    Purpose = code.Purpose,
                    CodeHash = code.CodeHash,
                    CreatedAt = code.CreatedAt,
                    ExpiresAt = code.ExpiresAt,
                });
                return await context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    public async Task<OneTimeCode?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.OneTimeCodes.FirstOrDefaultAsync(r => r.Id == id, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<OneTimeCode?> FindLatestAsync(Guid accountId, string purpose, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync(
            (context, token) => context.OneTimeCodes.Where(r => r.AccountId == accountId && r.Purpose == purpose).OrderByDescending(r => r.CreatedAt).FirstOrDefaultAsync(token),
            cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<bool> TryUseAsync(Guid id, byte[] codeHash, int maxGuesses, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // One statement spends the guess and, where the hash is right, the code. Whether it was right is then read off the hash,
        // which never changes: a guess that was spent with the right hash is the one that used the code up.
        var spent = await database.WriteAsync(
            (context, token) => context.OneTimeCodes
                .Where(r => r.Id == id && r.UsedAt == null && r.Guesses < maxGuesses && r.ExpiresAt > now)
                .ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.Guesses, r => r.Guesses + 1)
                        .SetProperty(r => r.UsedAt, r => r.CodeHash == codeHash ? now : (DateTimeOffset?)null),
                    token),
            cancellationToken) == 1;
        if (!spent)
        {
            return false;
        }

        var stored = await database.ReadAsync((context, token) => context.OneTimeCodes.Where(r => r.Id == id).Select(r => r.CodeHash).FirstOrDefaultAsync(token), cancellationToken);
        return stored is not null && CryptographicOperations.FixedTimeEquals(stored, codeHash);
    }

    private static OneTimeCode Map(OneTimeCodeRow row) => new(row.Id, row.AccountId, row.Channel, row.Purpose, row.CodeHash, row.CreatedAt, row.ExpiresAt);
}
