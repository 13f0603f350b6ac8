// The settings of external sign-in: section Federation. FederationValidation checks them at start.

namespace Identity.Server.External;

/// <summary>Section <c>Federation</c> of the settings.</summary>
public sealed class FederationOptions
{
    public const string Section = "Federation";

    /// <summary>By name: the name is in addresses, in the log and in the accounts' links, so it stays.</summary>
    public Dictionary<string, ProviderOptions> Providers { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A provider that the sign-in page leads to at once; <c>/signin?here=1</c> shows the page.</summary>
    public string? DirectTo { get; set; }
}

/// <summary>One provider. What only one kind of provider has says so.</summary>
public sealed class ProviderOptions
{
    /// <summary><c>oidc</c>; <c>saml</c>; <c>session</c>: only the session token route.</summary>
    public string Type { get; set; } = "oidc";

    /// <summary><c>openam</c>: what OpenAM does beside the specs is allowed (docs/openam.md); nothing: the specs.</summary>
    public string? Preset { get; set; }

    /// <summary>False: no button, nobody gets in through it; its links stay.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>On the button.</summary>
    public string? DisplayName { get; set; }

    /// <summary>Values of the provider's <c>acr</c> (AuthnContextClassRef) that stand for two factors: such a sign-in is worth <c>mfa</c> here.</summary>
    public IList<string> MultiFactorAcr { get; init; } = [];

    /// <summary>Domains of e-mail addresses whose people are led here.</summary>
    public IList<string> Domains { get; init; } = [];

    /// <summary>What identifies a person: <c>sub</c> or <c>claim:NAME</c>; SAML: <c>nameid</c> or <c>attribute:NAME</c>.</summary>
    public string? Subject { get; set; }

    /// <summary><c>exact</c> or <c>insensitive</c>.</summary>
    public string? SubjectCase { get; set; }

    /// <summary>An account is made at the first sign-in.</summary>
    public bool CreateAccounts { get; set; } = true;

    /// <summary>The provider's e-mail addresses count as verified without its saying so.</summary>
    public bool TrustEmail { get; set; }

    /// <summary>Names of claims for <c>email</c>, <c>first_name</c> and <c>last_name</c>.</summary>
    public Dictionary<string, string> Claims { get; init; } = new(StringComparer.OrdinalIgnoreCase);

    public IList<RoleMapping> Roles { get; init; } = [];

    /// <summary>How long one call to the provider may take.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long its documents (discovery, keys) hold.</summary>
    public TimeSpan RefreshEvery { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How far its clock may be off; null: a minute, SAML: five.</summary>
    public TimeSpan? ClockSkew { get; set; }

    /// <summary>Whether a sign-out here also signs out there.</summary>
    public bool SignOut { get; set; } = true;

    /// <summary>OIDC: the issuer. SAML: the provider's entity ID.</summary>
    public string? Authority { get; set; }

    /// <summary>OIDC: where discovery is fetched, if not at the issuer's well-known address.</summary>
    public string? Discovery { get; set; }

    /// <summary>OIDC: further issuers that are the same provider (other host names of it).</summary>
    public IList<string> Issuers { get; init; } = [];

    /// <summary>OIDC, OpenAM: the realm that tokens must be of.</summary>
    public string? Realm { get; set; }

    public string? ClientId { get; set; }

    public string? ClientSecret { get; set; }

    /// <summary>OIDC: <c>client_secret_basic</c>, <c>client_secret_post</c> or <c>private_key_jwt</c>.</summary>
    public string ClientAuthentication { get; set; } = "client_secret_basic";

    /// <summary>OIDC: PEM file with the private key for private_key_jwt.</summary>
    public string? ClientKeyFile { get; set; }

    public IList<string> Scopes { get; init; } = [];

    /// <summary>The path of the redirect URI; SAML: of the assertion consumer service.</summary>
    public string? CallbackPath { get; set; }

    /// <summary>OIDC: algorithms of ID tokens, of RS, PS and ES.</summary>
    public IList<string> Algorithms { get; init; } = [];

    /// <summary>SAML: the provider's metadata, a file or an address.</summary>
    public string? Metadata { get; set; }

    /// <summary>SAML: our entity ID; null: the address of our metadata.</summary>
    public string? EntityId { get; set; }

    /// <summary>SAML: PEM file with our certificate (RSA).</summary>
    public string? CertificateFile { get; set; }

    /// <summary>SAML: PEM file with its private key, which signs what we send and decrypts what comes.</summary>
    public string? KeyFile { get; set; }

    /// <summary>SAML: how requests go there, <c>redirect</c> or <c>post</c>.</summary>
    public string RequestBinding { get; set; } = "redirect";

    /// <summary>SAML: the NameID asked for: <c>persistent</c>, <c>transient</c>, <c>emailAddress</c> or <c>unspecified</c>; null: as the provider likes.</summary>
    public string? NameIdFormat { get; set; }

    /// <summary>SAML: signatures and digests with SHA-1 are taken.</summary>
    public bool AllowSha1 { get; set; }

    /// <summary>SAML: keys encrypted with RSA-1.5 are taken.</summary>
    public bool AllowRsa15 { get; set; }

    /// <summary>SAML: the provider may begin sign-ins. Anybody can then sign a stranger's browser in as themselves.</summary>
    public bool AllowIdpInitiated { get; set; }

    /// <summary>OpenAM: POST /api/identity/sso/openam through this provider.</summary>
    public SessionTokenOptions? SessionToken { get; set; }

    public bool IsOpenAm => string.Equals(Preset, "openam", StringComparison.OrdinalIgnoreCase);

    public bool IgnoreSubjectCase => SubjectCase is null ? IsOpenAm : string.Equals(SubjectCase, "insensitive", StringComparison.OrdinalIgnoreCase);

    /// <summary>The methods of a sign-in with what its context class adds to them.</summary>
    public IReadOnlyList<string> WithAcr(string? acr, IReadOnlyList<string> amr) =>
        acr is not null && MultiFactorAcr.Contains(acr, StringComparer.Ordinal) ? [.. amr.Append("mfa").Distinct(StringComparer.Ordinal)] : amr;
}

/// <summary>A role that a claim gives.</summary>
public sealed class RoleMapping
{
    public string Claim { get; set; } = "";

    public string Value { get; set; } = "";

    public string Role { get; set; } = "";
}

/// <summary>The session token route.</summary>
public sealed class SessionTokenOptions
{
    /// <summary>OpenAM's address with its context: <c>https://sso.example.com/openam</c>.</summary>
    public string? Root { get; set; }

    /// <summary>Realms whose sessions are accepted, as OpenAM writes them: <c>/</c>, <c>/partners</c>.</summary>
    public IList<string> Realms { get; init; } = [];

    /// <summary>Name of OpenAM's cookie, and of the header that carries its value.</summary>
    public string Cookie { get; set; } = "iPlanetDirectoryPro";

    /// <summary>Longest life of what is issued for one session token, refreshing included.</summary>
    public TimeSpan Lifetime { get; set; } = TimeSpan.FromHours(2);
}
