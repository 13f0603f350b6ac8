// SAML 2.0 Metadata §2.3-2.4 and the Metadata Interoperability Profile 1.0 §2: a provider's keys and addresses, asked for again as they change.
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>What metadata says of the provider.</summary>
/// <param name="Keys">That it signs with; those that ship with software are left out.</param>
/// <param name="ShippedKeys">How many were.</param>
/// <param name="SignOn">Address of sign-in by binding.</param>
/// <param name="Logout">Address of sign-out by binding.</param>
/// <param name="LogoutAnswers">Address for answers to its sign-outs, by binding.</param>
/// <param name="At">When it was read.</param>
/// <param name="Until">From when it must not be used (validUntil); null: it does not say.</param>
internal sealed record SamlIdentityProvider(IReadOnlyList<AsymmetricAlgorithm> Keys, int ShippedKeys, IReadOnlyDictionary<string, string> SignOn, IReadOnlyDictionary<string, string> Logout, IReadOnlyDictionary<string, string> LogoutAnswers, DateTimeOffset At, DateTimeOffset? Until);

/// <summary>Reads and keeps it, from a file or an address. A provider that is away is asked again by the next sign-in; what it said last holds for a day.</summary>
internal sealed partial class SamlMetadata(string name, ProviderOptions options, HttpClient http, bool mayUseHttp, TimeProvider timeProvider, ILogger logger)
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Stale = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    private SamlIdentityProvider? _last;
    private Task<SamlIdentityProvider>? _reading;

    /// <exception cref="ExternalRefusal">There is none that can be used, or it holds no key but shipped ones.</exception>
    public async Task<SamlIdentityProvider> GetAsync(CancellationToken cancellationToken)
    {
        var found = await FindAsync(cancellationToken);
        return found.Keys.Count > 0 ? found
            : throw new ExternalRefusal(ExternalProblem.Setup, found.ShippedKeys > 0 ? "shipped_key" : "keys", found.ShippedKeys > 0 ? ShippedKeys.Mending : "its metadata names no key of RSA (2048 bits or more) or EC that it signs with");
    }

    /// <summary>Also without a key.</summary>
    public async Task<SamlIdentityProvider> FindAsync(CancellationToken cancellationToken)
    {
        var now = timeProvider.GetUtcNow();
        var last = _last is { } kept && !(kept.Until <= now) ? kept : null;
        if (last is not null && now - last.At < options.RefreshEvery)
        {
            return last;
        }

        try
        {
            return await ReadOnceAsync(cancellationToken);
        }
        catch (ExternalRefusal failure) when (last is not null && failure.Problem == ExternalProblem.Unavailable && now - last.At < Stale)
        {
            LogStale(name, failure.Message);
            return last;
        }
    }

    /// <summary>Asks anew, for a signature of a key that is not known: OpenAM drops its old key at once. False: it was asked a moment ago.</summary>
    public async Task<bool> TryRefreshAsync(CancellationToken cancellationToken)
    {
        var last = _last;
        if (last is not null && timeProvider.GetUtcNow() - last.At < AskAgain)
        {
            return false;
        }

        await ReadOnceAsync(cancellationToken);
        return true;
    }

    // Whoever comes while it is being read waits for the same answer, or for the same failure: one after the other they would wait a time limit each.
    private Task<SamlIdentityProvider> ReadOnceAsync(CancellationToken cancellationToken)
    {
        Task<SamlIdentityProvider> reading;
        lock (_lock)
        {
            if (_reading is null or { IsCompleted: true })
            {
                _reading = ReadNewAsync();
            }

            reading = _reading;
        }

        return reading.WaitAsync(cancellationToken);
    }

    private async Task<SamlIdentityProvider> ReadNewAsync()
    {
        var read = Parse(await ReadAsync());
        _last = read;
        return read;
    }

    private async Task<string> ReadAsync()
    {
        var place = options.Metadata!;
        try
        {
            if (!place.Contains("://", StringComparison.Ordinal))
            {
                return await File.ReadAllTextAsync(place);
            }

            using var response = await http.GetAsync(new Uri(place));
            return response.StatusCode == HttpStatusCode.OK ? await response.Content.ReadAsStringAsync() : throw Unusable("status", $"{place} answers {(int)response.StatusCode}");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or UnauthorizedAccessException or OperationCanceledException or InvalidOperationException)
        {
            throw Unusable("unreachable", $"{place} cannot be read within {options.Timeout.TotalSeconds:0.#} s ({exception.GetType().Name}); Federation:Providers:{name}:Metadata and Timeout say where and how long");
        }
    }

    private SamlIdentityProvider Parse(string text)
    {
        // White space before the declaration, as OpenAM's page writes it, is no XML.
        var root = SamlXml.Read(text.TrimStart('\uFEFF', ' ', '\r', '\n', '\t'), (_, detail) => Unusable("metadata", $"{options.Metadata} answers what is no metadata: {detail}"), ExternalHttp.MaximumBytes, mayComment: true).DocumentElement!;
        var now = timeProvider.GetUtcNow();
        var entity = SamlXml.Is(root, "EntityDescriptor", SamlNames.Metadata) ? [root] : root.GetElementsByTagName("EntityDescriptor", SamlNames.Metadata).OfType<XmlElement>().ToArray();
        var ours = entity.FirstOrDefault(candidate => candidate.GetAttribute("entityID") == options.Authority)
            ?? throw new ExternalRefusal(ExternalProblem.Setup, "issuer", $"the metadata does not describe the entity that Federation:Providers:{name}:Authority names");
        var role = SamlXml.Children(ours, "IDPSSODescriptor", SamlNames.Metadata) is [var first, ..] ? first : throw new ExternalRefusal(ExternalProblem.Setup, "metadata", "the metadata describes no identity provider (IDPSSODescriptor)");
        var until = new[] { root, ours, role }.Select(element => SamlXml.Time(element, "validUntil", (_, detail) => Unusable("metadata", detail))).Min();
        if (until <= now)
        {
            throw Unusable("metadata", "the metadata is past its validUntil");
        }

        var (keys, shipped) = (new List<AsymmetricAlgorithm>(), 0);
        foreach (var descriptor in SamlXml.Children(role, "KeyDescriptor", SamlNames.Metadata).Where(descriptor => descriptor.GetAttribute("use") is "" or "signing"))
        {
            foreach (var text64 in descriptor.GetElementsByTagName("X509Certificate", SamlNames.Signature).OfType<XmlElement>().Select(element => element.InnerText))
            {
                using var certificate = Certificate(text64);
                if (ShippedKeys.Contains(certificate))
                {
                    shipped++;
                }
                else if (Key(certificate) is { } key)
                {
                    keys.Add(key);
                }
            }
        }

        return new SamlIdentityProvider(keys, shipped, Addresses(role, "SingleSignOnService", "Location"), Addresses(role, "SingleLogoutService", "Location"), Addresses(role, "SingleLogoutService", "ResponseLocation"), now, until);
    }

    private Dictionary<string, string> Addresses(XmlElement role, string service, string attribute)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var element in SamlXml.Children(role, service, SamlNames.Metadata))
        {
            var address = element.HasAttribute(attribute) ? element.GetAttribute(attribute) : element.GetAttribute("Location");
            if (Uri.TryCreate(address, UriKind.Absolute, out var uri) && (uri.Scheme == "https" || (mayUseHttp && uri.Scheme == "http")) && uri.Fragment.Length == 0)
            {
                found.TryAdd(element.GetAttribute("Binding"), uri.AbsoluteUri);
            }
        }

        return found;
    }

    private X509Certificate2 Certificate(string base64)
    {
        try
        {
            return X509CertificateLoader.LoadCertificate(Convert.FromBase64String(base64));
        }
        catch (Exception exception) when (exception is FormatException or CryptographicException)
        {
            throw Unusable("metadata", $"{options.Metadata} holds a certificate that cannot be read");
        }
    }

    // The key counts, not the dates on the certificate around it (Interoperability Profile §2.6.1).
    private AsymmetricAlgorithm? Key(X509Certificate2 certificate)
    {
        try
        {
            return certificate.GetRSAPublicKey() is { } rsa ? rsa.KeySize >= 2048 ? rsa : null : certificate.GetECDsaPublicKey();
        }
        catch (CryptographicException)
        {
            throw Unusable("metadata", $"{options.Metadata} holds a certificate whose key cannot be read");
        }
    }

    private static ExternalRefusal Unusable(string reason, string detail) => new(ExternalProblem.Unavailable, reason, detail);

    [LoggerMessage(5320, LogLevel.Warning, "The metadata of {Provider} cannot be asked for, and what it said last is used: {Detail}")]
    private partial void LogStale(string provider, string detail);
}
