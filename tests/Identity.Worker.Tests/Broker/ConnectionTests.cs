using System.Collections.Concurrent;
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
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
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

    // Such a broker takes the connection, and closes it at the first word: several times a second, with three lines each, until somebody made the virtual host anew.
    [Fact]
    public async Task Connection_WhenItsVirtualHostIsGone_IsTriedWithGrowingWaits()
    {
        broker.Require();
        var waits = new ConcurrentQueue<TimeSpan>();

        // What is no wait is the limit of an attempt.
        var limit = TimeSpan.FromSeconds(15);
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow())
        {
            OnTimer = due =>
            {
                if (due > TimeSpan.Zero && due < limit)
                {
                    waits.Enqueue(due);
                }
            },
        };
        var gone = new UriBuilder(await broker.CreateHostAsync()) { Path = "/gone" }.Uri;
        using var connection = new RabbitMqConnection(new RabbitMqSettings { Uris = [gone] }, time, NullLogger<RabbitMqConnection>.Instance);
        await connection.StartAsync(TestContext.Current.CancellationToken);
        for (var i = 1; i <= 6; i++)
        {
            // Only when it waits: the limit of an attempt is never reached.
            await Eventually.TrueAsync(() => waits.Count >= i, "it waits after an attempt");
            time.Advance(TimeSpan.FromSeconds(10));
        }

        await connection.StopAsync(TestContext.Current.CancellationToken);
        Assert.True(waits.ElementAt(5) >= TimeSpan.FromSeconds(2), string.Join(' ', waits));
    }
}
