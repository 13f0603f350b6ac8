using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Delivery.Mail;
using Microsoft.EntityFrameworkCore;

namespace Identity.Accounts.SecondFactors;

internal sealed class SqlFactorProofStore(StoreDatabase database, MailOutbox mail) : IFactorProofStore
{
    private readonly string _spend = database.Dialect.Upsert("spent_tickets", ["id"], ["id", "expires_at"], new Dictionary<string, string>(StringComparer.Ordinal), where: null);

    private readonly string _prove = database.Dialect.Upsert(
        "factor_proofs",
        ["session_id", "strength"],
        ["session_id", "strength", "at"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["at"] = "CASE WHEN old.\"at\" < excluded.\"at\" THEN excluded.\"at\" ELSE old.\"at\" END" },
        where: null);

    public async Task<bool> TrySpendAsync(Guid ticketId, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        object[] values = [database.Dialect.Id(ticketId), database.Dialect.Time(expiresAt)];
        return await database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_spend, values, token), cancellationToken) == 1;
    }

    public Task<bool> IsSpentAsync(Guid ticketId, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.Set<SpentTicketRow>().AnyAsync(r => r.Id == ticketId, token), cancellationToken);

    public Task RecordProofAsync(string sessionId, int strength, DateTimeOffset at, CancellationToken cancellationToken)
    {
        object[] values = [sessionId, strength, database.Dialect.Time(at)];
        return database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_prove, values, token), cancellationToken);
    }

    public Task<bool> HasProofAsync(string sessionId, int strength, DateTimeOffset since, CancellationToken cancellationToken) =>
        database.ReadAsync((context, token) => context.Set<FactorProofRow>().AnyAsync(r => r.SessionId == sessionId && r.Strength >= strength && r.At >= since, token), cancellationToken);

    public Task RememberAsync(RememberedBrowser browser, Notice? notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(browser);
        return database.WriteAsync(
            (context, token) =>
            {
                context.Add(new RememberedBrowserRow
                {
                    Id = browser.Id,
                    AccountId = browser.AccountId,
                    TokenHash = browser.TokenHash,
                    SecurityStamp = browser.SecurityStamp,
                    CreatedAt = browser.CreatedAt,
                    LastUsedAt = browser.LastUsedAt,
                    ExpiresAt = browser.ExpiresAt,
                    Ip = browser.Ip,
                    UserAgent = browser.UserAgent,
                });
                mail.Add(context, notice);
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    public async Task<bool> TryUseRememberedAsync(Guid accountId, string tokenHash, string securityStamp, DateTimeOffset now, CancellationToken cancellationToken) => await database.WriteAsync(
        (context, token) => context.Set<RememberedBrowserRow>()
            .Where(r => r.AccountId == accountId && r.TokenHash == tokenHash && r.SecurityStamp == securityStamp && r.ExpiresAt > now)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.LastUsedAt, now), token),
        cancellationToken) > 0;

    public async Task<IReadOnlyList<RememberedBrowser>> ListRememberedAsync(Guid accountId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            (context, token) => context.Set<RememberedBrowserRow>().Where(r => r.AccountId == accountId && r.ExpiresAt > now).OrderByDescending(r => r.CreatedAt).ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(r => new RememberedBrowser(r.Id, r.AccountId, r.TokenHash, r.SecurityStamp, r.CreatedAt, r.LastUsedAt, r.ExpiresAt, r.Ip, r.UserAgent))];
    }

    public Task<int> ForgetAsync(Guid accountId, Guid? id, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.Set<RememberedBrowserRow>().Where(r => r.AccountId == accountId && (id == null || r.Id == id)).ExecuteDeleteAsync(token),
        cancellationToken);
}
