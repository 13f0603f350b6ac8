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
        foreach (var port in settings.Ports)
        {
            Check(settings, port, port == settings.Port ? "PORT" : "MANAGEMENT_PORT");
        }
    }

    private static void Check(ServerSettings settings, int port, string name)
    {
        try
        {
            using var socket = new TcpListener(settings.BindAddress ?? (settings.IsDevelopment ? IPAddress.Loopback : IPAddress.Any), port);
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
                    ? $"{name}: expected a port that this user may open; {port} is not one."
                    : $"{name}: expected a free port; {port} is taken. Stop what listens there, or choose another: {name}={port + 1}",
                exception);
        }
    }
}
