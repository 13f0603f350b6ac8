// RFC 8705 and RFC 9440: how clients' certificates reach this server, and whose it trusts.
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.OAuth.Clients;
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Hosting;

/// <summary>Mutual TLS, by a port of our own, or by a proxy that ends TLS and hands the certificate on. Off unless one of the two is set.</summary>
public sealed class MutualTlsSettings
{
    /// <summary>Where this server itself speaks TLS and asks for certificates; null: nowhere.</summary>
    public int? Port { get; private init; }

    /// <summary>The server's own certificate at <see cref="Port"/>, with its key.</summary>
    public X509Certificate2? ServerCertificate { get; private init; }

    /// <summary>What it is sent with.</summary>
    public X509Certificate2Collection ServerChain { get; } = [];

    /// <summary>The header in which trusted proxies hand on the certificate; null: none is read.</summary>
    public string? Header { get; private init; }

    /// <summary>Authorities whose certificates prove a client; empty: none.</summary>
    public X509Certificate2Collection Authorities { get; } = [];

    /// <summary>Where clients with certificates find the endpoints; null: where everybody does.</summary>
    public string? Url { get; private init; }

    public CertificateSupport Support => Port is null && Header is null ? CertificateSupport.None : Authorities.Count == 0 ? CertificateSupport.SelfSigned : CertificateSupport.Authorities;

    /// <summary>A line for each certificate that is out of its time: connections with it fail, and only clients see why.</summary>
    public IEnumerable<string> OutOfTime(DateTimeOffset now)
    {
        var own = new[] { ("MTLS_SERVER_CERTIFICATE", ServerCertificate) };
        return own.Concat(Authorities.Select(authority => ("MTLS_CLIENT_CAS", (X509Certificate2?)authority)))
            .Where(one => one.Item2 is { } certificate && (now.UtcDateTime < certificate.NotBefore.ToUniversalTime() || now.UtcDateTime >= certificate.NotAfter.ToUniversalTime()))
            .Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Item1} has a certificate that is good from {one.Item2!.NotBefore.ToUniversalTime():u} to {one.Item2.NotAfter.ToUniversalTime():u} and not now: {one.Item2.Subject}."));
    }

    public static MutualTlsSettings Read(IConfiguration configuration, IReadOnlyCollection<int> taken, bool hasProxies, ICollection<string> problems)
    {
        var (ownPort, header, url) = (Setting.Text(configuration, "MTLS_PORT"), Setting.Text(configuration, "MTLS_CLIENT_HEADER"), Setting.Text(configuration, "MTLS_URL"));
        int? number = null;
        if (ownPort is not null)
        {
            if (!Setting.TryParsePort(ownPort, out var parsed) || taken.Contains(parsed))
            {
                problems.Add("MTLS_PORT: expected a port from 1 to 65535, and another than PORT and MANAGEMENT_PORT.");
            }

            number = parsed;
        }

        foreach (var name in (string[])["MTLS_SERVER_CERTIFICATE", "MTLS_SERVER_KEY"])
        {
            if (Setting.Text(configuration, name) is not null && ownPort is null)
            {
                problems.Add($"{name}: expected only together with MTLS_PORT, which is unset: nothing is served with it.");
            }
        }

        if (header is not null && !header.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_'))
        {
            problems.Add("MTLS_CLIENT_HEADER: expected the name of a header, like Client-Cert.");
        }
        else if (header is not null && !hasProxies)
        {
            problems.Add("MTLS_CLIENT_HEADER: needs TRUSTED_PROXIES: anybody else could send the header too.");
        }

        foreach (var name in (string[])["MTLS_CLIENT_CAS", "MTLS_URL"])
        {
            if (Setting.Text(configuration, name) is not null && ownPort is null && header is null)
            {
                problems.Add($"{name}: needs MTLS_PORT or MTLS_CLIENT_HEADER: no certificate reaches this server.");
            }
        }

        if (url is not null && !(url.StartsWith("https:", StringComparison.OrdinalIgnoreCase) && ServerSettings.IsAddress(url.TrimEnd('/'))))
        {
            problems.Add("MTLS_URL: expected an https address like https://mtls.id.example.com, without query or fragment.");
        }

        var settings = new MutualTlsSettings
        {
            Port = number,
            Header = header,
            Url = url?.TrimEnd('/'),
            ServerCertificate = number is null ? null : ReadServerCertificate(Setting.Text(configuration, "MTLS_SERVER_CERTIFICATE"), Setting.Text(configuration, "MTLS_SERVER_KEY"), problems),
        };
        if (settings.ServerCertificate is not null)
        {
            settings.ServerChain.ImportFromPemFile(Setting.Text(configuration, "MTLS_SERVER_CERTIFICATE")!);
        }

        settings.ReadAuthorities(Setting.Text(configuration, "MTLS_CLIENT_CAS"), problems);
        return settings;
    }

    private static X509Certificate2? ReadServerCertificate(string? file, string? key, ICollection<string> problems)
    {
        if (file is null)
        {
            problems.Add("MTLS_SERVER_CERTIFICATE: expected the PEM file of this server's certificate and those above it; MTLS_PORT needs it.");
            return null;
        }

        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(file, key ?? file);

            // Some platforms serve TLS by no key that is only in memory.
            return X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), password: null);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            problems.Add($"MTLS_SERVER_CERTIFICATE: {file} with its key in MTLS_SERVER_KEY (or the same file) cannot be used: {exception.Message.ReplaceLineEndings(" ")}");
            return null;
        }
    }

    private void ReadAuthorities(string? file, ICollection<string> problems)
    {
        if (file is null)
        {
            return;
        }

        try
        {
            Authorities.ImportFromPemFile(file);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
        {
            problems.Add($"MTLS_CLIENT_CAS: {file} cannot be read: {exception.Message.ReplaceLineEndings(" ")}");
            return;
        }

        if (Authorities.Any(certificate => !IsAuthority(certificate)) || !Authorities.Any(certificate => certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)))
        {
            problems.Add("MTLS_CLIENT_CAS: expected certificates of authorities in PEM (basic constraints CA, key usage keyCertSign), at least one of them a root.");
        }
    }

    private static bool IsAuthority(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(extension => extension.CertificateAuthority)
        && certificate.Extensions.OfType<X509KeyUsageExtension>().Any(extension => extension.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign));
}
