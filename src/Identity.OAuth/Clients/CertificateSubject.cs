// RFC 8705 §2.1.2, RFC 4514 and RFC 5280 §4.2.1.6: the one name by which a certificate of a trusted authority is a client's.
using System.Formats.Asn1;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Identity.OAuth.Clients;

/// <summary>One of the members <c>tls_client_auth_subject_dn</c>, <c>_san_dns</c>, <c>_san_uri</c>, <c>_san_ip</c> and <c>_san_email</c>.</summary>
/// <param name="Member">Which of them.</param>
/// <param name="Value">As registered.</param>
public sealed record CertificateSubject(string Member, string Value)
{
    private const string SubjectAlternativeName = "2.5.29.17";

    private static readonly Asn1Tag Email = new(TagClass.ContextSpecific, 1);
    private static readonly Asn1Tag Dns = new(TagClass.ContextSpecific, 2);
    private static readonly Asn1Tag Address = new(TagClass.ContextSpecific, 7);
    private static readonly Asn1Tag Identifier = new(TagClass.ContextSpecific, 6);

    /// <summary>The members of which a client of <c>tls_client_auth</c> has exactly one.</summary>
    public static IReadOnlyList<string> Members { get; } =
        ["tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip", "tls_client_auth_san_email"];

    /// <summary>What is wrong with it as metadata; null: nothing.</summary>
    public string? FindProblem() => Member switch
    {
        not "tls_client_auth_subject_dn" when !System.Text.Ascii.IsValid(Value) => "expected ASCII; write other host names as IDNA does",
        "tls_client_auth_subject_dn" => DistinguishedName.TryParse(Value, out _) ? null : "expected a distinguished name as RFC 4514 writes it: openssl x509 -noout -subject -nameopt RFC2253",
        "tls_client_auth_san_dns" => Uri.CheckHostName(Value) == UriHostNameType.Dns ? null : "expected a host name",
        "tls_client_auth_san_uri" => Uri.TryCreate(Value, UriKind.Absolute, out _) ? null : "expected an absolute URI",
        "tls_client_auth_san_ip" => IPAddress.TryParse(Value, out var address) && (address.AddressFamily == AddressFamily.InterNetworkV6 || address.ToString() == Value) ? null : "expected an IP address",
        _ => Value.Split('@') is [{ Length: > 0 }, { Length: > 0 }] ? null : "expected an e-mail address",
    };

    /// <summary>Whether the certificate carries the name. Compared as it is written: no wildcard, no part of a name; host names and the part of an e-mail address behind the at sign whatever their case.</summary>
    public bool IsOf(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        try
        {
            return Member == "tls_client_auth_subject_dn"
                ? DistinguishedName.TryParse(Value, out var expected) && expected.Equals(DistinguishedName.Read(certificate.SubjectName.RawData))
                : AlternativeNames(certificate).Any(Fits);
        }
        catch (AsnContentException)
        {
            // An authority that writes names nobody can read: it names no client.
            return false;
        }
    }

    private static List<(Asn1Tag Tag, byte[] Value)> AlternativeNames(X509Certificate2 certificate)
    {
        var names = new List<(Asn1Tag, byte[])>();
        foreach (var extension in certificate.Extensions.Where(extension => extension.Oid?.Value == SubjectAlternativeName))
        {
            var sequence = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
            while (sequence.HasData)
            {
                var tag = sequence.PeekTag();
                var encoded = sequence.ReadEncodedValue();
                if (!tag.IsConstructed)
                {
                    names.Add((tag, AsnDecoder.ReadOctetString(encoded.Span, AsnEncodingRules.DER, out _, tag)));
                }
            }
        }

        return names;
    }

    private bool Fits((Asn1Tag Tag, byte[] Value) name) => Member switch
    {
        "tls_client_auth_san_dns" => name.Tag == Dns && Ascii(name.Value).Equals(Value, StringComparison.OrdinalIgnoreCase),
        "tls_client_auth_san_uri" => name.Tag == Identifier && Ascii(name.Value) == Value,
        "tls_client_auth_san_ip" => name.Tag == Address && IPAddress.Parse(Value).GetAddressBytes().AsSpan().SequenceEqual(name.Value),
        "tls_client_auth_san_email" => name.Tag == Email && IsMailbox(Ascii(name.Value)),
        _ => false,
    };

    // RFC 5280 §7.5: the local part as it is, the host whatever its case.
    private bool IsMailbox(string name)
    {
        var at = Value.IndexOf('@', StringComparison.Ordinal);
        return name.Length == Value.Length && name.AsSpan(0, at).SequenceEqual(Value.AsSpan(0, at)) && name.AsSpan(at).Equals(Value.AsSpan(at), StringComparison.OrdinalIgnoreCase);
    }

    // These names are ASCII, and so is what is registered: any other byte stays one that fits nothing.
    private static string Ascii(byte[] value) => Encoding.Latin1.GetString(value);
}
