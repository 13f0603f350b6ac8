// OpenID Connect Core §3.1.2.4: a remembered consent is a permanent authorization of OpenIddict, one per person and client.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Clients;
using Microsoft.EntityFrameworkCore;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Identity.OAuth.Consents;

/// <summary>What a person once allowed a client.</summary>
public sealed record Consent(string Subject, string ClientId, IReadOnlyList<string> Scopes, DateTimeOffset GrantedAt);

/// <summary>Remembers consents.</summary>
public sealed class ConsentStore(StoreDatabase database, ClientStore clients, TimeProvider timeProvider)
{
    public async Task<Consent?> FindAsync(string subject, string clientId, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => Of(context, subject).Where(r => r.ClientId == clientId).OrderByDescending(r => r.GrantedAt).FirstOrDefaultAsync(token), cancellationToken);
        return row is null ? null : Map(row);
    }

    public async Task<IReadOnlyList<Consent>> ListAsync(string subject, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync((context, token) => Of(context, subject).OrderBy(r => r.ClientId).ToListAsync(token), cancellationToken);
        return [.. rows.Select(Map)];
    }

    /// <summary>Adds or replaces.</summary>
    public Task SaveAsync(Consent consent, CancellationToken cancellationToken) => SaveAsync(consent, keepsEarlier: false, cancellationToken);

    /// <summary>Adds to what the person allowed before; what they take back at the same time does not come back by it.</summary>
    public Task GrantAsync(Consent consent, CancellationToken cancellationToken) => SaveAsync(consent, keepsEarlier: true, cancellationToken);

    private async Task SaveAsync(Consent consent, bool keepsEarlier, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(consent);
        var entry = await clients.FindEntryAsync(consent.ClientId, cancellationToken);
        await database.TransactAsync(
            async (context, token) =>
            {
                // Two tabs that say yes at once write one row: the lock ends with the transaction.
                await database.Dialect.LockAsync(context, LockOf(consent.Subject), token);
                string[] earlier = keepsEarlier ? [.. await Of(context, consent.Subject).Where(r => r.ClientId == consent.ClientId).Select(r => r.Scopes!).ToListAsync(token)] : [];
                string[] scopes = keepsEarlier ? [.. earlier.SelectMany(Text.ParseList).Concat(consent.Scopes).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)] : [.. consent.Scopes];
                await Of(context, consent.Subject).Where(r => r.ClientId == consent.ClientId).ExecuteDeleteAsync(token);
                context.Add(new OAuthAuthorization
                {
                    Id = Guid.CreateVersion7(timeProvider.GetUtcNow()),
                    ApplicationId = entry is { IsBuiltIn: false } ? entry.Application.Id : null,
                    ClientId = consent.ClientId,
                    Subject = consent.Subject,
                    Scopes = Text.Json(scopes),
                    Status = Statuses.Valid,
                    Type = AuthorizationTypes.Permanent,
                    CreationDate = consent.GrantedAt.UtcDateTime,
                    GrantedAt = consent.GrantedAt,
                    RotatedAt = consent.GrantedAt,
                });
                return await context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    /// <summary>Forgets the consent and, in the same transaction, revokes the refresh families of this person and client.</summary>
    public Task RevokeAsync(string subject, string clientId, DateTimeOffset now, CancellationToken cancellationToken) => database.TransactAsync(
        async (context, token) =>
        {
            // A yes of the same moment is either taken back with it, or begins anew.
            await database.Dialect.LockAsync(context, LockOf(subject), token);
            await Of(context, subject).Where(r => r.ClientId == clientId).ExecuteDeleteAsync(token);
            return await context.Authorizations
                .Where(r => r.Subject == subject && r.ClientId == clientId && r.Type == AuthorizationTypes.AdHoc && r.RevokedAt == null)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.RevokedAt, now).SetProperty(r => r.Status, Statuses.Revoked), token);
        },
        cancellationToken);

    /// <summary>When the newest of the grants began that <see cref="RevokeAsync"/> would end, by the clock of the node that made it; null: there is none.</summary>
    public Task<DateTimeOffset?> FindLatestGrantAsync(string subject, string clientId, CancellationToken cancellationToken) => database.ReadAsync(
        (context, token) => context.Authorizations
            .Where(r => r.Subject == subject && r.ClientId == clientId && r.Type == AuthorizationTypes.AdHoc && r.RevokedAt == null)
            .OrderByDescending(r => r.GrantedAt)
            .Select(r => (DateTimeOffset?)r.GrantedAt)
            .FirstOrDefaultAsync(token),
        cancellationToken);

    private static string LockOf(string subject) => "consent:" + subject;

    private static IQueryable<OAuthAuthorization> Of(IdentityDbContext context, string subject) =>
        context.Authorizations.Where(r => r.Subject == subject && r.Type == AuthorizationTypes.Permanent);

    private static Consent Map(OAuthAuthorization row) => new(row.Subject!, row.ClientId, Text.ParseList(row.Scopes!), row.GrantedAt);
}
