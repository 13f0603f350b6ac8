using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Identity.Tests.Kit;

/// <summary>
/// Ports for servers that the tests start. They lie below those that the system gives to outgoing connections, and each process of
/// tests takes them from blocks that it alone holds (a locked file each, until it ends): so none is taken between being found free and
/// being listened on. Within a process none is given again before all others were.
/// </summary>
public static class Ports
{
    private const int First = 15_000;
    private const int Blocks = 34;
    private const int PerBlock = 500;

    private static readonly Lock Gate = new();
    private static readonly List<FileStream> Claims = [];
    private static readonly List<int> Own = [];
    private static int _next;

    /// <summary>A port of loopback that nobody listens on, by either version of IP.</summary>
    public static int Free()
    {
        lock (Gate)
        {
            for (var attempt = 0; attempt < Blocks * PerBlock; attempt++)
            {
                if (_next == Own.Count && !ClaimBlock())
                {
                    _next = 0;
                }

                if (_next < Own.Count && Own[_next++] is var port && IsFree(IPAddress.Loopback, port) && IsFree(IPAddress.IPv6Loopback, port))
                {
                    return port;
                }
            }
        }

        throw new InvalidOperationException("No port is free.");
    }

    private static bool ClaimBlock()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "identity-test-ports"));
        for (var block = 0; block < Blocks; block++)
        {
            try
            {
                Claims.Add(new(Path.Combine(folder.FullName, block.ToString(CultureInfo.InvariantCulture)), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
                Own.AddRange(Enumerable.Range(First + (block * PerBlock), PerBlock));
                return true;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Another process of tests holds it, or another person's did.
            }
        }

        return false;
    }

    private static bool IsFree(IPAddress address, int port)
    {
        try
        {
            using var listener = new TcpListener(address, port);
            listener.Start();
            return true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported;
        }
    }
}
