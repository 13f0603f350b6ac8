// SAML 2.0 Profiles §4.1 and §4.4: an identity provider of the tests', which signs what a test tells it to.
using System.IO.Compression;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using System.Text;
using System.Xml;
using Identity.Tests.Kit;

namespace Identity.Tests.External;

/// <summary>Its key, its metadata, its messages.</summary>
public sealed class SamlIdp : IDisposable
{
    public const string PublicUrl = "http://127.0.0.1:19999";
    public const string Acs = PublicUrl + "/external/idp/acs";
    public const string Slo = PublicUrl + "/external/idp/slo";
    public const string Self = PublicUrl + "/external/idp/metadata";
    private const string Enc = "http://www.w3.org/2001/04/xmlenc#";

    public string EntityId { get; init; } = "https://idp.example.test/saml";

    public RSA Key { get; } = QuickKeys.CreateRsa();

    public static string CertificateOf(ECDsa key) => Convert.ToBase64String(new CertificateRequest("CN=idp", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(40), DateTimeOffset.UnixEpoch.AddYears(90)).RawData);

    public static string CertificateOf(RSA key) => Convert.ToBase64String(new CertificateRequest("CN=idp", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(40), DateTimeOffset.UnixEpoch.AddYears(90)).RawData);

    public string Metadata(params RSA[] keys) => MetadataOf([.. (keys.Length == 0 ? [Key] : keys).Select(CertificateOf)]);

    public string MetadataOf(params string[] certificates) =>
        $"""<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{EntityId}"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{string.Concat(certificates.Select(certificate => $"""<KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>"""))}<SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="http://idp.example.test/slo"/><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="http://idp.example.test/sso"/><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="http://idp.example.test/sso-post"/></IDPSSODescriptor></EntityDescriptor>""";

    /// <summary>A response that is right in everything, not signed yet.</summary>
    public string Response(string? request, DateTimeOffset now, string person = "alice", string id = "_assertion1") =>
        $"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response1" Version="2.0" IssueInstant="{Time(now)}" Destination="{Acs}"{In(request)}><saml:Issuer>{EntityId}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{Time(now)}"><saml:Issuer>{EntityId}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{person}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData{In(request)} NotOnOrAfter="{Time(now.AddMinutes(5))}" Recipient="{Acs}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{Time(now.AddMinutes(-1))}" NotOnOrAfter="{Time(now.AddMinutes(5))}"><saml:AudienceRestriction><saml:Audience>{Self}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{Time(now)}" SessionIndex="_session1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>{person}@idp.example.test</saml:AttributeValue></saml:Attribute><saml:Attribute Name="uid"><saml:AttributeValue>{person}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>""";

    public string LogoutRequest(DateTimeOffset now, string person = "alice", string? index = "_session1", string id = "_logout1") =>
        $"""<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{Time(now)}" Destination="{Slo}" NotOnOrAfter="{Time(now.AddMinutes(10))}"><saml:Issuer>{EntityId}</saml:Issuer><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{person}</saml:NameID>{(index is null ? "" : $"<samlp:SessionIndex>{index}</samlp:SessionIndex>")}</samlp:LogoutRequest>""";

    public static XmlDocument Load(string xml)
    {
        var document = new XmlDocument { PreserveWhitespace = true };
        document.LoadXml(xml);
        return document;
    }

    public static XmlElement Find(XmlDocument document, string name) => (XmlElement)document.SelectSingleNode($"//*[local-name()='{name}']")!;

