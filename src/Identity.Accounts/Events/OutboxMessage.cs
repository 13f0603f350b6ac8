namespace Identity.Accounts.Events;

/// <summary>An event waiting to be published.</summary>
/// <param name="Sequence">Order in which it was written.</param>
/// <param name="Exchange">Where to.</param>
/// <param name="RoutingKey">The event's type.</param>
/// <param name="MessageId">The event's id.</param>
/// <param name="AccountId">Order holds within one account.</param>
/// <param name="Body">CloudEvents JSON, UTF-8.</param>
/// <param name="CreatedAt">When it was written.</param>
/// <param name="TraceParent">W3C Trace Context: what it came of; null: nobody traced.</param>
public sealed record OutboxMessage(long Sequence, string Exchange, string RoutingKey, Guid MessageId, Guid AccountId, string Body, DateTimeOffset CreatedAt, string? TraceParent);

/// <summary>Depth of the outbox and age of its oldest message.</summary>
public sealed record OutboxStatus(long Depth, DateTimeOffset? Oldest);

/// <summary>What became of a batch. Messages in no list were not confirmed and are tried again soon.</summary>
/// <param name="Confirmed">Safe with the receiver: may be forgotten.</param>
/// <param name="Unroutable">Handed back because nobody listens yet: tried again, but only after their claim has run out.</param>
/// <param name="Refused">
/// The receiver is there and did not confirm: one queue may have refused what every other took, so each try reaches those again.
/// Tried again after their claim has run out, and more and more rarely.
/// </param>
public sealed record PublishOutcome(IReadOnlyList<long> Confirmed, IReadOnlyList<long> Unroutable, IReadOnlyList<long> Refused)
{
    public static readonly PublishOutcome Nothing = new([], [], []);
}

/// <summary>Where events go: a broker, or subscribers in this process.</summary>
public interface IEventPublisher
{
    /// <summary>
    /// Publishes; of one account in order, and none after one of the same account that was not confirmed.
    /// While the receiver is away nothing is confirmed; it does not throw for that.
    /// </summary>
    Task<PublishOutcome> PublishAsync(IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken);
}
