// RFC 6749 §2: the client of the service's own sign-in routes under /api/identity. It is in no table: it exists on those routes and nowhere else.
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Microsoft.AspNetCore.Http;
using OpenIddict.Abstractions;

namespace Identity.OAuth.FirstParty;

/// <summary>The built-in client.</summary>
public static class FirstPartyClient
{
    /// <summary><c>client_id</c>.</summary>
    public const string ClientId = "identity-api";

    /// <summary>Its grant: the route has proven who is there. OpenIddict calls it a custom flow.</summary>
    public const string GrantType = "urn:identity:first-party";

    /// <summary>The routes that hand out tokens: further addresses of the token endpoint.</summary>
    public static IReadOnlyList<string> TokenRoutes { get; } = ["/api/identity/login", "/api/identity/refresh-token", "/api/identity/otp/verify", "/api/identity/sso/openam"];

    public static bool IsTokenRoute(PathString path) => TokenRoutes.Contains(path.Value, StringComparer.OrdinalIgnoreCase);

    public static Client Client { get; } = new()
    {
        ClientId = ClientId,
        TokenEndpointAuthMethod = "none",
        GrantTypes = [GrantType, OpenIddictConstants.GrantTypes.RefreshToken],
        Scopes = ["openid", "profile", "email", "phone", "offline_access", .. ResourceCatalog.ApiScopes],
    };
}
