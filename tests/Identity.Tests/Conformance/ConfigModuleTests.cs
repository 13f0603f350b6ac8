// OpenID Connect Discovery 1.0 §3 and §4, RFC 8414 §2, RFC 7517: the module of the plan Config OP, member by member.
using System.Globalization;
using System.Net;
using System.Net.Mime;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Conformance;

/// <summary>The plan <c>oidcc-config-certification-test-plan</c>. That every address is https is seen in <see cref="HttpsIssuerTests"/>.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class ConfigModuleTests(ConformanceWorld world)
{
    // The members that the suite's schema knows; another one is a warning.
    private static readonly Dictionary<string, JsonValueKind> Members = new(StringComparer.Ordinal)
    {
        ["issuer"] = JsonValueKind.String,
        ["authorization_endpoint"] = JsonValueKind.String,
        ["token_endpoint"] = JsonValueKind.String,
        ["userinfo_endpoint"] = JsonValueKind.String,
        ["jwks_uri"] = JsonValueKind.String,
        ["introspection_endpoint"] = JsonValueKind.String,
        ["revocation_endpoint"] = JsonValueKind.String,
        ["end_session_endpoint"] = JsonValueKind.String,
        ["scopes_supported"] = JsonValueKind.Array,
        ["response_types_supported"] = JsonValueKind.Array,
        ["response_modes_supported"] = JsonValueKind.Array,
        ["grant_types_supported"] = JsonValueKind.Array,
        ["acr_values_supported"] = JsonValueKind.Array,
        ["subject_types_supported"] = JsonValueKind.Array,
        ["id_token_signing_alg_values_supported"] = JsonValueKind.Array,
        ["token_endpoint_auth_methods_supported"] = JsonValueKind.Array,
        ["token_endpoint_auth_signing_alg_values_supported"] = JsonValueKind.Array,
        ["revocation_endpoint_auth_methods_supported"] = JsonValueKind.Array,
        ["revocation_endpoint_auth_signing_alg_values_supported"] = JsonValueKind.Array,
        ["introspection_endpoint_auth_methods_supported"] = JsonValueKind.Array,
        ["introspection_endpoint_auth_signing_alg_values_supported"] = JsonValueKind.Array,
        ["introspection_signing_alg_values_supported"] = JsonValueKind.Array,
        ["code_challenge_methods_supported"] = JsonValueKind.Array,
        ["pushed_authorization_request_endpoint"] = JsonValueKind.String,
        ["require_pushed_authorization_requests"] = JsonValueKind.False,
        ["tls_client_certificate_bound_access_tokens"] = JsonValueKind.False,
        ["prompt_values_supported"] = JsonValueKind.Array,
        ["device_authorization_endpoint"] = JsonValueKind.String,
        ["display_values_supported"] = JsonValueKind.Array,
        ["claim_types_supported"] = JsonValueKind.Array,
        ["claims_supported"] = JsonValueKind.Array,
        ["ui_locales_supported"] = JsonValueKind.Array,
        ["protected_resources"] = JsonValueKind.Array,
        ["dpop_signing_alg_values_supported"] = JsonValueKind.Array,
        ["claims_parameter_supported"] = JsonValueKind.True,
        ["backchannel_logout_supported"] = JsonValueKind.True,
        ["backchannel_logout_session_supported"] = JsonValueKind.True,
        ["request_parameter_supported"] = JsonValueKind.True,
        ["request_object_signing_alg_values_supported"] = JsonValueKind.Array,
        ["authorization_signing_alg_values_supported"] = JsonValueKind.Array,
        ["request_uri_parameter_supported"] = JsonValueKind.True,
        ["require_request_uri_registration"] = JsonValueKind.True,
        ["frontchannel_logout_supported"] = JsonValueKind.True,
        ["frontchannel_logout_session_supported"] = JsonValueKind.True,
        ["authorization_response_iss_parameter_supported"] = JsonValueKind.True,
    };

    [Fact]
    public async Task OidccDiscoveryEndpointVerification_WhenTheDocumentIsRead_IsSoundAndHoldsNothingUnknown()
    {
        using var answer = await world.Http.GetAsync(new Uri(world.Issuer + "/.well-known/openid-configuration"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(MediaTypeNames.Application.Json, answer.Content.Headers.ContentType!.MediaType);
        var document = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();

        Assert.Equal(Members.Keys.Order(StringComparer.Ordinal), document.Select(member => member.Key).Order(StringComparer.Ordinal));
        Assert.All(document, member => Assert.Equal((member.Key, Members[member.Key]), (member.Key, member.Value!.GetValueKind())));
        Assert.All(document.Where(member => member.Value is JsonArray), member =>
        {
            Assert.NotEmpty(member.Value!.AsArray());
            Assert.All(member.Value.AsArray(), value => Assert.NotEmpty((string)value!));
        });

        Assert.Equal(world.Issuer, (string?)document["issuer"]);
        Assert.Contains("RS256", Values(document, "id_token_signing_alg_values_supported"));
        Assert.Equal(["public"], Values(document, "subject_types_supported"));
        Assert.Equal(["code"], Values(document, "response_types_supported"));
        Assert.Contains("openid", Values(document, "scopes_supported"));
        Assert.All(Values(document, "scopes_supported").SelectMany(scope => scope), character => Assert.True(character is '!' or (>= '#' and <= '[') or (>= ']' and <= '~')));
        Assert.All(Values(document, "ui_locales_supported"), tag => Assert.Equal(CultureInfo.GetCultureInfo(tag, predefinedOnly: true).Name, tag));
    }

    [Fact]
    public async Task OidccDiscoveryEndpointVerification_WhenTheKeysAreRead_AreKnownUniqueAndPublic()
    {
        var keys = await KeysAsync(world.Issuer);
        Assert.Equal(keys.Count, keys.Select(key => (string)key!["kid"]!).Distinct(StringComparer.Ordinal).Count());
        Assert.All(keys, key =>
        {
            Assert.Contains($"{key!["kty"]} {key["alg"]} {key["crv"]}", (string[])["RSA RS256 ", "RSA PS256 ", "EC ES256 P-256"]);
            Assert.Equal("sig", (string?)key!["use"]);
            Assert.Empty(key.AsObject().Select(member => member.Key).Except(["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"]));

            // Unpadded base64url, and nothing else.
            Assert.All(key.AsObject().Where(member => member.Key is "n" or "e" or "x" or "y"), member => Assert.All((string)member.Value!, character => Assert.True(char.IsAsciiLetterOrDigit(character) || character is '-' or '_')));
        });
    }

    // Each announced value does what it says, and what is not announced is not there.
    [Theory]
    [InlineData("prompt_values_supported", "prompt", "consent nonsense", "invalid_request")]
    [InlineData("response_modes_supported", "response_mode", "nonsense", "invalid_request")]
    [InlineData("response_types_supported", "response_type", "code id_token", "unsupported_response_type")]
    [InlineData("scopes_supported", "scope", "openid nonsense", "invalid_scope")]
    public async Task OidccDiscoveryEndpointVerification_WhenAValueIsAnnounced_TheServerTakesItAndNoOther(string member, string parameter, string other, string error)
    {
        foreach (var value in Values(world.Metadata, member).Where(value => parameter != "scope" || !value.StartsWith("identity.", StringComparison.Ordinal)))
        {
            if (value is "fragment" or "create" || value.EndsWith("jwt", StringComparison.Ordinal))
            {
                // Nothing a relying party behind HTTP can read, or a page of its own: AuthorizeTests has them. Or a signed answer: SignedAnswerTests.
                continue;
            }

            using var client = new RelyingParty(world, formPost: value == "form_post");
            var answer = await client.AuthorizeAsync((parameter, value));
            if (value == "none")
            {
                client.CheckError(answer, "login_required");
            }
            else
            {
                client.CheckSuccess(answer);
            }
        }

        using var stranger = new RelyingParty(world);
        stranger.CheckError(await stranger.AuthorizeAsync((parameter, other)), error);
    }

    [Fact]
    public async Task OidccDiscoveryEndpointVerification_WhenClaimsAreAnnounced_ThePersonsCanBeAskedForByName()
    {
        string[] ofTheProtocol = ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid"];
        var announced = Values(world.Metadata, "claims_supported");
        // The person of this world has no role.
        var named = announced.Except(ofTheProtocol).Except(["roles", "groups"]).ToArray();
        using var client = new RelyingParty(world);
        var wish = new JsonObject(named.Select(name => KeyValuePair.Create(name, (JsonNode?)null)));
        var (tokens, _) = await client.SignInAsync(("claims", new JsonObject { ["userinfo"] = wish }.ToJsonString()));
        Assert.Equal(named.Append("sub").Order(StringComparer.Ordinal), (await client.UserInfoAsync(tokens)).Select(claim => claim.Key).Order(StringComparer.Ordinal));
        // at_hash comes with an access token and is nothing that could be asked for.
        Assert.Equal(ofTheProtocol.Concat(["at_hash", "azp"]).Order(StringComparer.Ordinal), tokens.Claims.Select(claim => claim.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task OidccDiscoveryEndpointVerification_WhenPolicyAndTermsAreConfigured_NamesThem()
    {
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Branding:PrivacyUrl"] = "https://www.example.com/privacy",
            ["Branding:TermsUrl"] = "https://www.example.com/terms",
        });
        using var http = new HttpClient();
        var document = JsonNode.Parse(await http.GetStringAsync(new Uri(server.Url, "/.well-known/openid-configuration")))!.AsObject();
        Assert.Equal("https://www.example.com/privacy", (string?)document["op_policy_uri"]);
        Assert.Equal("https://www.example.com/terms", (string?)document["op_tos_uri"]);
        Assert.Equal(Members.Keys.Append("op_policy_uri").Append("op_tos_uri").Order(StringComparer.Ordinal), document.Select(member => member.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task OidccServerRotateKeys_WhenKeysAge_TheNextIsPublishedFirstAndTheOldStays()
    {
        var clock = new OffsetTimeProvider(TimeSpan.Zero);
        await using var server = await HostedServer.StartAsync(CertificationClients.Json, time: clock);
        var issuer = server.Url.GetLeftPart(UriPartial.Authority);
        var old = Kids(await KeysAsync(issuer));

        clock.Advance(TimeSpan.FromDays(89));
        var both = Kids(await KeysAsync(issuer));
        Assert.Subset(both.ToHashSet(StringComparer.Ordinal), old.ToHashSet(StringComparer.Ordinal));
        Assert.Equal(2 * old.Length, both.Length);
        Assert.Contains(await SignedByAsync(), old);

        clock.Advance(TimeSpan.FromDays(2));
        Assert.Contains(await SignedByAsync(), both.Except(old));
        Assert.Subset(Kids(await KeysAsync(issuer)).ToHashSet(StringComparer.Ordinal), both.ToHashSet(StringComparer.Ordinal));

        async Task<string> SignedByAsync()
        {
            var email = $"p{Guid.NewGuid():N}@example.com";
            await server.RegisterAsync(email, ConformanceWorld.Password);
            var client = CertificationClients.Find("certification");
            var redirectUri = (string)client["redirect_uris"]![0]!;
            using var browser = new Browser(server.Url);
            await browser.SignInAsync(email, ConformanceWorld.Password);
            using var answer = await browser.GetAsync($"/connect/authorize?response_type=code&scope=openid&client_id=certification&redirect_uri={Uri.EscapeDataString(redirectUri)}");
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Url, "/connect/token"))
            {
                Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "authorization_code"), KeyValuePair.Create("code", RunningServer.Query(answer.Headers.Location)["code"]), KeyValuePair.Create("redirect_uri", redirectUri)]),
            };
            request.Headers.Authorization = RunningServer.Basic("certification", (string)client["client_secret"]!);
            using var tokens = await browser.SendAsync(request);
            var body = JsonNode.Parse(await tokens.Content.ReadAsStringAsync())!;
            return (string)RunningServer.Header((string)body["id_token"]!)["kid"]!;
        }

        static string[] Kids(JsonArray keys) => [.. keys.Select(key => (string)key!["kid"]!)];
    }

    private async Task<JsonArray> KeysAsync(string issuer) => JsonNode.Parse(await world.Http.GetStringAsync(new Uri(issuer + "/connect/jwks")))!["keys"]!.AsArray();

    private static string[] Values(JsonObject document, string member) => [.. document[member]!.AsArray().Select(value => (string)value!)];
}
