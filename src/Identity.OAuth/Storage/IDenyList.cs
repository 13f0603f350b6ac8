// RFC 7009: what was revoked before its time.
namespace Identity.OAuth.Storage;

/// <summary>
/// Revoked token ids (<c>jti</c>) and grant ids, kept for the remaining life of what they deny.
/// An acknowledged entry is seen by every node within a second; where the store cannot answer, it throws: nothing fails open.
/// </summary>
public interface IDenyList
{
    /// <summary>Whether its entries are rows (<c>deny_entries</c>): a statement that reads others may look at them too.</summary>
    bool IsInDatabase => false;

    /// <summary>Denies all there is under the id.</summary>
    Task DenyAsync(string id, DateTimeOffset until, CancellationToken cancellationToken) => DenyAsync(id, grantedUntil: until, until, cancellationToken);

    /// <summary>
    /// Denies what was granted under the id up to a time: what the same person grants the same client afterwards lives.
    /// Of several entries for one id the later times hold.
    /// </summary>
    Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>True if any of the ids is denied, whenever it was granted.</summary>
    ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, CancellationToken cancellationToken) => IsDeniedAsync(ids, DateTimeOffset.UnixEpoch, cancellationToken);

    /// <summary>True if any of the ids is denied for what was granted at <paramref name="grantedAt"/>.</summary>
    ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken);
}
