// The wire contract's events (CloudEvents 1.0): what each tells. Never metadata, never a secret.
using System.Diagnostics;
using System.Text.Json.Nodes;
using Identity.Accounts.Sessions;

namespace Identity.Accounts.Events;

/// <summary>Writes events.</summary>
public sealed class LifecycleEvents(TimeProvider timeProvider)
{
    /// <summary>An event about an account; data is the user object without metadata.</summary>
    public LifecycleEvent OfUser(string type, Account account) => Create(EventExchanges.Identity, type, account.Id, UserObject(account));

    public LifecycleEvent SessionCreated(Session session) => Create(EventExchanges.Session, EventTypes.SessionCreated, session.AccountId, SessionObject(session, reason: null, session.Ip, session.UserAgent));

    /// <param name="caller">Who ended it; null: nobody did, it ran out.</param>
    public LifecycleEvent SessionDestroyed(Session session, string reason, Caller? caller) =>
        Create(EventExchanges.Session, EventTypes.SessionDestroyed, session.AccountId, SessionObject(session, reason, caller?.Ip ?? session.Ip, caller?.UserAgent ?? session.UserAgent));

    /// <summary>The contract's user object without metadata.</summary>
    public static JsonObject UserObject(Account account) => new()
    {
        ["id"] = account.Id.ToString(),
        ["email"] = account.Email,
        ["userName"] = account.UserName,
        ["phoneNumber"] = account.PhoneNumber,
        ["firstName"] = account.FirstName,
        ["lastName"] = account.LastName,
        ["emailVerified"] = account.EmailVerified,
        ["phoneNumberVerified"] = account.PhoneNumberVerified,
        ["isActive"] = account.IsActive,
        ["roles"] = new JsonArray([.. account.Roles.Select(role => JsonValue.Create(role))]),
        ["createdAt"] = Time(account.CreatedAt),
        ["updatedAt"] = Time(account.UpdatedAt),
        ["lastLoginAt"] = account.LastLoginAt is { } at ? Time(at) : null,
    };

    private static JsonObject SessionObject(Session session, string? reason, string? ip, string? userAgent)
    {
        var data = new JsonObject
        {
            ["sessionId"] = session.Id,
            ["userId"] = session.AccountId.ToString(),
            ["clientId"] = session.ClientIds.Count > 0 ? session.ClientIds[0] : null,
            ["ip"] = ip,
            ["userAgent"] = userAgent,
        };
        if (reason is not null)
        {
            data["reason"] = reason;
        }

        return data;
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);

    private LifecycleEvent Create(string exchange, string type, Guid accountId, JsonObject data)
    {
        var now = timeProvider.GetUtcNow();
        return new(Guid.CreateVersion7(now), exchange, type, accountId, now, data) { TraceParent = Activity.Current is { IdFormat: ActivityIdFormat.W3C } current ? current.Id : null };
    }
}
