using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.StockClients;

/// <summary>Clients that others wrote (npm openid-client and oauth4webapi) against the running server.</summary>
public sealed class StockClientTests(RunningServer server)
{
    [Theory]
    [InlineData("openid-client.test.mjs")]
    [InlineData("oauth4webapi.test.mjs")]
    [InlineData("dpop.test.mjs")]
    public async Task StockClient_WhenItRunsItsFlows_FinishesAllOfThem(string script)
    {
        var (_, email) = await server.RegisterAsync();
        var key = server.ClientKey.ExportParameters(includePrivateParameters: true);
        var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "client-key", ["alg"] = "ES256", ["x"] = Base64UrlEncoder.Encode(key.Q.X), ["y"] = Base64UrlEncoder.Encode(key.Q.Y), ["d"] = Base64UrlEncoder.Encode(key.D) };
        await StockScript.RunAsync(
            script,
            ("ISSUER", server.Issuer),
            ("PERSON_EMAIL", email),
            ("PERSON_PASSWORD", RunningServer.Password),
            ("CLIENT_SECRET", RunningServer.Secret),
            ("CLIENT_JWK", jwk.ToJsonString()),
            ("PUBLIC_CLIENT", "spa"));
    }
}
