// RFC 7662 (introspection) and RFC 9701 (its answer as a signed JWT).
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Clients.ClientAuthentication;
using Identity.OAuth.Keys;
using Identity.OAuth.Storage;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Identity.OAuth.Introspection;

/// <summary>An answer: the object, and for whom.</summary>
/// <param name="Body">RFC 7662 §2.2.</param>
/// <param name="ClientId">Who asked.</param>
/// <param name="SigningAlgorithm">The client's <c>introspection_signed_response_alg</c> (RFC 9701 §6), RS256 by default.</param>
public sealed record IntrospectionResponse(JsonObject Body, string ClientId, string SigningAlgorithm = "RS256");

/// <summary>Tells a resource server about a token, if the token is its business.</summary>
public sealed class IntrospectionEndpoint(
    ClientAuthenticator authenticator,
    AccessTokenValidator accessTokens,
    RefreshTokenHandle refreshTokens,
    IRefreshFamilyStore families,
    IDenyList denyList,
    Sessions.ISessions sessions,
    KeyRing keys,
    IOptions<OAuthOptions> options,
    TimeProvider timeProvider)
{
    /// <summary>RFC 9701 §5: the media type by which a caller asks for a signed answer.</summary>
    public const string JwtMediaType = "application/token-introspection+jwt";

    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    public async Task<Outcome<IntrospectionResponse>> HandleAsync(RequestParameters parameters, string? authorization, CancellationToken cancellationToken)
    {
        if (!(await authenticator.AuthenticateAsync(parameters, authorization, cancellationToken)).TryGet(out var client, out var error))
        {
            // RFC 7662 §2.3: no or wrong authentication is a 401, whichever way it was tried.
            return error.Code == OAuthErrors.InvalidClient ? error with { Status = 401, Challenge = error.Challenge ?? "Basic realm=\"clients\", charset=\"UTF-8\"" } : error;
        }

        if (client.IsPublic)
        {
            return new OAuthError(OAuthErrors.InvalidClient, "A public client cannot introspect.", Status: 401) { Challenge = "Basic realm=\"clients\", charset=\"UTF-8\"" };
        }

        if (parameters["token"] is not { } token)
        {
            return new OAuthError(OAuthErrors.InvalidRequest, "token is missing.");
        }

        var body = await DescribeRefreshTokenAsync(client, token, cancellationToken) ?? await DescribeAccessTokenAsync(client, token, cancellationToken);
        return new IntrospectionResponse(body ?? new JsonObject { ["active"] = false }, client.ClientId, (string?)client.Additional?["introspection_signed_response_alg"] ?? "RS256");
    }

    /// <summary>RFC 9701 §5: the answer as a JWT, so that who stores it can prove what it was told.</summary>
    public async ValueTask<string> SignAsync(IntrospectionResponse response, CancellationToken cancellationToken)
    {
        var claims = new JsonObject
        {
            ["iss"] = options.Value.Issuer,
            ["aud"] = response.ClientId,
            ["iat"] = timeProvider.GetUtcNow().ToUnixTimeSeconds(),
            ["token_introspection"] = response.Body.DeepClone(),
        };
        var key = await keys.GetSigningKeyAsync(response.SigningAlgorithm, cancellationToken);
        return Handler.CreateToken(claims.ToJsonString(), key.Credentials, new Dictionary<string, object>(StringComparer.Ordinal) { [JwtHeaderParameterNames.Typ] = "token-introspection+jwt" });
    }

    private async ValueTask<JsonObject?> DescribeAccessTokenAsync(Client client, string value, CancellationToken cancellationToken)
    {
        if (await accessTokens.ValidateAsync(value, acceptCompatibility: true, cancellationToken) is not { } token || !MaySee(client, token))
        {
            return null;
        }

        var body = new JsonObject { ["active"] = true, ["token_type"] = "Bearer" };
        foreach (var (name, claim) in token.Claims)
        {
            // A note from us to our own userinfo.
            if (name != AccessTokenIssuer.UserInfoClaims)
            {
                body[name] = claim?.DeepClone();
            }
        }

        return body;
    }

    // A token is its own client's business, and that of the APIs in its audience: one whose client id is the audience, or that is registered for it.
    private static bool MaySee(Client client, AccessToken token) =>
        token.ClientId == client.ClientId
        || client.Introspects.Contains("*", StringComparer.Ordinal)
        || token.Audience.Any(audience => audience == client.ClientId || client.Introspects.Contains(audience, StringComparer.Ordinal));

    private async ValueTask<JsonObject?> DescribeRefreshTokenAsync(Client client, string value, CancellationToken cancellationToken)
    {
        if (!refreshTokens.TryRead(value, out var id, out var generation)
            || await families.FindAsync(id, cancellationToken) is not { RevokedAt: null } family
            || family.ClientId != client.ClientId
            || family.Generation != generation
            || family.ExpiresAt <= timeProvider.GetUtcNow()
            || await denyList.IsDeniedAsync(new[] { id.ToString("N") }, cancellationToken)
            || await sessions.FindLiveAsync(family.SessionId, cancellationToken) is null)
        {
            return null;
        }

        return new JsonObject
        {
            ["active"] = true,
            ["token_type"] = "refresh_token",
            ["iss"] = options.Value.Issuer,
            ["sub"] = family.Subject,
            ["client_id"] = family.ClientId,
            ["sid"] = family.SessionId,
            ["scope"] = string.Join(' ', family.Scopes),
            ["iat"] = family.CreatedAt.ToUnixTimeSeconds(),
            ["exp"] = family.ExpiresAt.ToUnixTimeSeconds(),
        };
    }
}
