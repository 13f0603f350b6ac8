// RFC 7515 §5.2, OpenID Connect Core §10.1: whether a client signed a JWT, by the keys that it is registered with and no others.
using Identity.OAuth.Requests;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Clients;

/// <summary>Looks at signatures of clients: of assertions and of request objects.</summary>
public sealed class ClientSignatures(IClientKeySource keys)
{
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = 16 * 1024 };

    /// <summary>Whether it is the client's, in the algorithm that it says. Which algorithms will do is for the caller to say first.</summary>
    public async ValueTask<bool> VerifiesAsync(Client client, SignedJwt jwt, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(jwt);
        var proven = await VerifiesAsync(client, jwt, refresh: false, cancellationToken);
        if (proven is null && client.JwksUri is not null)
        {
            // OpenID Connect Core §10.1.1: the client rotated its keys since we last looked.
            proven = await VerifiesAsync(client, jwt, refresh: true, cancellationToken);
        }

        return proven == true;
    }

    /// <summary>Null where no key of the client can be the one that is meant.</summary>
    private async ValueTask<bool?> VerifiesAsync(Client client, SignedJwt jwt, bool refresh, CancellationToken cancellationToken)
    {
        // jku, x5u, x5c and jwk headers are never looked at: keys come from the registration alone.
        bool? proven = null;
        var (algorithm, kid) = (jwt.Algorithm, jwt.KeyId);
        foreach (var key in await keys.FindAsync(client, refresh, cancellationToken))
        {
            if ((kid is not null && key.Kid is not null && key.Kid != kid) || (key.Alg is { Length: > 0 } registered && registered != algorithm) || key.Use is "enc" || key.Kty == "oct")
            {
                continue;
            }

            var result = await Handler.ValidateTokenAsync(jwt.Encoded, new TokenValidationParameters
            {
                IssuerSigningKey = key,
                ValidAlgorithms = [algorithm],
                TryAllIssuerSigningKeys = true,
                ValidateIssuer = false,
                ValidateAudience = false,
                ValidateLifetime = false,
                RequireSignedTokens = true,
            });
            if (result.IsValid)
            {
                return true;
            }

            proven = kid is null ? null : false;
        }

        return proven;
    }
}
