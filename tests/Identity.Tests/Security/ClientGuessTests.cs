// RFC 6749 §2.3.1, RFC 9700 §4.15: whoever guesses secrets of clients is stopped, wherever they are brought.
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>Refused requests of clients are counted by address.</summary>
public sealed class ClientGuessTests
{
    private const int Allowed = 6;

    public static TheoryData<string> Paths => [.. s_paths];

    private static readonly string[] s_paths = ["/connect/token", "/connect/introspect", "/connect/revoke", "/connect/par", "/connect/device"];

    private static readonly string s_clients = new JsonArray(new JsonObject
    {
        ["client_id"] = "service",
        ["client_secret"] = Node.Secret,
        ["grant_types"] = new JsonArray("client_credentials"),
        ["scope"] = "identity.users.read",
    }).ToJsonString();

    [Theory]
    [MemberData(nameof(Paths))]
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

    [Fact]
    public async Task Guesses_FiftyAtOnce_AreLookedAtAsOftenAsOneMayFail()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "6" });
        using var node = new AddressedNode(server.Url);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => GuessAsync(node, s_paths[i % s_paths.Length])));
        Assert.Equal((Allowed, 50 - Allowed), (answers.Count(status => status == HttpStatusCode.Unauthorized), answers.Count(status => status == HttpStatusCode.TooManyRequests)));
    }

    [Fact]
    public async Task RightSecrets_FiftyAtOnce_WaitForTheirPlaceAndCostNothing()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "6" });
        using var node = new AddressedNode(server.Url);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => node.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"))));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.Status));

        // Beside guesses they are let through until as many of those failed as may.
        var mixed = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i => i % 10 == 0 ? await GuessAsync(node, "/connect/token") : (await node.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"))).Status));
        Assert.Equal((5, 45), (mixed.Count(status => status == HttpStatusCode.Unauthorized), mixed.Count(status => status == HttpStatusCode.OK)));
    }

    // Anybody can bring a made-up code to an application's own redirect_uri: it must not lose the token endpoint for that.
    [Fact]
    public async Task WrongCodes_BroughtByAClientThatProvedItself_CostNothing()
    {
        await using var server = await HostedServer.StartAsync(s_web, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "6" });
        using var node = new AddressedNode(server.Url);
        for (var i = 0; i < Allowed * 3; i++)
        {
            var (status, body) = await node.PostAsync("/connect/token", i % 2 == 0 ? "web" : null, [.. s_wrongCode, .. i % 2 == 0 ? [] : s_post]);
            Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string?)body["error"]));
        }

        var (refreshed, _) = await node.PostAsync("/connect/token", "web", ("grant_type", "refresh_token"), ("refresh_token", "a guess"));
        Assert.Equal(HttpStatusCode.BadRequest, refreshed);
    }

    [Theory]
    [InlineData("web", "a guess", "invalid_client")]
    [InlineData("public", null, "invalid_grant")]
    [InlineData("public", "a guess", null)]
    public async Task WrongCodes_BroughtWithoutAProof_AreCounted(string client, string? secret, string? error)
    {
        await using var server = await HostedServer.StartAsync(s_web, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "6" });
        using var node = new AddressedNode(server.Url);
        (string, string)[] proof = secret is null ? [("client_id", client)] : [("client_id", client), ("client_secret", secret)];
        for (var i = 0; i < Allowed; i++)
        {
            var (status, body) = await node.PostAsync("/connect/token", client: null, [.. s_wrongCode, .. proof]);
            Assert.NotEqual(HttpStatusCode.TooManyRequests, status);
            Assert.Equal(error ?? (string?)body["error"], (string?)body["error"]);
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, (await node.PostAsync("/connect/token", client: null, [.. s_wrongCode, .. proof])).Status);
    }

    private static readonly (string, string)[] s_wrongCode = [("grant_type", "authorization_code"), ("code", "made-up"), ("redirect_uri", Node.RedirectUri), ("code_verifier", Node.Verifier)];

    private static readonly (string, string)[] s_post = [("client_id", "web"), ("client_secret", Node.Secret)];

    private static readonly string s_web = new JsonArray(
        new JsonObject { ["client_id"] = "web", ["client_secret"] = Node.Secret, ["redirect_uris"] = new JsonArray(Node.RedirectUri), ["grant_types"] = new JsonArray("authorization_code", "refresh_token"), ["scope"] = "openid offline_access" },
        new JsonObject { ["client_id"] = "public", ["token_endpoint_auth_method"] = "none", ["redirect_uris"] = new JsonArray(Node.RedirectUri), ["grant_types"] = new JsonArray("authorization_code"), ["scope"] = "openid" }).ToJsonString();

    private static async Task<HttpStatusCode> GuessAsync(AddressedNode node, string path) =>
        (await node.PostAsync(path, client: null, ("client_id", "service"), ("client_secret", "a guess"), ("grant_type", "client_credentials"), ("token", "x"), ("response_type", "code"))).Status;
}
