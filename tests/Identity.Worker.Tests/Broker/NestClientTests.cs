using System.Text.Json.Nodes;
using Identity.Worker.Tests.Fixtures;

namespace Identity.Worker.Tests.Broker;

/// <summary>npm @nestjs/microservices as a real client of the queue.</summary>
[Collection(BrokerCollection.Name)]
public sealed class NestClientTests(RabbitMqServer broker) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task NestClient_WhenItAsks_GetsItsAnswersAndErrors()
    {
        broker.Require();
        var uri = await broker.CreateHostAsync();
        var issuer = new RecordingIssuer();
        await using var worker = await TestWorker.StartAsync(uri, _folder.Path, issuer);
        await using var nest = await NodeClient.StartAsync("nest-client.mjs", uri);
        await nest.SendAsync("""{"email":"ann@example.com","channel":"email"}""");
        await nest.SendAsync("""{"userId":"0198f3a2-7c10-7a3c-8c55-0d2f4b7e6a11","purpose":"login"}""");
        await nest.SendAsync("""{"userId":5}""");
        var lines = (await nest.FinishAsync()).Where(line => line.StartsWith('{')).Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Equal(3, lines.Count);
        Assert.Equal(["otpId", "channel", "destination", "expiresAt"], lines[0]["answer"]!.AsObject().Select(member => member.Key));
        Assert.NotNull(lines[1]["answer"]!["otpId"]);
        Assert.Equal("error", (string)lines[2]["error"]!["status"]!);
        Assert.Contains("userId", (string)lines[2]["error"]!["message"]!);
        Assert.Equal(2, issuer.Sent.Count);
        await AsyncApi.ValidateAsync([("otpAnswer", lines[0]["answer"]!), ("otpAnswer", lines[1]["answer"]!), ("otpError", lines[2]["error"]!)]);
    }
}
