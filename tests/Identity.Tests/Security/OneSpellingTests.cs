// RFC 3986 §6.2: what guards an address is not got round by spelling it otherwise.
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Identity.OAuth.FirstParty;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>An address of a machine with a slash at its end, or in capitals, is the same address.</summary>
public sealed class OneSpellingTests(RunningServer running)
{
    private static readonly string[] s_paths =
    [
        "/connect/token", "/connect/par", "/connect/introspect", "/connect/revoke", "/connect/revocation", "/connect/device", "/connect/deviceauthorization", "/connect/userinfo", "/connect/jwks",
        "/connect/authorize", "/connect/endsession", "/connect/logout", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/api/identity", "/api/identity/users", "/api/identity/users/me",
        .. FirstPartyClient.TokenRoutes,
    ];

    [Fact]
    public async Task Address_WhenSpelledWithASlashOrInCapitals_AnswersAsItself()
    {
        await using var server = await HostedServer.StartAsync("[]");
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = server.Url };
        foreach (var path in s_paths)
        {
            foreach (var content in (Func<HttpContent?>[])[
                () => null,
                () => new StringContent("""{"email":"nobody@example.com","password":"a sound pass phrase"}""", Encoding.UTF8, "application/json"),
                () => new StringContent("grant_type=client_credentials&grant_type=client_credentials&client_id=nobody", Encoding.UTF8, "application/x-www-form-urlencoded"),
            ])
            {
                var itself = await AskAsync(http, path, content());
                Assert.NotEqual("500", itself[..3]);
                Assert.Equal(path + " " + itself, path + " " + await AskAsync(http, path + "/", content()));
                Assert.Equal(path + " " + itself, path + " " + await AskAsync(http, path.ToUpperInvariant(), content()));
                Assert.Equal(path + " " + itself, path + " " + await AskAsync(http, path + "//", content()));
            }
        }
    }

    [Fact]
    public async Task Guesses_WhenTheAddressIsSpelledOtherwise_AreCountedWithTheRest()
    {
        await using var server = await HostedServer.StartAsync("[]", settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "3" });
        using var http = new HttpClient { BaseAddress = server.Url };
        var statuses = new List<HttpStatusCode>();
        foreach (var path in (string[])["/connect/token/", "/CONNECT/token", "/connect/introspect/", "/connect/token/"])
        {
            using var form = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("client_id", "service"), KeyValuePair.Create("client_secret", "a guess"), KeyValuePair.Create("token", "x")]);
            using var answer = await http.PostAsync(new Uri(path, UriKind.Relative), form);
            statuses.Add(answer.StatusCode);
        }

        Assert.Equal([HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests], statuses);
    }

    // RFC 3986 §3.3 leaves what stands behind a semicolon to the server. Some in front of it cut it off, and so would let through what they guard; here it is part of the name.
    [Theory]
    [InlineData("/connect/token;x=1")]
    [InlineData("/connect;x/token")]
    [InlineData("/connect/token%3Bx")]
    [InlineData("/connect/x/..;/token")]
    public async Task Token_AtAnAddressWithAPathParameter_IsNotThere(string path)
    {
        (string, string)[] form = [("grant_type", "client_credentials"), ("scope", "reports.read")];
        Assert.Equal(HttpStatusCode.OK, (await running.PostAsync("/connect/token", "service", form)).Status);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(running.Address + path[1..], new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true })) { Content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Item1, field.Item2))) };
        request.Headers.Authorization = Node.Basic("service", Node.Secret);
        using var answer = await running.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Theory]
    [InlineData("/api/identity/users;x")]
    [InlineData("/api/identity;x=1/users")]
    [InlineData("/api/identity/users%3Bx=1")]
    [InlineData("/api/identity/x/..;/users")]
    public async Task Users_AtAnAddressWithAPathParameter_AreNotThere(string path)
    {
        var token = await running.ServiceTokenAsync("identity.users.read");
        Assert.Equal(HttpStatusCode.OK, await AskAsync("/api/identity/users", token));
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync(path, token));
        Assert.Equal(HttpStatusCode.NotFound, await AskAsync(path, null));

        async Task<HttpStatusCode> AskAsync(string address, string? bearer)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(running.Address + address[1..], new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
            request.Headers.Authorization = bearer is null ? null : new AuthenticationHeaderValue("Bearer", bearer);
            using var answer = await running.Http.SendAsync(request);
            return answer.StatusCode;
        }
    }

    // Status, headers and body, without what is new in every answer.
    private static async Task<string> AskAsync(HttpClient http, string path, HttpContent? content)
    {
        using var request = new HttpRequestMessage(content is null ? HttpMethod.Get : HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = content };
        request.Headers.TryAddWithoutValidation("Origin", "https://elsewhere.example");
        using var answer = await http.SendAsync(request);
        var headers = string.Join(' ', answer.Headers.Concat<KeyValuePair<string, IEnumerable<string>>>(answer.Content.Headers).Select(header => header.Key).Where(name => name is not ("Date" or "Content-Length" or "Set-Cookie")).Order(StringComparer.Ordinal));
        var body = answer.Content.Headers.ContentType?.MediaType == "application/json" ? await answer.Content.ReadAsStringAsync() : "";
        return $"{(int)answer.StatusCode} {headers} {System.Text.RegularExpressions.Regex.Replace(body, "\"traceId\":\"[^\"]*\"", "")}";
    }
}
