using System.Net;
using System.Net.Sockets;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Worker.Broker;
using Identity.Worker.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;

namespace Identity.Worker.Tests.Broker;

/// <summary>Brokers that are there and not there.</summary>
[Collection(BrokerCollection.Name)]
public sealed class ConnectionTests(RabbitMqServer broker)
{
    // As a load balancer in front of a dead broker: it takes the connection, and no word ever comes.
    [Theory]
    [InlineData("amqps")]
    [InlineData("amqp")]
    public async Task Connection_WhenABrokerIsSilent_IsMadeToTheNext(string scheme)
    {
        broker.Require();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var settings = new RabbitMqSettings { Uris = [new($"{scheme}://guest:guest@127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/"), new(await broker.CreateHostAsync())] };
        using var connection = new RabbitMqConnection(settings, time, NullLogger<RabbitMqConnection>.Instance);
        await connection.StartAsync(TestContext.Current.CancellationToken);
        using var taken = await silent.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        var opened = connection.WaitAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return opened.IsCompletedSuccessfully;
            },
            "the second broker is used");
        await connection.StopAsync(TestContext.Current.CancellationToken);
    }
}
