// RFC 5280: authorities and certificates of clients, made for a test.
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;

namespace Identity.Tests.Kit;

/// <summary>Certificates with EC keys on P-256, in force from yesterday until tomorrow unless asked otherwise.</summary>
public static class Certificates
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    /// <summary>A root, or an authority under one.</summary>
    public static X509Certificate2 Authority(string name, X509Certificate2? issuer = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        return issuer is null
            ? request.CreateSelfSigned(Now.AddDays(-30), Now.AddDays(30))
            : Signed(request, key, issuer, Now.AddDays(-20), Now.AddDays(20));
    }

    /// <summary>A certificate of a client.</summary>
    /// <param name="subject">Its distinguished name, as .NET writes it.</param>
    /// <param name="issuer">Null: it signs itself.</param>
    /// <param name="names">Adds alternative names.</param>
    /// <param name="days">How long from now it is in force; negative: it has ended.</param>
    /// <param name="from">From when on, in days from now.</param>
    /// <param name="purpose">Extended key usage.</param>
    /// <param name="leadsTo">Where its issuer's certificate and its list of revoked ones are said to be.</param>
    public static X509Certificate2 Client(string subject, X509Certificate2? issuer, Action<SubjectAlternativeNameBuilder>? names = null, int days = 1, int from = -10, string purpose = ClientAuthentication, string? leadsTo = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], critical: false));
        if (names is not null)
        {
            var builder = new SubjectAlternativeNameBuilder();
            names(builder);
            request.CertificateExtensions.Add(builder.Build());
        }

        if (leadsTo is not null)
        {
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([leadsTo + "ocsp"], [leadsTo + "issuer.crt"]));
            request.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension([leadsTo + "revoked.crl"]));
        }

        return issuer is null ? request.CreateSelfSigned(Now.AddDays(from), Now.AddDays(days)) : Signed(request, key, issuer, Now.AddDays(from), Now.AddDays(days));
    }

    /// <summary>Another certificate for the same key and subject, signed by that key.</summary>
    public static X509Certificate2 Again(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        using var key = certificate.GetECDsaPrivateKey()!;
        return new CertificateRequest(certificate.SubjectName, key, HashAlgorithmName.SHA256).CreateSelfSigned(Now.AddDays(-1), Now.AddDays(1));
    }

    /// <summary>A server's certificate and key for localhost, in one PEM file.</summary>
    public static string ServerPem()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(1));
        return certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n";
    }

    /// <summary>RFC 7517 §4.7: the key as JWK, with its certificate.</summary>
    public static JsonObject Jwk(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPublicKey()!;
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return new()
        {
            ["kty"] = "EC",
            ["crv"] = "P-256",
            ["x"] = System.Buffers.Text.Base64Url.EncodeToString(point.X),
            ["y"] = System.Buffers.Text.Base64Url.EncodeToString(point.Y),
            ["x5c"] = new JsonArray(Convert.ToBase64String(certificate.RawData)),
        };
    }

    private static X509Certificate2 Signed(CertificateRequest request, ECDsa key, X509Certificate2 issuer, DateTimeOffset from, DateTimeOffset until)
    {
        using var certificate = request.Create(issuer, from, until, RandomNumberGenerator.GetBytes(12));
        return certificate.CopyWithPrivateKey(key);
    }
}
