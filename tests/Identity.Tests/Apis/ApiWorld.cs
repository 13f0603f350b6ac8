using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.OAuth.Keys;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Apis;

/// <summary>An API that the server was told of.</summary>
/// <param name="Name">Last part of its identifier and first of its scopes.</param>
/// <param name="Algorithm">What its tokens are signed with.</param>
/// <param name="Typ">Their <c>typ</c>.</param>
/// <param name="Format"><c>jwt</c> or <c>reference</c>.</param>
public sealed record Api(string Name, string Algorithm = "ES256", string Typ = "at+jwt", string Format = "jwt")
{
    public string Identifier => "https://api.example.com/" + Name;

    public string Read => Name + ".read";

    public string Write => Name + ".write";

    public bool IsReference => Format == "reference";
}

/// <summary>A server with an API of every kind behind it, on a clock that goes with those of the programs it talks to; its keys are at hand to forge with.</summary>
public sealed class ApiWorld : IAsyncLifetime
{
    public const string Secret = "an-api-secret-of-at-least-32-characters";
    public const string Password = "correct horse battery staple";
    public const string Redirect = "https://client.example.com/cb";

    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    public static Api Notes { get; } = new("notes");

    /// <summary>One for each way that a token can look.</summary>
    public static IReadOnlyList<Api> All { get; } =
    [
        Notes,
        new("second"),
        new("rs256", "RS256"),
        new("ps256", "PS256"),
        new("old-es256", "ES256", "JWT"),
        new("old-rs256", "RS256", "JWT"),
        new("old-ps256", "PS256", "JWT"),
        new("opaque", Format: "reference"),
        new("opaque-rs256", "RS256", "JWT", "reference"),
    ];

    private readonly Dictionary<string, string> _expired = new(StringComparer.Ordinal);
    private HostedServer? _server;
    private ForeignProgram? _resourceServers;

    public HostedServer Server => _server!;

    public OffsetTimeProvider Time { get; } = new(TimeSpan.FromHours(-2));

    public HttpClient Http { get; private set; } = null!;

    public string Issuer => Server.Url.GetLeftPart(UriPartial.Authority);

    /// <summary>Signs the assertions of client <c>asserting</c>.</summary>
    public ECDsa ClientKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>Where the stock web application listens: sign-out goes back to a registered address only, port and all.</summary>
    public int WebPort { get; } = Ports.Free();

    public async ValueTask InitializeAsync()
    {
        _server = await HostedServer.StartAsync(Clients().ToJsonString(), Resources().ToJsonString(), Time);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Server.Url };
        await Server.RegisterAsync("ada@example.com", Password);

        // Two hours ago: they live for one.
        foreach (var api in All)
        {
            _expired[api.Name] = await ServiceTokenAsync(api.Read);
        }

        Time.Advance(TimeSpan.FromHours(2));
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        ClientKey.Dispose();
        if (_resourceServers is not null)
        {
            await _resourceServers.DisposeAsync();
        }

        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    /// <summary>The APIs in Node, each with npm jose and with oauth4webapi: /jose/notes, /oauth4webapi/opaque, …</summary>
    public async Task<Uri> ResourceServersAsync()
    {
        if (_resourceServers is null)
        {
            var key = ClientKey.ExportParameters(includePrivateParameters: true);
            var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "api-key", ["alg"] = "ES256", ["x"] = Base64UrlEncoder.Encode(key.Q.X), ["y"] = Base64UrlEncoder.Encode(key.Q.Y), ["d"] = Base64UrlEncoder.Encode(key.D) };
            var apis = new JsonArray([.. All.Select(api => new JsonObject
            {
                ["name"] = api.Name,
                ["audience"] = api.Identifier,
                ["scope"] = api.Read,
                ["alg"] = api.Algorithm,
                ["typ"] = api.Typ,
                ["format"] = api.Format,
                ["client_id"] = api.Identifier,
                ["client_secret"] = Secret,
                ["assertion"] = api.Name == "opaque-rs256" ? new JsonObject { ["client_id"] = "asserting", ["jwk"] = jwk.DeepClone(), ["answer_alg"] = "ES256" } : null,
            })]);
            var settings = new Dictionary<string, string> { ["APIS"] = new JsonObject { ["issuer"] = Issuer, ["apis"] = apis }.ToJsonString() };
            _resourceServers = await ForeignProgram.StartNodeAsync("tests/Identity.Tests/clients", "resource-servers.mjs", settings);
        }

