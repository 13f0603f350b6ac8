// The settings of external sign-in: section Federation. Read and checked at start, one line for what cannot be used.
using System.Text.RegularExpressions;
using Identity.Server.External.Oidc;
using Microsoft.IdentityModel.Tokens;

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

/// <summary>One line per setting that cannot be used.</summary>
internal static partial class FederationValidation
{
    private static readonly string[] s_algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];
    private static readonly string[] s_reserved = ["problem", "link", "signout"];
    private static readonly string[] s_mapped = ["email", "first_name", "last_name"];

    /// <param name="options">What the settings say.</param>
    /// <param name="mayUseHttp">Development: providers may be reached by http.</param>
    public static List<string> FindProblems(FederationOptions options, bool mayUseHttp)
    {
        var problems = new List<string>();
        foreach (var (name, provider) in options.Providers)
        {
            Check(name, provider, mayUseHttp, (setting, expected) => problems.Add($"{FederationOptions.Section}:Providers:{name}:{setting}: expected {expected}."));
        }

        if (options.DirectTo is { } direct && !(options.Providers.TryGetValue(direct, out var target) && target.Type != "session"))
        {
            problems.Add($"{FederationOptions.Section}:DirectTo: expected the name of a provider.");
        }

        var sessions = options.Providers.Where(pair => pair.Value.SessionToken is not null && pair.Value.Enabled).Select(pair => pair.Key).ToArray();
        if (sessions.Length > 1)
        {
            problems.Add($"{FederationOptions.Section}:Providers:{sessions[1]}:SessionToken: expected at one provider only; {sessions[0]} has it.");
        }

        var paths = options.Providers.SelectMany(pair => new[] { pair.Value.CallbackPath }).Where(path => path is not null).ToArray();
        if (paths.Distinct(StringComparer.OrdinalIgnoreCase).Count() != paths.Length)
        {
            problems.Add($"{FederationOptions.Section}:Providers: expected a path of its own for each CallbackPath: a shared one cannot tell providers apart.");
        }

        return problems;
    }

    private static void Check(string name, ProviderOptions provider, bool mayUseHttp, Action<string, string> problem)
    {
        void Address(string setting, string? value, bool required)
        {
            if (value is null ? required : !Uri.TryCreate(value, UriKind.Absolute, out var uri) || !(uri.Scheme == "https" || (uri.Scheme == "http" && mayUseHttp)) || uri.UserInfo.Length > 0)
            {
                problem(setting, mayUseHttp ? "an http or https address" : "an https address");
            }
        }

        void Path(string setting, string? value)
        {
            if (value is not null && !PathForm().IsMatch(value))
            {
                problem(setting, "a path such as /external/" + name + "/callback");
            }
        }

        if (!NameForm().IsMatch(name) || s_reserved.Contains(name, StringComparer.Ordinal))
        {
            problem("", "a name of lower-case letters, digits and hyphens, at most 40 (and not one of " + string.Join(", ", s_reserved) + ")");
        }

        if (provider.Preset is not null && !provider.IsOpenAm)
        {
            problem(nameof(provider.Preset), "openam, or nothing");
        }

        if (provider.SubjectCase is { } folding && folding.ToLowerInvariant() is not ("exact" or "insensitive"))
        {
            problem(nameof(provider.SubjectCase), "exact or insensitive");
        }

        if (provider.Timeout < TimeSpan.FromMilliseconds(100) || provider.Timeout > TimeSpan.FromSeconds(30))
        {
            problem(nameof(provider.Timeout), "100 milliseconds to 30 seconds");
        }

        if (provider.RefreshEvery < TimeSpan.FromSeconds(10) || provider.RefreshEvery > TimeSpan.FromDays(1))
        {
            problem(nameof(provider.RefreshEvery), "10 seconds to a day");
        }

        if (provider.ClockSkew is { } skew && (skew < TimeSpan.Zero || skew > TimeSpan.FromMinutes(10)))
        {
            problem(nameof(provider.ClockSkew), "0 to 10 minutes");
        }

        foreach (var claim in provider.Claims.Keys.Where(claim => !s_mapped.Contains(claim, StringComparer.OrdinalIgnoreCase)))
        {
            problem("Claims:" + claim, "email, first_name or last_name");
        }

        if (provider.Roles.Any(role => role.Claim.Length == 0 || role.Value.Length == 0 || role.Role.Length == 0))
        {
            problem(nameof(provider.Roles), "Claim, Value and Role at each");
        }

        Path(nameof(provider.CallbackPath), provider.CallbackPath);
        switch (provider.Type)
        {
            case "oidc":
                Address(nameof(provider.Authority), provider.Authority, required: true);
                Address(nameof(provider.Discovery), provider.Discovery, required: false);
                CheckOidc(provider, problem);
                break;
            case "saml":
                CheckSaml(provider, Address, problem);
                break;
            case "session" when provider.SessionToken is null:
                problem(nameof(provider.SessionToken), "its settings, at a provider of this type");
                break;
            case "session":
                break;
            default:
                problem(nameof(provider.Type), "oidc, saml or session");
                break;
        }

        if (provider.SessionToken is { } session)
        {
            Address("SessionToken:Root", session.Root, required: true);
            if (session.Realms.Count == 0 || session.Realms.Any(realm => !RealmForm().IsMatch(realm)))
            {
                problem("SessionToken:Realms", "the realms whose sessions are accepted, such as / or /partners");
            }

            if (!CookieForm().IsMatch(session.Cookie))
            {
                problem("SessionToken:Cookie", "the name of OpenAM's cookie");
            }

            if (session.Lifetime < TimeSpan.FromMinutes(1) || session.Lifetime > TimeSpan.FromDays(7))
            {
                problem("SessionToken:Lifetime", "a minute to 7 days");
            }

            if (provider.Subject is not (null or "sub"))
            {
                problem("SessionToken", "Subject sub: a session token tells nothing but the login name");
            }
        }
    }

    private static void CheckSaml(ProviderOptions provider, Action<string, string?, bool> address, Action<string, string> problem)
    {
        if (string.IsNullOrWhiteSpace(provider.Authority))
        {
            problem(nameof(provider.Authority), "the provider's entity ID");
        }

        if (provider.Metadata?.Contains("://", StringComparison.Ordinal) == true)
        {
            address(nameof(provider.Metadata), provider.Metadata, true);
        }
        else if (!File.Exists(provider.Metadata))
        {
            problem(nameof(provider.Metadata), "an address or a file with the provider's metadata");
        }

        if (!(provider.Subject is null or "nameid" || (provider.Subject.StartsWith("attribute:", StringComparison.Ordinal) && provider.Subject.Length > 10)))
        {
            problem(nameof(provider.Subject), "nameid or attribute:NAME");
        }
        else if (provider.Subject is null && provider.IsOpenAm)
        {
            problem(nameof(provider.Subject), "attribute:NAME (such as attribute:uid), or nameid if you mean it: OpenAM's persistent NameID changes (docs/openam.md)");
        }
        else if (provider.Subject is null or "nameid" && provider.NameIdFormat == "transient")
        {
            problem(nameof(provider.NameIdFormat), "another than transient, which names nobody twice, or Subject attribute:NAME");
        }

        if (provider.NameIdFormat is { } format && !Saml.SamlNames.NameIdFormats.ContainsKey(format))
        {
            problem(nameof(provider.NameIdFormat), string.Join(", ", Saml.SamlNames.NameIdFormats.Keys) + ", or nothing");
        }

        if (provider.RequestBinding is not ("redirect" or "post"))
        {
            problem(nameof(provider.RequestBinding), "redirect or post");
        }

        if (provider.EntityId is { Length: 0 or > 1024 })
        {
            problem(nameof(provider.EntityId), "a name of at most 1024 characters");
        }

        try
        {
            using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(provider.CertificateFile ?? "", provider.KeyFile);
            using var key = System.Security.Cryptography.X509Certificates.RSACertificateExtensions.GetRSAPrivateKey(certificate);
            if (key is null || key.KeySize < 2048)
            {
                problem(nameof(provider.KeyFile), "an RSA key of 2048 bits or more");
            }
        }
        catch (Exception exception) when (exception is System.Security.Cryptography.CryptographicException or IOException or ArgumentException or UnauthorizedAccessException)
        {
            problem(nameof(provider.CertificateFile), "a PEM file with our certificate, and in KeyFile its private key");
        }
    }

    private static void CheckOidc(ProviderOptions provider, Action<string, string> problem)
    {
        if (string.IsNullOrWhiteSpace(provider.ClientId))
        {
            problem(nameof(provider.ClientId), "the client's id at the provider");
        }

        if (provider.Issuers.Any(issuer => !Uri.TryCreate(issuer, UriKind.Absolute, out _)))
        {
            problem(nameof(provider.Issuers), "addresses");
        }

        if (!(provider.Subject is null or "sub" || (provider.Subject.StartsWith("claim:", StringComparison.Ordinal) && provider.Subject.Length > 6)))
        {
            problem(nameof(provider.Subject), "sub or claim:NAME");
        }

        switch (provider.ClientAuthentication)
        {
            case "client_secret_basic" or "client_secret_post":
                if (string.IsNullOrEmpty(provider.ClientSecret))
                {
                    problem(nameof(provider.ClientSecret), "the client's secret (or ClientAuthentication private_key_jwt)");
                }

                break;
            case "private_key_jwt":
                if (!IsPrivateKey(provider.ClientKeyFile))
                {
                    problem(nameof(provider.ClientKeyFile), "a PEM file that this process may read, with an RSA or EC private key");
                }

                break;
            default:
                problem(nameof(provider.ClientAuthentication), "client_secret_basic, client_secret_post or private_key_jwt");
                break;
        }

        if (provider.Algorithms.Any(algorithm => !s_algorithms.Contains(algorithm, StringComparer.Ordinal)))
        {
            problem(nameof(provider.Algorithms), "some of " + string.Join(", ", s_algorithms));
        }
    }

    // Opened now and not at the first sign-in; read anew at each, so that it may be exchanged.
    private static bool IsPrivateKey(string? file)
    {
        try
        {
            switch (file is null ? null : OidcClientAuthentication.Credentials(File.ReadAllText(file)).Key)
            {
                case RsaSecurityKey { Rsa: var rsa }:
                    rsa.ExportParameters(includePrivateParameters: true);
                    return true;
                case ECDsaSecurityKey { ECDsa: var ec }:
                    ec.ExportParameters(includePrivateParameters: true);
                    return true;
                default:
                    return false;
            }
        }
        catch (Exception exception) when (exception is System.Security.Cryptography.CryptographicException or IOException or ArgumentException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>A CallbackPath that is one of this service's own would take its place, or never be reached.</summary>
    /// <param name="options">What the settings say.</param>
    /// <param name="isOurs">Whether a path begins as one of our own does.</param>
    public static IEnumerable<string> FindTakenPaths(FederationOptions options, Func<string, bool> isOurs) =>
        from pair in options.Providers
        let path = pair.Value.CallbackPath
        where path is not null && (path.Split('/') is ["", var first, ..] && first.Equals("external", StringComparison.OrdinalIgnoreCase) ? TakenForm().IsMatch(path) : isOurs(path))
        select $"{FederationOptions.Section}:Providers:{pair.Key}:{nameof(ProviderOptions.CallbackPath)}: expected another path: {path} is one of this service's own.";

    // The rest of /external is the providers'.
    [GeneratedRegex("^/external(?:/[^/]+(?:/(?:signed-out|backchannel-logout|metadata|continue|slo))?)?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, 1000)]
    private static partial Regex TakenForm();

    [GeneratedRegex("^[a-z0-9-]{1,40}$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex NameForm();

    [GeneratedRegex("^(/[A-Za-z0-9._~-]+)+$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex PathForm();

    [GeneratedRegex("^/$|^(/[^/?#%\\s]+)+$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RealmForm();

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CookieForm();
}
