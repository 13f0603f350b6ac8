// RFC 4291 §2.5.4: a host gets a /64 to choose its addresses from, so that is what limits by address count.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>Somebody with a /64 sends each request from another address of it, by a proxy that says so.</summary>
public sealed class NetworkLimitTests
{
    private static readonly Dictionary<string, string> s_settings = new(StringComparer.Ordinal)
    {
        ["TRUSTED_PROXIES"] = "127.0.0.1,::1",
        ["Accounts:SignInsPerAddress"] = "3",
        ["Accounts:OneTimeCodesPerAddress"] = "3",
        ["Accounts:RegistrationsPerAddress"] = "3",
        ["RateLimits:TokenFailuresPerAddress"] = "3",
        ["RateLimits:LongRequestsPerAddress"] = "3",
    };

    private static readonly string s_clients = new JsonArray(new JsonObject { ["client_id"] = "service", ["client_secret"] = Node.Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "identity.users.read" }).ToJsonString();

    public static TheoryData<string, string> Doors => new()
    {
        { "/api/identity/login", """{"email":"nobody@example.com","password":"x"}""" },
        { "/api/identity/register", """{"email":"","password":"a sound pass phrase 7"}""" },
        { "/api/identity/otp/generate", """{"email":""}""" },
        { "/api/identity/otp/verify", """{"otpId":"0197e6a0-0000-7000-8000-000000000000","code":"123456"}""" },
        { "/api/identity/password/reset", """{"email":"","code":"123456","newPassword":"a sound pass phrase 8"}""" },
        { "/connect/token", "" },
    };

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task Requests_FromManyAddressesOfOneNetwork_AreCountedAsOne(string path, string body)
    {
        await using var server = await HostedServer.StartAsync(s_clients, time: FakeTimeProvider.OfThisSecond(), settings: s_settings);
        using var http = new HttpClient();
        async Task<bool> IsLimitedAsync(string address, int i)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Url, path));
            request.Content = body.Length == 0
                ? new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("client_id", "service"), KeyValuePair.Create("client_secret", "a guess")])
                : new StringContent(body.Replace("\"email\":\"\"", $"\"email\":\"p{i}@example.com\"", StringComparison.Ordinal), System.Text.Encoding.UTF8, "application/json");
            request.Headers.Add("X-Forwarded-For", address);
            using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
            return answer.StatusCode == HttpStatusCode.TooManyRequests;
        }

        for (var i = 0; i < 3; i++)
        {
            Assert.False(await IsLimitedAsync($"2001:db8:1:2:{i}::{i:x}", i));
        }

        Assert.True(await IsLimitedAsync("2001:db8:1:2:ffff::9", 3));
        Assert.False(await IsLimitedAsync("2001:db8:1:3::9", 4));

        // IPv4 is one address each, however it is written.
        for (var i = 0; i < 3; i++)
        {
            Assert.False(await IsLimitedAsync(i % 2 == 0 ? "192.0.2.1" : "::ffff:192.0.2.1", 5 + i));
        }

        Assert.True(await IsLimitedAsync("::ffff:192.0.2.1", 8));
        Assert.False(await IsLimitedAsync("192.0.2.2", 9));
    }

    [Fact]
    public async Task Requests_ThroughAChainOfTrustedProxies_AreCountedByTheirSendersAndNotByTheProxies()
    {
        await using var server = await HostedServer.StartAsync(s_clients, time: FakeTimeProvider.OfThisSecond(), settings: new Dictionary<string, string>(s_settings, StringComparer.Ordinal) { ["TRUSTED_PROXIES"] = "127.0.0.0/8,::1" });
        using var http = new HttpClient();
        for (var i = 0; i < 10; i++)
        {
            Assert.False(await IsLimitedAsync($"203.0.113.{i}, 127.0.1.1, 127.0.1.2, 127.0.1.3"));
        }

        // What a sender writes there itself comes before their own address, and counts for nothing.
        for (var i = 0; i < 3; i++)
        {
            Assert.False(await IsLimitedAsync($"192.0.2.{i}, 127.0.1.9, 198.51.100.7, 127.0.1.1, 127.0.1.2"));
        }

        Assert.True(await IsLimitedAsync("192.0.2.9, 127.0.1.9, 198.51.100.7, 127.0.1.1, 127.0.1.2"));

        async Task<bool> IsLimitedAsync(string addresses)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Url, "/connect/token"));
            request.Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("client_id", "service"), KeyValuePair.Create("client_secret", "a guess")]);
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", addresses);
            using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
            return answer.StatusCode == HttpStatusCode.TooManyRequests;
        }
    }

    [Fact]
    public async Task LongRequests_FromManyAddressesOfOneNetwork_AreKeptAsIfFromOne_AndWithoutAnAddressAsTheProxys()
    {
        await using var server = await HostedServer.StartAsync(s_clients, time: FakeTimeProvider.OfThisSecond(), settings: s_settings);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        var kept = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Url, "/connect/endsession?client_id=service&state=" + new string('x', 3000)));
            request.Headers.Add("X-Forwarded-For", $"2001:db8:1:2::{i:x}");
            using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
            return answer.Headers.Location?.OriginalString.Contains("kept=", StringComparison.Ordinal) == true;
        }));
        Assert.Equal(3, kept.Count(isKept => isKept));

        // RFC 7239 §6: a proxy need not tell an address. What is none is looked up nowhere, and counts as the proxy's own.
        foreach (var (told, isKept) in ((string, bool)[])[("unknown, _obf", true), ("_hidden", true), ("unknown, evil.example", true), ("unknown", false), ("2001:db8:1:3::1", true), ("unknown, 2001:db8:1:3::1", true)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Url, "/connect/endsession?client_id=service&state=" + new string('y', 3000)));
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", told);
            using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal((told, isKept ? HttpStatusCode.SeeOther : HttpStatusCode.BadRequest), (told, answer.StatusCode));
            Assert.Equal(isKept, answer.Headers.Location?.OriginalString.Contains("kept=", StringComparison.Ordinal) == true);
        }
    }
}
