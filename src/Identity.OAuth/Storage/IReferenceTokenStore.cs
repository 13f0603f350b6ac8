// RFC 7662: opaque access tokens, known to nobody but us.
namespace Identity.OAuth.Storage;

/// <summary>A reference token at rest.</summary>
/// <param name="Key">SHA-256 (base64url) of the token; the token itself is never stored.</param>
/// <param name="Claims">The claims an equal JWT would carry, as JSON.</param>
/// <param name="ExpiresAt">When it dies.</param>
public sealed record ReferenceToken(string Key, string Claims, DateTimeOffset ExpiresAt);

/// <summary>Keeps reference tokens. Revocation goes through <see cref="IDenyList"/> like that of JWTs.</summary>
public interface IReferenceTokenStore
{
    Task SaveAsync(ReferenceToken token, CancellationToken cancellationToken);

    Task<ReferenceToken?> FindAsync(string key, CancellationToken cancellationToken);
}
