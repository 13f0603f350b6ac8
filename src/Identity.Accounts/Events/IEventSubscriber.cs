namespace Identity.Accounts.Events;

/// <summary>Somebody in this process who wants to know of events, where no broker is configured.</summary>
public interface IEventSubscriber
{
    /// <summary>At least once, of one account in order; throwing asks for it again.</summary>
    Task OnEventAsync(OutboxMessage message, CancellationToken cancellationToken);
}
