// RFC 9440 (Client-Cert) and RFC 8705 §6.5: a proxy that ends TLS hands on the certificate that its client showed it.
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore.Http.Features;

namespace Identity.Server.Hosting;

/// <summary>
/// Puts the certificate of MTLS_CLIENT_HEADER where the connection's own would stand, for requests of TRUSTED_PROXIES only; nobody else's word
/// is read. Before <c>UseForwardedHeaders</c>, which replaces the proxy's address.
/// </summary>
internal sealed partial class ForwardedCertificates(RequestDelegate next, ServerSettings settings, ILogger<ForwardedCertificates> logger)
{
    private const int MaximumLength = 16 * 1024;

    private readonly string _header = settings.MutualTls.Header!;

    public async Task InvokeAsync(HttpContext context)
    {
        var values = context.Request.Headers[_header];
        context.Request.Headers.Remove(_header);
        if (!IsProxy(context.Connection.RemoteIpAddress))
        {
            await next(context);
            return;
        }

        // One that the proxy itself shows us is not its client's.
        X509Certificate2? certificate = null;
        if (values.Count > 1 || (values.Count == 1 && !string.IsNullOrWhiteSpace(values[0]) && !TryRead(values[0]!, out certificate)))
        {
            LogDamaged(logger, _header, values.Count);
            await ProtocolAnswers.WriteAsync(context, new Identity.OAuth.OAuthError(Identity.OAuth.OAuthErrors.InvalidRequest, "The proxy handed on a client certificate that cannot be read."));
            return;
        }

        using (certificate)
        {
            context.Features.Set<ITlsConnectionFeature>(new Forwarded { ClientCertificate = certificate });
            await next(context);
        }
    }

    /// <summary>Reads base64 of DER between colons (RFC 9440 §2.1) or alone (HAProxy), and PEM, percent-encoded or not (nginx, Traefik, Envoy, Apache).</summary>
    internal static bool TryRead(string value, out X509Certificate2? certificate)
    {
        certificate = null;
        if (value.Length > MaximumLength)
        {
            return false;
        }

        try
        {
            var text = value.Trim();
            byte[] encoded;
            if (text is [':', .., ':'])
            {
                encoded = Convert.FromBase64String(text[1..^1]);
            }
            else if (text.StartsWith("-----BEGIN", StringComparison.Ordinal))
            {
                text = Uri.UnescapeDataString(text);
                var found = PemEncoding.Find(text);
                if (text[found.Label] != "CERTIFICATE" || text[found.Location.End..].Trim().Length > 0)
                {
                    return false;
                }

                encoded = Convert.FromBase64String(text[found.Base64Data]);
            }
            else
            {
                encoded = Convert.FromBase64String(text);
            }

            certificate = X509CertificateLoader.LoadCertificate(encoded);
            if (certificate.RawData.AsSpan().SequenceEqual(encoded))
            {
                return true;
            }

            certificate.Dispose();
            certificate = null;
            return false;
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or CryptographicException)
        {
            return false;
        }
    }

    private bool IsProxy(IPAddress? address)
    {
        address = address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
        return address is not null && settings.TrustedProxies.Any(network => network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address));
    }

    [LoggerMessage(5010, LogLevel.Warning, "A trusted proxy sent {Count} values of {Header}, or one that is no certificate: the request was refused")]
    private static partial void LogDamaged(ILogger logger, string header, int count);

    private sealed class Forwarded : ITlsConnectionFeature
    {
        public X509Certificate2? ClientCertificate { get; set; }

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult(ClientCertificate);
    }
}
