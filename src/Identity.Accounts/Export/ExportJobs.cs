// Exports that are made behind the answer, on any node, and made anew where a node was killed (docs/decisions/0016-exports.md).
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Export;

/// <summary>Where an export is.</summary>
public static class ExportStates
{
    public const string Waiting = "waiting";
    public const string Running = "running";
    public const string Done = "done";
    public const string Failed = "failed";
}

/// <summary>An export, as it can be asked for.</summary>
/// <param name="Total">Users that the filter let through when it was asked for.</param>
/// <param name="Processed">Of them; a few more or less in the end where people came and went meanwhile.</param>
/// <param name="Length">Bytes of the file, once it is whole.</param>
/// <param name="ExpiresAt">Until when the file can be fetched; before it is whole, until when it may take.</param>
public sealed record ExportStatus(Guid Id, string State, ExportFormat Format, DateTimeOffset CreatedAt, DateTimeOffset? FinishedAt, long Total, long Processed, long Length, DateTimeOffset ExpiresAt);

/// <summary>
/// Makes files and keeps them in the store, in pieces, for an hour. Each piece is written only while the claim on the job holds; who claims it after
/// a node was killed takes the pieces away and begins anew. Tried three times.
/// </summary>
public sealed partial class ExportJobs
{
    /// <summary>How long a file can be fetched.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromHours(1);

    private const int ChunkSize = 256 * 1024;
    private const int MostAttempts = 3;

    private static readonly TimeSpan Claim = TimeSpan.FromMinutes(2);

    // A job that nobody gets done is given up with everything of it.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    private readonly StoreDatabase _database;
    private readonly UserExports _exports;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<ExportJobs> _logger;
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    internal ExportJobs(StoreDatabase database, UserExports exports, TimeProvider timeProvider, ILogger<ExportJobs> logger) =>
        (_database, _exports, _timeProvider, _logger) = (database, exports, timeProvider, logger);

    /// <param name="order">What.</param>
    /// <param name="total">How many users it is.</param>
    /// <param name="cancellationToken">Before it is kept.</param>
    public async Task<ExportStatus> AddAsync(ExportOrder order, long total, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        var now = _timeProvider.GetUtcNow();
        var row = new ExportJobRow
        {
            Id = Guid.CreateVersion7(now),
            State = ExportStates.Waiting,
            Format = order.Format.Name,
            Language = order.Language,
            Role = order.Filter.Role,
            IsActive = order.Filter.IsActive,
            CreatedAfter = order.Filter.CreatedAfter,
            CreatedAt = now,
            Total = total,
            ExpiresAt = now + Longest,
        };
        await _database.WriteAsync(
            (context, token) =>
            {
                context.Add(row);
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
        _signal.Writer.TryWrite(true);
        return Status(row);
    }

    /// <summary>Null: there is none, or its hour is over.</summary>
    public async Task<ExportStatus?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        var row = await _database.ReadAsync((context, token) => context.Set<ExportJobRow>().FirstOrDefaultAsync(r => r.Id == id && r.ExpiresAt > now, token), cancellationToken);
        return row is null ? null : Status(row);
    }

    /// <summary>The file of an export that is done, piece by piece.</summary>
    /// <exception cref="InvalidOperationException">It was cleared away meanwhile: what came so far is not the whole file.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadFileAsync(ExportStatus status, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(status);
        var left = status.Length;
        for (var ordinal = 0; left > 0; ordinal++)
        {
            var (id, place) = (status.Id, ordinal);
            var content = await _database.ReadAsync((context, token) => context.Set<ExportChunkRow>().Where(r => r.JobId == id && r.Ordinal == place).Select(r => r.Content).FirstOrDefaultAsync(token), cancellationToken)
                ?? throw new InvalidOperationException("An export was cleared away while it was fetched.");
            yield return content;
            left -= content.Length;
        }
    }

