// Keys that ship with software and so are everybody's: who has the software can sign anything with them.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Server.External;

/// <summary>Knows OpenAM's key pair <c>test</c>, which is in every WAR of it since 2016.</summary>
public static class ShippedKeys
{
    /// <summary>What mends it, for the log.</summary>
    public const string Mending = "it signs with the key pair 'test' that ships with every OpenAM, so anybody can forge its messages; make a key of your own and choose it in OpenAM (docs/openam.md, \"The signing key\")";

    // SHA-256 of the SubjectPublicKeyInfo. The key counts, not the certificate around it, which anybody can make anew.
    private static readonly string[] s_publicKeys = ["166083316F9CACA4B6A0626B1E5D4E682DAC75E57B461ABF4B2EF6576723957D"];

    public static bool Contains(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return Contains(certificate.PublicKey.ExportSubjectPublicKeyInfo());
    }

    public static bool Contains(JsonWebKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Kty != JsonWebAlgorithmsKeyTypes.RSA || key.N is null || key.E is null)
        {
            return false;
        }

        try
        {
            var parameters = new RSAParameters { Modulus = Base64UrlEncoder.DecodeBytes(key.N), Exponent = Base64UrlEncoder.DecodeBytes(key.E) };
            if (parameters.Modulus.Length == 0 || parameters.Exponent.Length == 0)
            {
                return false;
            }

            using var rsa = RSA.Create(parameters);
            return Contains(rsa.ExportSubjectPublicKeyInfo());
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException or ArgumentException)
        {
            // What is no key is none of these either; nothing is verified with it.
            return false;
        }
    }

    private static bool Contains(byte[] publicKey) => s_publicKeys.Contains(Convert.ToHexString(SHA256.HashData(publicKey)), StringComparer.Ordinal);
}
