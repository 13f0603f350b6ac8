using System.Diagnostics.Metrics;
using Identity.Accounts.Events;

namespace Identity.Accounts.Delivery;

/// <summary>What became of messages to people, on the meter <c>Identity.Messaging</c>.</summary>
public sealed class DeliveryMetrics : IDisposable
{
    private readonly Meter _meter;
    private readonly Counter<long> _messages;

    public DeliveryMetrics(IMeterFactory meters)
    {
        ArgumentNullException.ThrowIfNull(meters);
        _meter = meters.Create(EventMetrics.MeterName);
        _messages = _meter.CreateCounter<long>("identity.delivery.messages", "{message}", "Messages to people that came to their end, by channel and outcome");
    }

    /// <param name="channel">email, sms or push.</param>
    /// <param name="outcome">sent, refused (for good), expired, given_up, dropped (too many waited).</param>
    public void Ended(string channel, string outcome) =>
        _messages.Add(1, new KeyValuePair<string, object?>("channel", channel), new KeyValuePair<string, object?>("outcome", outcome));

    public void Dispose() => _meter.Dispose();
}
