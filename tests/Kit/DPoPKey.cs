// RFC 9449 §4.2: a client's key, and the proofs that it makes with it.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Kit;

/// <summary>Makes proofs, and wrong ones where a test changes what goes into them.</summary>
public sealed class DPoPKey(string algorithm = "ES256") : IDisposable
{
    private readonly AsymmetricAlgorithm _key = algorithm switch
    {
        "ES256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
        "ES384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
        "ES512" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
        _ => QuickKeys.CreateRsa(),
    };

    /// <summary>By Microsoft's hand, not ours.</summary>
    public string Thumbprint => Base64UrlEncoder.Encode(new JsonWebKey(Jwk().ToJsonString()).ComputeJwkThumbprint());

    public JsonObject Jwk(bool isPrivate = false)
    {
        if (_key is ECDsa ec)
        {
            var point = ec.ExportParameters(includePrivateParameters: true);
            var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = algorithm switch { "ES256" => "P-256", "ES384" => "P-384", _ => "P-521" }, ["x"] = Base64UrlEncoder.Encode(point.Q.X), ["y"] = Base64UrlEncoder.Encode(point.Q.Y) };
            if (isPrivate)
            {
                jwk["d"] = Base64UrlEncoder.Encode(point.D);
            }

            return jwk;
        }

        var rsa = ((RSA)_key).ExportParameters(isPrivate);
        var key = new JsonObject { ["kty"] = "RSA", ["n"] = Base64UrlEncoder.Encode(rsa.Modulus), ["e"] = Base64UrlEncoder.Encode(rsa.Exponent) };
        if (isPrivate)
        {
            key["d"] = Base64UrlEncoder.Encode(rsa.D);
        }

        return key;
    }

    /// <param name="method"><c>htm</c>.</param>
    /// <param name="address"><c>htu</c>.</param>
    /// <param name="now"><c>iat</c>.</param>
    /// <param name="accessToken">What <c>ath</c> is of; null: there is none.</param>
    /// <param name="header">Changes the header.</param>
    /// <param name="claims">Changes the claims.</param>
    public string Proof(string method, string address, DateTimeOffset now, string? accessToken = null, Action<JsonObject>? header = null, Action<JsonObject>? claims = null)
    {
        var head = new JsonObject { ["typ"] = "dpop+jwt", ["alg"] = algorithm, ["jwk"] = Jwk() };
        header?.Invoke(head);
        var body = new JsonObject { ["jti"] = Guid.NewGuid().ToString(), ["htm"] = method, ["htu"] = address, ["iat"] = now.ToUnixTimeSeconds() };
        if (accessToken is not null)
        {
            body["ath"] = Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(accessToken)));
        }

        claims?.Invoke(body);
        return Sign(head.ToJsonString(), body.ToJsonString());
    }

    /// <summary>Signs these texts, whatever they are.</summary>
    /// <param name="header">The header.</param>
    /// <param name="claims">The claims.</param>
    /// <param name="by">Another algorithm that such a key can do.</param>
    public string Sign(string header, string claims, string? by = null)
    {
        var signing = by ?? algorithm;
        var input = Base64UrlEncoder.Encode(header) + "." + Base64UrlEncoder.Encode(claims);
        var bytes = Encoding.ASCII.GetBytes(input);
        var digest = signing[2..] switch { "256" => HashAlgorithmName.SHA256, "384" => HashAlgorithmName.SHA384, _ => HashAlgorithmName.SHA512 };
        var signature = _key is ECDsa ec ? ec.SignData(bytes, digest) : ((RSA)_key).SignData(bytes, digest, signing[0] == 'P' ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);
        return $"{input}.{Base64UrlEncoder.Encode(signature)}";
    }

    public void Dispose() => _key.Dispose();
}
