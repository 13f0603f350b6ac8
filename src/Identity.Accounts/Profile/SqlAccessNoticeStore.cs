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

    // All links work for as long, so the one that ends first was sent first.
    public async Task<IReadOnlyList<AccessNotice>> ListSinceAsync(AccessNotice notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(notice);
        var rows = await database.ReadAsync(
            (context, token) => context.Set<AccessNoticeRow>()
                .Where(r => r.AccountId == notice.AccountId && r.UsedAt == null && r.ExpiresAt >= notice.ExpiresAt)
                .OrderBy(r => r.ExpiresAt)
                .ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(Map)];
    }

    private static AccessNotice Map(AccessNoticeRow row) => new(row.Key, row.AccountId, Enum.Parse<AccessChange>(row.Change), row.EmailBefore, row.ExpiresAt);
}
