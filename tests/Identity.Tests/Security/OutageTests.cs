// Security catalogue: a store failure is 503, never 200; nothing fails open, and nothing that was refused so is half done.
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using Identity.Tests.Kit;
using Npgsql;

namespace Identity.Tests.Security;

/// <summary>The database goes away under a running server, and comes back.</summary>
public sealed class OutageTests
{
    [Fact]
    public async Task Server_WhenTheDatabaseIsAway_Answers503AndGoesOnWhenItIsBack()
    {
        var directory = Directory.CreateTempSubdirectory("identity-outage-test-");
        await using var database = await PostgresServer.StartAsync();
        if (database is null)
        {
            Assert.Skip(PostgresServer.WhatIsMissing);
        }

        var connection = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        await using var line = new Line(connection.Host!, connection.Port);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        settings["DATA_DIR"] = Path.Combine(directory.FullName, "data");
        database.AddSettings(settings, $"127.0.0.1:{line.Port}");
        await using var process = ServerProcess.Start(settings);
        await process.WaitReadyAsync();
        using var node = new AddressedNode(process.Address);
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser, scope: "openid offline_access notes.read");
        var (access, refresh) = ((string)tokens["access_token"]!, (string)tokens["refresh_token"]!);
        var code = await node.CodeAsync(browser);

        line.Cut();
        await UnavailableAsync(node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", access)));
        await UnavailableAsync(node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", refresh)));
        await UnavailableAsync(node.RefreshAsync(refresh));
        await UnavailableAsync(node.RedeemAsync(code));
        await UnavailableAsync(node.PostAsync("/connect/introspect", "notes-api", ("token", access)));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await node.UserInfoAsync(access));
        using (var login = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email = "admin@example.com", password = Node.Password }))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, login.StatusCode);
            Assert.Contains("\"errorCode\":\"service_unavailable\"", await login.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        foreach (var path in (string[])["/account", node.AuthorizeUrl()])
        {
            using var page = await browser.GetAsync(path);
            Assert.Equal((path, HttpStatusCode.ServiceUnavailable), (path, page.StatusCode));
            Assert.Equal(TimeSpan.FromSeconds(5), page.Headers.RetryAfter?.Delta);
            Assert.Contains("We are not available right now", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        using (var ready = await node.Http.GetAsync(new Uri(node.Address, "/health/ready")))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        }

        using (var live = await node.Http.GetAsync(new Uri(node.Address, "/health/live")))
        {
            Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        }

        line.Mend();
        await process.WaitReadyAsync();

        // Nothing was acknowledged, so everything is as it was: the tokens live, the code is unused.
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync(access));
        Assert.True((bool)(await node.PostAsync("/connect/introspect", "notes-api", ("token", access))).Body["active"]!);
        Assert.Equal(HttpStatusCode.OK, (await node.RedeemAsync(code)).Status);
        Assert.Equal(HttpStatusCode.OK, (await node.RefreshAsync(refresh)).Status);
        Assert.Equal(HttpStatusCode.OK, (await node.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", access))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await node.UserInfoAsync(access));
        using (var page = await browser.GetAsync("/account"))
        {
            Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        }

        await process.KillAsync();
        directory.Delete(recursive: true);
    }

    private static async Task UnavailableAsync(Task<(HttpStatusCode Status, System.Text.Json.Nodes.JsonNode Body)> answering)
    {
        var (status, body) = await answering;
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "temporarily_unavailable"), (status, (string?)body["error"]));
    }

    /// <summary>The way to the database, which a test cuts and mends.</summary>
    private sealed class Line : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<TcpClient> _open = [];
        private readonly string _host;
        private readonly int _target;
        private readonly Task _work;
        private bool _isCut;

        public Line(string host, int target)
        {
            (_host, _target) = (host, target);
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _work = AcceptAsync();
        }

        public int Port { get; }

        public void Cut()
        {
            lock (_open)
            {
                _isCut = true;
                _open.ForEach(client => client.Dispose());
                _open.Clear();
            }
        }

        public void Mend()
        {
            lock (_open)
            {
                _isCut = false;
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Dispose();
            Cut();
            await _work;
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    var from = await _listener.AcceptTcpClientAsync();
                    _ = ForwardAsync(from);
                }
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                // The test is over.
            }
        }

        private async Task ForwardAsync(TcpClient from)
        {
            var to = new TcpClient();
            lock (_open)
            {
                if (_isCut)
                {
                    from.Dispose();
                    to.Dispose();
                    return;
                }

                _open.AddRange([from, to]);
            }

            try
            {
                await to.ConnectAsync(_host, _target);
                await Task.WhenAny(from.GetStream().CopyToAsync(to.GetStream()), to.GetStream().CopyToAsync(from.GetStream()));
            }
            catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // Cut.
            }

            from.Dispose();
            to.Dispose();
        }
    }
}
