// RFC 7517 §4 and §5, RFC 7591 §2, RFC 8705 §2.2.2: the public keys that a client is registered with.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Clients;

/// <summary>Reads and checks them when a client is registered: what could never verify a signature is refused here.</summary>
public static class ClientKeys
{
    /// <summary>What <c>jwks</c> or <c>jwks_uri</c> holds, of which a client has one at most.</summary>
    public static (string? Keys, string? Address) Read(MetadataReader reader, string method)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var jwksUri = reader.Text("jwks_uri");
        var jwks = reader.Document("jwks");
        if (jwks is not null && jwksUri is not null)
        {
            reader.Problem("jwks_uri", "jwks and jwks_uri exclude each other (RFC 7591 section 2)");
        }

        if (jwksUri is not null && (!Uri.TryCreate(jwksUri, UriKind.Absolute, out var uri) || (uri.Scheme != "https" && !(uri.Scheme == "http" && uri.IsLoopback))))
        {
            reader.Problem("jwks_uri", "expected an https address");
        }

        if (jwks is not null)
        {
            Check(reader, jwks);
            if (method == "self_signed_tls_client_auth" && jwks["keys"] is JsonArray keys && !keys.Any(key => key is JsonObject with && with.ContainsKey("x5c")))
            {
                reader.Problem("jwks", "self_signed_tls_client_auth needs a key with its certificate in x5c (RFC 8705 section 2.2.2)");
            }
        }
        else if (method is "private_key_jwt" or "self_signed_tls_client_auth" && jwksUri is null)
        {
            reader.Problem("jwks", method + " needs jwks or jwks_uri");
        }

        return (jwks?.ToJsonString(), jwksUri);
    }

    private static void Check(MetadataReader reader, JsonObject jwks)
    {
        if (jwks["keys"] is not JsonArray { Count: > 0 and <= 20 } keys)
        {
            reader.Problem("jwks", "expected an object with 1 to 20 keys");
            return;
        }

        for (var i = 0; i < keys.Count; i++)
        {
            if (keys[i] is not JsonObject key)
            {
                reader.Problem($"jwks.keys[{i}]", "expected an object");
                continue;
            }

            if (key.ContainsKey("d") || key.ContainsKey("k"))
            {
                reader.Problem($"jwks.keys[{i}]", "a private or shared key was given; give the public one");
            }

            try
            {
                var jwk = new JsonWebKey(key.ToJsonString());
                if (!IsStrong(jwk))
                {
                    reader.Problem($"jwks.keys[{i}]", "expected an RSA key of 2048 bits or more, or an EC key on P-256, P-384 or P-521");
                }
                else if (jwk.X5c is [var certificate, ..] && !IsOf(jwk, certificate))
                {
                    reader.Problem($"jwks.keys[{i}].x5c", "expected the certificate of this key first (RFC 7517 section 4.7)");
                }
            }
            catch (Exception exception) when (exception is ArgumentException or FormatException or System.Text.Json.JsonException or CryptographicException)
            {
                reader.Problem($"jwks.keys[{i}]", "not a JWK of a public key");
            }
        }
    }

    // Imported, not only looked at: a point off its curve or a modulus that is none is found here, and not at the first sign-in.
    private static bool IsStrong(JsonWebKey jwk)
    {
        if (jwk.Kty == "RSA")
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = Base64UrlEncoder.DecodeBytes(jwk.N), Exponent = Base64UrlEncoder.DecodeBytes(jwk.E) });
            return rsa.KeySize is >= 2048 and <= 16384;
        }

        ECCurve? curve = jwk.Kty != "EC" ? null : jwk.Crv switch
        {
            "P-256" => ECCurve.NamedCurves.nistP256,
            "P-384" => ECCurve.NamedCurves.nistP384,
            "P-521" => ECCurve.NamedCurves.nistP521,
            _ => null,
        };
        if (curve is not { } named)
        {
            return false;
        }

        using var ec = ECDsa.Create(new ECParameters { Curve = named, Q = new ECPoint { X = Base64UrlEncoder.DecodeBytes(jwk.X), Y = Base64UrlEncoder.DecodeBytes(jwk.Y) } });
        return true;
    }

    private static bool IsOf(JsonWebKey jwk, string encoded)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(Convert.FromBase64String(encoded));
        using var ec = certificate.GetECDsaPublicKey();
        if (ec?.ExportParameters(includePrivateParameters: false).Q is { } point)
        {
            return jwk.Kty == "EC" && point.X.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.X)) && point.Y.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.Y));
        }

        using var rsa = certificate.GetRSAPublicKey();
        return rsa?.ExportParameters(includePrivateParameters: false) is { } key && jwk.Kty == "RSA"
            && key.Modulus.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.N)) && key.Exponent.AsSpan().SequenceEqual(Base64UrlEncoder.DecodeBytes(jwk.E));
    }
}
