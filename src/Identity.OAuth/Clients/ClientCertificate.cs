// RFC 8705 §3.1: the certificate that the sender of a request holds the key of, and its thumbprint.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Clients;

/// <summary>Client certificates, by whatever way they came: the connection's own, or handed on by a trusted proxy, whose word stands in the same place.</summary>
public static class ClientCertificate
{
    /// <summary>Member of <c>cnf</c>.</summary>
    public const string ThumbprintMember = "x5t#S256";

    /// <summary>The certificate of the request; null: none, or it did not come by TLS. As OpenIddict's ExtractClientCertificate finds it.</summary>
    public static async ValueTask<X509Certificate2?> OfAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Request.IsHttps ? await context.Connection.GetClientCertificateAsync(context.RequestAborted) : null;
    }

    /// <summary>base64url of its SHA-256.</summary>
    public static string Thumbprint(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return Base64UrlEncoder.Encode(SHA256.HashData(certificate.RawData));
    }
}
