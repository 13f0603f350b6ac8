// SAML 2.0 Core, Metadata and Bindings, XML Signature 1.1, XML Encryption 1.1: names.
namespace Identity.Server.External.Saml;

/// <summary>URIs of the specs.</summary>
internal static class SamlNames
{
    public const string Protocol = "urn:oasis:names:tc:SAML:2.0:protocol";
    public const string Assertion = "urn:oasis:names:tc:SAML:2.0:assertion";
    public const string Metadata = "urn:oasis:names:tc:SAML:2.0:metadata";
    public const string Signature = "http://www.w3.org/2000/09/xmldsig#";
    public const string Encryption = "http://www.w3.org/2001/04/xmlenc#";
    public const string Encryption11 = "http://www.w3.org/2009/xmlenc11#";
    public const string Redirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
    public const string Post = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
    public const string Bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
    public const string EntityFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
    public const string Transient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
    public const string EmailAddress = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    public const string StatusPrefix = "urn:oasis:names:tc:SAML:2.0:status:";
    public const string Success = StatusPrefix + "Success";
    public const string RsaSha256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    public const string RsaSha1 = Signature + "rsa-sha1";
    public const string Sha256 = Encryption + "sha256";
    public const string Sha1 = Signature + "sha1";
    public const string Enveloped = Signature + "enveloped-signature";
    public const string ExclusiveC14N = "http://www.w3.org/2001/10/xml-exc-c14n#";
    public const string InclusiveC14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

    /// <summary>The settings' short names of NameID formats (Core §8.3).</summary>
    public static IReadOnlyDictionary<string, string> NameIdFormats { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["persistent"] = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
        ["transient"] = Transient,
        ["emailAddress"] = EmailAddress,
        ["unspecified"] = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    };
}
