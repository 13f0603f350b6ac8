using System.Linq.Expressions;
using Identity.Accounts;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;

namespace Identity.Accounts.Data;

/// <summary>
/// Deletes what time has made worthless, in small batches so that nobody waits long behind one. Any number of nodes may run it.
/// Sessions that nobody ended are left: ending them is the accounts side's, which tells of it.
/// </summary>
public sealed class StoreCleanUp
{
    private const int BatchSize = 500;

    /// <summary>A code that comes again tells of a theft for as long as what it led to may live.</summary>
    private static readonly TimeSpan KeepCodes = TimeSpan.FromDays(7);

    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;
    private readonly AccountsOptions _options;

    internal StoreCleanUp(StoreDatabase database, TimeProvider timeProvider, IOptions<AccountsOptions> options)
    {
        _database = database;
        _timeProvider = timeProvider;
        _options = options.Value;
    }

    /// <summary>Cleans every table once; how many rows went.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        return await DeleteAsync(c => c.Tokens.Where(r => r.ExpirationDate != null && r.Type != OpenIddictConstants.TokenTypeIdentifiers.Private.AuthorizationCode), r => r.ExpirationDate!.Value, now.UtcDateTime, cancellationToken)
            + await DeleteAsync(c => c.Tokens.Where(r => r.ExpirationDate != null), r => r.ExpirationDate!.Value, (now - KeepCodes).UtcDateTime, cancellationToken)
            + await DeleteAsync(c => c.OneTimeCodes, r => r.ExpiresAt, now, cancellationToken)
            + await DeleteAsync(c => c.ProcessedMessages, r => r.ExpiresAt, now, cancellationToken)
            + await DeleteAsync(c => c.DenyEntries, r => r.ExpiresAt, now, cancellationToken)
            + await DeleteAsync(c => c.ReplayEntries, r => r.ExpiresAt, now, cancellationToken)
            + await DeleteAsync(c => c.Authorizations.Where(r => r.ExpiresAt != null && !r.Tokens.Any()), r => r.ExpiresAt!.Value, now, cancellationToken)
            + await DeleteAsync(c => c.RateLimits, r => r.ExpiresAt, now, cancellationToken)
            + await DeleteAsync(c => c.Sessions.Where(r => r.EndedAt != null), r => r.ExpiresAt, now, cancellationToken)
            + await DeleteAsync(c => c.Audit, r => r.Time, now - TimeSpan.FromDays(_options.AuditDays), cancellationToken);
    }

    private async Task<int> DeleteAsync<TRow, TTime>(Func<IdentityDbContext, IQueryable<TRow>> table, Expression<Func<TRow, TTime>> time, TTime until, CancellationToken cancellationToken)
        where TRow : class
        where TTime : struct
    {
        var total = 0;
        while (true)
        {
            // A batch ends at a time rather than after a count: every table has an index on it, and composite keys need no join.
            var batchEnd = await _database.ReadAsync(
                (context, token) => table(context).Where(NotAfter(time, until)).Select(time).OrderBy(t => t).Skip(BatchSize - 1).Select(t => (TTime?)t).FirstOrDefaultAsync(token),
                cancellationToken);
            total += await _database.WriteAsync(
                (context, token) => table(context).Where(NotAfter(time, batchEnd ?? until)).ExecuteDeleteAsync(token),
                cancellationToken);
            if (batchEnd is null)
            {
                return total;
            }
        }
    }

    private static Expression<Func<TRow, bool>> NotAfter<TRow, TTime>(Expression<Func<TRow, TTime>> time, TTime until)
    {
        Expression<Func<TTime>> value = () => until;
        return Expression.Lambda<Func<TRow, bool>>(Expression.LessThanOrEqual(time.Body, value.Body), time.Parameters);
    }
}
