using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

[assembly: AssemblyFixture(typeof(Identity.Server.Tests.RunningServer))]

namespace Identity.Server.Tests;

/// <summary>One server for the black-box tests, with clients and APIs of every kind; and the ways a client or a person talks to it.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    public const string Secret = "a-client-secret-of-at-least-32-characters";
    public const string RedirectUri = "http://127.0.0.1:4711/callback";
    public const string Notes = "https://api.example.com/notes";
    public const string Orders = "https://api.example.com/orders";
    public const string Password = "a sound pass phrase 7";

    /// <summary>RFC 7636 appendix B.</summary>
    public const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    public const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-server-test-");
    private ServerProcess? _process;

    public ECDsa ClientKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public Uri Address => _process!.Address;

    public string Issuer => $"http://localhost:{_process!.Port}";

    public string Output => _process!.Output;

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var point = ClientKey.ExportParameters(includePrivateParameters: false).Q;
        var jwks = new JsonObject { ["keys"] = new JsonArray(new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "client-key", ["alg"] = "ES256", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) }) };
        const string scopes = "openid profile email address phone offline_access notes.read notes.write orders.read legacy.read opaque.read reports.read";
        JsonObject Web(string id, string method) => new()
        {
            ["client_id"] = id,
            ["client_name"] = id,
            ["token_endpoint_auth_method"] = method,
            ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
            ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback", "https://client.example.com/cb", "https://client.example.com/cb?fixed=1"),
            ["post_logout_redirect_uris"] = new JsonArray("http://127.0.0.1:4711/bye"),
            ["scope"] = scopes,
        };
        var clients = new JsonArray
        {
            Web("spa", "none"),
            Web("other", "none"),
            Set(Web("web-basic", "client_secret_basic"), "client_secret", Secret),
            Set(Web("web-post", "client_secret_post"), "client_secret", Secret),
            Set(Web("web-jwt", "private_key_jwt"), "jwks", jwks),
            Set(Set(Web("no-pkce", "client_secret_basic"), "client_secret", Secret), "require_pkce", false),
            Set(Web("asks", "none"), "require_consent", true),
            new JsonObject { ["client_id"] = "service", ["client_secret"] = Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "reports.read notes.read orders.read legacy.read opaque.read identity.users.read" },
            new JsonObject { ["client_id"] = "notes-api", ["client_secret"] = Secret, ["grant_types"] = new JsonArray("client_credentials"), ["introspects"] = new JsonArray(Notes, "opaque") },
            new JsonObject { ["client_id"] = "od:d%+", ["client_secret"] = "s:e%c+r e&t-of-32-characters-ünï", ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "reports.read" },
        };
        var resources = new JsonArray
        {
            new JsonObject { ["resource"] = Notes, ["scopes_supported"] = new JsonArray("notes.read", "notes.write"), ["access_token_claims"] = new JsonArray("roles", "email") },
            new JsonObject { ["resource"] = Orders, ["scopes_supported"] = new JsonArray("orders.read"), ["access_token_lifetime"] = "15m" },
            new JsonObject { ["resource"] = "legacy", ["scopes_supported"] = new JsonArray("legacy.read"), ["access_token_signed_response_alg"] = "RS256", ["access_token_typ"] = "JWT" },
            new JsonObject { ["resource"] = "opaque", ["scopes_supported"] = new JsonArray("opaque.read"), ["access_token_format"] = "reference" },
        };
        await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "clients.json"), clients.ToJsonString());
        await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "resources.json"), resources.ToJsonString());
        _process = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = Path.Combine(_directory.FullName, "data"),
            ["CLIENTS_FILE"] = Path.Combine(_directory.FullName, "clients.json"),
            ["RESOURCES_FILE"] = Path.Combine(_directory.FullName, "resources.json"),
            ["ADMIN_EMAIL"] = "admin@example.com",
            ["ADMIN_PASSWORD"] = Password,
            ["Accounts__PasswordHashIterations"] = "1000",
            ["Accounts__SignInsPerAddress"] = "100000",
            ["Accounts__OneTimeCodesPerAddress"] = "100000",
            ["RateLimits__TokenFailuresPerAddress"] = "1000000",
            ["OAuth__RefreshGrace"] = "00:00:02",
        });
        await _process.WaitReadyAsync();
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Address };
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        ClientKey.Dispose();
        _directory.Delete(recursive: true);
    }

    /// <summary>Registers somebody new over /api/identity.</summary>
    public async Task<(string Id, string Email)> RegisterAsync()
    {
        var email = $"p{Guid.NewGuid():N}@example.com";
        using var answer = await Http.PostAsJsonAsync(new Uri(Address, "/api/identity/register"), new { email, password = Password });
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.True(answer.IsSuccessStatusCode, body.ToJsonString());
        return ((string)body["id"]!, email);
    }

    /// <summary>A browser in which somebody new is signed in.</summary>
    public async Task<Browser> SignedInAsync()
    {
        var (_, email) = await RegisterAsync();
        var browser = new Browser(Address);
        await browser.SignInAsync(email, Password);
        return browser;
    }

    public string AuthorizeUrl(string client = "spa", string scope = "openid email offline_access", params (string Name, string? Value)[] changes)
    {
        var parameters = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["response_type"] = "code",
            ["client_id"] = client,
            ["redirect_uri"] = RedirectUri,
            ["scope"] = scope,
            ["state"] = "s1",
            ["nonce"] = "n1",
            ["code_challenge"] = Challenge,
            ["code_challenge_method"] = "S256",
        };
        foreach (var (name, value) in changes)
        {
            parameters[name] = value;
        }

        return "/connect/authorize?" + string.Join('&', parameters.Where(pair => pair.Value is not null).Select(pair => pair.Key + "=" + Uri.EscapeDataString(pair.Value!)));
    }

    /// <summary>A fresh code for the signed-in person.</summary>
    public async Task<string> CodeAsync(Browser browser, string client = "spa", string scope = "openid email offline_access", params (string Name, string? Value)[] changes)
    {
        using var answer = await browser.GetAsync(AuthorizeUrl(client, scope, changes));
        var query = Query(answer.Headers.Location);
        return query.GetValueOrDefault("code") ?? throw new InvalidOperationException($"{(int)answer.StatusCode} {answer.Headers.Location} {await answer.Content.ReadAsStringAsync()}");
    }

    public async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string path, string? client, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Address, path)) { Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
        if (client is not null)
        {
            request.Headers.Authorization = Basic(client, Secret);
        }

        using var answer = await Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return (answer.StatusCode, text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!);
    }

    public Task<(HttpStatusCode Status, JsonNode Body)> RedeemAsync(string code, string client = "spa", params (string Name, string Value)[] changes)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal) { ["grant_type"] = "authorization_code", ["client_id"] = client, ["code"] = code, ["redirect_uri"] = RedirectUri, ["code_verifier"] = Verifier };
        foreach (var (name, value) in changes)
        {
            fields[name] = value;
        }

        return PostAsync("/connect/token", client: null, [.. fields.Where(pair => pair.Value.Length > 0).Select(pair => (pair.Key, pair.Value))]);
    }

    public Task<(HttpStatusCode Status, JsonNode Body)> RefreshAsync(string token, string client = "spa", params (string Name, string Value)[] more) =>
        PostAsync("/connect/token", client: null, [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token), .. more]);

    /// <summary>The tokens of a whole code flow.</summary>
    public async Task<JsonNode> TokensAsync(Browser browser, string client = "spa", string scope = "openid email offline_access", params (string Name, string? Value)[] changes)
    {
        var (status, body) = await RedeemAsync(await CodeAsync(browser, client, scope, changes), client);
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return body;
    }

    public async Task<string> ServiceTokenAsync(string scope)
    {
        var (status, body) = await PostAsync("/connect/token", "service", ("grant_type", "client_credentials"), ("scope", scope));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return (string)body["access_token"]!;
    }

    public async Task<HttpStatusCode> UserInfoAsync(string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Address, "/connect/userinfo"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await Http.SendAsync(request);
        return answer.StatusCode;
    }

    public static AuthenticationHeaderValue Basic(string id, string secret) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(WebUtility.UrlEncode(id) + ":" + WebUtility.UrlEncode(secret))));

    public static Dictionary<string, string> Query(Uri? location) =>
        location is null ? [] : (location.IsAbsoluteUri ? location.Query : location.OriginalString[Math.Max(0, location.OriginalString.IndexOf('?', StringComparison.Ordinal))..]).TrimStart('?')
            .Split('&', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => Uri.UnescapeDataString(pair[^1]), StringComparer.Ordinal);

    public static JsonObject Payload(string jwt) => JsonNode.Parse(Base64UrlEncoder.Decode(jwt.Split('.')[1]))!.AsObject();

    public static JsonObject Header(string jwt) => JsonNode.Parse(Base64UrlEncoder.Decode(jwt.Split('.')[0]))!.AsObject();

    private static JsonObject Set(JsonObject client, string name, JsonNode value)
    {
        client[name] = value;
        return client;
    }
}
