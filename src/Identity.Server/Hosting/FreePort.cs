using System.Net;
using System.Net.Sockets;
using Identity.ServiceDefaults.Settings;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Identity.Server.Hosting;

/// <summary>Finds out whether the port is free before anything is made: a password that was made up for a server that then cannot listen would be seen by nobody.</summary>
internal static class FreePort
{
    /// <exception cref="StartFailureException">PORT or BIND_ADDRESS.</exception>
    public static void Check(IServiceProvider services)
    {
        // Tests host the server without a socket.
        if (services.GetRequiredService<IServer>().GetType().Assembly != typeof(KestrelServer).Assembly)
        {
            return;
        }

        var settings = services.GetRequiredService<ServerSettings>();
        try
        {
            using var socket = new TcpListener(settings.BindAddress ?? (settings.IsDevelopment ? IPAddress.Loopback : IPAddress.Any), settings.Port);
            socket.Start();
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            throw new StartFailureException($"BIND_ADDRESS: expected an address of this machine; {settings.BindAddress} is none.", exception);
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            throw new StartFailureException(
                exception.SocketErrorCode == SocketError.AccessDenied
                    ? $"PORT: expected a port that this user may open; {settings.Port} is not one."
                    : $"PORT: expected a free port; {settings.Port} is taken. Stop what listens there, or choose another: PORT={settings.Port + 1}",
                exception);
        }
    }
}
