using System.Linq.Expressions;
using Identity.Accounts.Administration;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Devices;
using Identity.Accounts.Import;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Types = OpenIddict.Abstractions.OpenIddictConstants.TokenTypeIdentifiers;

namespace Identity.Accounts.Data;

/// <summary>
/// Deletes what time has made worthless, in small batches so that nobody waits long behind one. Any number of nodes may run it.
/// Sessions that nobody ended are left: ending them is the accounts side's, which tells of it.
/// </summary>
public sealed partial class StoreCleanUp
{
    private const int BatchSize = 500;

    // As many steps in a row do not fail each for itself. (Three in a row are of one table.)
    private const int MostFailures = 5;

    /// <summary>
    /// A device that still asks is told that its code has expired (RFC 8628 §3.5), not that there never was one.
    /// And whom a pushed request led to a page comes back with it within this time.
    /// </summary>
    private static readonly TimeSpan KeepRequests = TimeSpan.FromHours(1);

    /// <summary>
    /// A code that comes again tells of a theft, and ends what it led to, for as long as a refresh token lives by default. Where they live longer it is refused after that and no more.
    /// What it led to is kept as long after its own end: its code is gone by then, so that none is looked at in vain, turn after turn for a week, where tokens live for minutes.
    /// </summary>
    private static readonly TimeSpan KeepCodes = TimeSpan.FromDays(7);

    /// <summary>
    /// Whoever delivers it gives it up, and counts and logs that. Where nobody has for a week, nobody delivers any more, and it is no place to keep addresses.
    /// </summary>
    private static readonly TimeSpan KeepMail = TimeSpan.FromDays(7);

    /// <summary>
    /// A node whose clock is behind still asks for the mark of what was revoked or spent, which is good again without it.
    /// </summary>
    private static readonly TimeSpan KeepMarks = TimeSpan.FromMinutes(5);

    private readonly StoreDatabase _database;
    private readonly TimeProvider _timeProvider;
    private readonly AccountsOptions _options;
    private readonly AccountErasure _erasure;
    private readonly ILogger<StoreCleanUp> _logger;

    internal StoreCleanUp(StoreDatabase database, TimeProvider timeProvider, IOptions<AccountsOptions> options, AccountErasure erasure, ILogger<StoreCleanUp> logger)
    {
        _logger = logger;
        _erasure = erasure;
        _database = database;
        _timeProvider = timeProvider;
        _options = options.Value;
    }

    /// <summary>
    /// Cleans every table once; how many rows went. One that fails is told in the log, and holds up none of the others; where several in a row do, it is
    /// the store that is away, and that is thrown.
    /// </summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var (total, failures) = (0, 0);
        foreach (var (what, clean) in Steps(_timeProvider.GetUtcNow(), cancellationToken))
        {
            try
            {
                total += await clean();
                failures = 0;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && ++failures < MostFailures)
            {
                LogFailed(exception, what);
            }
        }

