// The settings of external sign-in: section Federation, checked at start.
using System.Text.RegularExpressions;
using Identity.Server.External.Oidc;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Server.External;

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

        var paths = options.Providers.Where(pair => pair.Value.Type is "oidc" or "saml")
            .Select(pair => pair.Value.Type == "saml" ? Saml.SamlProvider.ConsumerPath(pair.Key, pair.Value) : OidcProvider.ReturnPath(pair.Key, pair.Value)).ToArray();
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
