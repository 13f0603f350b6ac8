// RFC 6749 §4.1.3 and RFC 7636 §4.6: redeeming an authorization code, once, by the client it was issued to.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Token;

/// <summary><c>grant_type=authorization_code</c>.</summary>
public sealed class AuthorizationCodeGrant(
    ISingleUseStore codes,
    IRefreshFamilyStore families,
    IDenyList denyList,
    ISessions sessions,
    ResourceCatalog resources,
    RefreshIssuance refresh,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider,
    ILogger<AuthorizationCodeGrant> logger) : ITokenGrant
{
    public string GrantType => "authorization_code";

    public async Task<Outcome<GrantProof>> ProveAsync(RequestParameters parameters, Client client, CancellationToken cancellationToken)
    {
        if (parameters["code"] is not { } code)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "code is missing.");
        }

        var key = SecureValue.Hash(code);
        var entry = code.Length == 43 ? await codes.FindAsync(SingleUseKinds.AuthorizationCode, key, cancellationToken) : null;
        if (entry is null || entry.ClientId != client.ClientId)
        {
            // Another client's try proves nothing about the one the code belongs to: it must not be able to kill its tokens.
            return Invalid("unknown, or another client's");
        }

        var grant = JsonSerializer.Deserialize<AuthorizationGrant>(entry.Payload)!;
        if (entry.ConsumedAt is not null)
        {
            await KillAsync(grant, cancellationToken);
            return Invalid("replayed");
        }

        if (entry.ExpiresAt <= timeProvider.GetUtcNow())
        {
            return Invalid("expired");
        }

        // RFC 6749 §4.1.3: identical to what the authorization request sent; absent only where that sent none.
        if (parameters["redirect_uri"] != grant.RedirectUri && !(grant.RedirectUri is null && client.RedirectUris.Contains(parameters["redirect_uri"], StringComparer.Ordinal)))
        {
            return Invalid("another redirect_uri");
        }

        if (!ProvesPkce(grant.CodeChallenge, parameters["code_verifier"]))
        {
            return Invalid("wrong code_verifier");
        }

        var requested = parameters.All("resource");
        if (await resources.CheckAsync(requested, grant.Resources, grant.Scopes, cancellationToken) is { } error)
        {
            return error;
        }

        if (!(await resources.ResolveAsync(requested.Count > 0 ? requested : grant.Resources, grant.Scopes, cancellationToken)).TryGet(out var target, out error))
        {
            return error;
        }

        if (await sessions.FindLiveAsync(grant.SessionId, cancellationToken) is null)
        {
            return Invalid("its session has ended");
        }

        if (await denyList.IsDeniedAsync(new[] { ConsentService.DenyId(grant.Subject, grant.ClientId) }, AuthorizationGrant.BeganAt(grant.GrantId), cancellationToken))
        {
            return Invalid("the person took back what it stands for");
        }

        // The one step that decides: of any number of parallel redemptions, one.
        if (!await codes.TryConsumeAsync(SingleUseKinds.AuthorizationCode, key, timeProvider.GetUtcNow(), cancellationToken))
        {
            await KillAsync(grant, cancellationToken);
            return Invalid("replayed");
        }

        if (!RefreshIssuance.IsDue(client, grant.Scopes))
        {
            return new GrantProof(target, grant);
        }

        await refresh.BeginAsync(grant, cancellationToken);
        return new GrantProof(target, grant, RefreshIssuance.FirstGeneration);
    }

    /// <summary>RFC 7636 §4.6, S256 only. A verifier without a challenge is a downgrade (RFC 9700 §4.8.2).</summary>
    private static bool ProvesPkce(string? challenge, string? verifier)
    {
        if (challenge is null || verifier is null)
        {
            return challenge is null && verifier is null;
        }

        // §4.1: 43 to 128 unreserved characters.
        if (verifier.Length is < 43 or > 128 || !verifier.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '.' or '_' or '~'))
        {
            return false;
        }

        var computed = Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)));
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(computed), Encoding.ASCII.GetBytes(challenge));
    }

    // RFC 6749 §4.1.2: what the first redemption led to dies. It may not have written its family yet: the deny entry outlives one.
    private async Task KillAsync(AuthorizationGrant grant, CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        await denyList.DenyAsync(grant.GrantId.ToString("N"), now + options.Value.RefreshTokenLifetime + AccessTokenIssuer.MaximumLifetime, cancellationToken);
        await families.RevokeAsync(grant.GrantId, now, cancellationToken);
        logger.CodeReplayed(grant.ClientId, grant.GrantId);
    }

    private static OAuthError Invalid(string detail) =>
        new(OAuthErrors.InvalidGrant, "The code is not valid: unknown, used, expired, or not for this request.") { Detail = "code: " + detail };
}
