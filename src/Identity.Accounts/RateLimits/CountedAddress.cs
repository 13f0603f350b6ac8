// RFC 4291 §2.5.4, RFC 6052 §2.1: what limits by address count is what one host can send from.
using System.Net;
using System.Net.Sockets;

namespace Identity.Accounts.RateLimits;

/// <summary>
/// What of an address is counted: of IPv6 the /64, which is one host's to choose from; of IPv4 the address, however it is written.
/// Limits take nothing else (<see cref="AddressLimits"/>). What people and operators are shown is the whole address.
/// </summary>
public readonly record struct CountedAddress
{
    private readonly string? _text;

    private CountedAddress(string text) => _text = text;

    /// <summary>Of a connection; null: it has none.</summary>
    public static CountedAddress? Of(IPAddress? address) => address is null ? null : new(Text(address));

    /// <summary>Of an address as <see cref="Caller.Ip"/> holds it; null: there is none.</summary>
    public static CountedAddress? Of(string? address) =>
        address is null ? null : IPAddress.TryParse(address, out var parsed) ? Of(parsed) : new(address);

    public override string ToString() => _text ?? "";

    private static string Text(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4().ToString();
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address.ToString();
        }

        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);

        // 64:ff9b::/96 is how IPv4 hosts look to a network without IPv4: all of them share a /64.
        if (bytes[..12].SequenceEqual((ReadOnlySpan<byte>)[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]))
        {
            return new IPAddress(bytes[12..]).ToString();
        }

        bytes[8..].Clear();
        return new IPAddress(bytes) + "/64";
    }
}
