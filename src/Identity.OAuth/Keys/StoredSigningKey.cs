// RFC 7517: the keys we sign with, as they are kept.
namespace Identity.OAuth.Keys;

/// <summary>A signing key at rest.</summary>
/// <param name="Kid">RFC 7638 thumbprint of the public key.</param>
/// <param name="Algorithm">JWS <c>alg</c>: ES256, RS256, PS256, EdDSA.</param>
/// <param name="Ordinal">1, 2, 3 … per algorithm. Unique with it: of two nodes that rotate at once, one wins.</param>
/// <param name="ProtectedKey">The private key (PKCS#8), encrypted by <see cref="KeyProtector"/>.</param>
/// <param name="CreatedAt">From when it is published.</param>
/// <param name="ActivatesAt">From when it signs.</param>
/// <param name="RetiresAt">Until when it is published: after the last token it signed has died. Null while it is the newest.</param>
public sealed record StoredSigningKey(
    string Kid,
    string Algorithm,
    int Ordinal,
    byte[] ProtectedKey,
    DateTimeOffset CreatedAt,
    DateTimeOffset ActivatesAt,
    DateTimeOffset? RetiresAt);
