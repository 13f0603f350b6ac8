// Imports that run behind the answer, on any node, and go on where a node was killed (docs/decisions/0009-people.md).
using System.Buffers;
using System.Collections.Concurrent;
using System.Threading.Channels;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Identity.Accounts.Import;

/// <summary>Where an import is.</summary>
public static class ImportStates
{
    /// <summary>Its lines arrive.</summary>
    public const string Receiving = "receiving";
    public const string Waiting = "waiting";
    public const string Running = "running";
    public const string Done = "done";
}

/// <summary>An import, as it can be asked for.</summary>
public sealed record ImportStatus(Guid Id, string State, DateTimeOffset CreatedAt, DateTimeOffset? FinishedAt, long Lines, long Processed, long Created, long Existing, long Refused);

/// <summary>
/// Keeps what is received in the store, in chunks of lines, and takes them in one after the other. A chunk's accounts, its refusals, the
/// progress and the end of the chunk itself are one transaction: killed anywhere, an import neither loses a line nor takes one twice.
/// </summary>
public sealed partial class ImportJobs
{
    private const int MostBytesInAChunk = 512 * 1024;

    // As many as an export has.
    private const int MostAttempts = 3;

    private const string NotStored = "could not be stored";

    private static readonly TimeSpan Claim = TimeSpan.FromMinutes(2);

    // The report is kept this long; lines that never came to their end go with it.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    private readonly StoreDatabase _database;
    private readonly AccountIntake _intake;
    private readonly UserImport _import;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<ImportJobs> _logger;

    // How often an import's chunk failed at this node. Of this node alone, and forgotten when it stops: then the chunk is tried a few times more often.
    private readonly ConcurrentDictionary<Guid, (int Ordinal, int Times)> _failures = new();

    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    internal ImportJobs(StoreDatabase database, AccountIntake intake, UserImport import, TimeProvider timeProvider, ILogger<ImportJobs> logger) =>
        (_database, _intake, _import, _timeProvider, _logger) = (database, intake, import, timeProvider, logger);

    /// <summary>Receives all lines of the body; the import begins when the last one is there. A body that breaks off leaves nothing.</summary>
    public async Task<Guid> ReceiveAsync(Stream body, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        await _database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ImportJobRow { Id = id, State = ImportStates.Receiving, CreatedAt = now, ExpiresAt = now + Kept });
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
        try
        {
            var (lines, ordinal, chunk, first, count) = (0L, 0, new ArrayBufferWriter<byte>(64 * 1024), 1L, 0);
            await foreach (var line in JsonLines.ReadAsync(body, cancellationToken))
            {
                if (count > 0 && (count == AccountIntake.Most || chunk.WrittenCount + line.Json.Length > MostBytesInAChunk))
                {
                    await StoreAsync(id, ordinal++, first, chunk.WrittenMemory, cancellationToken);
                    chunk.ResetWrittenCount();
                    (first, count) = (line.Number, 0);
                }

                chunk.Write(line.Json.Span);
                chunk.Write("\n"u8);
                (lines, count) = (line.Number, count + 1);
            }

            if (count > 0)
            {
                await StoreAsync(id, ordinal, first, chunk.WrittenMemory, cancellationToken);
            }

            await _database.WriteAsync(
                (context, token) => context.Set<ImportJobRow>().Where(r => r.Id == id).ExecuteUpdateAsync(set => set.SetProperty(r => r.State, ImportStates.Waiting).SetProperty(r => r.Lines, lines), token),
                cancellationToken);
        }
        catch
        {
            await ForgetAsync(id);
            throw;
        }

