// RFC 7591 §2 and OpenID Connect Dynamic Client Registration 1.0 §2: client metadata, by its registered names.
using System.Text.Json.Nodes;

namespace Identity.OAuth.Clients;

/// <summary>A registered client. The same vocabulary in files, the admin API and registration: the names of RFC 7591.</summary>
public sealed record Client
{
    /// <summary><c>client_id</c>: unique, case-sensitive, at most 200 visible ASCII characters.</summary>
    public required string ClientId { get; init; }

    /// <summary>
    /// Lower-case hex SHA-256 of each valid <c>client_secret</c> (more than one while a secret is being replaced).
    /// A machine-made secret of 256 bits needs no slow hash; a shorter one is refused at registration.
    /// </summary>
    public IReadOnlyList<string> SecretHashes { get; init; } = [];

    /// <summary><c>client_name</c>, shown to people.</summary>
    public string? ClientName { get; init; }

    public string? LogoUri { get; init; }

    public string? ClientUri { get; init; }

    public string? PolicyUri { get; init; }

    public string? TosUri { get; init; }

    /// <summary><c>redirect_uris</c>: compared character by character (RFC 9700 §4.1.3), loopback ports aside (RFC 8252 §7.3).</summary>
    public IReadOnlyList<string> RedirectUris { get; init; } = [];

    public IReadOnlyList<string> PostLogoutRedirectUris { get; init; } = [];

    /// <summary><c>backchannel_logout_uri</c>: where logout tokens are sent (Back-Channel Logout 1.0 §2.2); https, or http on loopback. They always carry sub and sid.</summary>
    public string? BackChannelLogoutUri { get; init; }

    /// <summary><c>backchannel_logout_session_required</c>: kept as it was registered; there is a sid in any case.</summary>
    public bool BackChannelLogoutSessionRequired { get; init; }

    /// <summary><c>frontchannel_logout_uri</c>: what a browser opens when its session has ended (Front-Channel Logout 1.0 §2); at the origin of one of the redirect URIs. It always carries iss and sid.</summary>
    public string? FrontChannelLogoutUri { get; init; }

    /// <summary><c>frontchannel_logout_session_required</c>: kept as it was registered; there is a sid in any case.</summary>
    public bool FrontChannelLogoutSessionRequired { get; init; }

    /// <summary>Whether it hears of sign-outs, by its server or by the browser.</summary>
    public bool IsToldOfSignOuts => BackChannelLogoutUri is not null || FrontChannelLogoutUri is not null;

    /// <summary><c>grant_types</c>; RFC 7591 §2 default is authorization_code.</summary>
    public IReadOnlyList<string> GrantTypes { get; init; } = ["authorization_code"];

    public IReadOnlyList<string> ResponseTypes { get; init; } = ["code"];

    /// <summary><c>token_endpoint_auth_method</c>; <c>none</c> makes the client public.</summary>
    public string TokenEndpointAuthMethod { get; init; } = "client_secret_basic";

    /// <summary><c>token_endpoint_auth_signing_alg</c>: the one algorithm its assertions may use; null: any asymmetric one we know.</summary>
    public string? TokenEndpointAuthSigningAlg { get; init; }

    /// <summary><c>jwks</c> by value, as JSON.</summary>
    public string? Jwks { get; init; }

    public string? JwksUri { get; init; }

    /// <summary><c>scope</c>, split: every scope the client may ask for. openid, profile, … are to be listed like any other.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary><c>id_token_signed_response_alg</c>; RS256 by default as OIDC Registration §2 requires.</summary>
    public string IdTokenSignedResponseAlg { get; init; } = "RS256";

    /// <summary><c>default_max_age</c>, seconds.</summary>
    public int? DefaultMaxAge { get; init; }

    /// <summary><c>require_auth_time</c>.</summary>
    public bool RequireAuthTime { get; init; }

    public IReadOnlyList<string> DefaultAcrValues { get; init; } = [];

    /// <summary><c>require_consent</c>: whether people are asked before the client gets what it wants.</summary>
    public bool RequireConsent { get; init; }

