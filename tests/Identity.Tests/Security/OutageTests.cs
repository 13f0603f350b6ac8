// Security catalogue: a store failure is 503, never 200; nothing fails open, and nothing that was refused so is half done.
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using Identity.OAuth.Storage;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
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

        // What every answer says to browsers, this one says too.
        foreach (var (method, path) in ((HttpMethod, string)[])[(HttpMethod.Post, "/connect/token"), (HttpMethod.Get, "/connect/userinfo"), (HttpMethod.Post, "/api/identity/login")])
        {
            using var request = new HttpRequestMessage(method, new Uri(node.Address, path));
            request.Headers.Authorization = path == "/connect/userinfo" ? new("Bearer", access) : null;
            request.Content = path switch
            {
                "/connect/token" => new FormUrlEncodedContent([new("grant_type", "refresh_token"), new("client_id", "spa"), new("refresh_token", refresh)]),
                "/connect/userinfo" => null,
                _ => JsonContent.Create(new { email = "admin@example.com", password = Node.Password }),
            };
            using var answer = await node.Http.SendAsync(request);
            Assert.Equal((path, HttpStatusCode.ServiceUnavailable), (path, answer.StatusCode));
            Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
            Assert.Equal(["DENY"], answer.Headers.GetValues("X-Frame-Options"));
            Assert.True(answer.Headers.Contains("Content-Security-Policy"), path);
            Assert.True(answer.Headers.Contains("Referrer-Policy"), path);
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

    // The Fetch Standard: without these headers a single-page app is told that the network failed, and not when to come again.
    [Fact]
    public async Task TokenEndpoint_WhenTheDenyListIsAway_TellsAnApplicationOfAnotherOrigin()
    {
        var denied = new UnreachableDenyList();
        await using var server = await HostedServer.StartAsync(
            """[{"client_id":"spa","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1:4711/callback"],"grant_types":["authorization_code","refresh_token"],"scope":"openid offline_access"}]""",
            services: services => services.AddSingleton<IDenyList>(denied));
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var refresh = (string)(await node.TokensAsync(browser, "spa", "openid offline_access"))["refresh_token"]!;
        denied.IsAway = true;
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Url, "/connect/token")) { Content = new FormUrlEncodedContent([new("grant_type", "refresh_token"), new("client_id", "spa"), new("refresh_token", refresh)]) };
        request.Headers.Add("Origin", "http://127.0.0.1:4711");
        using var answer = await node.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal(["http://127.0.0.1:4711"], answer.Headers.GetValues("Access-Control-Allow-Origin"));
        Assert.Contains("Retry-After", Assert.Single(answer.Headers.GetValues("Access-Control-Expose-Headers")), StringComparison.Ordinal);
        Assert.Contains("Origin", answer.Headers.Vary);
        Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    private sealed class UnreachableDenyList : IDenyList
    {
        public bool IsAway { get; set; }

        public Task DenyAsync(string id, DateTimeOffset grantedUntil, DateTimeOffset until, CancellationToken cancellationToken) => IsAway ? throw new TimeoutException() : Task.CompletedTask;

        public ValueTask<bool> IsDeniedAsync(ReadOnlyMemory<string> ids, DateTimeOffset grantedAt, CancellationToken cancellationToken) => IsAway ? throw new TimeoutException() : ValueTask.FromResult(false);
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
