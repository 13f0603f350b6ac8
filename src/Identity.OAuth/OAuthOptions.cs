namespace Identity.OAuth;

/// <summary>What the engine is told by its host. Validated at start.</summary>
public sealed class OAuthOptions
{
    /// <summary>The issuer identifier (RFC 8414 §2): https, or http on loopback in Development; no query, no fragment, no trailing slash.</summary>
    public string Issuer { get; set; } = "";

    /// <summary>Life of an access token. JWT_ACCESS_EXPIRY; a resource may shorten or lengthen it for itself.</summary>
    public TimeSpan AccessTokenLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Absolute life of a refresh family, not renewed by rotation. JWT_REFRESH_EXPIRY.</summary>
    public TimeSpan RefreshTokenLifetime { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How long after a rotation the older token still gets the same successor. 0 turns the window off.</summary>
    public TimeSpan RefreshGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Life of an authorization code; at most 60 s (RFC 6749 §4.1.2, FAPI 2.0).</summary>
    public TimeSpan CodeLifetime { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Life of a device code and of its user code (RFC 8628 §3.2). A person has to fetch another device, sign in and read.</summary>
    public TimeSpan DeviceCodeLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a device has to wait before it asks again (RFC 8628 §3.2 <c>interval</c>); whole seconds.</summary>
    public TimeSpan DevicePollInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Life of an ID token.</summary>
    public TimeSpan IdTokenLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Where clients with certificates find the endpoints (RFC 8705 §5), without a trailing slash; null: at the issuer as everybody. MTLS_URL.</summary>
    internal string? CertificateAddress { get; set; }

    /// <summary>DPoP proofs need a nonce of this server (RFC 9449 §8): none made in advance is worth anything, and clients ask twice now and then.</summary>
    public bool RequireDPoPNonce { get; set; }

    /// <summary>How far a client's clock may be off when it signs something for us.</summary>
    public TimeSpan ClockSkew { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>OpenID Connect Session Management 1.0: <c>session_state</c> in answers, and a frame that may be asked whether it is still so. It needs a cookie that scripts of ours read, in frames of other sites too.</summary>
    public bool SessionManagement { get; set; }

    /// <summary>A new signing key takes over after this long.</summary>
    public TimeSpan KeyRotation { get; set; } = TimeSpan.FromDays(90);

    /// <summary>The next signing key is published this long before it signs.</summary>
    public TimeSpan KeyPublishAhead { get; set; } = TimeSpan.FromDays(2);

    /// <summary>Pushed requests of more than 4 KB that clients without credentials may leave here per address and hour: anybody can push in their name.</summary>
    public int LongPushesPerAddress { get; set; } = 3_000;

    /// <summary>Languages of the pages (BCP 47), for <c>ui_locales_supported</c>.</summary>
    public IList<string> UiLocales { get; } = ["en"];

    /// <summary>Further members of the metadata document, as <c>op_policy_uri</c>.</summary>
    public IDictionary<string, string> Metadata { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>32 bytes that authenticate refresh handles. Derived from the master key, so it is never in the database.</summary>
    public byte[] RefreshTokenKey { get; set; } = [];

    /// <summary>32 bytes that DPoP nonces are made with. Derived from the master key.</summary>
    internal byte[] DPoPNonceKey { get; set; } = [];

    /// <summary>JWT_SECRET as UTF-8: signs HS256 the access tokens of /api/identity only; null: they are ES256 like all others.</summary>
    public byte[]? CompatibilitySecret { get; set; }
}