        return total;
    }

    private (string What, Func<Task<int>> Clean)[] Steps(DateTimeOffset now, CancellationToken cancellationToken)
    {
        return
        [
            ("accounts", () => _erasure.EraseDueAsync(BatchSize, cancellationToken)),
            ("imports", () => DeleteImportsAsync(now, cancellationToken)),
            ("exports", () => DeleteExportsAsync(now, cancellationToken)),
            ("tokens", () => DeleteTokensAsync([Types.AccessToken, Types.Private.UserCode], now, cancellationToken)),
            ("requests", () => DeleteTokensAsync([Types.Private.DeviceCode, Types.Private.RequestToken], now - KeepRequests, cancellationToken)),
            ("codes", () => DeleteAsync(c => c.Tokens.Where(r => r.ExpirationDate != null), r => r.ExpirationDate!.Value, (now - KeepCodes).UtcDateTime, cancellationToken)),
            ("one-time codes", () => DeleteAsync(c => c.OneTimeCodes, r => r.ExpiresAt, now, cancellationToken)),
            ("processed messages", () => DeleteAsync(c => c.ProcessedMessages, r => r.ExpiresAt, now, cancellationToken)),
            ("deny entries", () => DeleteAsync(c => c.DenyEntries, r => r.ExpiresAt, now - KeepMarks, cancellationToken)),
            ("replay entries", () => DeleteAsync(c => c.ReplayEntries, r => r.ExpiresAt, now - KeepMarks, cancellationToken)),
            ("authorizations", () => DeleteAsync(c => c.Authorizations.Where(r => r.ExpiresAt != null && !r.Tokens.Any()), r => r.ExpiresAt!.Value, now - KeepCodes, cancellationToken)),
            ("logout notices", () => DeleteAsync(c => c.Set<LogoutNoticeRow>(), r => r.ExpiresAt, now, cancellationToken)),
            ("access notices", () => DeleteAsync(c => c.Set<AccessNoticeRow>(), r => r.ExpiresAt, now, cancellationToken)),
            ("known devices", () => DeleteAsync(c => c.Set<KnownDeviceRow>(), r => r.ExpiresAt, now, cancellationToken)),
            ("rate limits", () => DeleteAsync(c => c.RateLimits, r => r.ExpiresAt, now, cancellationToken)),
            ("sessions", () => DeleteAsync(c => c.Sessions.Where(r => r.EndedAt != null), r => r.ExpiresAt, now, cancellationToken)),
            ("spent tickets", () => DeleteAsync(c => c.Set<SpentTicketRow>(), r => r.ExpiresAt, now - KeepMarks, cancellationToken)),
            ("remembered browsers", () => DeleteAsync(c => c.Set<RememberedBrowserRow>(), r => r.ExpiresAt, now, cancellationToken)),
            ("factor proofs", () => DeleteAsync(c => c.Set<FactorProofRow>(), r => r.At, now - SecondFactors.FactorEnrolment.Fresh, cancellationToken)),
            ("devices", () => DeviceRegistry.RemoveStaleAsync(_database, now, cancellationToken)),
            ("push messages", () => DeleteAsync(c => c.Set<PushMessageRow>(), r => r.ExpiresAt, now, cancellationToken)),
            ("mail messages", () => DeleteAsync(c => c.Set<MailMessageRow>(), r => r.ExpiresAt, now - KeepMail, cancellationToken)),
            ("push sign-ins", () => DeleteAsync(c => c.Set<PushSignInRow>(), r => r.ExpiresAt, now - PushSignIn.PushSignIns.RememberDenials, cancellationToken)),
            ("external entries", () => DeleteAsync(c => c.Set<ExternalEntryRow>(), r => r.ExpiresAt, now - KeepMarks, cancellationToken)),
            ("external sessions", () => DeleteExternalSessionsAsync(now, cancellationToken)),
            ("audit trail", () => DeleteAsync(c => c.Audit, r => r.Time, now - TimeSpan.FromDays(_options.AuditDays), cancellationToken)),
        ];
    }

    private Task<int> DeleteImportsAsync(DateTimeOffset now, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            // Also those that a killed node was receiving.
            var yesterday = now - TimeSpan.FromDays(1);
            var over = await context.Set<ImportJobRow>().Where(r => r.ExpiresAt <= now || (r.State == ImportStates.Receiving && r.CreatedAt <= yesterday)).Select(r => r.Id).Order().Take(BatchSize).ToArrayAsync(token);
            if (over.Length == 0)
            {
                return 0;
            }

            await context.Set<ImportChunkRow>().Where(r => over.Contains(r.JobId)).ExecuteDeleteAsync(token);
            await context.Set<ImportRefusalRow>().Where(r => over.Contains(r.JobId)).ExecuteDeleteAsync(token);
            return await context.Set<ImportJobRow>().Where(r => over.Contains(r.Id)).ExecuteDeleteAsync(token);
        },
        cancellationToken);

    private Task<int> DeleteExportsAsync(DateTimeOffset now, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            // With their files, which hold what people are called: few at a time, as each may be long.
            var over = await context.Set<ExportJobRow>().Where(r => r.ExpiresAt <= now).Select(r => r.Id).Order().Take(20).ToArrayAsync(token);
            if (over.Length == 0)
            {
                return 0;
            }

            await context.Set<ExportChunkRow>().Where(r => over.Contains(r.JobId)).ExecuteDeleteAsync(token);
            return await context.Set<ExportJobRow>().Where(r => over.Contains(r.Id)).ExecuteDeleteAsync(token);
        },
        cancellationToken);

    // Type by type, as the index has them: a code, which is kept longer, is not passed on the way. What is of no type named here goes with the codes.
    private async Task<int> DeleteTokensAsync(string[] types, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var total = 0;
        foreach (var type in types)
        {
            total += await DeleteAsync(c => c.Tokens.Where(r => r.Type == type && r.ExpirationDate != null), r => r.ExpirationDate!.Value, until.UtcDateTime, cancellationToken);
        }

        return total;
    }

    // A client that is granted something prolongs the session, at each grant, and not the note of where it came from: here it follows, once.
    private async Task<int> DeleteExternalSessionsAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        await _database.WriteAsync(
            (context, token) => context.Set<ExternalSessionRow>()
                .Where(r => r.ExpiresAt <= now && context.Sessions.Any(s => s.Id == r.SessionId && s.EndedAt == null && s.ExpiresAt > now))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.ExpiresAt, r => context.Sessions.Where(s => s.Id == r.SessionId).Select(s => s.ExpiresAt).First()), token),
            cancellationToken);
        return await DeleteAsync(c => c.Set<ExternalSessionRow>().Where(r => !c.Sessions.Any(s => s.Id == r.SessionId && s.EndedAt == null)), r => r.ExpiresAt, now, cancellationToken);
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

    [LoggerMessage(2836, LogLevel.Error, "What has expired could not be cleared away: {What}. The others are, and it is tried again at the next turn")]
    private partial void LogFailed(Exception exception, string what);
}
