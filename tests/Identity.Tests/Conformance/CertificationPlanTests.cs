// docs/certification-plan.json, the configuration that the conformance suite is given: played at our pages, module by module.
using System.Text.Json.Nodes;
using Identity.Tests.Repository;

namespace Identity.Tests.Conformance;

/// <summary>What the suite's browser is told to fill in, press and look for is there, so that a plan runs unattended.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class CertificationPlanTests(ConformanceWorld world)
{
    private static readonly JsonObject Document = JsonNode.Parse(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "certification-plan.json")))!.AsObject();

    [Theory]
    [InlineData("client", "certification")]
    [InlineData("client2", "certification-2")]
    [InlineData("client_secret_post", "certification-post")]
    public void Plan_WhenItNamesAClient_ItIsOneThatTheGuideRegisters(string member, string clientId)
    {
        var client = CertificationClients.Find(clientId);
        Assert.Equal(((string?)client["client_id"], (string?)client["client_secret"]), ((string?)Document[member]!["client_id"], (string?)Document[member]!["client_secret"]));
    }

    [Fact]
    public void Plan_WhenItOverridesAModule_ItIsOneOfTheGuide()
    {
        var guide = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "certification.md"));
        Assert.All(Document["override"]!.AsObject(), module => Assert.Contains($"| `{module.Key}` |", guide, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("oidcc-server", false)]
    [InlineData("oidcc-server", true)]
    [InlineData("oidcc-refresh-token", false, "scope", "openid offline_access", "prompt", "consent")]
    public async Task Plan_WhenAModuleSignsIn_ComesBackWithACode(string module, bool formPost, params string[] changes)
    {
        using var client = new RelyingParty(world, formPost: formPost);
        var (end, request) = await AuthorizeAsync(client, module, wantsPicture: false, changes);
        Assert.Equal(client.RedirectUri, end.Url.OriginalString.Split('?')[0]);
        Assert.Equal(request["state"], end.Answer!["state"]);
        Assert.NotEmpty(end.Answer["code"]);
        Assert.Equal(changes.Contains("consent", StringComparer.Ordinal), end.Done.Contains("Allow", StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("oidcc-response-type-missing", "response_type", "")]
    [InlineData("oidcc-prompt-none-not-logged-in", "prompt", "none")]
    public async Task Plan_WhenAModuleIsToldAnError_ComesBackWithIt(string module, string parameter, string value)
    {
        foreach (var formPost in (bool[])[false, true])
        {
            using var client = new RelyingParty(world, formPost: formPost);
            var (end, _) = await AuthorizeAsync(client, module, wantsPicture: false, parameter, value);
            Assert.Equal(client.RedirectUri, end.Url.OriginalString.Split('?')[0]);
            Assert.NotEmpty(end.Answer!["error"]);
            Assert.Equal(["Be back"], end.Done);
        }
    }

    [Theory]
    [InlineData("oidcc-prompt-login", "prompt", "login")]
    [InlineData("oidcc-max-age-1", "max_age", "1")]
    public async Task Plan_WhenAModuleSignsInAgain_KeepsThePageOfTheSecondTime(string module, string parameter, string value)
    {
        using var client = new RelyingParty(world);
        var (first, _) = await AuthorizeAsync(client, module, wantsPicture: false);
        Assert.NotEmpty(first.Answer!["code"]);
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        var (second, _) = await AuthorizeAsync(client, module, wantsPicture: true, parameter, value);
        Assert.NotEmpty(second.Answer!["code"]);
        Assert.Equal("/signin", second.Picture!.AbsolutePath);
    }

    [Fact]
    public async Task Plan_WhenTheAddressIsNotRegistered_KeepsTheErrorPage()
    {
        using var client = new RelyingParty(world);
        var (end, _) = await AuthorizeAsync(client, "oidcc-ensure-registered-redirect-uri", wantsPicture: true, "redirect_uri", client.RedirectUri + "/FbxcrwsYWQ");
        Assert.Null(end.Answer);
        Assert.Equal("/connect/authorize", end.Picture!.AbsolutePath);
    }

    [Theory]
    [InlineData("oidcc-rp-initiated-logout", "certification")]
    [InlineData("oidcc-rp-initiated-logout-no-state", "certification")]
    [InlineData("oidcc-backchannel-rp-initiated-logout", "certification")]
    [InlineData("oidcc-frontchannel-rp-initiated-logout", "certification-front-channel")]
    public async Task Plan_WhenAModuleSignsOut_ComesBack(string module, string clientId)
    {
        using var client = new RelyingParty(world, clientId);
        var end = await EndAsync(client, module, wantsPicture: false, hint => hint, client.PostLogoutRedirectUri, "s");
        Assert.Equal(client.PostLogoutRedirectUri, end.Url.OriginalString.Split('?')[0]);
        Assert.Equal([KeyValuePair.Create("state", "s")], end.Answer!);
    }

    [Theory]
    [InlineData("bad-post-logout-redirect-uri", "/connect/endsession")]
    [InlineData("query-added-to-post-logout-redirect-uri", "/connect/endsession")]
    [InlineData("modified-id-token-hint", "/connect/endsession")]
    [InlineData("bad-id-token-hint", "/connect/endsession")]
    [InlineData("no-id-token-hint", "/connect/endsession")]
    [InlineData("no-post-logout-redirect-uri", "/signed-out")]
    [InlineData("no-params", "/signed-out")]
    [InlineData("only-state", "/signed-out")]
    public async Task Plan_WhenAModuleSignsOutAndMayNotComeBack_KeepsThePage(string what, string page)
    {
        using var client = new RelyingParty(world);
        var end = await EndAsync(
            client,
            "oidcc-rp-initiated-logout-" + what,
            wantsPicture: true,
            hint => what switch
            {
                "modified-id-token-hint" => CertificationKey.WithoutSignature(RunningServer.Payload(hint)),
                "bad-id-token-hint" => hint[..hint.LastIndexOf('.')] + ".AAAA",
                "no-id-token-hint" or "no-params" or "only-state" => null,
                _ => hint,
            },
            what switch
            {
                "bad-post-logout-redirect-uri" => client.PostLogoutRedirectUri!.Replace("/post_", "/bad_post_", StringComparison.Ordinal),
                "query-added-to-post-logout-redirect-uri" => client.PostLogoutRedirectUri + "?foo=bar",
                "no-post-logout-redirect-uri" or "no-params" or "only-state" => null,
                _ => client.PostLogoutRedirectUri,
            },
            what == "no-params" ? null : "s");
        Assert.Null(end.Answer);
        Assert.Equal(page, end.Picture!.AbsolutePath);
    }

    // The module's own browser where it has one, with this server's address and this person in place of the guide's.
    private ScriptedBrowser Script(RelyingParty client, string module)
    {
        var browser = Document["override"]![module]?["browser"] ?? Document["browser"];
        var text = browser!.ToJsonString().Replace("https://id.example.com", world.Issuer, StringComparison.Ordinal).Replace("\"PASSWORD\"", $"\"{ConformanceWorld.Password}\"", StringComparison.Ordinal);
        return new(client, JsonNode.Parse(text)!.AsArray());
    }

    private async Task<(ScriptEnd End, IReadOnlyDictionary<string, string> Request)> AuthorizeAsync(RelyingParty client, string module, bool wantsPicture, params string[] changes)
    {
        var request = client.Request([.. changes.Chunk(2).Select(pair => (pair[0], (string?)(pair[1].Length == 0 ? null : pair[1])))]);
        return (await Script(client, module).GoAsync(world.Metadata["authorization_endpoint"] + "?" + Query(request), wantsPicture), request);
    }

    private async Task<ScriptEnd> EndAsync(RelyingParty client, string module, bool wantsPicture, Func<string, string?> hint, string? address, string? state)
    {
        var (end, request) = await AuthorizeAsync(client, module, wantsPicture: false);
        var tokens = await client.RedeemAsync(new(request, [], client.RedirectUri, end.Answer!, default, ""));
        var parameters = new (string Name, string? Value)[] { ("id_token_hint", hint(tokens.IdToken)), ("post_logout_redirect_uri", address), ("state", state) };
        var query = Query(parameters.Where(pair => pair.Value is not null).Select(pair => KeyValuePair.Create(pair.Name, pair.Value!)));
        return await Script(client, module).GoAsync(world.Metadata["end_session_endpoint"] + (query.Length == 0 ? "" : "?" + query), wantsPicture);
    }

    // As the suite writes addresses: slashes and colons stand as they are.
    private static string Query(IEnumerable<KeyValuePair<string, string>> parameters) =>
        string.Join('&', parameters.Select(pair => pair.Key + "=" + Uri.EscapeDataString(pair.Value).Replace("%2F", "/", StringComparison.Ordinal).Replace("%3A", ":", StringComparison.Ordinal)));
}
