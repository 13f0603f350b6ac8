// OpenID Connect Core §3.1.2.1 (acr_values), §5.5.1.1 (essential acr): who is signed in with one factor is asked for another where a client needs it.
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.SecondFactors;

public sealed class StepUpTests
{
    private const string Email = "ada@example.com";
    private const string Password = "correct horse battery 7";
    private const string Request = "/connect/authorize?response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcallback&scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    private static readonly string s_clients = new JsonArray(Client("bank"), Client("blog")).ToJsonString();

    [Fact]
    public async Task Client_ThatRequiresASecondFactor_GetsNoCodeForSomebodyWithout()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RequiredForClients:0"] = "bank" });
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        Assert.StartsWith("http://127.0.0.1:4711/callback?code=", await LocationAsync(browser, Request + "&client_id=blog"), StringComparison.Ordinal);
        Assert.Contains("error=unmet_authentication_requirements", await LocationAsync(browser, Request + "&client_id=bank"), StringComparison.Ordinal);
        Assert.Contains("error=unmet_authentication_requirements", await LocationAsync(browser, Request + "&client_id=bank&prompt=none"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("phr")]
    [InlineData("urn:identity:acr:2fa")]
    public async Task EssentialAcr_OutOfReach_IsRefused(string acr)
    {
        await using var server = await HostedServer.StartAsync(s_clients);
        await server.RegisterAsync(Email, Password);
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(Email, Password);
        var claims = new JsonObject { ["id_token"] = new JsonObject { ["acr"] = new JsonObject { ["essential"] = true, ["values"] = new JsonArray(acr) } } };
        Assert.Contains("error=unmet_authentication_requirements", await LocationAsync(browser, Request + "&client_id=blog&claims=" + Uri.EscapeDataString(claims.ToJsonString())), StringComparison.Ordinal);
    }

    private static async Task<string> LocationAsync(Browser browser, string url)
    {
        using var response = await browser.GetAsync(url);
        return response.Headers.Location?.OriginalString ?? throw new InvalidOperationException($"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }

    private static JsonObject Client(string id) => new()
    {
        ["client_id"] = id,
        ["token_endpoint_auth_method"] = "none",
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["scope"] = "openid",
    };
}
