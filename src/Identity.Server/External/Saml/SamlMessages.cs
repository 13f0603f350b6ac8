// SAML 2.0 Core §3.2, §3.4.1, §3.7 and Metadata §2.4.4: what we say.
using System.Security.Cryptography.X509Certificates;
using System.Xml.Linq;

namespace Identity.Server.External.Saml;

/// <summary>Who we are to the provider.</summary>
/// <param name="EntityId">Our name.</param>
/// <param name="ConsumerUrl">Where answers to sign-ins go.</param>
/// <param name="LogoutUrl">Where sign-outs and answers to ours go.</param>
internal sealed record SamlServiceProvider(string EntityId, string ConsumerUrl, string LogoutUrl);

/// <summary>Writes messages and our metadata.</summary>
internal sealed class SamlMessages(SamlServiceProvider self, TimeProvider timeProvider)
{
    private static readonly XNamespace s_protocol = SamlNames.Protocol;
    private static readonly XNamespace s_assertion = SamlNames.Assertion;
    private static readonly XNamespace s_metadata = SamlNames.Metadata;
    private static readonly XNamespace s_signature = SamlNames.Signature;

    public string AuthnRequest(string id, string destination, bool fresh, string? nameIdFormat) => Text(new XElement(
        s_protocol + "AuthnRequest",
        Head(id, destination),
        fresh ? new XAttribute("ForceAuthn", "true") : null,
        new XAttribute("AssertionConsumerServiceURL", self.ConsumerUrl),
        new XAttribute("ProtocolBinding", SamlNames.Post),
        new XElement(s_assertion + "Issuer", self.EntityId),
        nameIdFormat is null ? null : new XElement(s_protocol + "NameIDPolicy", new XAttribute("Format", nameIdFormat), new XAttribute("AllowCreate", "true"))));

    public string LogoutRequest(string id, string destination, SamlNameId nameId, string? sessionIndex) => Text(new XElement(
        s_protocol + "LogoutRequest",
        Head(id, destination),
        new XAttribute("NotOnOrAfter", SamlXml.Time(timeProvider.GetUtcNow().AddMinutes(10))),
        new XElement(s_assertion + "Issuer", self.EntityId),
        new XElement(
            s_assertion + "NameID",
            nameId.Format is null ? null : new XAttribute("Format", nameId.Format),
            nameId.NameQualifier is null ? null : new XAttribute("NameQualifier", nameId.NameQualifier),
            nameId.SPNameQualifier is null ? null : new XAttribute("SPNameQualifier", nameId.SPNameQualifier),
            nameId.Value),
        sessionIndex is null ? null : new XElement(s_protocol + "SessionIndex", sessionIndex)));

    public string LogoutResponse(string id, string destination, string inResponseTo, bool succeeded) => Text(new XElement(
        s_protocol + "LogoutResponse",
        Head(id, destination),
        new XAttribute("InResponseTo", inResponseTo),
        new XElement(s_assertion + "Issuer", self.EntityId),
        new XElement(s_protocol + "Status", new XElement(s_protocol + "StatusCode", new XAttribute("Value", succeeded ? SamlNames.Success : SamlNames.StatusPrefix + "Requester")))));

    public string Metadata(X509Certificate2 certificate, string? nameIdFormat) => Text(new XElement(
        s_metadata + "EntityDescriptor",
        new XAttribute(XNamespace.Xmlns + "md", SamlNames.Metadata),
        new XAttribute("entityID", self.EntityId),
        new XElement(
            s_metadata + "SPSSODescriptor",
            new XAttribute("AuthnRequestsSigned", "true"),
            new XAttribute("WantAssertionsSigned", "true"),
            new XAttribute("protocolSupportEnumeration", SamlNames.Protocol),
            Key("signing", certificate),
            Key(
                "encryption",
                certificate,
                new XElement(s_metadata + "EncryptionMethod", new XAttribute("Algorithm", SamlNames.Encryption11 + "aes256-gcm")),
                new XElement(s_metadata + "EncryptionMethod", new XAttribute("Algorithm", SamlNames.Encryption + "aes256-cbc")),
                new XElement(s_metadata + "EncryptionMethod", new XAttribute("Algorithm", SamlNames.Encryption + "rsa-oaep-mgf1p"))),
            Service("SingleLogoutService", SamlNames.Redirect, self.LogoutUrl),
            Service("SingleLogoutService", SamlNames.Post, self.LogoutUrl),
            nameIdFormat is null ? null : new XElement(s_metadata + "NameIDFormat", nameIdFormat),
            new XElement(s_metadata + "AssertionConsumerService", new XAttribute("index", "0"), new XAttribute("isDefault", "true"), new XAttribute("Binding", SamlNames.Post), new XAttribute("Location", self.ConsumerUrl)))));

    private object[] Head(string id, string destination) =>
    [
        new XAttribute(XNamespace.Xmlns + "samlp", SamlNames.Protocol),
        new XAttribute(XNamespace.Xmlns + "saml", SamlNames.Assertion),
        new XAttribute("ID", id),
        new XAttribute("Version", "2.0"),
        new XAttribute("IssueInstant", SamlXml.Time(timeProvider.GetUtcNow())),
        new XAttribute("Destination", destination),
    ];

    private static XElement Key(string use, X509Certificate2 certificate, params XElement[] methods) => new(
        s_metadata + "KeyDescriptor",
        new XAttribute("use", use),
        new XElement(s_signature + "KeyInfo", new XAttribute(XNamespace.Xmlns + "ds", SamlNames.Signature), new XElement(s_signature + "X509Data", new XElement(s_signature + "X509Certificate", Convert.ToBase64String(certificate.RawData)))),
        methods);

    private static XElement Service(string name, string binding, string location) => new(s_metadata + name, new XAttribute("Binding", binding), new XAttribute("Location", location));

    private static string Text(XElement element) => element.ToString(SaveOptions.DisableFormatting);
}
