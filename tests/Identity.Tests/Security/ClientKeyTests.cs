// OpenID Connect Core §10.1.1: what a client's jwks_uri said last holds for a while, and no longer.
using System.Net;
using System.Net.Sockets;
using System.Text;
using Identity.OAuth.Clients;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

public sealed class ClientKeyTests
{
    private const string Keys = """{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keys_WhileTheirAddressIsAway_AreBelievedForAnHourAfterItsLastAnswer_AndThenNoMore()
    {
        using var address = new Address();
        var time = new FakeTimeProvider();
        await using var server = await HostedServer.StartAsync(
            $$"""[{"client_id":"c1","grant_types":["client_credentials"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"{{address.Url}}"}]""",
            time: time);
        var source = server.Services.GetRequiredService<IClientKeySource>();
        var client = (await server.Services.GetRequiredService<ClientStore>().FindAsync("c1", Cancel))!;

        address.Body = Keys;
        Assert.Equal(["k1"], await FindAsync());
        time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(["k1"], await FindAsync());
        Assert.Equal(2, address.Asked);

        // Asked for again every ten minutes, and no failure makes them younger.
        address.Body = null;
        for (var minutes = 10; minutes < 60; minutes += 10)
        {
            time.Advance(TimeSpan.FromMinutes(10));
            Assert.Equal(["k1"], await FindAsync());
            Assert.Equal(["k1"], await FindAsync(refresh: true));
        }

        Assert.Equal(7, address.Asked);
        time.Advance(TimeSpan.FromMinutes(10) - TimeSpan.FromSeconds(1));
        Assert.Equal(["k1"], await FindAsync());
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(await FindAsync());
        time.Advance(TimeSpan.FromMinutes(30));
        Assert.Empty(await FindAsync());
        Assert.Empty(await FindAsync(refresh: true));

        address.Body = Keys;
        time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(["k1"], await FindAsync(refresh: true));

        async Task<IEnumerable<string>> FindAsync(bool refresh = false) => (await source.FindAsync(client, refresh, Cancel)).Select(key => key.Kid);
    }

    // Anybody can name a client and a key that it has not: its server is asked once for all of them, and not again for ten seconds.
    [Fact]
    public async Task Keys_AskedForFiftyTimesAtOnce_AreFetchedOnce()
    {
        using var address = new Address { Body = Keys };
        var time = new FakeTimeProvider();
        await using var server = await HostedServer.StartAsync(
            $$"""[{"client_id":"c1","grant_types":["client_credentials"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"{{address.Url}}"}]""",
            time: time);
        var source = server.Services.GetRequiredService<IClientKeySource>();
        var client = (await server.Services.GetRequiredService<ClientStore>().FindAsync("c1", Cancel))!;
        for (var round = 1; round <= 3; round++)
        {
            var found = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => source.FindAsync(client, refresh: true, Cancel).AsTask(), Cancel)));
            Assert.All(found, keys => Assert.Equal("k1", Assert.Single(keys).Kid));
            Assert.Equal(round, address.Asked);
            time.Advance(TimeSpan.FromSeconds(10));
        }
    }

    /// <summary>Where the keys are; without them it is out of order.</summary>
    private sealed class Address : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private int _asked;

        public Address()
        {
            _listener.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/keys";
            _ = ServeAsync();
        }

        public string Url { get; }

        public string? Body { get; set; }

        public int Asked => Volatile.Read(ref _asked);

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using var connection = await _listener.AcceptTcpClientAsync();
                    Interlocked.Increment(ref _asked);
                    var stream = connection.GetStream();
                    _ = await stream.ReadAsync(new byte[4096]);
                    var (status, body) = Body is { } keys ? ("200 OK", keys) : ("503 Service Unavailable", "");
                    await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"));
                }
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                // The test is over.
            }
        }
    }
}
