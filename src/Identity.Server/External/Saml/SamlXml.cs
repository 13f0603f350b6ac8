// OWASP ASVS 5.0 §1.5.1, SAML 2.0 Core §1.3: how XML from outside is read: no DTD, no comments, bounded in size and depth, every ID once.
using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Xml;

namespace Identity.Server.External.Saml;

/// <summary>Reads messages and documents.</summary>
internal static class SamlXml
{
    /// <summary>Largest message in characters.</summary>
    public const int MaximumLength = 256 * 1024;

    private const int MaximumDepth = 40;
    private const int MaximumElements = 5000;

    /// <summary>The document, white space kept as signatures need it.</summary>
    /// <param name="text">What came.</param>
    /// <param name="refusal">Made of a reason and a detail where it cannot be used.</param>
    /// <param name="maximum">In characters.</param>
    /// <param name="mayComment">Metadata may hold comments; where who somebody is may be cut in two by one, there are none.</param>
    public static XmlDocument Read(string text, Func<string, string, ExternalRefusal> refusal, int maximum = MaximumLength, bool mayComment = false)
    {
        if (text.Length > maximum)
        {
            throw refusal("xml", "the message is too long");
        }

        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = maximum };
        var document = new FaithfulXml();
        try
        {
            var elements = 0;
            using (var scan = XmlReader.Create(new StringReader(text), settings))
            {
                while (scan.Read())
                {
                    if (scan.Depth > MaximumDepth || (scan.NodeType == XmlNodeType.Element && ++elements > MaximumElements))
                    {
                        throw refusal("xml", "the message is nested too deep or has too many elements");
                    }

                    if (scan.NodeType == XmlNodeType.ProcessingInstruction || (scan.NodeType == XmlNodeType.Comment && !mayComment))
                    {
                        throw refusal("xml", "the message holds a comment or a processing instruction");
                    }
                }
            }

            using var reader = XmlReader.Create(new StringReader(text), settings);
            document.Load(reader);
        }
        catch (XmlException)
        {
            // What the parser says may quote the message.
            throw refusal("xml", "the message is no XML, or holds a DTD");
        }

        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var attribute in document.SelectNodes("//@*")!.Cast<XmlAttribute>())
        {
            if (attribute.LocalName.Equals("id", StringComparison.OrdinalIgnoreCase) && !ids.Add(attribute.Value))
            {
                throw refusal("ids", "two elements of the message have one ID");
            }
        }

        return document;
    }

    /// <summary>Bindings §3.5.4: base64, line ends allowed.</summary>
    public static string FromBase64(string value, Func<string, string, ExternalRefusal> refusal)
    {
        if (value.Length > MaximumLength * 2)
        {
            throw refusal("xml", "the message is too long");
        }

        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Convert.FromBase64String(value)).TrimStart('\uFEFF');
        }
        catch (Exception exception) when (exception is FormatException or DecoderFallbackException)
        {
            throw refusal("xml", "the message is no base64 of UTF-8");
        }
    }

    /// <summary>Bindings §3.4.4.1: inflated no further than a message may be long.</summary>
    public static string Inflate(string value, Func<string, string, ExternalRefusal> refusal)
    {
        try
        {
            using var inflate = new DeflateStream(new MemoryStream(Convert.FromBase64String(value)), CompressionMode.Decompress);
            var buffer = new byte[64 * 1024];
            var length = inflate.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            return length == buffer.Length ? throw refusal("xml", "the message is too long") : new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(buffer, 0, length);
        }
        catch (Exception exception) when (exception is FormatException or InvalidDataException or DecoderFallbackException)
        {
            throw refusal("xml", "the message is no deflated base64 of UTF-8");
        }
    }

    public static string Deflate(string xml)
    {
        using var bytes = new MemoryStream();
        using (var deflate = new DeflateStream(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(Encoding.UTF8.GetBytes(xml));
        }

        return Convert.ToBase64String(bytes.ToArray());
    }

    public static bool Is(XmlNode? node, string name, string space) => node is XmlElement && node.LocalName == name && node.NamespaceURI == space;

    /// <summary>Direct children only: what stands deeper is somebody else's.</summary>
    public static IReadOnlyList<XmlElement> Children(XmlElement element, string name, string space) => [.. element.ChildNodes.OfType<XmlElement>().Where(child => Is(child, name, space))];

    /// <summary>The child, of which there is one at most.</summary>
    public static XmlElement? Child(XmlElement element, string name, string space, Func<string, string, ExternalRefusal> refusal) => Children(element, name, space) switch
    {
        [] => null,
        [var only] => only,
        _ => throw refusal("xml", $"there is more than one {name}"),
    };

    /// <summary>An attribute, or null where there is none.</summary>
    public static string? Attribute(XmlElement element, string name) => element.HasAttribute(name) ? element.GetAttribute(name) : null;

    /// <summary>Core §1.3.3: UTC, also where no zone is written; null: there is none.</summary>
    public static DateTimeOffset? Time(XmlElement element, string name, Func<string, string, ExternalRefusal> refusal)
    {
        if (Attribute(element, name) is not { } text)
        {
            return null;
        }

        try
        {
            return new DateTimeOffset(XmlConvert.ToDateTime(text, XmlDateTimeSerializationMode.Utc), TimeSpan.Zero);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or OverflowException)
        {
            throw refusal("time", $"{name} is no time");
        }
    }

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
