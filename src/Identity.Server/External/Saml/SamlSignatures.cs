// XML Signature 1.1 §2-4 as SAML 2.0 Core §5.4 narrows it, Bindings §3.4.4.1 (signed queries): what is believed is what the signature covers, and nothing beside it.
using System.Security.Cryptography;
using System.Security.Cryptography.Xml;
using System.Text;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>Checks and makes signatures. Keys come from the caller; those that a message brings along are not looked at.</summary>
internal sealed class SamlSignatures(string name, ProviderOptions options)
{
    private const string More = "http://www.w3.org/2001/04/xmldsig-more#";
    private static readonly Dictionary<string, HashAlgorithmName> s_rsa = new(StringComparer.Ordinal)
    {
        [SamlNames.RsaSha256] = HashAlgorithmName.SHA256,
        [More + "rsa-sha384"] = HashAlgorithmName.SHA384,
        [More + "rsa-sha512"] = HashAlgorithmName.SHA512,
    };

    private static readonly Dictionary<string, HashAlgorithmName> s_ecdsa = new(StringComparer.Ordinal)
    {
        [More + "ecdsa-sha256"] = HashAlgorithmName.SHA256,
        [More + "ecdsa-sha384"] = HashAlgorithmName.SHA384,
        [More + "ecdsa-sha512"] = HashAlgorithmName.SHA512,
    };

    private static readonly string[] s_digests = [SamlNames.Sha256, More + "sha384", SamlNames.Encryption + "sha512"];
    private static readonly string[] s_fields = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature"];
    private static readonly string[] s_canonical = [SamlNames.ExclusiveC14N, SamlNames.InclusiveC14N];

    static SamlSignatures()
    {
        // The library knows RSA only.
        CryptoConfig.AddAlgorithm(typeof(EcdsaSha256), More + "ecdsa-sha256");
        CryptoConfig.AddAlgorithm(typeof(EcdsaSha384), More + "ecdsa-sha384");
        CryptoConfig.AddAlgorithm(typeof(EcdsaSha512), More + "ecdsa-sha512");
    }

    /// <summary>True: the element carries a signature, and it is good. False: it carries none.</summary>
    /// <exception cref="ExternalRefusal">It carries one that is not good.</exception>
    public bool Verify(XmlElement element, IReadOnlyList<AsymmetricAlgorithm> keys)
    {
        if (SamlXml.Child(element, "Signature", SamlNames.Signature, Refused) is not { } signature)
        {
            return false;
        }

        if (SamlXml.Children(signature, "Object", SamlNames.Signature).Count > 0)
        {
            throw Refused("signature", "the signature brings elements of its own along");
        }

        var info = SamlXml.Child(signature, "SignedInfo", SamlNames.Signature, Refused) ?? throw Refused("signature", "the signature has no SignedInfo");
        if (SamlXml.Attribute(element, "ID") is not { Length: > 0 } id || SamlXml.Children(info, "Reference", SamlNames.Signature) is not [var reference] || reference.GetAttribute("URI") != "#" + id)
        {
            throw Refused("reference", "the signature does not cover exactly the element that carries it");
        }

        if (!s_canonical.Contains(Algorithm(info, "CanonicalizationMethod"), StringComparer.Ordinal))
        {
            throw Refused("transform", "the signature asks for another canonical form than C14N 1.0 and exclusive C14N");
        }

        var transforms = SamlXml.Child(reference, "Transforms", SamlNames.Signature, Refused) is { } list ? SamlXml.Children(list, "Transform", SamlNames.Signature) : [];
        if (transforms.Count is 0 or > 2 || transforms[0].GetAttribute("Algorithm") != SamlNames.Enveloped || (transforms.Count == 2 && !s_canonical.Contains(transforms[1].GetAttribute("Algorithm"), StringComparer.Ordinal)))
        {
            throw Refused("transform", "the signature asks for other transforms than the enveloped signature and C14N");
        }

        var (method, digest) = (Algorithm(info, "SignatureMethod"), Algorithm(reference, "DigestMethod"));
        CheckMethod(method);
        if (!s_digests.Contains(digest, StringComparer.Ordinal) && !(options.AllowSha1 && digest == SamlNames.Sha1))
        {
            throw digest == SamlNames.Sha1 ? Sha1() : Refused("alg", "the digest's algorithm is not one that is accepted");
        }

        foreach (var key in keys.Where(key => Fits(key, method)))
        {
            var signed = new CoveredXml(element);
            try
            {
                signed.LoadXml(signature);
                if (signed.CheckSignature(key))
                {
                    return true;
                }
            }
            catch (Exception exception) when (exception is CryptographicException or FormatException or XmlException or ArgumentException)
            {
                throw Refused("signature", "the signature cannot be read");
            }
        }

        throw Refused("signature", "the signature is not of a key that the provider's metadata names, or the message was changed");
    }

