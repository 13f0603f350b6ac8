// RFC 6749 §4.1.2: what an authorization code stands for, and what a refresh family goes on standing for.
using System.Buffers.Binary;

namespace Identity.OAuth.Authorize;

/// <summary>What a person (or a first-party sign-in) granted to a client. Kept as JSON with the code, then with the refresh family.</summary>
public sealed record AuthorizationGrant
{
    /// <summary>UUIDv7. Id of the refresh family, and the prefix of the <c>jti</c> of every access token of this grant: one deny entry kills all.</summary>
    public required Guid GrantId { get; init; }

    public required string ClientId { get; init; }

    public required string Subject { get; init; }

    public required string SessionId { get; init; }

    public required IReadOnlyList<string> Scopes { get; init; }

    /// <summary>RFC 8707 resources asked for and granted; empty: those that the scopes belong to.</summary>
    public IReadOnlyList<string> Resources { get; init; } = [];

    /// <summary>The <c>redirect_uri</c> as the authorization request sent it; null: it sent none (one is registered).</summary>
    public string? RedirectUri { get; init; }

    /// <summary>RFC 7636 S256 challenge; null only for clients with <c>require_pkce: false</c> that sent none.</summary>
    public string? CodeChallenge { get; init; }

    /// <summary>RFC 9449 §10 <c>dpop_jkt</c>: thumbprint of the key that the code may be redeemed with alone; null: with any, or none.</summary>
    public string? DPoPKey { get; init; }

    public string? Nonce { get; init; }

    public required DateTimeOffset AuthTime { get; init; }

    public required string Acr { get; init; }

    public IReadOnlyList<string> Amr { get; init; } = [];

    /// <summary><c>idp</c>: the provider, by its name in the settings, that vouched for the person; null: they signed in here.</summary>
    public string? IdentityProvider { get; init; }

    /// <summary>Whether <c>auth_time</c> must be in the ID token (max_age, require_auth_time, essential claim).</summary>
    public bool AuthTimeRequested { get; init; }

    /// <summary>The <c>claims</c> parameter (OpenID Connect Core §5.5) as sent; null: none.</summary>
    public string? ClaimsRequest { get; init; }

    /// <summary>What comes of it lives no longer, however often it is refreshed; null: as any other.</summary>
    public DateTimeOffset? EndsAt { get; init; }

    /// <summary>Issued by /api/identity: JWT_SECRET may sign its access tokens.</summary>
    public bool Compatibility { get; init; }

    /// <summary>When a grant of this id began, to the millisecond: UUIDv7 says so itself (RFC 9562 §5.7). An id that somebody made up may say any time.</summary>
    public static DateTimeOffset BeganAt(Guid grantId)
    {
        Span<byte> bytes = stackalloc byte[16];
        grantId.TryWriteBytes(bytes, bigEndian: true, out _);
        var milliseconds = (long)(BinaryPrimitives.ReadUInt64BigEndian(bytes) >> 16);
        return DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(milliseconds, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));
    }
}
