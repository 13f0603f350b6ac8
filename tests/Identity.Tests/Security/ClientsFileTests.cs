// RFC 7591 §2: what CLIENTS_FILE says of a client, and that it is done.
using System.Net;
using System.Text.Json.Nodes;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>Members of client metadata over HTTP.</summary>
public sealed class ClientsFileTests
{
    private const string OtherSecret = "another-client-secret-of-32-characters";

    [Theory]
    [InlineData("redirect_uri", "redirect_uris")]
    [InlineData("grant_type", "grant_types")]
    [InlineData("require_pkse", "require_pkce")]
    [InlineData("token_exchange_audience", "token_exchange_audiences")]
    [InlineData("id_token_claim", "id_token_claims")]
    public async Task Start_WhenAMemberIsMisspelt_NamesItAndWhatIsMeant(string misspelt, string meant)
    {
        var client = Service();
        client[misspelt] = "x";
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync(new JsonArray(client).ToJsonString()));
        Assert.Equal($"CLIENTS_FILE: service: {misspelt}: no such member; {meant} is meant?", failure.Message);
    }

    [Theory]
    [InlineData("tls_client_certificate_bound_access_tokens", "true")]
    [InlineData("tls_client_auth_subject_dn", "\"CN=x\"")]
    [InlineData("id_token_encrypted_response_alg", "\"RSA-OAEP\"")]
    public async Task Start_WhenAMemberCannotBeHonoured_SaysSo(string member, string value)
    {
        var client = Service();
        client[member] = JsonNode.Parse(value);
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync(new JsonArray(client).ToJsonString()));
        Assert.Equal($"CLIENTS_FILE: service: {member}: this server cannot honour it", failure.Message);
    }

    [Fact]
    public async Task Start_WhenAMemberIsRegisteredAndNotUsed_GoesOn()
    {
        var client = Service();
        client["contacts"] = new JsonArray("ops@example.com");
        client["client_name#de"] = "Dienst";
        await using var server = await HostedServer.StartAsync(new JsonArray(client).ToJsonString());
    }

    [Fact]
    public async Task ClientSecret_WhileItIsBeingReplaced_IsEitherOfTwo()
    {
        var client = Service();
        client["client_secret"] = new JsonArray(Node.Secret, OtherSecret);
        await using var server = await HostedServer.StartAsync(new JsonArray(client).ToJsonString());
        using var node = new AddressedNode(server.Url);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(node, Node.Secret));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(node, OtherSecret));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(node, Node.Secret + OtherSecret));

        client["client_secret"] = new JsonArray(Node.Secret, OtherSecret, "a third secret of some length");
        await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync(new JsonArray(client.DeepClone()).ToJsonString()));
    }

    [Fact]
    public async Task Client_WhenItHasLeftTheFile_IsDisabledUntilItReturns()
    {
        var directory = Directory.CreateTempSubdirectory("identity-left-");
        try
        {
            var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName };
            var stays = Service();
            stays["client_id"] = "stays";
            async Task ExpectAsync(JsonArray? clients, HttpStatusCode service)
            {
                await using var server = await HostedServer.StartAsync(clients?.ToJsonString(), settings: settings);
                using var node = new AddressedNode(server.Url);
                Assert.Equal(service, await AskAsync(node, Node.Secret));
                Assert.Equal(clients is null ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, await AskAsync(node, Node.Secret, "stays"));
            }

            await ExpectAsync([Service(), stays.DeepClone()], HttpStatusCode.OK);
            await ExpectAsync([stays.DeepClone()], HttpStatusCode.Unauthorized);
            await ExpectAsync([Service(), stays.DeepClone()], HttpStatusCode.OK);
            await ExpectAsync(null, HttpStatusCode.Unauthorized);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Client_WithPushedRequestsRequired_IsRefusedOnesThatWereNot()
    {
        await using var server = await HostedServer.StartAsync(new JsonArray(Web("require_pushed_authorization_requests", true)).ToJsonString());
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        using (var refused = await browser.GetAsync(node.AuthorizeUrl(scope: "openid email")))
        {
            Assert.Equal("invalid_request", Node.Query(refused.Headers.Location).GetValueOrDefault("error"));
        }

        var (_, pushed) = await node.PostAsync(
            "/connect/par", null, ("client_id", "spa"), ("response_type", "code"), ("redirect_uri", Node.RedirectUri), ("scope", "openid email"), ("state", "s1"), ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"));
        using var answer = await browser.GetAsync("/connect/authorize?client_id=spa&request_uri=" + Uri.EscapeDataString((string)pushed["request_uri"]!));
        Assert.NotNull(Node.Query(answer.Headers.Location).GetValueOrDefault("code"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IdToken_CarriesTheClaimsOfScopes_UnlessTheClientWantsThemAtUserInfo(bool wanted)
    {
        await using var server = await HostedServer.StartAsync(new JsonArray(Web("id_token_claims", wanted)).ToJsonString());
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser, scope: "openid email");
        Assert.Equal(wanted, Node.Payload((string)tokens["id_token"]!).ContainsKey("email"));
    }

    [Theory]
    [InlineData(true, null, true)]
    [InlineData(false, null, false)]
    [InlineData(false, "backchannel_logout_uri", true)]
    [InlineData(false, "frontchannel_logout_uri", true)]
    public async Task IdToken_WhenTheClientWantsOnlyTheProtocolsClaims_NamesTheSessionIfItIsToldOfSignOuts(bool wanted, string? told, bool named)
    {
        var client = Web("id_token_claims", wanted);
        if (told is not null)
        {
            client[told] = "http://127.0.0.1/signed-out";
        }

        await using var server = await HostedServer.StartAsync(new JsonArray(client).ToJsonString());
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var idToken = (string)(await node.TokensAsync(browser, scope: "openid"))["id_token"]!;
        Assert.Equal(named, Node.Payload(idToken).ContainsKey("sid"));

        // As a hint it still says who is meant, so nobody has to be asked.
        using var ended = await browser.GetAsync("/connect/endsession?id_token_hint=" + idToken);
        Assert.StartsWith("/signed-out", ended.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WhenAResponseTypeIsAnother_SaysWhichThereIs()
    {
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync(new JsonArray(Web("response_types", new JsonArray("token"))).ToJsonString()));
        Assert.Equal("CLIENTS_FILE: spa: response_types: expected only code", failure.Message);
    }

    private static JsonObject Service() => new() { ["client_id"] = "service", ["client_secret"] = Node.Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "identity.users.read" };

    private static JsonObject Web(string member, JsonNode value) => new()
    {
        ["client_id"] = "spa",
        ["token_endpoint_auth_method"] = "none",
        ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["scope"] = "openid email offline_access",
        [member] = value,
    };

    private static async Task<HttpStatusCode> AskAsync(Node node, string secret, string client = "service") =>
        (await node.PostAsync("/connect/token", null, ("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret))).Status;
}
