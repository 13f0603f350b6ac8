// RFC 6749 §3, RFC 8414 §2: where the protocol's endpoints are, and who calls each. OAuthServer.cs hands them to OpenIddict.
using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;

namespace Identity.OAuth.Requests;

/// <summary>Who calls an endpoint, and so how it is asked and how it tells errors.</summary>
public enum EndpointKind
{
    /// <summary>Clients talk to it: a form by POST, JSON back.</summary>
    Form,

    /// <summary>Browsers are sent to it, by GET or POST; a page tells what is wrong.</summary>
    Page,

    /// <summary>Userinfo: GET or POST, the token in the header or in a form.</summary>
    Resource,

    /// <summary>A document: GET.</summary>
    Document,
}

/// <summary>Addresses below PUBLIC_URL, without a leading slash, as OpenIddict takes them.</summary>
public static class ProtocolEndpoints
{
    public const string Configuration = ".well-known/openid-configuration";
    public const string AuthorizationServer = ".well-known/oauth-authorization-server";
    public const string JsonWebKeySet = "connect/jwks";
    public const string Authorization = "connect/authorize";
    public const string Token = "connect/token";
    public const string PushedAuthorization = "connect/par";
    public const string DeviceAuthorization = "connect/device";
    public const string DeviceAuthorizationAlias = "connect/deviceauthorization";
    public const string EndUserVerification = "connect/verify";
    public const string UserInfo = "connect/userinfo";
    public const string Introspection = "connect/introspect";
    public const string Revocation = "connect/revoke";
    public const string RevocationAlias = "connect/revocation";
    public const string EndSession = "connect/endsession";
    public const string EndSessionAlias = "connect/logout";

    private static readonly FrozenDictionary<string, EndpointKind> Kinds = new Dictionary<string, EndpointKind>(StringComparer.Ordinal)
    {
        [Configuration] = EndpointKind.Document,
        [AuthorizationServer] = EndpointKind.Document,
        [JsonWebKeySet] = EndpointKind.Document,
        [Authorization] = EndpointKind.Page,
        [Token] = EndpointKind.Form,
        [PushedAuthorization] = EndpointKind.Form,
        [DeviceAuthorization] = EndpointKind.Form,
        [DeviceAuthorizationAlias] = EndpointKind.Form,
        [EndUserVerification] = EndpointKind.Page,
        [UserInfo] = EndpointKind.Resource,
        [Introspection] = EndpointKind.Form,
        [Revocation] = EndpointKind.Form,
        [RevocationAlias] = EndpointKind.Form,
        [EndSession] = EndpointKind.Page,
        [EndSessionAlias] = EndpointKind.Page,
    }.ToFrozenDictionary(pair => "/" + pair.Key, pair => pair.Value, StringComparer.OrdinalIgnoreCase);

    /// <summary>Null: no endpoint of the protocol's. Regardless of case, as routes are.</summary>
    public static EndpointKind? KindOf(PathString path) => path.HasValue && Kinds.TryGetValue(path.Value!, out var kind) ? kind : null;

    /// <summary>Whether scripts of other origins may call it, and so whether browsers ask before they do (a preflight).</summary>
    public static bool IsForScripts(PathString path) => KindOf(path) is not (null or EndpointKind.Page) && !path.Is(Introspection);

    /// <summary>Whether this is the address of the endpoint, one of the constants here.</summary>
    public static bool Is(this PathString path, string endpoint)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        return path.HasValue && path.Value!.Length == endpoint.Length + 1 && path.Value.EndsWith(endpoint, StringComparison.OrdinalIgnoreCase);
    }
}
