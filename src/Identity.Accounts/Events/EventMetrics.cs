using System.Diagnostics.Metrics;

namespace Identity.Accounts.Events;

/// <summary>What operators watch of events and of the one-time codes asked for by message. Meter <c>Identity.Messaging</c>.</summary>
public sealed class EventMetrics : IDisposable
{
    public const string MeterName = "Identity.Messaging";

    private readonly Meter _meter;
    private readonly Counter<long> _published;
    private readonly Counter<long> _returned;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _requests;
    private readonly Counter<long> _requestRetries;
    private readonly Counter<long> _deadLetters;
    private readonly Histogram<double> _latency;
    private readonly TimeProvider _timeProvider;
    private OutboxStatus _status = new(0, null);

    public EventMetrics(IMeterFactory meters, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(meters);
        _timeProvider = timeProvider;
        _meter = meters.Create(MeterName);
        _published = _meter.CreateCounter<long>("identity.outbox.published", "{event}", "Events confirmed by the receiver");
        _returned = _meter.CreateCounter<long>("identity.outbox.returned", "{event}", "Events that came back because nobody listens");
        _retries = _meter.CreateCounter<long>("identity.outbox.retries", "{event}", "Events not confirmed and tried again");
        _requests = _meter.CreateCounter<long>("identity.otp.requests", "{request}", "One-time code requests finished, by outcome");
        _requestRetries = _meter.CreateCounter<long>("identity.otp.retries", "{request}", "One-time code requests put off for a passing reason");
        _deadLetters = _meter.CreateCounter<long>("identity.otp.dead_letters", "{request}", "One-time code requests dead-lettered");
        _latency = _meter.CreateHistogram<double>("identity.otp.duration", "s", "From taking a one-time code request to its acknowledgement");
        _meter.CreateObservableGauge("identity.outbox.depth", () => Volatile.Read(ref _status).Depth, "{event}", "Events waiting");
        _meter.CreateObservableGauge("identity.outbox.age", Age, "s", "Age of the oldest event that waits");
    }

    /// <summary>Makes the series that is alarmed on, at nought: one that is born at 1 has not increased, and the first dead letter would raise no alarm. Only once somebody measures.</summary>
    public void Begin() => _deadLetters.Add(0);

    /// <summary>Depth and age as last seen.</summary>
    public void Report(OutboxStatus status) => Volatile.Write(ref _status, status);

    public void Published(int count) => _published.Add(count);

    public void Returned(int count) => _returned.Add(count);

    public void Retried(int count) => _retries.Add(count);

    /// <summary>A request came to its end.</summary>
    public void RequestFinished(string outcome, TimeSpan duration)
    {
        _requests.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
        _latency.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));
    }

    public void RequestRetried() => _requestRetries.Add(1);

    public void DeadLettered() => _deadLetters.Add(1);

    public void Dispose() => _meter.Dispose();

    private double Age() => Volatile.Read(ref _status).Oldest is { } oldest ? Math.Max(0, (_timeProvider.GetUtcNow() - oldest).TotalSeconds) : 0;
}
