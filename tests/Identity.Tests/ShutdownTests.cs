using System.Net;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Identity.Tests;

/// <summary>A server that is told to stop leaves in an order that a load balancer can follow.</summary>
public sealed class ShutdownTests
{
    [Fact]
    public async Task Server_WhenToldToStop_IsNotReady_AnswersForTheDelay_AndEndsEachConnection()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(time: time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SHUTDOWN_DELAY"] = "10s" });
        using var http = new HttpClient { BaseAddress = server.Url };
        await AnswersAsync(http, "/health/ready", HttpStatusCode.OK, isLast: false);

        var stopped = server.Services.GetRequiredService<IHost>().StopAsync();
        await AnswersAsync(http, "/health/ready", HttpStatusCode.ServiceUnavailable, isLast: true);
        await AnswersAsync(http, "/health/live", HttpStatusCode.OK, isLast: true);
        await AnswersAsync(http, "/connect/jwks", HttpStatusCode.OK, isLast: true);
        await AnswersAsync(http, "/api/identity/users/me", HttpStatusCode.Unauthorized, isLast: true);
        Assert.False(stopped.IsCompleted);

        time.Advance(TimeSpan.FromSeconds(10));
        await stopped;
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync("/health/live"));
    }

    [Fact]
    public async Task Server_WhenToldToStopWithoutADelay_StopsAtOnce()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(time: time);
        await server.Services.GetRequiredService<IHost>().StopAsync();
        using var http = new HttpClient { BaseAddress = server.Url };
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync("/health/live"));
    }

    private static async Task AnswersAsync(HttpClient http, string path, HttpStatusCode status, bool isLast)
    {
        using var answer = await http.GetAsync(path);
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal(isLast, answer.Headers.ConnectionClose is true);
    }
}
