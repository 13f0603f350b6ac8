using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Events;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.SecondFactors;

internal sealed class SqlSecondFactorStore(StoreDatabase database, MailOutbox mail) : ISecondFactorStore
{
    public async Task<IReadOnlyList<SecondFactor>> ListAsync(Guid accountId, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync((context, token) => context.Set<SecondFactorRow>().Where(r => r.AccountId == accountId).OrderBy(r => r.CreatedAt).ThenBy(r => r.Id).ToListAsync(token), cancellationToken);
        return [.. rows.Select(Map)];
    }

    public async Task<SecondFactor?> FindBySlotAsync(string slot, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Set<SecondFactorRow>().FirstOrDefaultAsync(r => r.Slot == slot, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<bool> AddAsync(SecondFactor factor, LifecycleEvent added, Notice? notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(factor);
        try
        {
            return await database.TransactAsync(
                async (context, token) =>
                {
                    context.Add(new SecondFactorRow
                    {
                        Id = factor.Id,
                        AccountId = factor.AccountId,
                        Kind = factor.Kind,
                        Slot = factor.Slot,
                        Name = factor.Name,
                        Data = factor.Data,
                        Counter = factor.Counter,
                        CreatedAt = factor.CreatedAt,
                        LastUsedAt = factor.LastUsedAt,
                    });
                    mail.Add(context, notice);
                    await context.SaveChangesAsync(token);
                    await SqlOutbox.AppendAsync(database, context, [added], token);
                    return true;
                },
                cancellationToken);
        }
        catch (Exception exception) when (database.Dialect.IsUniqueViolation(exception, out var detail) && detail.Contains("slot", StringComparison.Ordinal))
        {
            return false;
        }
    }

    public async Task<bool> TryRaiseAsync(Guid id, long counter, DateTimeOffset now, CancellationToken cancellationToken) => await database.WriteAsync(
        (context, token) => context.Set<SecondFactorRow>()
            .Where(r => r.Id == id && r.Counter < counter)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.Counter, counter).SetProperty(r => r.LastUsedAt, now), token),
        cancellationToken) == 1;

    public Task TouchAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.Set<SecondFactorRow>().Where(r => r.Id == id).ExecuteUpdateAsync(set => set.SetProperty(r => r.LastUsedAt, now), token),
        cancellationToken);

    public async Task<bool> RenameAsync(Guid accountId, Guid id, string name, CancellationToken cancellationToken) => await database.WriteAsync(
        (context, token) => context.Set<SecondFactorRow>().Where(r => r.Id == id && r.AccountId == accountId).ExecuteUpdateAsync(set => set.SetProperty(r => r.Name, name), token),
        cancellationToken) == 1;

    public Task<bool> SetDataAsync(Guid accountId, Guid id, string data, Notice? notice, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            var changed = await context.Set<SecondFactorRow>().Where(r => r.Id == id && r.AccountId == accountId && r.Kind != FactorKinds.Totp && r.Kind != FactorKinds.Passkey && r.Data != data).ExecuteUpdateAsync(set => set.SetProperty(r => r.Data, data), token) == 1;
            if (changed)
            {
                mail.Add(context, notice);
                await context.SaveChangesAsync(token);
            }

            return changed;
        },
        cancellationToken);

    public Task<bool> RemoveAsync(Guid accountId, Guid id, LifecycleEvent removed, Notice? notice, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            var gone = await context.Set<SecondFactorRow>().Where(r => r.Id == id && r.AccountId == accountId).ExecuteDeleteAsync(token) == 1;
            if (gone)
            {
                mail.Add(context, notice);
                await SqlOutbox.AppendAsync(database, context, [removed], token);
            }

            return gone;
        },
        cancellationToken);

    public Task ReplaceRecoveryCodesAsync(Guid accountId, IReadOnlyList<string> hashes, DateTimeOffset now, Notice? notice, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            // Else two at once would each take away what was there and leave both sets.
            await database.Dialect.LockAsync(context, $"recovery_codes:{accountId:N}", token);
            await context.Set<RecoveryCodeRow>().Where(r => r.AccountId == accountId).ExecuteDeleteAsync(token);
            context.AddRange(hashes.Select(hash => new RecoveryCodeRow { AccountId = accountId, CodeHash = hash, CreatedAt = now }));
            mail.Add(context, notice);
            return await context.SaveChangesAsync(token);
        },
        cancellationToken);

    public Task RemoveRecoveryCodesAsync(Guid accountId, DateTimeOffset since, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.Set<RecoveryCodeRow>().Where(r => r.AccountId == accountId && r.CreatedAt >= since).ExecuteDeleteAsync(token),
        cancellationToken);

    public Task<int> CountRecoveryCodesAsync(Guid accountId, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.Set<RecoveryCodeRow>().CountAsync(r => r.AccountId == accountId && r.UsedAt == null, token), cancellationToken);

    public Task<bool> TryUseRecoveryCodeAsync(Guid accountId, string hash, DateTimeOffset now, Func<int, Notice>? notice, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            var codes = context.Set<RecoveryCodeRow>().Where(r => r.AccountId == accountId && r.UsedAt == null);
            if (await codes.Where(r => r.CodeHash == hash).ExecuteUpdateAsync(set => set.SetProperty(r => r.UsedAt, now), token) != 1)
            {
                return false;
            }

            if (notice is not null)
            {
                mail.Add(context, notice(await codes.CountAsync(token)));
                await context.SaveChangesAsync(token);
            }

            return true;
        },
        cancellationToken);

    private static SecondFactor Map(SecondFactorRow row) => new(row.Id, row.AccountId, row.Kind, row.Slot, row.Name, row.Data, row.Counter, row.CreatedAt, row.LastUsedAt);
}
