namespace Identity.OAuth.Storage;

/// <summary>Kinds of single-use values. A value of one kind is unknown under every other.</summary>
public static class SingleUseKinds
{
    public const string AuthorizationCode = "authorization_code";
}

/// <summary>A value that works once.</summary>
/// <param name="Kind">One of <see cref="SingleUseKinds"/>.</param>
/// <param name="Key">SHA-256 (base64url) of the value: the value itself is never stored.</param>
/// <param name="ClientId">Whom it was issued to.</param>
/// <param name="Payload">JSON.</param>
/// <param name="ExpiresAt">From when it is refused.</param>
/// <param name="KeepUntil">Until when a used entry is kept, so that a replay is recognised.</param>
/// <param name="ConsumedAt">When it was used; null: never.</param>
public sealed record SingleUseEntry(
    string Kind,
    string Key,
    string ClientId,
    string Payload,
    DateTimeOffset ExpiresAt,
    DateTimeOffset KeepUntil,
    DateTimeOffset? ConsumedAt = null);

/// <summary>Codes and the like. Single use is decided by one atomic statement in the store.</summary>
public interface ISingleUseStore
{
    Task SaveAsync(SingleUseEntry entry, CancellationToken cancellationToken);

    /// <summary>The entry, used and expired ones too; null if unknown. Reading decides nothing.</summary>
    Task<SingleUseEntry?> FindAsync(string kind, string key, CancellationToken cancellationToken);

    /// <summary>True for exactly one caller, and only before the entry expires.</summary>
    Task<bool> TryConsumeAsync(string kind, string key, DateTimeOffset now, CancellationToken cancellationToken);
}
