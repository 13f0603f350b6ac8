// RFC 4514: the string form of distinguished names, and their form in certificates (RFC 5280 §4.1.2.4), made comparable.
using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Globalization;
using System.Text;

namespace Identity.OAuth.Clients;

/// <summary>A distinguished name: its relative names from the most specific one on, each a set of types and values. Equal is what has the same types with the same values, character by character.</summary>
internal sealed class DistinguishedName : IEquatable<DistinguishedName>
{
    // RFC 4514 §3 and what certificates are also written with.
    private static readonly Dictionary<string, string> Keywords = new(StringComparer.OrdinalIgnoreCase)
    {
        ["CN"] = "2.5.4.3",
        ["SN"] = "2.5.4.4",
        ["serialNumber"] = "2.5.4.5",
        ["C"] = "2.5.4.6",
        ["L"] = "2.5.4.7",
        ["ST"] = "2.5.4.8",
        ["street"] = "2.5.4.9",
        ["O"] = "2.5.4.10",
        ["OU"] = "2.5.4.11",
        ["title"] = "2.5.4.12",
        ["GN"] = "2.5.4.42",
        ["dnQualifier"] = "2.5.4.46",
        ["organizationIdentifier"] = "2.5.4.97",
        ["DC"] = "0.9.2342.19200300.100.1.25",
        ["UID"] = "0.9.2342.19200300.100.1.1",
        ["emailAddress"] = "1.2.840.113549.1.9.1",
    };

    // Of each relative name "type\0value", sorted: a set has no order.
    private readonly string[][] _names;

    private DistinguishedName(IEnumerable<IEnumerable<string>> names) => _names = [.. names.Select(name => name.Order(StringComparer.Ordinal).ToArray())];

    /// <exception cref="AsnContentException">It is none.</exception>
    public static DistinguishedName Read(ReadOnlyMemory<byte> encoded)
    {
        var names = new List<List<string>>();
        var reader = new AsnReader(encoded, AsnEncodingRules.DER);
        var sequence = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        while (sequence.HasData)
        {
            var set = sequence.ReadSetOf();
            var name = new List<string>();
            while (set.HasData)
            {
                var pair = set.ReadSequence();
                var type = pair.ReadObjectIdentifier();
                name.Add(type + "\0" + Value(pair));
                pair.ThrowIfNotEmpty();
            }

            // §2.1: the string begins with the last one.
            names.Insert(0, name);
        }

        return new(names);
    }

    public static bool TryParse(string text, [NotNullWhen(true)] out DistinguishedName? name)
    {
        name = null;
        var names = new List<List<string>> { new() };
        for (var at = 0; ;)
        {
            var equals = text.IndexOf('=', at);
            if (equals < 0 || Type(text[at..equals].Trim(' ')) is not { } type)
            {
                return false;
            }

            at = equals + 1;
            if (!TryReadValue(text, ref at, out var value))
            {
                return false;
            }

            names[^1].Add(type + "\0" + value);
            if (at == text.Length)
            {
                name = new(names);
                return true;
            }

            if (text[at++] == ',')
            {
                names.Add([]);
            }
        }
    }

    public bool Equals(DistinguishedName? other) =>
        other is not null && _names.Length == other._names.Length && _names.Zip(other._names).All(pair => pair.First.SequenceEqual(pair.Second, StringComparer.Ordinal));

    public override bool Equals(object? obj) => Equals(obj as DistinguishedName);

    public override int GetHashCode() => _names.Length;

    private static string? Type(string text) =>
        Keywords.GetValueOrDefault(text) ?? (text.Contains('.', StringComparison.Ordinal) && text.Split('.').All(part => part.Length > 0 && part.All(char.IsAsciiDigit)) ? text : null);

    private static string Value(AsnReader reader)
    {
        var tag = reader.PeekTag();
        return tag is { TagClass: TagClass.Universal, IsConstructed: false }
            && (UniversalTagNumber)tag.TagValue is UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.T61String or UniversalTagNumber.BMPString or UniversalTagNumber.NumericString or UniversalTagNumber.VisibleString
            ? reader.ReadCharacterString((UniversalTagNumber)tag.TagValue)
            : Hex(reader.ReadEncodedValue().Span);
    }

    // §2.4: what is no string is written as # and its encoding.
    private static string Hex(ReadOnlySpan<byte> encoded) => "#\0" + Convert.ToHexString(encoded);

    // Stops at the comma or plus behind it, or at the end.
    private static bool TryReadValue(string text, ref int at, [NotNullWhen(true)] out string? value)
    {
        value = null;
        while (at < text.Length && text[at] == ' ')
        {
            at++;
        }

        var start = at;
        if (at < text.Length && text[at] == '#')
        {
            at = text.AsSpan(start).IndexOfAny(',', '+') is >= 0 and var length ? start + length : text.Length;
            return TryReadEncoded(text.AsSpan(start + 1, at - start - 1), out value);
        }

        var bytes = new List<byte>();
        var lastVisible = 0;
        for (; at < text.Length && text[at] is not (',' or '+'); at++)
        {
            var character = text[at];
            if (character is '"' or ';' or '<' or '>' or '\0')
            {
                return false;
            }

            if (character != '\\')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(char.IsHighSurrogate(character) && at + 1 < text.Length ? text.Substring(at++, 2) : character.ToString()));
                lastVisible = character == ' ' ? lastVisible : bytes.Count;
                continue;
            }

            // An escaped character, or two hex digits of a byte of UTF-8.
            if (at + 1 < text.Length && text[at + 1] is ' ' or '"' or '#' or '+' or ',' or ';' or '<' or '=' or '>' or '\\')
            {
                bytes.Add((byte)text[++at]);
            }
            else if (at + 2 < text.Length && byte.TryParse(text.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var escaped))
            {
                bytes.Add(escaped);
                at += 2;
            }
            else
            {
                return false;
            }

            lastVisible = bytes.Count;
        }

        // Spaces at the end belong to the value only where they are escaped.
        value = Encoding.UTF8.GetString([.. bytes.Take(lastVisible)]);
        return true;
    }

    private static bool TryReadEncoded(ReadOnlySpan<char> hex, [NotNullWhen(true)] out string? value)
    {
        value = null;
        try
        {
            var reader = new AsnReader(Convert.FromHexString(hex.TrimEnd(' ')), AsnEncodingRules.DER);
            value = Value(reader);
            reader.ThrowIfNotEmpty();
            return true;
        }
        catch (Exception exception) when (exception is FormatException or AsnContentException)
        {
            return false;
        }
    }
}
