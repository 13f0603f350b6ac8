using System.Globalization;
using Identity.Accounts.Data;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Export;

/// <summary>Renders exports: here, or by the media service where there is one. Who may is decided before.</summary>
public sealed partial class UserExports
{
    private readonly ExportRows _rows;
    private readonly MediaService? _media;
    private readonly ExportOptions _options;
    private readonly ExportMetrics _metrics;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<UserExports> _logger;

    internal UserExports(StoreDatabase database, MediaService? media, IOptions<ExportOptions> options, ExportMetrics metrics, TimeProvider timeProvider, ILogger<UserExports> logger) =>
        (_rows, _media, _options, _metrics, _timeProvider, _logger) = (new ExportRows(database), media, options.Value, metrics, timeProvider, logger);

    /// <summary>How many accounts the filter lets through now.</summary>
    public Task<long> CountAsync(AccountFilter filter, CancellationToken cancellationToken) => _rows.CountAsync(filter, cancellationToken);

    /// <summary>Whether so many users take so long in this format that a job has to make the file.</summary>
    public bool NeedsJob(ExportFormat format, long count) => _media is null && format == ExportFormat.Pdf && count > _options.DirectPdfRows;

    /// <summary>Why so many users do not fit in one file of this format, as the end of a sentence; null: they do.</summary>
    public string? FindProblem(ExportFormat format, long count) => _media is null && format == ExportFormat.Pdf && count > PdfTable.MostRows
        ? string.Create(CultureInfo.InvariantCulture, $"pdf holds at most {PdfTable.MostRows} users: narrow it down, or take xlsx or csv")
        : null;

    /// <summary>Writes the file. Memory does not depend on how many users there are, but for a pdf's pages, which are held compressed.</summary>
    /// <param name="order">What.</param>
    /// <param name="output">Only written to without blocking. Unless the outcome is Done, what it got is no whole file.</param>
    /// <param name="progress">Told of the users handed over so far; from the first one again where the media service is asked again.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<ExportOutcome> RenderAsync(ExportOrder order, Stream output, Func<long, CancellationToken, Task>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(order);
        ArgumentNullException.ThrowIfNull(output);
        var (start, outcome, rows) = (_timeProvider.GetTimestamp(), "failed", 0L);
        try
        {
            IAsyncEnumerable<ExportedUser> Users() => _rows.ReadAsync(order.Filter, progress, cancellationToken);
            var result = _media is not null
                ? await _media.RenderAsync(order.Format, Users, output, cancellationToken)
                : new ExportOutcome.Done(await (order.Format.Name switch
                {
                    "csv" => CsvTable.WriteAsync(Users(), output, cancellationToken),
                    "xlsx" => XlsxTable.WriteAsync(Users(), output, cancellationToken),
                    "pdf" => PdfTable.WriteAsync(Users(), output, CultureInfo.GetCultureInfo(order.Language), _timeProvider.GetUtcNow(), cancellationToken),
                    _ => throw new InvalidOperationException($"No export as {order.Format.Name}."),
                }));
            (outcome, rows) = result switch { ExportOutcome.Done done => ("success", done.Rows), ExportOutcome.Unavailable => ("unavailable", 0), _ => ("broken", 0) };
            return result;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            outcome = "cancelled";
            throw;
        }
        finally
        {
            _metrics.Ended(order.Format.Name, outcome, rows, _timeProvider.GetElapsedTime(start));
            LogEnded(order.Format.Name, order.Filter.Role, order.Filter.IsActive, order.Filter.CreatedAfter, outcome, rows);
        }
    }

    [LoggerMessage(3463, LogLevel.Information, "An export of users as {Format} (role {Role}, active {IsActive}, created after {CreatedAfter}) ended: {Outcome}, {Rows} rows")]
    private partial void LogEnded(string format, string? role, bool? isActive, DateTimeOffset? createdAfter, string outcome, long rows);
}
