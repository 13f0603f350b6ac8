// XML 1.0 §2.11, Canonical XML 1.0 §2.3: SignedXml reads an element's text once more before it canonicalizes it. The library writes a carriage return as it is, the
// reader makes a line feed of it, and a message that holds one (OpenAM's base64 does, as &#13;) would no longer be what was signed.
using System.Globalization;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>A document whose elements, written and read again, are what they were.</summary>
internal sealed class FaithfulXml : XmlDocument
{
    public FaithfulXml()
    {
        PreserveWhitespace = true;
        XmlResolver = null;
    }

    public override XmlElement CreateElement(string? prefix, string localName, string? namespaceURI) => new Element(prefix ?? "", localName, namespaceURI ?? "", this);

    private sealed class Element(string prefix, string localName, string namespaceUri, XmlDocument document) : XmlElement(prefix, localName, namespaceUri, document)
    {
        private static readonly XmlWriterSettings s_settings = new() { NewLineHandling = NewLineHandling.Entitize, OmitXmlDeclaration = true };

        public override string OuterXml
        {
            get
            {
                using var text = new StringWriter(CultureInfo.InvariantCulture);
                using (var writer = XmlWriter.Create(text, s_settings))
                {
                    WriteTo(writer);
                }

                return text.ToString();
            }
        }
    }
}
