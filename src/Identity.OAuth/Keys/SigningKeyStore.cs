// RFC 7517 §4: the signing keys as they are stored.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Keys;

/// <summary>Keeps signing keys for all nodes.</summary>
public sealed class SigningKeyStore(StoreDatabase database)
{
    public async Task<IReadOnlyList<StoredSigningKey>> ListAsync(CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync((context, token) => context.SigningKeys.OrderBy(r => r.Algorithm).ThenBy(r => r.Ordinal).ToListAsync(token), cancellationToken);
        return [.. rows.Select(r => new StoredSigningKey(r.Kid, r.Algorithm, r.Ordinal, r.ProtectedKey, r.CreatedAt, r.ActivatesAt, r.RetiresAt))];
    }

    public async Task<bool> TryAddAsync(StoredSigningKey key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        try
        {
            await database.WriteAsync(
                (context, token) =>
                {
                    context.Add(new SigningKeyRow
                    {
                        Kid = key.Kid,
                        Algorithm = key.Algorithm,
                        Ordinal = key.Ordinal,
                        ProtectedKey = key.ProtectedKey,
                        CreatedAt = key.CreatedAt,
                        ActivatesAt = key.ActivatesAt,
                        RetiresAt = key.RetiresAt,
                    });
                    return context.SaveChangesAsync(token);
                },
                cancellationToken);
            return true;
        }
        catch (Exception exception) when (database.Dialect.IsUniqueViolation(exception, out _))
        {
            return false;
        }
    }

    public Task SetRetirementAsync(string kid, DateTimeOffset retiresAt, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.SigningKeys.Where(r => r.Kid == kid).ExecuteUpdateAsync(set => set.SetProperty(r => r.RetiresAt, retiresAt), token),
        cancellationToken);

    public Task DeleteAsync(string kid, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.SigningKeys.Where(r => r.Kid == kid).ExecuteDeleteAsync(token),
        cancellationToken);
}
