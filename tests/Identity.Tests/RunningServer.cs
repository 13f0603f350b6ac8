using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

[assembly: AssemblyFixture(typeof(Identity.Tests.RunningServer))]

namespace Identity.Tests;

/// <summary>One server for the black-box tests, with clients and APIs of every kind.</summary>
public sealed class RunningServer : Node, IAsyncLifetime
{
    public const string Notes = "https://api.example.com/notes";
    public const string Orders = "https://api.example.com/orders";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-server-test-");
    private ServerProcess? _process;

    public override Uri Address => _process!.Address;

    public ECDsa ClientKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string Issuer => $"http://localhost:{_process!.Port}";

    public string Output => _process!.Output;

    private string Outbox => Path.Combine(_directory.FullName, "data", "outbox");

    /// <summary>Every mail so far, whole.</summary>
    public IReadOnlyList<string> Mails() => [.. (Directory.Exists(Outbox) ? Directory.GetFiles(Outbox, "*.eml") : []).Select(File.ReadAllText)];

    /// <summary>The mail to this address; it is written behind the answer.</summary>
    public async Task<string> MailToAsync(string email)
    {
        for (var attempt = 0; attempt < 1800; attempt++)
        {
            if (Mails().FirstOrDefault(mail => mail.Contains("To: " + email, StringComparison.Ordinal)) is { } mail)
            {
                return mail;
            }

            await Task.Delay(50);
        }

        throw new InvalidOperationException("No mail came.");
    }

    public async ValueTask InitializeAsync()
    {
        var settings = await WriteClientsAsync(_directory.FullName, ClientKey);
        settings["DATA_DIR"] = Path.Combine(_directory.FullName, "data");
        settings["OAuth__RefreshGrace"] = "00:00:02";
        _process = ServerProcess.Start(settings);
        await _process.WaitReadyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Dispose();
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        ClientKey.Dispose();
        _directory.Delete(recursive: true);
    }

    /// <summary>Writes the files with clients and APIs of every kind; settings of a server that has them, and does not mind being asked often.</summary>
    internal static async Task<Dictionary<string, string>> WriteClientsAsync(string directory, ECDsa clientKey)
    {
        var point = clientKey.ExportParameters(includePrivateParameters: false).Q;
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
        JsonObject Tv(string id) => new()
        {
            ["client_id"] = id,
            ["client_name"] = "Living room",
            ["token_endpoint_auth_method"] = "none",
            ["grant_types"] = new JsonArray("urn:ietf:params:oauth:grant-type:device_code", "refresh_token"),
            ["allowed_origins"] = new JsonArray("https://tv.example.com"),
            ["scope"] = "openid profile email offline_access notes.read",
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
            Tv("tv"),
            Tv("tv-other"),
            Set(Tv("tv-asks"), "require_consent", true),
            new JsonObject { ["client_id"] = "tv-secret", ["client_secret"] = Secret, ["grant_types"] = new JsonArray("urn:ietf:params:oauth:grant-type:device_code"), ["scope"] = scopes },
            new JsonObject { ["client_id"] = "service", ["client_secret"] = Secret, ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "reports.read notes.read orders.read legacy.read opaque.read identity.users.read" },
            new JsonObject { ["client_id"] = "notes-api", ["client_secret"] = Secret, ["grant_types"] = new JsonArray("client_credentials"), ["introspects"] = new JsonArray(Notes, "opaque") },
            new JsonObject
            {
                ["client_id"] = "exchanger",
                ["client_secret"] = Secret,
                ["grant_types"] = new JsonArray("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ["scope"] = "notes.read orders.read",
                ["token_exchange_audiences"] = new JsonArray(Orders),
                ["token_exchange_subject_audiences"] = new JsonArray(Notes),
            },
            new JsonObject { ["client_id"] = "od:d%+", ["client_secret"] = "s:e%c+r e&t-of-32-characters-ünï", ["grant_types"] = new JsonArray("client_credentials"), ["scope"] = "reports.read" },
        };
        var resources = new JsonArray
        {
            new JsonObject { ["resource"] = Notes, ["scopes_supported"] = new JsonArray("notes.read", "notes.write"), ["access_token_claims"] = new JsonArray("roles", "email") },
            new JsonObject { ["resource"] = Orders, ["scopes_supported"] = new JsonArray("orders.read"), ["access_token_lifetime"] = "15m" },
            new JsonObject { ["resource"] = "legacy", ["scopes_supported"] = new JsonArray("legacy.read"), ["access_token_signed_response_alg"] = "RS256", ["access_token_typ"] = "JWT" },
            new JsonObject { ["resource"] = "opaque", ["scopes_supported"] = new JsonArray("opaque.read"), ["access_token_format"] = "reference" },
            new JsonObject { ["resource"] = "reports", ["scopes_supported"] = new JsonArray("reports.read") },
        };
        await File.WriteAllTextAsync(Path.Combine(directory, "clients.json"), clients.ToJsonString());
        await File.WriteAllTextAsync(Path.Combine(directory, "resources.json"), resources.ToJsonString());
        return new(StringComparer.Ordinal)
        {
            ["CLIENTS_FILE"] = Path.Combine(directory, "clients.json"),
            ["RESOURCES_FILE"] = Path.Combine(directory, "resources.json"),
            ["ADMIN_EMAIL"] = "admin@example.com",
            ["ADMIN_PASSWORD"] = Password,
            ["Accounts__PasswordHashIterations"] = "1000",
            ["Accounts__SignInsPerAddress"] = "100000",
            ["Accounts__OneTimeCodesPerAddress"] = "100000",
            ["Accounts__WrongPasswordDelay"] = "00:00:00",
            ["RateLimits__TokenFailuresPerAddress"] = "1000000",
        };
    }

    private static JsonObject Set(JsonObject client, string name, JsonNode value)
    {
        client[name] = value;
        return client;
    }
}
