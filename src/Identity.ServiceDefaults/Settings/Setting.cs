using System.Globalization;
using System.Net;
using Microsoft.Extensions.Configuration;

namespace Identity.ServiceDefaults.Settings;

/// <summary>One setting, read in the one way that all are.</summary>
public static class Setting
{
    /// <summary>Without white space around it, which files of secrets end in; null where it is unset or blank, as Compose files pass variables that are not set.</summary>
    public static string? Text(IConfiguration configuration, string name)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return configuration[name]?.Trim() is { Length: > 0 } text ? text : null;
    }

    /// <summary>An http or https address; null where it is unset, or, with a line in <paramref name="problems"/>, where it is none.</summary>
    public static Uri? Url(IConfiguration configuration, string name, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(problems);
        if (Text(configuration, name) is not { } text)
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
        {
            return url;
        }

        problems.Add($"{name}: expected an http or https URL.");
        return null;
    }

    /// <summary>BIND_ADDRESS; null where it is unset, or, with a line in <paramref name="problems"/>, where it is none.</summary>
    public static IPAddress? BindAddress(IConfiguration configuration, ICollection<string> problems)
    {
        ArgumentNullException.ThrowIfNull(problems);
        if (Text(configuration, "BIND_ADDRESS") is not { } text)
        {
            return null;
        }

        if (TryParseAddress(text, out var address))
        {
            return address;
        }

        problems.Add("BIND_ADDRESS: expected an IP address of this machine such as 127.0.0.1, 10.0.0.5 or ::1 (0.0.0.0 or :: for every one).");
        return null;
    }

    /// <summary>1 to 65535, in digits.</summary>
    public static bool TryParsePort(string text, out int port) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65535;

    /// <summary>An address that is written in full: .NET takes <c>10</c> for 0.0.0.10 and <c>172.28.0</c> for 172.28.0.0, which nobody means who leaves a piece out.</summary>
    public static bool TryParseAddress(string text, out IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(text);
        var isOne = IPAddress.TryParse(text, out var parsed) && (text.Contains(':', StringComparison.Ordinal) || parsed.ToString() == text);
        address = isOne ? parsed! : IPAddress.None;
        return isOne;
    }

    /// <summary>A CIDR, or an address for it alone.</summary>
    public static bool TryParseNetwork(string text, out IPNetwork network)
    {
        ArgumentNullException.ThrowIfNull(text);
        network = default;
        if (!TryParseAddress(text.Split('/')[0], out var address))
        {
            return false;
        }

        if (text.Contains('/', StringComparison.Ordinal))
        {
            return IPNetwork.TryParse(text, out network);
        }

        network = new IPNetwork(address, address.GetAddressBytes().Length * 8);
        return true;
    }

    /// <summary>Whether a host is this machine, by its name or address.</summary>
    public static bool IsLoopback(string host)
    {
        ArgumentNullException.ThrowIfNull(host);
        return host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
    }
}