    /// <summary>Bindings §3.4.4.1: over the query as it came, to the byte.</summary>
    /// <param name="query">Without the question mark.</param>
    /// <param name="message"><c>SAMLRequest</c> or <c>SAMLResponse</c>.</param>
    /// <param name="keys">The provider's.</param>
    /// <returns>The message as it was signed, still in base64.</returns>
    /// <exception cref="ExternalRefusal">There is none, or it is not good.</exception>
    public string VerifyQuery(string query, string message, IReadOnlyList<AsymmetricAlgorithm> keys)
    {
        var parts = query.Split('&').Select(part => part.Split('=', 2)).Where(part => part.Length == 2).ToArray();
        string? Raw(string parameter) => parts.Where(part => part[0] == parameter).Select(part => part[1]).ToArray() switch
        {
            [] => null,
            [var only] => only,
            _ => throw Refused("signature", $"{parameter} comes more than once"),
        };

        // Elsewhere fields are found by their decoded names, in any case of letters: what is found must be what is verified here, and nothing beside it.
        if (query.Split('&').Select(part => part.Split('=', 2)[0]).Any(name => !s_fields.Contains(name, StringComparer.Ordinal) && s_fields.Contains(Uri.UnescapeDataString(name), StringComparer.OrdinalIgnoreCase)))
        {
            throw Refused("signature", "a field's name is encoded, or in other capitals");
        }

        if (Raw("Signature") is not { } signature || Raw("SigAlg") is not { } algorithm)
        {
            throw Refused("unsigned", "the message is not signed; have the provider sign what it sends here (docs/openam.md)");
        }

        var method = Uri.UnescapeDataString(algorithm);
        CheckMethod(method);
        var signed = Encoding.UTF8.GetBytes(message + "=" + Raw(message) + (Raw("RelayState") is { } state ? "&RelayState=" + state : "") + "&SigAlg=" + algorithm);
        byte[] bytes;
        try
        {
            bytes = Convert.FromBase64String(Uri.UnescapeDataString(signature));
        }
        catch (FormatException)
        {
            throw Refused("signature", "the signature cannot be read");
        }

        var good = keys.Where(key => Fits(key, method)).Any(key => key switch
        {
            RSA rsa => rsa.VerifyData(signed, bytes, method == SamlNames.RsaSha1 ? HashAlgorithmName.SHA1 : s_rsa[method], RSASignaturePadding.Pkcs1),
            ECDsa ecdsa => ecdsa.VerifyData(signed, bytes, s_ecdsa[method]),
            _ => false,
        });
        return good ? Uri.UnescapeDataString(Raw(message) ?? "") : throw Refused("signature", "the signature is not of a key that the provider's metadata names, or the message was changed");
    }

    /// <summary>Signs what the document's element says, right after its Issuer (Core §3.2.1).</summary>
    public static void Sign(XmlDocument document, RSA key)
    {
        var element = document.DocumentElement!;
        var signed = new CoveredXml(element) { SigningKey = key };
        signed.SignedInfo!.CanonicalizationMethod = SamlNames.ExclusiveC14N;
        signed.SignedInfo.SignatureMethod = SamlNames.RsaSha256;
        var reference = new Reference("#" + element.GetAttribute("ID")) { DigestMethod = SamlNames.Sha256 };
        reference.AddTransform(new XmlDsigEnvelopedSignatureTransform());
        reference.AddTransform(new XmlDsigExcC14NTransform());
        signed.AddReference(reference);
        signed.ComputeSignature();
        element.InsertAfter(document.ImportNode(signed.GetXml(), deep: true), SamlXml.Children(element, "Issuer", SamlNames.Assertion)[0]);
    }