    /// <summary><c>require_pkce</c>: false only for confidential clients (certification, old libraries).</summary>
    public bool RequirePkce { get; init; } = true;

    /// <summary><c>rotate_refresh_tokens</c>: always true for public clients (RFC 9700 §4.14.2).</summary>
    public bool RotateRefreshTokens { get; init; } = true;

    /// <summary><c>introspects</c>: audiences, besides its own, whose tokens the client may introspect; <c>*</c> for all.</summary>
    public IReadOnlyList<string> Introspects { get; init; } = [];

    /// <summary><c>introspection_signed_response_alg</c> (RFC 9701 §6): how answers are signed where it asks for signed ones.</summary>
    public string IntrospectionSignedResponseAlg { get; init; } = "RS256";

    /// <summary><c>allowed_origins</c>: origins, besides those of its redirect_uris, whose scripts may call us (CORS).</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary><c>require_pushed_authorization_requests</c> (RFC 9126 §6): a request that was not pushed is refused.</summary>
    public bool RequirePushedAuthorizationRequests { get; init; }

    /// <summary><c>require_signed_request_object</c> (RFC 9101 §10.5): a request that the client did not sign is refused.</summary>
    public bool RequireSignedRequestObject { get; init; }

    /// <summary><c>request_object_signing_alg</c>: the one algorithm its request objects may use; null: any that we take.</summary>
    public string? RequestObjectSigningAlg { get; init; }

    /// <summary><c>request_uris</c>: the addresses that its request objects may be fetched from (OpenID Connect Core §6.2).</summary>
    public IReadOnlyList<string> RequestUris { get; init; } = [];

    /// <summary><c>authorization_signed_response_alg</c> (JARM §3): how answers are signed where it asks for signed ones.</summary>
    public string AuthorizationSignedResponseAlg { get; init; } = "RS256";

    /// <summary><c>id_token_claims</c>: false keeps the claims of scopes out of the ID token, which are then at userinfo only, and sid unless the client <see cref="IsToldOfSignOuts"/>.</summary>
    public bool IdTokenClaims { get; init; } = true;

    /// <summary>The name in its certificate (RFC 8705 §2.1.2); null: the client has no certificate of a known authority.</summary>
    public CertificateSubject? TlsClientAuth { get; init; }

    /// <summary><c>tls_client_certificate_bound_access_tokens</c> (RFC 8705 §3.4).</summary>
    public bool CertificateBoundAccessTokens { get; init; }

    /// <summary><c>dpop_bound_access_tokens</c> (RFC 9449 §5.2): a token request without a proof is refused. Other clients' tokens are bound where they send one.</summary>
    public bool DPoPBoundAccessTokens { get; init; }

    /// <summary><c>token_exchange_audiences</c>: the APIs that subject tokens may be exchanged for (RFC 8693); empty: none.</summary>
    public IReadOnlyList<string> TokenExchangeAudiences { get; init; } = [];

    /// <summary><c>token_exchange_subject_audiences</c>: APIs that this client serves: tokens for them may be exchanged by it, besides those issued to it or for its <c>client_id</c>.</summary>
    public IReadOnlyList<string> TokenExchangeSubjectAudiences { get; init; } = [];

    /// <summary><c>token_exchange_openam</c>: session tokens of OpenAM may be exchanged, for the audiences above.</summary>
    public bool TokenExchangeOpenAm { get; init; }

    /// <summary>Written down in CLIENTS_FILE or the settings: what has left them is disabled at the next start.</summary>
    public bool FromFile { get; init; }

    /// <summary>A disabled client gets nothing, and its refresh families are dead.</summary>
    public bool Disabled { get; init; }

    /// <summary>Registered members that we keep but do not act on.</summary>
    public JsonObject? Additional { get; init; }

    /// <summary>RFC 6749 §2.1: a public client cannot keep a secret.</summary>
    public bool IsPublic => string.Equals(TokenEndpointAuthMethod, "none", StringComparison.Ordinal);

    /// <summary>RFC 8705 §2: registered for a certificate, of a known authority or its own.</summary>
    public bool ProvesItselfByCertificate => TokenEndpointAuthMethod is "tls_client_auth" or "self_signed_tls_client_auth";
}
