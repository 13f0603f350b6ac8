// XML Encryption 1.1 §3-5, SAML 2.0 Core §6: assertions and NameIDs that are encrypted for us.
using System.Security.Cryptography;
using System.Text;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>Decrypts with our key. By hand: the library knows no GCM, and looks keys up that nobody asked for.</summary>
internal sealed class SamlEncryption(string name, ProviderOptions options, RSA key)
{
    private const string Rsa15 = SamlNames.Encryption + "rsa-1_5";
    private const string OaepMgf1 = SamlNames.Encryption + "rsa-oaep-mgf1p";
    private const string Oaep = SamlNames.Encryption11 + "rsa-oaep";

    /// <param name="encrypted">EncryptedAssertion or EncryptedID.</param>
    /// <returns>The element that was in it, in a document of its own.</returns>
    public XmlElement Decrypt(XmlElement encrypted)
    {
        var data = SamlXml.Child(encrypted, "EncryptedData", SamlNames.Encryption, Refused) ?? throw Refused("encryption", "there is no EncryptedData");
        var info = SamlXml.Child(data, "KeyInfo", SamlNames.Signature, Refused);
        XmlElement[] keys = [.. info is null ? [] : SamlXml.Children(info, "EncryptedKey", SamlNames.Encryption), .. SamlXml.Children(encrypted, "EncryptedKey", SamlNames.Encryption)];
        if (keys.Length is 0 or > 4)
        {
            throw Refused("encryption", "there is no EncryptedKey, or there are too many");
        }

        var method = Method(data).GetAttribute("Algorithm");
        var (size, isGcm) = method switch
        {
            SamlNames.Encryption + "aes128-cbc" => (16, false),
            SamlNames.Encryption + "aes192-cbc" => (24, false),
            SamlNames.Encryption + "aes256-cbc" => (32, false),
            SamlNames.Encryption11 + "aes128-gcm" => (16, true),
            SamlNames.Encryption11 + "aes192-gcm" => (24, true),
            SamlNames.Encryption11 + "aes256-gcm" => (32, true),
            _ => throw Refused("encryption", "the content is encrypted with another algorithm than AES in CBC or GCM"),
        };
        var content = Value(data);
        foreach (var wrapped in keys)
        {
            var padding = Padding(Method(wrapped));
            try
            {
                var secret = key.Decrypt(Value(wrapped), padding);
                if (secret.Length == size)
                {
                    return SamlXml.Read(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(isGcm ? Gcm(secret, content) : Cbc(secret, content)), Refused).DocumentElement!;
                }
            }
            catch (Exception exception) when (exception is CryptographicException or DecoderFallbackException or ArgumentException or ExternalRefusal)
            {
                // One answer for whatever is wrong: who could tell them apart would read what is not theirs (padding oracles).
            }
        }

        throw Refused("encryption", "it cannot be decrypted with our key; see that the provider has our present metadata");
    }

    private static byte[] Gcm(byte[] secret, byte[] content)
    {
        if (content.Length < 28)
        {
            throw new CryptographicException();
        }

        using var aes = new AesGcm(secret, 16);
        var plain = new byte[content.Length - 28];
        aes.Decrypt(content.AsSpan(0, 12), content.AsSpan(12, plain.Length), content.AsSpan(content.Length - 16), plain);
        return plain;
    }

    // XML Encryption §5.2.2: only the last byte of the padding says something.
    private static byte[] Cbc(byte[] secret, byte[] content)
    {
        if (content.Length < 32 || content.Length % 16 != 0)
        {
            throw new CryptographicException();
        }

        using var aes = Aes.Create();
        aes.Key = secret;
        var plain = aes.DecryptCbc(content.AsSpan(16), content.AsSpan(0, 16), PaddingMode.None);
        return plain[^1] is >= 1 and <= 16 and var padding ? plain[..^padding] : throw new CryptographicException();
    }

    private RSAEncryptionPadding Padding(XmlElement method)
    {
        var digest = SamlXml.Child(method, "DigestMethod", SamlNames.Signature, Refused)?.GetAttribute("Algorithm") ?? SamlNames.Sha1;
        var mask = SamlXml.Child(method, "MGF", SamlNames.Encryption11, Refused)?.GetAttribute("Algorithm") ?? SamlNames.Encryption11 + "mgf1sha1";
        switch (method.GetAttribute("Algorithm"))
        {
            case Rsa15 when options.AllowRsa15:
                return RSAEncryptionPadding.Pkcs1;
            case Rsa15:
                throw new ExternalRefusal(ExternalProblem.Setup, "rsa15", $"the provider encrypts keys with RSA-1.5; set it to RSA-OAEP (docs/openam.md), or, until then, Federation:Providers:{name}:AllowRsa15");
            case OaepMgf1 when digest == SamlNames.Sha1:
            case Oaep when digest == SamlNames.Sha1 && mask.EndsWith("mgf1sha1", StringComparison.Ordinal):
                return RSAEncryptionPadding.OaepSHA1;
            case Oaep when digest == SamlNames.Sha256 && mask.EndsWith("mgf1sha256", StringComparison.Ordinal):
                return RSAEncryptionPadding.OaepSHA256;
            default:
                throw Refused("encryption", "the key is encrypted with another algorithm than RSA-OAEP with one digest for both its parts");
        }
    }

    private static XmlElement Method(XmlElement element) => SamlXml.Child(element, "EncryptionMethod", SamlNames.Encryption, Refused) ?? throw Refused("encryption", "there is no EncryptionMethod");

    private static byte[] Value(XmlElement element)
    {
        var data = SamlXml.Child(element, "CipherData", SamlNames.Encryption, Refused);
        var value = data is null ? null : SamlXml.Child(data, "CipherValue", SamlNames.Encryption, Refused);
        try
        {
            return value is null ? throw Refused("encryption", "there is no CipherValue") : Convert.FromBase64String(value.InnerText);
        }
        catch (FormatException)
        {
            throw Refused("encryption", "a CipherValue is no base64");
        }
    }

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);
}
