using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.Audit;

internal sealed class SqlAuditLog(StoreDatabase database) : IAuditLog
{
    public Task WriteAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        return database.WriteAsync(
            (context, token) =>
            {
                context.Add(new AuditRow
                {
                    Id = record.Id,
                    Time = record.Time,
                    Action = record.Action,
                    Outcome = record.Outcome,
                    AccountId = record.AccountId,
                    ActorId = record.ActorId,
                    ClientId = record.ClientId,
                    SessionId = record.SessionId,
                    Ip = record.Ip,
                    UserAgent = record.UserAgent,
                });
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    public async Task<IReadOnlyList<AuditRecord>> ListAsync(Guid? accountId, int limit, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            (context, token) =>
            {
                var audit = accountId is { } id ? context.Audit.Where(r => r.AccountId == id) : context.Audit;
                return audit.OrderByDescending(r => r.Time).ThenByDescending(r => r.Id).Take(limit).ToListAsync(token);
            },
            cancellationToken);
        return [.. rows.Select(r => new AuditRecord(r.Id, r.Time, r.Action, r.Outcome, r.AccountId, r.ActorId, r.ClientId, r.SessionId, r.Ip, r.UserAgent))];
    }
}
