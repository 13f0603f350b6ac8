// RFC 6749 §6 and RFC 9700 §4.14: one row per refresh family holds its generation.
namespace Identity.OAuth.Storage;

/// <summary>A refresh family: all the refresh tokens that one grant led to.</summary>
/// <param name="Id">Time-ordered (UUIDv7). Also the grant id in the jti of access tokens of this grant.</param>
/// <param name="ClientId">Whom it belongs to.</param>
/// <param name="Subject">The person.</param>
/// <param name="SessionId">The session it dies with.</param>
/// <param name="Scopes">What was granted; a refresh may narrow, never widen.</param>
/// <param name="Resources">The resources granted (RFC 8707), empty for those of the scopes.</param>
/// <param name="Generation">The one generation that is valid, from 1.</param>
/// <param name="RotatedAt">When the generation last changed.</param>
/// <param name="CreatedAt">When the family was made.</param>
/// <param name="ExpiresAt">Absolute end, not renewed by rotation.</param>
/// <param name="RevokedAt">When it was killed; null: never.</param>
/// <param name="Details">JSON the engine keeps with the grant: auth_time, acr, amr, claims request, nonce, the issuing route.</param>
public sealed record RefreshFamily(
    Guid Id,
    string ClientId,
    string Subject,
    string SessionId,
    IReadOnlyList<string> Scopes,
    IReadOnlyList<string> Resources,
    int Generation,
    DateTimeOffset RotatedAt,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? RevokedAt,
    string Details);

/// <summary>Refresh families. Rotation is one conditional UPDATE.</summary>
public interface IRefreshFamilyStore
{
    Task CreateAsync(RefreshFamily family, CancellationToken cancellationToken);

    Task<RefreshFamily?> FindAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>
    /// Moves the family from <paramref name="generation"/> to the next one, if it is still there, unrevoked and unexpired.
    /// True for exactly one caller per generation.
    /// </summary>
    Task<bool> TryRotateAsync(Guid id, int generation, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Kills the family. Doing it again, or for an unknown id, does nothing.</summary>
    Task RevokeAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken);
}
