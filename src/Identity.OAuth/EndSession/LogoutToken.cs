// OpenID Connect Back-Channel Logout 1.0 §2.4: what a client is sent when a session that it took part in has ended.
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Keys;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Identity.OAuth.EndSession;

/// <summary>Makes logout tokens: signed as the client's ID tokens are, for that client alone, good for two minutes.</summary>
public sealed class LogoutToken(KeyRing keys, IOptions<OAuthOptions> options, TimeProvider timeProvider)
{
    private const string Event = "http://schemas.openid.net/event/backchannel-logout";

    private static readonly TimeSpan Life = TimeSpan.FromMinutes(2);
    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    public async Task<string> WriteAsync(Client client, LogoutNotice notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(notice);
        var now = timeProvider.GetUtcNow();

        // No nonce, ever: it is what tells this from an ID token.
        var claims = new JsonObject
        {
            ["iss"] = options.Value.Issuer,
            ["sub"] = notice.Subject,
            ["aud"] = client.ClientId,
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + Life).ToUnixTimeSeconds(),
            ["jti"] = notice.Id.ToString("N"),
            ["sid"] = notice.SessionId,
            ["events"] = new JsonObject { [Event] = new JsonObject() },
        };
        var key = await keys.GetSigningKeyAsync(client.IdTokenSignedResponseAlg, cancellationToken);
        return Handler.CreateToken(claims.ToJsonString(), key.Credentials, new Dictionary<string, object>(StringComparer.Ordinal) { [JwtHeaderParameterNames.Typ] = "logout+jwt" });
    }
}