    /// <summary>Makes the file of the oldest job that nobody works on. False: there is none.</summary>
    public async Task<bool> RunNextAsync(CancellationToken cancellationToken)
    {
        var (claim, now) = (Guid.NewGuid(), _timeProvider.GetUtcNow());
        var row = await _database.ReadAsync((context, token) => Free(context, now).OrderBy(r => r.CreatedAt).FirstOrDefaultAsync(token), cancellationToken);
        if (row is null)
        {
            return false;
        }

        if (row.Attempts >= MostAttempts)
        {
            // Whoever tried last was killed, perhaps by this very job, and could not say so.
            if (await FailAsync(row.Id, now, cancellationToken))
            {
                LogGivenUp(row.Id, row.Attempts);
            }

            return true;
        }

        var claimed = await _database.TransactAsync(
            async (context, token) =>
            {
                if (await Free(context, now).Where(r => r.Id == row.Id).ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.State, ExportStates.Running)
                        .SetProperty(r => r.ClaimedBy, claim)
                        .SetProperty(r => r.ClaimedUntil, now + Claim)
                        .SetProperty(r => r.Processed, 0L)
                        .SetProperty(r => r.Attempts, r => r.Attempts + 1),
                    token) == 0)
                {
                    return false;
                }

                await context.Set<ExportChunkRow>().Where(r => r.JobId == row.Id).ExecuteDeleteAsync(token);
                return true;
            },
            cancellationToken);
        if (!claimed)
        {
            return true;
        }

        try
        {
            await RunAsync(row, claim, cancellationToken);
        }
        catch (ClaimLostException)
        {
            LogLost(row.Id);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(exception, row.Id, row.Attempts + 1);
            if (row.Attempts + 1 >= MostAttempts)
            {
                await EndAsync(row.Id, claim, ExportStates.Failed, length: 0, processed: null, cancellationToken);
            }
        }

        return true;
    }

    /// <summary>Until an export was asked for here, or for a while: another node may have gone.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(_signal.Reader.ReadAsync(ending.Token).AsTask(), Task.Delay(atMost, _timeProvider, ending.Token));
        await ending.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static IQueryable<ExportJobRow> Free(IdentityDbContext context, DateTimeOffset now) => context.Set<ExportJobRow>()
        .Where(r => (r.State == ExportStates.Waiting || r.State == ExportStates.Running) && (r.ClaimedUntil == null || r.ClaimedUntil <= now) && r.ExpiresAt > now);

    private static ExportStatus Status(ExportJobRow row) =>
        new(row.Id, row.State, ExportFormat.Find(row.Format)!, row.CreatedAt, row.FinishedAt, row.Total, row.Processed, row.Length, row.ExpiresAt);

    private async Task RunAsync(ExportJobRow row, Guid claim, CancellationToken cancellationToken)
    {
        var order = new ExportOrder(ExportFormat.Find(row.Format)!, new AccountFilter(Search: null, row.Role, row.IsActive) { CreatedAfter = row.CreatedAfter }, row.Language);
        for (var attempt = 0; ; attempt++)
        {
            var file = new ChunkStream(ChunkSize, (ordinal, content, token) => StoreAsync(row.Id, claim, ordinal, content, token));
            switch (await _exports.RenderAsync(order, file, (processed, token) => TellAsync(row.Id, claim, processed, token), cancellationToken))
            {
                case ExportOutcome.Done done:
                    await file.EndAsync(cancellationToken);
                    await EndAsync(row.Id, claim, ExportStates.Done, file.Length, done.Rows, cancellationToken);
                    return;

                // Nobody has a piece of it yet: it may be made anew.
                case ExportOutcome.Broken when attempt + 1 < MostAttempts:
                    await StartOverAsync(row.Id, claim, cancellationToken);
                    break;

                default:
                    await EndAsync(row.Id, claim, ExportStates.Failed, length: 0, processed: null, cancellationToken);
                    return;
            }
        }
    }

    private Task<bool> FailAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            if (await Free(context, now).Where(r => r.Id == id && r.Attempts >= MostAttempts).ExecuteUpdateAsync(
                set => set
                    .SetProperty(r => r.State, ExportStates.Failed)
                    .SetProperty(r => r.FinishedAt, now)
                    .SetProperty(r => r.ExpiresAt, now + Kept)
                    .SetProperty(r => r.ClaimedBy, (Guid?)null)
                    .SetProperty(r => r.ClaimedUntil, (DateTimeOffset?)null),
                token) == 0)
            {
                return false;
            }

            await context.Set<ExportChunkRow>().Where(r => r.JobId == id).ExecuteDeleteAsync(token);
            return true;
        },
        cancellationToken);

    private Task TellAsync(Guid id, Guid claim, long processed, CancellationToken cancellationToken) => _database.WriteAsync(
        async (context, token) => await HoldAsync(context, id, claim, processed, token) ? true : throw new ClaimLostException(),
        cancellationToken);

    private Task StoreAsync(Guid id, Guid claim, int ordinal, byte[] content, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) =>
        {
            if (!await HoldAsync(context, id, claim, processed: null, token))
            {
                throw new ClaimLostException();
            }

            context.Add(new ExportChunkRow { JobId = id, Ordinal = ordinal, Content = content });
            return await context.SaveChangesAsync(token);
        },
        cancellationToken);

    // It may be another node's by now, with pieces of a file of its own.
    private Task StartOverAsync(Guid id, Guid claim, CancellationToken cancellationToken) => _database.TransactAsync(
        async (context, token) => await HoldAsync(context, id, claim, processed: 0, token)
            ? await context.Set<ExportChunkRow>().Where(r => r.JobId == id).ExecuteDeleteAsync(token)
            : throw new ClaimLostException(),
        cancellationToken);

    private async Task<bool> HoldAsync(IdentityDbContext context, Guid id, Guid claim, long? processed, CancellationToken cancellationToken)
    {
        var until = _timeProvider.GetUtcNow() + Claim;
        return await context.Set<ExportJobRow>().Where(r => r.Id == id && r.ClaimedBy == claim).ExecuteUpdateAsync(
            set => set.SetProperty(r => r.ClaimedUntil, until).SetProperty(r => r.Processed, r => processed ?? r.Processed),
            cancellationToken) == 1;
    }

    private async Task EndAsync(Guid id, Guid claim, string state, long length, long? processed, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        await _database.TransactAsync(
            async (context, token) =>
            {
                var held = await context.Set<ExportJobRow>().Where(r => r.Id == id && r.ClaimedBy == claim).ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.State, state)
                        .SetProperty(r => r.Length, length)
                        .SetProperty(r => r.Processed, r => processed ?? r.Processed)
                        .SetProperty(r => r.FinishedAt, now)
                        .SetProperty(r => r.ExpiresAt, now + Kept)
                        .SetProperty(r => r.ClaimedBy, (Guid?)null)
                        .SetProperty(r => r.ClaimedUntil, (DateTimeOffset?)null),
                    token);
                if (held == 1 && state == ExportStates.Failed)
                {
                    await context.Set<ExportChunkRow>().Where(r => r.JobId == id).ExecuteDeleteAsync(token);
                }

                return held;
            },
            cancellationToken);
    }

    [LoggerMessage(3464, LogLevel.Warning, "Export {ExportId} was taken over by another node and is left to it")]
    private partial void LogLost(Guid exportId);

    [LoggerMessage(3465, LogLevel.Error, "Export {ExportId} failed at attempt {Attempt}; it is made anew when its claim has run out, three times at most")]
    private partial void LogFailed(Exception exception, Guid exportId, int attempt);

    [LoggerMessage(3467, LogLevel.Error, "Export {ExportId} was left unfinished {Attempts} times and is given up: did it take more memory than there is?")]
    private partial void LogGivenUp(Guid exportId, int attempts);

    // Takes the transaction back.
    private sealed class ClaimLostException : Exception;
}

/// <summary>Makes exports, on any number of nodes. Whoever claims one that was left begins it anew.</summary>
internal sealed partial class ExportLoop(ExportJobs jobs, ILogger<ExportLoop> logger) : JobLoop(jobs.RunNextAsync, jobs.WaitAsync)
{
    [LoggerMessage(3466, LogLevel.Error, "Exports could not be looked for; they are at the next turn")]
    protected override partial void LogFailed(Exception exception);
}
