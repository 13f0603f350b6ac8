// RFC 7517 (JWK), RFC 7638 (thumbprint), RFC 7518 (algorithms): a key we sign with.
using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Keys;

/// <summary>A signing key in memory, and its credentials. Its public half is published by OpenIddict.</summary>
public sealed class SigningKey
{
    private SigningKey(string algorithm, AsymmetricSecurityKey key)
    {
        Algorithm = algorithm;
        Key = key;
        Credentials = new SigningCredentials(key, algorithm) { CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = true } };
    }

    /// <summary>RFC 7638 SHA-256 thumbprint.</summary>
    public string Kid => Key.KeyId;

    public string Algorithm { get; }

    public AsymmetricSecurityKey Key { get; }

    public SigningCredentials Credentials { get; }

    /// <summary>The algorithms this platform signs with.</summary>
    public static IReadOnlyList<string> SupportedAlgorithms { get; } = [SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSsaPssSha256];

    /// <summary>A new private key as PKCS#8.</summary>
    public static byte[] Generate(string algorithm)
    {
        if (algorithm == SecurityAlgorithms.EcdsaSha256)
        {
            using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return ec.ExportPkcs8PrivateKey();
        }

        using var rsa = RSA.Create(2048);
        return rsa.ExportPkcs8PrivateKey();
    }

    public static SigningKey Import(string algorithm, byte[] pkcs8)
    {
        if (algorithm == SecurityAlgorithms.EcdsaSha256)
        {
            var ec = ECDsa.Create();
            ec.ImportPkcs8PrivateKey(pkcs8, out _);
            return Create(algorithm, new ECDsaSecurityKey(ec));
        }

        var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(pkcs8, out _);
        return Create(algorithm, new RsaSecurityKey(rsa));
    }

    private static SigningKey Create(string algorithm, AsymmetricSecurityKey key)
    {
        key.KeyId = Base64UrlEncoder.Encode(key.ComputeJwkThumbprint());
        return new SigningKey(algorithm, key);
    }
}
