using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Profile;

internal sealed class SqlAccessNoticeStore(StoreDatabase database, MailOutbox mail) : IAccessNoticeStore
{
    public Task AddAsync(Notice notice, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) =>
        {
            mail.Add(context, notice);
            return context.SaveChangesAsync(token);
        },
        cancellationToken);

    public async Task<AccessNotice?> FindAsync(string key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Set<AccessNoticeRow>().FirstOrDefaultAsync(r => r.Key == key && r.UsedAt == null && r.ExpiresAt > now, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<AccessNotice?> TryTakeAsync(string key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var taken = await database.WriteAsync(
            (context, token) => context.Set<AccessNoticeRow>()
                .Where(r => r.Key == key && r.UsedAt == null && r.ExpiresAt > now)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.UsedAt, now), token),
            cancellationToken) == 1;
        return taken && await database.ReadAsync((context, token) => context.Set<AccessNoticeRow>().FirstOrDefaultAsync(r => r.Key == key, token), cancellationToken) is { } row ? Map(row) : null;
    }

    private static AccessNotice Map(AccessNoticeRow row) => new(row.Key, row.AccountId, Enum.Parse<AccessChange>(row.Change), row.EmailBefore, row.ExpiresAt);
}
