// OWASP ASVS 5.0 §1.3.6 and RFC 9700 §4: addresses that clients name are fetched only where that is safe.
using System.Net;
using System.Net.Sockets;
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Hosting;

/// <summary>Which hosts outgoing calls that clients name may reach. Public addresses always, by https; private ones only where OUTGOING_ALLOW says so.</summary>
public sealed class OutgoingRules
{
    private readonly List<IPNetwork> _networks = [];
    private readonly HashSet<string> _hosts = new(StringComparer.OrdinalIgnoreCase);

    public static OutgoingRules Read(string? text, bool isDevelopment, ICollection<string> problems)
    {
        var rules = new OutgoingRules();
        if (text is null)
        {
            if (isDevelopment)
            {
                rules._networks.Add(IPNetwork.Parse("127.0.0.0/8"));
                rules._networks.Add(IPNetwork.Parse("::1/128"));
            }

            return rules;
        }

        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (Setting.TryParseNetwork(part, out var network))
            {
                rules._networks.Add(network);
            }
            else if (Uri.CheckHostName(part) == UriHostNameType.Dns && !IPAddress.TryParse(part, out _))
            {
                rules._hosts.Add(part);
            }
            else
            {
                problems.Add("OUTGOING_ALLOW: expected comma-separated host names, addresses or CIDRs.");
                break;
            }
        }

        return rules;
    }

    /// <summary>Whether a connection to this host may go to this address. Asked with the address that is really connected to, so that a name that changes its mind gains nothing.</summary>
    public bool MayReach(string host, IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return IsPublic(address) || _hosts.Contains(host) || _networks.Any(network => network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address));
    }

    private static bool IsPublic(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            return bytes[0] switch
            {
                0 or 10 or 127 or >= 224 => false,
                100 => bytes[1] is < 64 or > 127,
                169 => bytes[1] != 254,
                172 => bytes[1] is < 16 or > 31,
                192 => bytes[1] != 168 && !(bytes[1] == 0 && bytes[2] is 0 or 2),
                198 => bytes[1] is not (18 or 19) && !(bytes[1] == 51 && bytes[2] == 100),
                203 => !(bytes[1] == 0 && bytes[2] == 113),
                _ => true,
            };
        }

        // Only 2000::/3 is routed; of that, tunnels (6to4, Teredo) and documentation lead anywhere or nowhere.
        return (bytes[0] & 0xe0) == 0x20 && !(bytes[0] == 0x20 && bytes[1] == 0x02) && !(bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] is 0 or 0x0d && bytes[3] is 0 or 0xb8);
    }
}
