using System.Net;
using System.Net.Sockets;

namespace Identity.ServiceDefaults.Settings;

/// <summary>Finds out whether a port is free before anything is made: a password that was made up for a server that then cannot listen would be seen by nobody.</summary>
public static class FreePort
{
    /// <param name="address">BIND_ADDRESS; null: loopback in Development, else every address.</param>
    /// <param name="isDevelopment">Whether it is.</param>
    /// <param name="port">What is to be listened on.</param>
    /// <param name="name">The setting that says so.</param>
    /// <exception cref="StartFailureException">The setting, or BIND_ADDRESS.</exception>
    public static void Check(IPAddress? address, bool isDevelopment, int port, string name)
    {
        try
        {
            using var socket = new TcpListener(address ?? (isDevelopment ? IPAddress.Loopback : IPAddress.Any), port);
            socket.Start();
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            throw new StartFailureException($"BIND_ADDRESS: expected an address of this machine; {address} is none.", exception);
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            throw new StartFailureException(
                exception.SocketErrorCode == SocketError.AccessDenied
                    ? $"{name}: expected a port that this user may open; {port} is not one."
                    : $"{name}: expected a free port; {port} is taken. Stop what listens there, or choose another: {name}={port + 1}",
                exception);
        }
    }
}
