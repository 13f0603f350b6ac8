// RFC 7009: token revocation.
using Identity.OAuth.Clients;
using Identity.OAuth.Clients.ClientAuthentication;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;

namespace Identity.OAuth.Revocation;

/// <summary>Kills tokens for the client they belong to. A store that fails throws: a revocation is never acknowledged that did not happen.</summary>
public sealed class RevocationEndpoint(
    ClientAuthenticator authenticator,
    AccessTokenValidator accessTokens,
    RefreshTokenHandle refreshTokens,
    IRefreshFamilyStore families,
    IDenyList denyList,
    TimeProvider timeProvider)
{
    /// <summary>Null: 200, whether there was anything to revoke or not (§2.2).</summary>
    public async Task<OAuthError?> HandleAsync(RequestParameters parameters, string? authorization, CancellationToken cancellationToken)
    {
        if (!(await authenticator.AuthenticateAsync(parameters, authorization, cancellationToken)).TryGet(out var client, out var error))
        {
            return error;
        }

        if (parameters["token"] is not { } token)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "token is missing.");
        }

        // §2.1: the hint only says where to look first; our tokens tell themselves apart.
        if (refreshTokens.TryRead(token, out var familyId, out _))
        {
            await RevokeFamilyAsync(client, familyId, cancellationToken);
        }
        else if (await accessTokens.ValidateAsync(token, acceptCompatibility: true, cancellationToken) is { } access && access.ClientId == client.ClientId)
        {
            await denyList.DenyAsync(access.TokenId, access.ExpiresAt, cancellationToken);
        }

        return null;
    }

    private async Task RevokeFamilyAsync(Client client, Guid familyId, CancellationToken cancellationToken)
    {
        if (await families.FindAsync(familyId, cancellationToken) is not { } family || family.ClientId != client.ClientId)
        {
            return;
        }

        // §2.1: the access tokens of the same grant go with it.
        var now = timeProvider.GetUtcNow();
        await denyList.DenyAsync(familyId.ToString("N"), now + AccessTokenIssuer.MaximumLifetime, cancellationToken);
        await families.RevokeAsync(familyId, now, cancellationToken);
    }
}
