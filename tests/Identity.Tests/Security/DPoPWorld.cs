// RFC 9449: a server with clients that hold keys, and what they send it.
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>An answer, as far as a client looks at it.</summary>
public sealed record DPoPAnswer(HttpStatusCode Status, JsonNode Body, string Challenge, string? Nonce)
{
    public string? Error => (string?)Body["error"];

    public string Text(string member) => (string)Body[member]!;
}

/// <summary>A server whose clock stands still.</summary>
public class DPoPWorld : IAsyncLifetime
{
    public const string Grant = "urn:ietf:params:oauth:grant-type:";
    public const string AccessTokenType = "urn:ietf:params:oauth:token-type:access_token";

    private HostedServer? _server;

    public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

    public Node Node { get; private set; } = null!;

    public DPoPKey Key { get; } = new();

    public DPoPKey OtherKey { get; } = new();

    /// <summary>PUBLIC_URL, which proofs name.</summary>
    public virtual string Issuer => _server!.Url.OriginalString;

    protected virtual IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>(StringComparer.Ordinal);

    public async ValueTask InitializeAsync()
    {
        JsonObject App(string id, string? secret, bool isBound = false) => new()
        {
            ["client_id"] = id,
            ["client_name"] = id,
            ["token_endpoint_auth_method"] = secret is null ? "none" : "client_secret_post",
            ["client_secret"] = secret,
            ["dpop_bound_access_tokens"] = isBound,
            ["grant_types"] = new JsonArray("authorization_code", "refresh_token", Grant + "device_code"),
            ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
            ["scope"] = "openid email offline_access notes.read vault.read",
        };
        JsonObject Service(string id) => new()
        {
            ["client_id"] = id,
            ["token_endpoint_auth_method"] = "client_secret_post",
            ["client_secret"] = Node.Secret,
            ["grant_types"] = new JsonArray("client_credentials"),
            ["scope"] = "reports.read notes.read opaque.read vault.read identity.users.read",
        };
        var exchanger = Service("exchanger");
        exchanger["grant_types"] = new JsonArray(Grant + "token-exchange");
        exchanger["token_exchange_audiences"] = new JsonArray("https://api.example.com/notes");
        exchanger["token_exchange_subject_audiences"] = new JsonArray("https://api.example.com/notes");
        var introspector = Service("introspector");
        introspector["introspects"] = new JsonArray("*");
        var clients = new JsonArray(App("app", secret: null), App("bound-app", secret: null, isBound: true), App("web", Node.Secret), App("bound-web", Node.Secret, isBound: true), Service("service"), exchanger, introspector);
        foreach (var client in clients.OfType<JsonObject>().Where(client => client["client_secret"] is null))
        {
            client.Remove("client_secret");
        }

        var resources = new JsonArray(
            new JsonObject { ["resource"] = "https://api.example.com/notes", ["scopes_supported"] = new JsonArray("notes.read") },
            new JsonObject { ["resource"] = "https://api.example.com/vault", ["scopes_supported"] = new JsonArray("vault.read"), ["dpop_bound_access_tokens_required"] = true },
            new JsonObject { ["resource"] = "opaque", ["scopes_supported"] = new JsonArray("opaque.read"), ["access_token_format"] = "reference" },
            new JsonObject { ["resource"] = "reports", ["scopes_supported"] = new JsonArray("reports.read") });
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "1000000", ["OAuth:RefreshGrace"] = "00:00:00" };
        foreach (var (name, value) in Settings)
        {
            settings[name] = value;
        }

        _server = await HostedServer.StartAsync(clients.ToJsonString(), resources.ToJsonString(), Time, settings);
        Node = new AddressedNode(_server.Url);
    }

    public async ValueTask DisposeAsync()
    {
        Node?.Dispose();
        Key.Dispose();
        OtherKey.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    public string Proof(string method, string path, string? accessToken = null, DPoPKey? key = null, Action<JsonObject>? header = null, Action<JsonObject>? claims = null) =>
        (key ?? Key).Proof(method, Issuer + path, Time.GetUtcNow(), accessToken, header, claims);

    /// <summary>A form with these DPoP headers, each as it is.</summary>
    public async Task<DPoPAnswer> PostAsync(string path, string[] proofs, params (string Name, string Value)[] fields)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Node.Address, path)) { Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
        return await SendAsync(request, proofs);
    }

    /// <summary>A token request of a public client, or of one with the secret.</summary>
    public Task<DPoPAnswer> TokenAsync(string? proof, string client, params (string Name, string Value)[] fields) =>
        PostAsync("/connect/token", proof is null ? [] : [proof], [("client_id", client), .. client.EndsWith("app", StringComparison.Ordinal) ? [] : new[] { ("client_secret", Node.Secret) }, .. fields]);

    public Task<DPoPAnswer> ServiceAsync(string? proof, string scope = "reports.read") => TokenAsync(proof, "service", ("grant_type", "client_credentials"), ("scope", scope));

    public Task<DPoPAnswer> RedeemAsync(string? proof, string code, string client = "app") =>
        TokenAsync(proof, client, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Node.RedirectUri), ("code_verifier", Node.Verifier));

    public Task<DPoPAnswer> RefreshAsync(string? proof, string token, string client = "app") => TokenAsync(proof, client, ("grant_type", "refresh_token"), ("refresh_token", token));

    public Task<DPoPAnswer> PushAsync(string[] proofs, string client = "app", string? key = null) => PostAsync(
        "/connect/par",
        proofs,
        [
            ("client_id", client), .. client.EndsWith("app", StringComparison.Ordinal) ? [] : new[] { ("client_secret", Node.Secret) }, ("response_type", "code"), ("redirect_uri", Node.RedirectUri), ("scope", "openid email offline_access"),
            ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"), .. key is null ? [] : new[] { ("dpop_jkt", key) },
        ]);

    /// <summary>Tokens of a code flow, bound to this world's key.</summary>
    public async Task<DPoPAnswer> BoundTokensAsync(string client = "app", params (string Name, string? Value)[] changes)
    {
        using var browser = await Node.SignedInAsync();
        var tokens = await RedeemAsync(Proof("POST", "/connect/token"), await Node.CodeAsync(browser, client, changes: changes), client);
        Assert.True(tokens.Status == HttpStatusCode.OK, tokens.Body.ToJsonString());
        return tokens;
    }

    /// <summary>A bound token of a service for /api/identity.</summary>
    public async Task<string> BoundApiTokenAsync() => (await ServiceAsync(Proof("POST", "/connect/token"), "identity.users.read")).Text("access_token");

    public Task<DPoPAnswer> GetAsync(string path, string scheme, string token, params string[] proofs)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Node.Address, path));
        request.Headers.Authorization = new AuthenticationHeaderValue(scheme, token);
        return SendAsync(request, proofs);
    }

    private async Task<DPoPAnswer> SendAsync(HttpRequestMessage request, string[] proofs)
    {
        foreach (var proof in proofs)
        {
            request.Headers.TryAddWithoutValidation("DPoP", proof);
        }

        using (request)
        {
            using var answer = await Node.Http.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            return new(
                answer.StatusCode,
                text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!,
                answer.Headers.WwwAuthenticate.ToString(),
                answer.Headers.TryGetValues("DPoP-Nonce", out var nonces) ? nonces.Single() : null);
        }
    }
}
