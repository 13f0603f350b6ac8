// OpenID Connect Core §3.1.2.4 and §5.5: what the claims parameter names one by one is allowed by the person as a scope is, and no way round what a client may ask for.
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

public sealed class ConsentedClaimsTests : IAsyncLifetime
{
    private const string Claims = """{"userinfo":{"email":null,"roles":null,"groups":{"essential":true}},"id_token":{"email":{"essential":true},"roles":null}}""";
    private HostedServer _server = null!;
    private AddressedNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        static JsonObject Web(string id, string scope, bool asks) => new()
        {
            ["client_id"] = id,
            ["token_endpoint_auth_method"] = "none",
            ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
            ["require_consent"] = asks,
            ["scope"] = scope,
        };
        _server = await HostedServer.StartAsync(new JsonArray(Web("asks", "openid", asks: true), Web("trusted", "openid", asks: false), Web("grafana", "openid roles groups", asks: false)).ToJsonString());
        _node = new AddressedNode(_server.Url);
    }

    public async ValueTask DisposeAsync()
    {
        _node.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task ClaimsParameter_OfAClientThatAsks_NeedsTheConsentThatTheirScopeNeeds()
    {
        using var browser = await EditorAsync();
        using (var asked = await browser.GetAsync(_node.AuthorizeUrl("asks", "openid")))
        {
            using var allowed = await browser.SubmitAsync(asked.Headers.Location!.OriginalString, [], "Allow");
            Assert.Equal(HttpStatusCode.SeeOther, allowed.StatusCode);
        }

        await _node.CodeAsync(browser, "asks", "openid", ("prompt", "none"));
        using (var silent = await browser.GetAsync(_node.AuthorizeUrl("asks", "openid", ("prompt", "none"), ("claims", Claims))))
        {
            Assert.Equal("consent_required", Node.Query(silent.Headers.Location)["error"]);
        }

        // The page says what it is, and once allowed it is known.
        using var again = await browser.GetAsync(_node.AuthorizeUrl("asks", "openid", ("claims", Claims)));
        var consent = again.Headers.Location!.OriginalString;
        Assert.StartsWith("/consent?", consent, StringComparison.Ordinal);
        using (var page = await browser.GetAsync(consent))
        {
            Assert.Contains("e-mail", await page.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.OrdinalIgnoreCase);
        }

        using (var allowed = await browser.SubmitAsync(consent, [], "Allow"))
        {
            Assert.Equal(HttpStatusCode.SeeOther, allowed.StatusCode);
        }

        var tokens = await _node.TokensAsync(browser, "asks", "openid", ("prompt", "none"), ("claims", Claims));
        Assert.NotNull(Node.Payload((string)tokens["id_token"]!)["email"]);
        Assert.NotNull((await UserInfoAsync(tokens))["email"]);
    }

    [Theory]
    [InlineData("trusted", false)]
    [InlineData("grafana", true)]
    public async Task ClaimsParameter_ForRolesAndGroups_IsForClientsThatMayAskForThoseScopes(string client, bool mayHaveThem)
    {
        using var browser = await EditorAsync();
        var tokens = await _node.TokensAsync(browser, client, "openid", ("claims", Claims));
        var userInfo = await UserInfoAsync(tokens);
        Assert.Equal(mayHaveThem, Node.Payload((string)tokens["id_token"]!).ContainsKey("roles"));
        Assert.Equal((mayHaveThem, mayHaveThem), (userInfo.ContainsKey("roles"), userInfo.ContainsKey("groups")));

        // What is no matter of scopes is given as ever.
        Assert.True(userInfo.ContainsKey("email"));
    }

    private async Task<JsonObject> UserInfoAsync(JsonNode tokens)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_node.Address, "/connect/userinfo"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
        using var answer = await _node.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsObject();
    }

    private async Task<Browser> EditorAsync()
    {
        var (id, email) = await _node.RegisterAsync();
        await _server.Services.GetRequiredService<RoleCatalog>().PutAsync("editor", description: null, CancellationToken.None);
        await _server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(Guid.Parse(id), new AccountChange { Roles = ["editor"] }, expectedVersion: null, new Caller(null, null), CancellationToken.None);
        var browser = new Browser(_node.Address);
        await browser.SignInAsync(email, Node.Password);
        return browser;
    }
}