    /// <summary>The query of a signed message.</summary>
    public static string SignQuery(string message, string xml, string? relayState, RSA key)
    {
        var query = $"{message}={Uri.EscapeDataString(SamlXml.Deflate(xml))}{(relayState is null ? "" : "&RelayState=" + Uri.EscapeDataString(relayState))}&SigAlg={Uri.EscapeDataString(SamlNames.RsaSha256)}";
        return query + "&Signature=" + Uri.EscapeDataString(Convert.ToBase64String(key.SignData(Encoding.UTF8.GetBytes(query), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)));
    }

    private void CheckMethod(string method)
    {
        if (!s_rsa.ContainsKey(method) && !s_ecdsa.ContainsKey(method) && !(options.AllowSha1 && method == SamlNames.RsaSha1))
        {
            throw method == SamlNames.RsaSha1 ? Sha1() : Refused("alg", "the signature's algorithm is not one that is accepted");
        }
    }

    private static bool Fits(AsymmetricAlgorithm key, string method) => key is RSA ? s_rsa.ContainsKey(method) || method == SamlNames.RsaSha1 : s_ecdsa.ContainsKey(method);

    private static string Algorithm(XmlElement parent, string child) => SamlXml.Child(parent, child, SamlNames.Signature, Refused)?.GetAttribute("Algorithm") ?? "";

    private ExternalRefusal Sha1() => new(ExternalProblem.Setup, "sha1", $"the provider signs with SHA-1; set it to RSA-SHA256 (docs/openam.md), or, until then, Federation:Providers:{name}:AllowSha1");

    private static ExternalRefusal Refused(string reason, string detail) => new(ExternalProblem.Refused, reason, detail);

    /// <summary>A reference finds the element that is checked, and nothing else of the document.</summary>
    private sealed class CoveredXml : SignedXml
    {
        private readonly XmlElement _element;

        public CoveredXml(XmlElement element)
            : base(element)
        {
            _element = element;
            Resolver = null!;
        }

        public override XmlElement? GetIdElement(XmlDocument? document, string idValue) => _element.GetAttribute("ID") == idValue ? _element : null;
    }
}

/// <summary>RFC 6931 §2.3.6 for the library's register, which takes public types only.</summary>
public abstract class EcdsaSignature(HashAlgorithmName hash) : SignatureDescription
{
    public override HashAlgorithm CreateDigest() => hash == HashAlgorithmName.SHA256 ? SHA256.Create() : hash == HashAlgorithmName.SHA384 ? SHA384.Create() : SHA512.Create();

    public override AsymmetricSignatureDeformatter CreateDeformatter(AsymmetricAlgorithm key) => new Deformatter((ECDsa)key);

    private sealed class Deformatter(ECDsa key) : AsymmetricSignatureDeformatter
    {
        public override void SetHashAlgorithm(string strName)
        {
        }

        public override void SetKey(AsymmetricAlgorithm other)
        {
        }

        public override bool VerifySignature(byte[] rgbHash, byte[] rgbSignature) => key.VerifyHash(rgbHash, rgbSignature);
    }
}

/// <summary>ecdsa-sha256.</summary>
public sealed class EcdsaSha256 : EcdsaSignature
{
    public EcdsaSha256()
        : base(HashAlgorithmName.SHA256) => KeyAlgorithm = typeof(ECDsa).AssemblyQualifiedName;
}

/// <summary>ecdsa-sha384.</summary>
public sealed class EcdsaSha384 : EcdsaSignature
{
    public EcdsaSha384()
        : base(HashAlgorithmName.SHA384) => KeyAlgorithm = typeof(ECDsa).AssemblyQualifiedName;
}

/// <summary>ecdsa-sha512.</summary>
public sealed class EcdsaSha512 : EcdsaSignature
{
    public EcdsaSha512()
        : base(HashAlgorithmName.SHA512) => KeyAlgorithm = typeof(ECDsa).AssemblyQualifiedName;
}
