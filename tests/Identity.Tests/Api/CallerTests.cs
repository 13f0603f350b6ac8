// Security catalogue: no User-Agent, header or form value is stored or published beyond its limit.
using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Identity.Accounts.Events;
using Identity.Tests.Kit;
using Identity.Tests.Pages;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

public sealed class CallerTests
{
    [Fact]
    public async Task UserAgent_Of60000Characters_IsPublishedWith400_WhateverSignsOut()
    {
        var events = new Subscriber();
        await using var server = await ApiServer.StartAsync([], services => services.AddSingleton<IEventSubscriber>(events), isReal: true);
        var person = await server.RegisterAsync();
        using var http = server.CreateClient(new WebApplicationFactoryClientOptions { AllowAutoRedirect = false, BaseAddress = new Uri(ApiServer.Issuer) });
        http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", new string('x', 60_000));

        using (var login = await http.PostAsync("/api/identity/login", Json($$"""{"email":"{{person.Email}}","password":"{{person.Password}}","deviceId":"{{new string('d', 200)}}"}""")))
        {
            var tokens = JsonNode.Parse(await login.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
            http.DefaultRequestHeaders.Authorization = new("Bearer", (string)tokens["accessToken"]!);
            using var logout = await http.PostAsync("/api/identity/logout", Json("{}"));
            Assert.Equal(HttpStatusCode.OK, logout.StatusCode);
            http.DefaultRequestHeaders.Authorization = null;
            await events.AssertAsync((string)tokens["sessionId"]!);
        }

        Assert.Equal(HttpStatusCode.SeeOther, await SubmitAsync(http, "/signin", ("Login", person.Email), ("Password", person.Password)));
        Assert.Equal(HttpStatusCode.SeeOther, await SubmitAsync(http, "/signout"));
        await events.AssertAsync(sessionId: null);
    }

    private static StringContent Json(string json) => new(json, System.Text.Encoding.UTF8, "application/json");

    private static async Task<HttpStatusCode> SubmitAsync(HttpClient http, string path, params (string Name, string Value)[] answers)
    {
        var (action, fields) = PageClient.Form(PageClient.Parse(await http.GetStringAsync(path, TestContext.Current.CancellationToken)));
        foreach (var (name, value) in answers)
        {
            fields[name] = value;
        }

        using var answer = await http.PostAsync(action, new FormUrlEncodedContent(fields), TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }

    private sealed class Subscriber : IEventSubscriber
    {
        private readonly ConcurrentQueue<JsonNode> _destroyed = new();
        private readonly SemaphoreSlim _came = new(0);
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

        public Task OnEventAsync(OutboxMessage message, CancellationToken cancellationToken)
        {
            if (message.RoutingKey == EventTypes.SessionDestroyed)
            {
                _destroyed.Enqueue(JsonNode.Parse(message.Body)!["data"]!);
                _came.Release();
            }

            return Task.CompletedTask;
        }

        public async Task AssertAsync(string? sessionId)
        {
            JsonNode? data;
            do
            {
                Assert.True(await _came.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken), "No session.destroyed came.");
                Assert.True(_destroyed.TryDequeue(out data));
            }
            while (!_seen.Add((string)data["sessionId"]!));
            Assert.True(sessionId is null || sessionId == (string)data["sessionId"]!);
            Assert.Equal(new string('x', 400), (string)data["userAgent"]!);
        }
    }
}
