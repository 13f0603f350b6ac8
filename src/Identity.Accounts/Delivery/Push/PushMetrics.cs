using System.Diagnostics.Metrics;
using Identity.Accounts.Events;

namespace Identity.Accounts.Delivery.Push;

/// <summary>What operators watch of push messages, on the meter <c>Identity.Messaging</c>. Reasons are the providers' words, of which there are few.</summary>
public sealed class PushMetrics : IDisposable
{
    private readonly Meter _meter;
    private readonly Counter<long> _sent;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _removed;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _expired;
    private readonly Counter<long> _alarms;
    private readonly Histogram<double> _latency;

    public PushMetrics(IMeterFactory meters)
    {
        ArgumentNullException.ThrowIfNull(meters);
        _meter = meters.Create(EventMetrics.MeterName);
        _sent = _meter.CreateCounter<long>("identity.push.sent", "{message}", "Push messages that the provider took");
        _refused = _meter.CreateCounter<long>("identity.push.refused", "{message}", "Push messages that the provider refused for good, by reason");
        _removed = _meter.CreateCounter<long>("identity.push.removed", "{device}", "Devices removed because the provider knows their token no more, by reason");
        _retries = _meter.CreateCounter<long>("identity.push.retries", "{message}", "Attempts put off, by reason");
        _expired = _meter.CreateCounter<long>("identity.push.expired", "{message}", "Push messages that were worth nothing before they could be sent");
        _alarms = _meter.CreateCounter<long>("identity.push.alarms", "{message}", "Refusals that only the operator can mend, by reason");
        _latency = _meter.CreateHistogram<double>("identity.push.duration", "s", "From writing a push message to the provider's yes");
    }

    public void Sent(string platform, TimeSpan latency)
    {
        _sent.Add(1, Tag("platform", platform));
        _latency.Record(latency.TotalSeconds, Tag("platform", platform));
    }

    public void Refused(string platform, string reason, bool isAlarm)
    {
        _refused.Add(1, Tag("platform", platform), Tag("reason", reason));
        if (isAlarm)
        {
            _alarms.Add(1, Tag("platform", platform), Tag("reason", reason));
        }
    }

    public void Removed(string platform, string reason) => _removed.Add(1, Tag("platform", platform), Tag("reason", reason));

    public void Retried(string platform, string reason) => _retries.Add(1, Tag("platform", platform), Tag("reason", reason));

    public void Expired(string platform, int count)
    {
        if (count > 0)
        {
            _expired.Add(count, Tag("platform", platform));
        }
    }

    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
