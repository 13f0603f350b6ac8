using System.Net;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.CommandLine;

/// <summary>identity clients, beside a server that runs on the same database.</summary>
public sealed class ClientCommandTests
{
    private const string Secret = "first-secret-of-at-least-32-characters";

    private const string Service = $$"""{"client_id":"service","client_secret":"{{Secret}}","grant_types":["client_credentials"],"scope":"identity.users.read"}""";

    [Fact]
    public async Task Secret_WhenRotated_WorksBesideTheOneBeforeUntilThatIsRevoked()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        Assert.Equal(1, (int)(await shell.RunAsync("clients", "import", shell.File("c.json", Service), "--json")).Done().Json["made"]!);
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(server, Secret));

        var second = (string)(await shell.RunAsync("clients", "rotate-secret", "service", "--json")).Done().Json["client_secret"]!;
        await using (var fresh = await shell.ServeAsync())
        {
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await TokenAsync(fresh, Secret), await TokenAsync(fresh, second)));
        }

        var third = (await shell.RunAsync("clients", "rotate-secret", "service", "--revoke-old")).Done().Output.Split(' ').Single(word => word.Length == 43);
        await using (var fresh = await shell.ServeAsync())
        {
            Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.OK), (await TokenAsync(fresh, Secret), await TokenAsync(fresh, second), await TokenAsync(fresh, third)));
        }
    }

    // Both showed a secret, and one of the two never worked.
    [Fact]
    public async Task Secret_WhenRotatedManyTimesAtOnce_IsReplacedOnce()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        (await shell.RunAsync("clients", "import", shell.File("c.json", Service))).Done();
        var store = server.Services.GetRequiredService<ClientStore>();
        var seen = (await store.FindAsync("service", TestContext.Current.CancellationToken))!.SecretHashes;
        var winners = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(async () => (Secret: $"secret-{i}", IsDone: await store.TryReplaceSecretsAsync("service", seen, [ClientSecret.Hash($"secret-{i}")], CancellationToken.None)))));
        var winner = Assert.Single(winners, one => one.IsDone);
        Assert.Equal([ClientSecret.Hash(winner.Secret)], (await store.FindAsync("service", TestContext.Current.CancellationToken))!.SecretHashes);
        Assert.False(await store.TryReplaceSecretsAsync("nobody", [], ["x"], CancellationToken.None));
    }

    [Fact]
    public async Task Import_WhenItFailsInTheMidst_HasTakenNone()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        var store = server.Services.GetRequiredService<ClientStore>();
        var broken = new Client { ClientId = "second", SecretHashes = null! };
        await Assert.ThrowsAnyAsync<Exception>(() => store.UpsertAllAsync([new Client { ClientId = "first" }, broken], CancellationToken.None));
        Assert.Null(await store.FindAsync("first", CancellationToken.None));
        await store.UpsertAllAsync([new Client { ClientId = "first" }, new Client { ClientId = "second" }], CancellationToken.None);
        Assert.NotNull(await store.FindAsync("second", CancellationToken.None));
    }

    [Fact]
    public async Task Client_WhenDeclaredInTheFile_IsTheFiles()
    {
        using var shell = await Shell.MigratedAsync();
        var file = shell.File("clients.json", $"[{Service}]");
        await using (await shell.ServeAsync(clients: null, ("CLIENTS_FILE", file)))
        {
        }

        Assert.Equal("file", (string?)(await shell.RunAsync("clients", "show", "service", "--json")).Done().Json["owner"]);
        Assert.Contains("CLIENTS_FILE", (await shell.RunAsync("clients", "rotate-secret", "service")).Refused(), StringComparison.Ordinal);
        Assert.Contains("CLIENTS_FILE", (await shell.RunAsync("clients", "import", file)).Refused(), StringComparison.Ordinal);

        // Declared, and no server has started with it yet.
        using var declared = await Shell.MigratedAsync(("CLIENTS_FILE", file));
        Assert.Contains("CLIENTS_FILE", (await declared.RunAsync("clients", "import", file)).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_WhenExportedAndImportedElsewhere_AreTheSameAndTheirSecretsWork()
    {
        using var shell = await Shell.MigratedAsync();
        (await shell.RunAsync("clients", "import", shell.File("c.json", $$"""[{{Service}},{"client_id":"app","client_name":"App","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb"],"scope":"openid","require_consent":true,"client_name#de":"Anwendung"}]"""))).Done();
        var plain = (await shell.RunAsync("clients", "export")).Done().Output;
        Assert.DoesNotContain(Secret, plain, StringComparison.Ordinal);
        Assert.DoesNotContain(ClientSecret.Hash(Secret), plain, StringComparison.Ordinal);
        var whole = (await shell.RunAsync("clients", "export", "--with-secret-hashes")).Done().Output;

        using var other = await Shell.MigratedAsync();
        Assert.Contains("service: client_secret", (await other.RunAsync("clients", "import", other.File("plain.json", plain))).Refused(), StringComparison.Ordinal);
        Assert.Empty((await other.RunAsync("clients", "list", "--json")).Done().Json.AsArray());
        Assert.Equal(2, (int)(await other.RunAsync(whole, ["clients", "import", "-", "--json"])).Done().Json["made"]!);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(whole), (await other.RunAsync("clients", "export", "--with-secret-hashes")).Done().Json));
        await using var server = await other.ServeAsync();
        Assert.Equal(HttpStatusCode.OK, await TokenAsync(server, Secret));

        // Who is there keeps the secret that is not brought.
        Assert.Equal(2, (int)(await other.RunAsync("clients", "import", other.File("plain.json", plain), "--json")).Done().Json["replaced"]!);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(whole), (await other.RunAsync("clients", "export", "app", "service", "--with-secret-hashes")).Done().Json));
    }

    [Fact]
    public async Task Clients_WhenListedAndShown_ShowNoSecret()
    {
        using var shell = await Shell.MigratedAsync();
        (await shell.RunAsync("clients", "import", shell.File("c.json", Service))).Done();
        foreach (var words in new[] { ["list"], ["list", "--json"], ["show", "service"], new[] { "show", "service", "--json" } })
        {
            var output = (await shell.RunAsync(["clients", .. words])).Done().Output;
            Assert.Contains("service", output, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, output, StringComparison.Ordinal);
            Assert.DoesNotContain(ClientSecret.Hash(Secret), output, StringComparison.Ordinal);
        }

        Assert.Equal("database", (string?)(await shell.RunAsync("clients", "list", "--json")).Done().Json[0]!["owner"]);
    }

    [Theory]
    [InlineData("There is no client nobody", "show", "nobody")]
    [InlineData("There is no client nobody", "export", "nobody")]
    [InlineData("There is no client nobody", "rotate-secret", "nobody")]
    [InlineData("the client has no secret", "rotate-secret", "app")]
    [InlineData("is built in", "show", "identity-api")]
    [InlineData("cannot be read", "import", "/nowhere.json")]
    [InlineData("is not JSON", "import", "-")]
    public async Task Command_WhenItCannotBeDone_IsRefusedInOneLine(string problem, params string[] words)
    {
        using var shell = await Shell.MigratedAsync();
        (await shell.RunAsync("clients", "import", shell.File("c.json", """{"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb"]}"""))).Done();
        words = [.. words.Select(word => word == "identity-api" ? Identity.OAuth.FirstParty.FirstPartyClient.ClientId : word)];
        Assert.Contains(problem, (await shell.RunAsync("{", ["clients", .. words])).Refused(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"client_id":"a","token_endpoint_auth_method":"none","redirect_uris":["http://evil.example.com/"]}""", "a: redirect_uris[0]:")]
    [InlineData("""{"client_id":"a","client_secret_sha256":["x"],"grant_types":["client_credentials"]}""", "a: client_secret_sha256:")]
    [InlineData("""{"client_id":"a","client_secret":"0123456789abcdef","grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"token_exchange_audiences":["https://nowhere.example"]}""", "is not a resource that is declared")]
    [InlineData("""[{"client_id":"a","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/"]},{"client_id":"a","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/"]}]""", "a: client_id: comes twice")]
    [InlineData("[1]", "expected a JSON array of clients")]
    public async Task Import_WhenAnEntryIsBad_TakesNone(string document, string problem)
    {
        using var shell = await Shell.MigratedAsync();
        Assert.Contains(problem, (await shell.RunAsync(document, ["clients", "import", "-"])).Refused(), StringComparison.Ordinal);
        Assert.Empty((await shell.RunAsync("clients", "list", "--json")).Done().Json.AsArray());
    }

    private static async Task<HttpStatusCode> TokenAsync(HostedServer server, string secret)
    {
        using var http = new HttpClient { BaseAddress = server.Url };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]) };
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"service:{secret}")));
        using var answer = await http.SendAsync(request);
        return answer.StatusCode;
    }
}
