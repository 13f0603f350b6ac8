using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Consents;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Consents;

internal sealed class SqlConsentStore(StoreDatabase database) : IConsentStore
{
    private readonly string _upsert = database.Dialect.Upsert(
        "consents",
        ["subject", "client_id"],
        ["subject", "client_id", "scopes", "granted_at"],
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["scopes"] = "excluded.scopes",
            ["granted_at"] = "excluded.granted_at",
        },
        where: null);

    public async Task<Consent?> FindAsync(string subject, string clientId, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.Consents.FirstOrDefaultAsync(r => r.Subject == subject && r.ClientId == clientId, token), cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<IReadOnlyList<Consent>> ListAsync(string subject, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync((context, token) => context.Consents.Where(r => r.Subject == subject).OrderBy(r => r.ClientId).ToListAsync(token), cancellationToken);
        return [.. rows.Select(Map)];
    }

    public Task SaveAsync(Consent consent, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(consent);
        object[] values = [consent.Subject, consent.ClientId, Text.Json(consent.Scopes), database.Dialect.Time(consent.GrantedAt)];
        return database.WriteAsync((context, token) => context.Database.ExecuteSqlRawAsync(_upsert, values, token), cancellationToken);
    }

    public Task RevokeAsync(string subject, string clientId, DateTimeOffset now, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            await context.Consents.Where(r => r.Subject == subject && r.ClientId == clientId).ExecuteDeleteAsync(token);
            return await context.RefreshFamilies
                .Where(r => r.Subject == subject && r.ClientId == clientId && r.RevokedAt == null)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.RevokedAt, now), token);
        },
        cancellationToken);

    private static Consent Map(ConsentRow row) => new(row.Subject, row.ClientId, Text.ParseList(row.Scopes), row.GrantedAt);
}
