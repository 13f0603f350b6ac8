using System.Diagnostics.Metrics;

namespace Identity.Accounts.Export;

/// <summary>What operators watch of exports. Meter <c>Identity.Exports</c>.</summary>
internal sealed class ExportMetrics : IDisposable
{
    private readonly Meter _meter;
    private readonly Counter<long> _exports;
    private readonly Counter<long> _rows;
    private readonly Counter<long> _retries;
    private readonly Histogram<double> _duration;

    public ExportMetrics(IMeterFactory meters)
    {
        ArgumentNullException.ThrowIfNull(meters);
        _meter = meters.Create("Identity.Exports");
        _exports = _meter.CreateCounter<long>("identity.exports", "{export}", "Exports of users that came to an end");
        _rows = _meter.CreateCounter<long>("identity.exports.rows", "{row}", "Users in exports that are whole");
        _retries = _meter.CreateCounter<long>("identity.exports.media_retries", "{attempt}", "Attempts at the media service that failed and were made again");
        _duration = _meter.CreateHistogram<double>("identity.exports.duration", "s", "From the first row to the last byte");
    }

    /// <param name="format">xlsx, pdf or csv.</param>
    /// <param name="outcome">success, unavailable, broken, failed or cancelled.</param>
    /// <param name="rows">In the file.</param>
    /// <param name="duration">How long it took.</param>
    public void Ended(string format, string outcome, long rows, TimeSpan duration)
    {
        KeyValuePair<string, object?>[] tags = [new("format", format), new("outcome", outcome)];
        _exports.Add(1, tags);
        _duration.Record(duration.TotalSeconds, tags);
        _rows.Add(rows, new KeyValuePair<string, object?>("format", format));
    }

    public void Retried() => _retries.Add(1);

    public void Dispose() => _meter.Dispose();
}