    /// <summary>Signs the assertion, the response, or both, in that order.</summary>
    public string Sign(string xml, bool assertion = true, bool response = false, string method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", string digest = "http://www.w3.org/2001/04/xmlenc#sha256", RSA? key = null, Action<SignedXml>? change = null)
    {
        var document = Load(xml);
        foreach (var element in new[] { assertion ? Find(document, "Assertion") : null, response ? document.DocumentElement : null }.OfType<XmlElement>())
        {
            SignElement(element, method, digest, key ?? Key, change);
        }

        return document.OuterXml;
    }

    public static void SignElement(XmlElement element, string method, string digest, RSA key, Action<SignedXml>? change = null)
    {
        var signed = new ById(element) { SigningKey = key };
        signed.SignedInfo!.CanonicalizationMethod = SignedXml.XmlDsigExcC14NTransformUrl;
        signed.SignedInfo.SignatureMethod = method;
        var reference = new Reference("#" + element.GetAttribute("ID")) { DigestMethod = digest };
        reference.AddTransform(new XmlDsigEnvelopedSignatureTransform());
        reference.AddTransform(new XmlDsigExcC14NTransform());
        signed.AddReference(reference);
        change?.Invoke(signed);
        signed.ComputeSignature();
        var issuer = element.ChildNodes.OfType<XmlElement>().First(child => child.LocalName == "Issuer");
        element.InsertAfter(element.OwnerDocument.ImportNode(signed.GetXml(), true), issuer);
    }

    /// <summary>Signs the assertion by hand, for what the library does not sign with.</summary>
    public static string SignWith(string xml, string method, string digestMethod, HashAlgorithmName digest, Func<byte[], byte[]> sign)
    {
        var document = Load(xml);
        var assertion = Find(document, "Assertion");
        var value = CryptographicOperations.HashData(digest, Canonical(assertion.OuterXml));
        var info = $"""<ds:SignedInfo xmlns:ds="{SignedXml.XmlDsigNamespaceUrl}"><ds:CanonicalizationMethod Algorithm="{SignedXml.XmlDsigExcC14NTransformUrl}"/><ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="#{assertion.GetAttribute("ID")}"><ds:Transforms><ds:Transform Algorithm="{SignedXml.XmlDsigEnvelopedSignatureTransformUrl}"/><ds:Transform Algorithm="{SignedXml.XmlDsigExcC14NTransformUrl}"/></ds:Transforms><ds:DigestMethod Algorithm="{digestMethod}"/><ds:DigestValue>{Convert.ToBase64String(value)}</ds:DigestValue></ds:Reference></ds:SignedInfo>""";
        var fragment = document.CreateDocumentFragment();
        fragment.InnerXml = $"""<ds:Signature xmlns:ds="{SignedXml.XmlDsigNamespaceUrl}">{info}<ds:SignatureValue>{Convert.ToBase64String(sign(Canonical(info)))}</ds:SignatureValue></ds:Signature>""";
        assertion.InsertAfter(fragment, assertion.ChildNodes.OfType<XmlElement>().First(child => child.LocalName == "Issuer"));
        return document.OuterXml;
    }

    private static byte[] Canonical(string xml)
    {
        var transform = new XmlDsigExcC14NTransform();
        transform.LoadInput(Load(xml));
        using var bytes = new MemoryStream();
        ((Stream)transform.GetOutput(typeof(Stream))).CopyTo(bytes);
        return bytes.ToArray();
    }

    /// <summary>Encrypts an element for us, and puts it where it was.</summary>
    public static string Encrypt(string xml, string name, string wrapper, RSA recipient, bool gcm = true, bool oaep = true)
    {
        var document = Load(xml);
        var element = Find(document, name);
        var secret = RandomNumberGenerator.GetBytes(32);
        var plain = Encoding.UTF8.GetBytes(element.OuterXml);
        byte[] content;
        if (gcm)
        {
            var (nonce, cipher, tag) = (RandomNumberGenerator.GetBytes(12), new byte[plain.Length], new byte[16]);
            using var aes = new AesGcm(secret, 16);
            aes.Encrypt(nonce, plain, cipher, tag);
            content = [.. nonce, .. cipher, .. tag];
        }
        else
        {
            using var aes = Aes.Create();
            aes.Key = secret;
            var iv = RandomNumberGenerator.GetBytes(16);
            content = [.. iv, .. aes.EncryptCbc(plain, iv, PaddingMode.PKCS7)];
        }

        var wrapped = recipient.Encrypt(secret, oaep ? RSAEncryptionPadding.OaepSHA1 : RSAEncryptionPadding.Pkcs1);
        var fragment = document.CreateDocumentFragment();
        fragment.InnerXml = $"""<saml:{wrapper} xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><xenc:EncryptedData xmlns:xenc="{Enc}" Type="{Enc}Element"><xenc:EncryptionMethod Algorithm="{(gcm ? "http://www.w3.org/2009/xmlenc11#aes256-gcm" : Enc + "aes256-cbc")}"/><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="{Enc}{(oaep ? "rsa-oaep-mgf1p" : "rsa-1_5")}"/><xenc:CipherData><xenc:CipherValue>{Convert.ToBase64String(wrapped)}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{Convert.ToBase64String(content)}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:{wrapper}>""";
        element.ParentNode!.ReplaceChild(fragment, element);
        return document.OuterXml;
    }

    public string SignQuery(string field, string xml, RSA? key = null)
    {
        using var bytes = new MemoryStream();
        using (var deflate = new DeflateStream(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(Encoding.UTF8.GetBytes(xml));
        }

        var query = $"{field}={Uri.EscapeDataString(Convert.ToBase64String(bytes.ToArray()))}&SigAlg={Uri.EscapeDataString("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")}";
        return query + "&Signature=" + Uri.EscapeDataString(Convert.ToBase64String((key ?? Key).SignData(Encoding.UTF8.GetBytes(query), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)));
    }

    public static string Inflate(string base64)
    {
        using var reader = new StreamReader(new DeflateStream(new MemoryStream(Convert.FromBase64String(base64)), CompressionMode.Decompress));
        return reader.ReadToEnd();
    }

    public void Dispose() => Key.Dispose();

    private static string In(string? request) => request is null ? "" : $" InResponseTo=\"{request}\"";

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    private sealed class ById : SignedXml
    {
        private readonly XmlElement _element;

        public ById(XmlElement element)
            : base(element) => _element = element;

        public override XmlElement? GetIdElement(XmlDocument? document, string idValue) => _element.GetAttribute("ID") == idValue ? _element : null;
    }
}
