// CloudEvents 1.0 (JSON) with the extension attribute "pattern": the wire contract's messages.
using System.Text.Json.Nodes;

namespace Identity.Accounts.Events;

/// <summary>Something that happened to an account or a session, to be published at least once.</summary>
/// <param name="Id">Unique (UUIDv7), so that a consumer can drop repeats.</param>
/// <param name="Exchange"><see cref="EventExchanges"/>.</param>
/// <param name="Type">Also the routing key and the pattern: user.created, session.destroyed, …</param>
/// <param name="AccountId">Subject of the event; events of one account are published in order.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Data">Never a secret.</param>
public sealed record LifecycleEvent(Guid Id, string Exchange, string Type, Guid AccountId, DateTimeOffset Time, JsonObject Data)
{
    /// <summary>W3C Trace Context: what the event came of; null: nobody traces. It goes beside the body, as a header.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The message body.</summary>
    public JsonObject ToCloudEvent() => new()
    {
        ["specversion"] = "1.0",
        ["id"] = Id.ToString(),
        ["source"] = "identity",
        ["type"] = Type,
        ["pattern"] = Type,
        ["time"] = Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture),
        ["subject"] = AccountId.ToString(),
        ["datacontenttype"] = "application/json",
        ["data"] = Data.DeepClone(),
    };
}

/// <summary>The two exchanges of the contract.</summary>
public static class EventExchanges
{
    public const string Identity = "identity_events";
    public const string Session = "session_manager";
}

/// <summary>The event types of the contract.</summary>
public static class EventTypes
{
    public const string UserCreated = "user.created";
    public const string UserUpdated = "user.updated";
    public const string UserDeactivated = "user.deactivated";
    public const string UserReactivated = "user.reactivated";
    public const string UserDeleted = "user.deleted";
    public const string UserPasswordChanged = "user.password_changed";
    public const string UserLockedOut = "user.locked_out";
    public const string UserEmailVerified = "user.email_verified";
    public const string UserPhoneVerified = "user.phone_verified";
    public const string UserRolesChanged = "user.roles_changed";
    public const string UserFactorAdded = "user.factor_added";
    public const string UserFactorRemoved = "user.factor_removed";
    public const string DeviceRegistered = "device.registered";
    public const string DeviceRemoved = "device.removed";
    public const string SessionCreated = "session.created";
    public const string SessionDestroyed = "session.destroyed";
}
