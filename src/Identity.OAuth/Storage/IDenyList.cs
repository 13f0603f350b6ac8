// RFC 7009: what was revoked before its time.
namespace Identity.OAuth.Storage;

/// <summary>
/// Revoked token ids (<c>jti</c>) and grant ids, kept for the remaining life of what they deny.
/// An acknowledged entry is seen by every node within a second; where the store cannot answer, it throws: nothing fails open.
/// </summary>
public interface IDenyList
{
    Task DenyAsync(string id, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>True if any of the ids is denied.</summary>
    ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, CancellationToken cancellationToken);
}
