// W3C Trace Context: an event belongs to the request that it came of, however much later it is published.
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using Identity.Accounts.Events;
using Identity.Tests.Kit;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

public sealed class EventTraceTests
{
    [Fact]
    public async Task Event_OfATracedRequest_CarriesItsTrace()
    {
        var email = $"p{Guid.NewGuid():N}@example.com";
        var created = new Subscriber(email);
        await using var server = await ApiServer.StartAsync([], services => services.AddSingleton<IEventSubscriber>(created), isReal: true);
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        var trace = ActivityTraceId.CreateRandom().ToHexString();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/identity/register") { Content = JsonContent.Create(new { email, password = ApiServer.Password }) };
        request.Headers.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom().ToHexString()}-01");
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var message = await created.Message.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken);
        Assert.StartsWith($"00-{trace}-", message.TraceParent, StringComparison.Ordinal);
    }

    private sealed class Subscriber(string email) : IEventSubscriber
    {
        private readonly TaskCompletionSource<OutboxMessage> _message = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<OutboxMessage> Message => _message.Task;

        public Task OnEventAsync(OutboxMessage message, CancellationToken cancellationToken)
        {
            if (message.RoutingKey == EventTypes.UserCreated && message.Body.Contains(email, StringComparison.Ordinal))
            {
                _message.TrySetResult(message);
            }

            return Task.CompletedTask;
        }
    }
}
