using System.Diagnostics.Metrics;
using Identity.Accounts.Events;

namespace Identity.Accounts.Delivery.Mail;

/// <summary>What operators watch of notices by mail, on the meter <c>Identity.Messaging</c>. Kinds are of ours, of which there are few.</summary>
public sealed class MailMetrics : IDisposable
{
    private readonly Meter _meter;
    private readonly Counter<long> _sent;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _givenUp;
    private readonly Histogram<double> _latency;

    public MailMetrics(IMeterFactory meters)
    {
        ArgumentNullException.ThrowIfNull(meters);
        _meter = meters.Create(EventMetrics.MeterName);
        _sent = _meter.CreateCounter<long>("identity.mail.sent", "{message}", "Notices that the mail server took");
        _retries = _meter.CreateCounter<long>("identity.mail.retries", "{message}", "Attempts put off");
        _givenUp = _meter.CreateCounter<long>("identity.mail.given_up", "{message}", "Notices that nobody got, by reason");
        _latency = _meter.CreateHistogram<double>("identity.mail.duration", "s", "From the change that a notice tells of to the mail server's yes");
    }

    public void Sent(string kind, TimeSpan latency)
    {
        _sent.Add(1, Tag("kind", kind));
        _latency.Record(latency.TotalSeconds, Tag("kind", kind));
    }

    public void Retried(string kind) => _retries.Add(1, Tag("kind", kind));

    public void GivenUp(string kind, string reason) => _givenUp.Add(1, Tag("kind", kind), Tag("reason", reason));

    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