        return _resourceServers.Address;
    }

    /// <summary>A token of this API that died an hour ago.</summary>
    public string Expired(Api api) => _expired[api.Name];

    /// <summary>A client's own token.</summary>
    public async Task<string> ServiceTokenAsync(string scope, params (string Name, string Value)[] more) =>
        (string)(await TokenAsync([("grant_type", "client_credentials"), ("scope", scope), .. more]))["access_token"]!;

    /// <summary>A successful answer of the token endpoint to client <c>app</c>.</summary>
    public async Task<JsonNode> TokenAsync(params (string Name, string Value)[] fields)
    {
        var (status, body) = await PostAsync("/connect/token", "app", fields);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return body;
    }

    /// <summary>A code for Ada, who has signed in and is asked nothing.</summary>
    public async Task<string> CodeAsync(string scope, params string[] resources)
    {
        using var browser = new Browser(Server.Url);
        await browser.SignInAsync("ada@example.com", Password);
        using var answer = await browser.GetAsync(
            $"/connect/authorize?response_type=code&client_id=app&redirect_uri={Uri.EscapeDataString(Redirect)}&scope={Uri.EscapeDataString(scope)}&state=s&nonce=n"
            + $"&code_challenge={RunningServer.Challenge}&code_challenge_method=S256" + string.Concat(resources.Select(resource => "&resource=" + Uri.EscapeDataString(resource))));
        var query = RunningServer.Query(answer.Headers.Location);
        return query.GetValueOrDefault("code") ?? throw new InvalidOperationException($"{(int)answer.StatusCode} {answer.Headers.Location}");
    }

    public static (string Name, string Value)[] Redeem(string code, params (string Name, string Value)[] more) =>
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Redirect), ("code_verifier", RunningServer.Verifier), .. more];

    public async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, string client, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Server.Url, path)) { Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
        request.Headers.Authorization = RunningServer.Basic(client, Secret);
        using var answer = await Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return (answer.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!);
    }

    public async Task RevokeAsync(string token) => Assert.Equal(HttpStatusCode.OK, (await PostAsync("/connect/revoke", "app", ("token", token))).Status);

    /// <summary>
    /// A token signed with one of the server's own keys, right in every respect but those that are changed:
    /// whoever refuses it did look at just that.
    /// </summary>
    public async Task<string> MintAsync(Api api, string? typ = null, string? algorithm = null, Action<JsonObject>? change = null, ECDsa? foreignKey = null)
    {
        var now = Time.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject
        {
            ["iss"] = Issuer,
            ["sub"] = "app",
            ["aud"] = api.Identifier,
            ["client_id"] = "app",
            ["jti"] = $"{Guid.NewGuid():N}.{Guid.NewGuid():N}",
            ["iat"] = now,
            ["exp"] = now + 3600,
            ["scope"] = api.Read,
        };
        change?.Invoke(claims);
        var key = await Server.Services.GetRequiredService<KeyRing>().GetSigningKeyAsync(algorithm ?? api.Algorithm, TestContext.Current.CancellationToken);
        var credentials = foreignKey is null ? key.Credentials : new SigningCredentials(new ECDsaSecurityKey(foreignKey) { KeyId = key.Kid }, "ES256");
        return Handler.CreateToken(claims.ToJsonString(), credentials, new Dictionary<string, object> { [JwtHeaderParameterNames.Typ] = typ ?? api.Typ });
    }

    /// <summary>Tokens that this API has to refuse, by what is wrong with them.</summary>
    public async Task<IReadOnlyDictionary<string, string>> BadTokensAsync(Api api)
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var good = await ServiceTokenAsync(api.Read);
        var idToken = (string)(await TokenAsync(Redeem(await CodeAsync("openid"))))["id_token"]!;
        var sibling = All.FirstOrDefault(other => other != api && (other.Format, other.Typ, other.Algorithm) == (api.Format, api.Typ, api.Algorithm)) ?? All.First(other => other != api);
        var bad = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["another API's"] = await ServiceTokenAsync(sibling.Read),
            ["another audience"] = await MintAsync(api, change: claims => claims["aud"] = sibling.Identifier),
            ["no audience"] = await MintAsync(api, change: claims => claims.Remove("aud")),
            ["a longer audience"] = await MintAsync(api, change: claims => claims["aud"] = api.Identifier + "/"),
            ["another typ"] = await MintAsync(api, typ: "logout+jwt"),
            ["an ID token"] = idToken,
            ["another issuer"] = await MintAsync(api, change: claims => claims["iss"] = "https://evil.example.com"),
            ["another key"] = await MintAsync(api, foreignKey: foreign),
            ["expired"] = Expired(api),
            ["expired, minted"] = await MintAsync(api, change: claims => claims["exp"] = (long)claims["iat"]! - 120),
            ["no client_id"] = await MintAsync(api, change: claims => claims.Remove("client_id")),
            ["changed"] = good[..^6] + (good.EndsWith("AAAAAA", StringComparison.Ordinal) ? "BBBBBB" : "AAAAAA"),
            ["cut"] = good[..^1],
            ["nonsense"] = "x.y.z",
        };
        if (!api.IsReference)
        {
            bad["another of our typs"] = await MintAsync(api, typ: api.Typ == "JWT" ? "at+jwt" : "JWT");
            bad["another of our algorithms"] = await MintAsync(api, algorithm: api.Algorithm == "ES256" ? "RS256" : "ES256");
            bad["alg none"] = Base64UrlEncoder.Encode($"{{\"alg\":\"none\",\"typ\":\"{api.Typ}\"}}") + "." + good.Split('.')[1] + ".";
        }

        return bad;
    }

    /// <summary>What an API answers to this token.</summary>
    public static async Task<(HttpStatusCode Status, string Challenge, string Body)> CallAsync(Uri address, string? token, HttpMethod? method = null)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, address);
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return (answer.StatusCode, answer.Headers.WwwAuthenticate.ToString(), await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private static JsonArray Resources() =>
    [
        .. All.Select(api => new JsonObject
        {
            ["resource"] = api.Identifier,
            ["resource_name"] = api.Name,
            ["scopes_supported"] = new JsonArray(api.Read, api.Write),
            ["access_token_signed_response_alg"] = api.Algorithm,
            ["access_token_typ"] = api.Typ,
            ["access_token_format"] = api.Format,
        }),
    ];

    private JsonArray Clients()
    {
        var point = ClientKey.ExportParameters(includePrivateParameters: false).Q;
        var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "api-key", ["alg"] = "ES256", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) };
        return
        [
            new JsonObject
            {
                ["client_id"] = "app",
                ["client_secret"] = Secret,
                ["grant_types"] = new JsonArray("authorization_code", "refresh_token", "client_credentials"),
                ["redirect_uris"] = new JsonArray(Redirect),
                ["scope"] = "openid offline_access identity.users.read " + string.Join(' ', All.Select(api => api.Read + " " + api.Write)),
            },
            new JsonObject
            {
                ["client_id"] = "web",
                ["client_secret"] = Secret,
                ["token_endpoint_auth_method"] = "client_secret_post",
                ["grant_types"] = new JsonArray("authorization_code"),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/signin-oidc"),
                ["post_logout_redirect_uris"] = new JsonArray($"http://127.0.0.1:{WebPort}/signout-callback-oidc"),
                ["scope"] = "openid profile email",
            },
            new JsonObject
            {
                ["client_id"] = "asserting",
                ["token_endpoint_auth_method"] = "private_key_jwt",
                ["grant_types"] = new JsonArray("client_credentials"),
                ["jwks"] = new JsonObject { ["keys"] = new JsonArray(jwk) },
                ["introspects"] = new JsonArray([.. All.Where(api => api.IsReference).Select(api => JsonValue.Create(api.Identifier))]),
                ["introspection_signed_response_alg"] = "ES256",
            },

            // Each API asks as itself.
            .. All.Select(api => new JsonObject { ["client_id"] = api.Identifier, ["client_secret"] = Secret, ["grant_types"] = new JsonArray("client_credentials") }),
        ];
    }
}

[CollectionDefinition(Name)]
public sealed class ApiTestGroup : ICollectionFixture<ApiWorld>
{
    public const string Name = "apis";
}
