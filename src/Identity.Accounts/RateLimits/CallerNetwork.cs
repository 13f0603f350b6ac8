// RFC 4291 §2.5.4, RFC 6177: whoever has one IPv6 address has 2^64 of them.
using System.Net;
using System.Net.Sockets;

namespace Identity.Accounts.RateLimits;

/// <summary>What callers are counted by where one must not pass for many.</summary>
public static class CallerNetwork
{
    /// <summary>An IPv4 address as it is, of an IPv6 address its /64; empty where there is none.</summary>
    public static string Of(Caller caller)
    {
        ArgumentNullException.ThrowIfNull(caller);
        if (!IPAddress.TryParse(caller.Ip, out var address))
        {
            return caller.Ip ?? "";
        }

        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return address.AddressFamily == AddressFamily.InterNetworkV6 ? new IPNetwork(Masked(address), 64).ToString() : address.ToString();
    }

    private static IPAddress Masked(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }
}
