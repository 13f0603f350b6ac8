// RFC 6749 §1.5 and OpenID Connect Core §11: when a grant comes with a refresh token, and the family it begins.
using System.Text.Json;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Microsoft.Extensions.Options;

namespace Identity.OAuth.Token;

/// <summary>Begins refresh families.</summary>
public sealed class RefreshIssuance(IRefreshFamilyStore families, ISessions sessions, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    /// <summary>The generation of the first refresh token.</summary>
    public const int FirstGeneration = 1;

    /// <summary>With openid it takes offline_access (OpenID Connect Core §11); plain OAuth has no such scope.</summary>
    public static bool IsDue(Client client, IReadOnlyList<string> scopes) =>
        client.GrantTypes.Contains("refresh_token", StringComparer.Ordinal)
        && (scopes.Contains("offline_access", StringComparer.Ordinal) || !scopes.Contains("openid", StringComparer.Ordinal));

    /// <summary>Writes the family and keeps its session's record as long as it; the time it ends.</summary>
    public async Task<DateTimeOffset> BeginAsync(AuthorizationGrant grant, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var expiresAt = now + options.Value.RefreshTokenLifetime;
        await families.CreateAsync(
            new RefreshFamily(
                grant.GrantId,
                grant.ClientId,
                grant.Subject,
                grant.SessionId,
                grant.Scopes,
                grant.Resources,
                FirstGeneration,
                RotatedAt: now,
                CreatedAt: now,
                expiresAt,
                RevokedAt: null,
                JsonSerializer.Serialize(grant)),
            cancellationToken);
        await sessions.AttachAsync(grant.SessionId, grant.ClientId, expiresAt, cancellationToken);
        return expiresAt;
    }
}
