// RFC 6749 §2.3.1, RFC 9700 §4.15: whoever guesses secrets of clients is stopped, wherever they are brought.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>Refused requests of clients are counted by address.</summary>
public sealed class ClientGuessTests
{
    private const int Allowed = 6;

    private static readonly string s_clients = new JsonArray(new JsonObject
    {
        ["client_id"] = "service",
        ["client_secret"] = Node.Secret,
        ["grant_types"] = new JsonArray("client_credentials"),
        ["scope"] = "identity.users.read",
    }).ToJsonString();

    [Theory]
    [InlineData("/connect/token")]
    [InlineData("/connect/introspect")]
    [InlineData("/connect/revoke")]
    [InlineData("/connect/par")]
    [InlineData("/connect/device")]
    public async Task Secret_GuessedTooOften_IsAnsweredNoMoreAtAnyEndpoint(string path)
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "6" });
        using var node = new AddressedNode(server.Url);

        // Success costs nothing.
        for (var i = 0; i < Allowed * 2; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await node.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"))).Status);
        }

        for (var i = 0; i < Allowed; i++)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await GuessAsync(node, path));
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await GuessAsync(node, path));
        Assert.Equal(HttpStatusCode.TooManyRequests, await GuessAsync(node, "/connect/token"));

        // Not even the right one is tried now: else the guesser would know it.
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("client_id", "service"), KeyValuePair.Create("client_secret", Node.Secret)]);
        using var answer = await node.Http.PostAsync(new Uri(server.Url, "/connect/token"), form);
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
    }

    private static async Task<HttpStatusCode> GuessAsync(AddressedNode node, string path) =>
        (await node.PostAsync(path, client: null, ("client_id", "service"), ("client_secret", "a guess"), ("grant_type", "client_credentials"), ("token", "x"), ("response_type", "code"))).Status;
}
