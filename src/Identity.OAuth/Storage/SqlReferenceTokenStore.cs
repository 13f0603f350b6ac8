// RFC 7662.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

internal sealed class SqlReferenceTokenStore(StoreDatabase database) : IReferenceTokenStore
{
    public Task SaveAsync(ReferenceToken token, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(token);
        return database.WriteAsync(
            (context, cancellation) =>
            {
                context.Add(new ReferenceTokenRow { Key = token.Key, Claims = token.Claims, ExpiresAt = token.ExpiresAt });
                return context.SaveChangesAsync(cancellation);
            },
            cancellationToken);
    }

    public async Task<ReferenceToken?> FindAsync(string key, CancellationToken cancellationToken)
    {
        var row = await database.ReadAsync((context, token) => context.ReferenceTokens.FirstOrDefaultAsync(r => r.Key == key, token), cancellationToken);
        return row is null ? null : new(row.Key, row.Claims, row.ExpiresAt);
    }
}