        _signal.Writer.TryWrite(true);
        return id;
    }

    public async Task<ImportStatus?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        var row = await _database.ReadAsync((context, token) => context.Set<ImportJobRow>().FirstOrDefaultAsync(r => r.Id == id, token), cancellationToken);
        return row is null ? null : new(row.Id, row.State, row.CreatedAt, row.FinishedAt, row.Lines, row.Processed, row.Created, row.Existing, row.Refused);
    }

    /// <summary>In order of lines, after <paramref name="after"/>.</summary>
    public async Task<IReadOnlyList<ImportRefusal>> ListRefusalsAsync(Guid id, long after, int limit, CancellationToken cancellationToken)
    {
        var rows = await _database.ReadAsync(
            (context, token) => context.Set<ImportRefusalRow>().Where(r => r.JobId == id && r.Line > after).OrderBy(r => r.Line).Take(limit).ToListAsync(token),
            cancellationToken);
        return [.. rows.Select(row => new ImportRefusal(row.Line, row.Reasons.Split('\n')))];
    }

    /// <summary>Takes the oldest import that nobody works on to its end. False: there is none.</summary>
    public async Task<bool> RunNextAsync(CancellationToken cancellationToken)
    {
        var (claim, now) = (Guid.NewGuid(), _timeProvider.GetUtcNow());
        var free = await _database.ReadAsync(
            (context, token) => Free(context, now).OrderBy(r => r.CreatedAt).Select(r => (Guid?)r.Id).FirstOrDefaultAsync(token),
            cancellationToken);
        if (free is not { } id)
        {
            return false;
        }

        var claimed = await _database.WriteAsync(
            (context, token) => Free(context, now).Where(r => r.Id == id).ExecuteUpdateAsync(
                set => set.SetProperty(r => r.State, ImportStates.Running).SetProperty(r => r.ClaimedBy, claim).SetProperty(r => r.ClaimedUntil, now + Claim),
                token),
            cancellationToken) == 1;
        while (claimed && await RunChunkAsync(id, claim, cancellationToken))
        {
        }

        return true;
    }

    /// <summary>Until an import was received here, or for a while: another node may have gone.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(_signal.Reader.ReadAsync(ending.Token).AsTask(), Task.Delay(atMost, _timeProvider, ending.Token));
        await ending.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static IQueryable<ImportJobRow> Free(IdentityDbContext context, DateTimeOffset now) => context.Set<ImportJobRow>()
        .Where(r => (r.State == ImportStates.Waiting || r.State == ImportStates.Running) && (r.ClaimedUntil == null || r.ClaimedUntil <= now));

    // False: it was the last, or the claim is somebody else's by now.
    private async Task<bool> RunChunkAsync(Guid id, Guid claim, CancellationToken cancellationToken)
    {
        var chunk = await _database.ReadAsync((context, token) => context.Set<ImportChunkRow>().Where(r => r.JobId == id).OrderBy(r => r.Ordinal).FirstOrDefaultAsync(token), cancellationToken);
        if (chunk is null)
        {
            return await FinishAsync(id, claim, cancellationToken);
        }

        var lines = Split(chunk).ToList();
        try
        {
            try
            {
                await TakeAsync(id, claim, chunk, lines, lines.Count, cancellationToken);
            }
            catch (Exception exception) when (IsOfTheLines(exception, cancellationToken))
            {
                if (CountFailure(id, chunk.Ordinal) < MostAttempts)
                {
                    throw;
                }

                LogOneByOne(exception, id, chunk.FirstLine);
                await TakeOneByOneAsync(id, claim, chunk, lines, cancellationToken);
            }

            _failures.TryRemove(id, out _);
            return true;
        }
        catch (ClaimLostException)
        {
            return false;
        }
    }

    // Whole chunks at a time a line that the store does not take would keep all after it from their turn, for as long as the import is kept.
    private async Task TakeOneByOneAsync(Guid id, Guid claim, ImportChunkRow chunk, List<ImportLine> lines, CancellationToken cancellationToken)
    {
        for (var done = 0; done < lines.Count; done++)
        {
            var left = lines[done..];
            try
            {
                await TakeAsync(id, claim, chunk, left, 1, cancellationToken);
            }
            catch (Exception exception) when (IsOfTheLines(exception, cancellationToken))
            {
                // Written like any other outcome: where the store takes nothing at all, this is not taken either, and the line keeps its turn.
                LogLineRefused(exception, id, left[0].Number);
                await TakeAsync(id, claim, chunk, left, 1, cancellationToken, new ImportRefusal(left[0].Number, [NotStored]));
            }
        }
    }

    // Not what would meet any other line as well, and not what calls this off.
    private bool IsOfTheLines(Exception exception, CancellationToken cancellationToken) =>
        exception is not (ClaimLostException or OperationCanceledException) && !cancellationToken.IsCancellationRequested && !_database.IsAway(exception) && !_database.Dialect.IsDeadlock(exception);

    private int CountFailure(Guid id, int ordinal) =>
        _failures.AddOrUpdate(id, _ => (ordinal, 1), (_, before) => before.Ordinal == ordinal ? (ordinal, before.Times + 1) : (ordinal, 1)).Times;

    /// <summary>The first of the chunk's lines, their outcome and what is left of the chunk, as one.</summary>
    /// <param name="id">The import's.</param>
    /// <param name="claim">Ours.</param>
    /// <param name="chunk">As it was read.</param>
    /// <param name="lines">All that are left in it.</param>
    /// <param name="count">How many of them.</param>
    /// <param name="cancellationToken">Takes it back.</param>
    /// <param name="refusal">What they come to; null: what the store makes of them.</param>
    /// <exception cref="ClaimLostException">Nothing was written.</exception>
    private Task TakeAsync(Guid id, Guid claim, ImportChunkRow chunk, List<ImportLine> lines, int count, CancellationToken cancellationToken, ImportRefusal? refusal = null)
    {
        var (brought, refusals) = refusal is null ? _import.Read(lines.Take(count)) : ([], [refusal]);
        return _intake.AddAsync(
            [.. brought.Select(line => line.Account)],
            async (context, outcomes, token) =>
            {
                List<ImportRefusal> refused = [.. refusals, .. UserImport.Refusals(brought, outcomes)];
                var (created, existing, until) = (outcomes.Count(outcome => outcome == Intake.Created), outcomes.Count(outcome => outcome == Intake.Existing), _timeProvider.GetUtcNow() + Claim);
                var held = await context.Set<ImportJobRow>().Where(r => r.Id == id && r.ClaimedBy == claim).ExecuteUpdateAsync(
                    set => set
                        .SetProperty(r => r.ClaimedUntil, until)
                        .SetProperty(r => r.Processed, r => r.Processed + count)
                        .SetProperty(r => r.Created, r => r.Created + created)
                        .SetProperty(r => r.Existing, r => r.Existing + existing)
                        .SetProperty(r => r.Refused, r => r.Refused + refused.Count),
                    token) == 1;
                if (!held || await ShortenAsync(context, chunk, lines[count..], token) == 0)
                {
                    throw new ClaimLostException();
                }

                context.AddRange(refused.Select(one => new ImportRefusalRow { JobId = id, Line = one.Line, Reasons = Text.Cut(string.Join('\n', one.Reasons), 2000) }));
                await context.SaveChangesAsync(token);
                return true;
            },
            cancellationToken);
    }

    private static Task<int> ShortenAsync(IdentityDbContext context, ImportChunkRow chunk, List<ImportLine> left, CancellationToken cancellationToken)
    {
        var row = context.Set<ImportChunkRow>().Where(r => r.JobId == chunk.JobId && r.Ordinal == chunk.Ordinal);
        if (left.Count == 0)
        {
            return row.ExecuteDeleteAsync(cancellationToken);
        }

        var (first, content) = (left[0].Number, chunk.Content[^left.Sum(line => line.Json.Length + 1)..]);
        return row.ExecuteUpdateAsync(set => set.SetProperty(r => r.FirstLine, first).SetProperty(r => r.Content, content), cancellationToken);
    }

    private async Task<bool> FinishAsync(Guid id, Guid claim, CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        var finished = await _database.WriteAsync(
            (context, token) => context.Set<ImportJobRow>().Where(r => r.Id == id && r.ClaimedBy == claim).ExecuteUpdateAsync(
                set => set.SetProperty(r => r.State, ImportStates.Done).SetProperty(r => r.FinishedAt, now).SetProperty(r => r.ClaimedBy, (Guid?)null).SetProperty(r => r.ClaimedUntil, (DateTimeOffset?)null),
                token),
            cancellationToken) == 1;
        _failures.TryRemove(id, out _);
        if (finished && await FindAsync(id, cancellationToken) is { } status)
        {
            LogDone(id, status.Lines, status.Created, status.Existing, status.Refused);
        }

        return false;
    }

    private static IEnumerable<ImportLine> Split(ImportChunkRow chunk)
    {
        var (start, number) = (0, chunk.FirstLine);
        for (var end = 0; end < chunk.Content.Length; end++)
        {
            if (chunk.Content[end] == (byte)'\n')
            {
                yield return new ImportLine(number++, chunk.Content.AsMemory(start..end));
                start = end + 1;
            }
        }
    }

    private Task StoreAsync(Guid id, int ordinal, long firstLine, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var bytes = content.ToArray();
        return _database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ImportChunkRow { JobId = id, Ordinal = ordinal, FirstLine = firstLine, Content = bytes });
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    private Task ForgetAsync(Guid id) => _database.TransactAsync(
        async (context, token) =>
        {
            await context.Set<ImportChunkRow>().Where(r => r.JobId == id).ExecuteDeleteAsync(token);
            return await context.Set<ImportJobRow>().Where(r => r.Id == id).ExecuteDeleteAsync(token);
        },
        CancellationToken.None);

    [LoggerMessage(3440, LogLevel.Information, "Import {ImportId} is done: {Lines} lines, {Created} accounts made, {Existing} there already, {Refused} refused")]
    private partial void LogDone(Guid importId, long lines, long created, long existing, long refused);

    [LoggerMessage(3442, LogLevel.Warning, "Import {ImportId} failed three times at the lines from {Line} on: they are taken one by one")]
    private partial void LogOneByOne(Exception exception, Guid importId, long line);

    [LoggerMessage(3443, LogLevel.Warning, "Import {ImportId}: line {Line} could not be stored and is refused")]
    private partial void LogLineRefused(Exception exception, Guid importId, long line);

    // Takes the transaction back.
    private sealed class ClaimLostException : Exception;
}

/// <summary>Runs imports, on any number of nodes. Whoever claims one that was left goes on where it was.</summary>
internal sealed partial class ImportLoop(ImportJobs jobs, ILogger<ImportLoop> logger) : JobLoop(jobs.RunNextAsync, jobs.WaitAsync)
{
    [LoggerMessage(3441, LogLevel.Error, "An import failed and goes on when its claim has run out")]
    protected override partial void LogFailed(Exception exception);
}
