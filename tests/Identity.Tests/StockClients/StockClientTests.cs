using System.Diagnostics;
using System.Text.Json.Nodes;
using Identity.Tests.Repository;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.StockClients;

/// <summary>Clients that others wrote (npm openid-client and oauth4webapi) against the running server.</summary>
public sealed class StockClientTests(RunningServer server)
{
    private static readonly string Folder = Path.Combine(RepositoryRoot.Path, "tests", "Identity.Tests", "clients");

    [Theory]
    [InlineData("openid-client.test.mjs")]
    [InlineData("oauth4webapi.test.mjs")]
    public async Task StockClient_WhenItRunsItsFlows_FinishesAllOfThem(string script)
    {
        if (!Directory.Exists(Path.Combine(Folder, "node_modules")))
        {
            Assert.SkipUnless(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "npm packages are not installed: run ./test.sh");
            Assert.Fail("npm packages are not installed.");
        }

        var (_, email) = await server.RegisterAsync();
        var key = server.ClientKey.ExportParameters(includePrivateParameters: true);
        var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "client-key", ["alg"] = "ES256", ["x"] = Base64UrlEncoder.Encode(key.Q.X), ["y"] = Base64UrlEncoder.Encode(key.Q.Y), ["d"] = Base64UrlEncoder.Encode(key.D) };
        var start = new ProcessStartInfo("node", ["--test", script]) { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["ISSUER"] = server.Issuer;
        start.Environment["PERSON_EMAIL"] = email;
        start.Environment["PERSON_PASSWORD"] = RunningServer.Password;
        start.Environment["CLIENT_SECRET"] = RunningServer.Secret;
        start.Environment["CLIENT_JWK"] = jwk.ToJsonString();
        using var node = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var output = await node.StandardOutput.ReadToEndAsync(limit.Token);
        var errors = await node.StandardError.ReadToEndAsync(limit.Token);
        await node.WaitForExitAsync(limit.Token);
        Assert.True(node.ExitCode == 0, output + errors);
    }
}
