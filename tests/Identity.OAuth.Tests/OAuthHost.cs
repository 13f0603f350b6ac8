using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Introspection;
using Identity.OAuth.Keys;
using Identity.OAuth.Resources;
using Identity.OAuth.Revocation;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Identity.Tests.Kit;
using Identity.Tests.Kit.InMemory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests;

/// <summary>The engine over stores in memory, with a clock that stands still, a person, and clients of each sort.</summary>
internal sealed class OAuthHost : IAsyncDisposable
{
    public const string Issuer = "https://id.example.com";
    public const string Redirect = "https://app.example.com/cb";
    public const string Secret = "a secret: with % and + and ünïcode";
    public const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    // Making RSA keys is slow, and which keys these are is not what most tests are about.
    private static readonly InMemorySigningKeys SharedKeys = new();

    private readonly ServiceProvider _services;

    public OAuthHost(Action<OAuthOptions>? configure = null, ISigningKeyStore? keys = null, Action<IServiceCollection>? more = null)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton<TimeProvider>(Time);
        services.AddInMemoryOAuthStores();
        services.AddSingleton(keys ?? SharedKeys);
        services.Configure<OAuthOptions>(options =>
        {
            options.Issuer = Issuer;
            options.RefreshTokenKey = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
            configure?.Invoke(options);
        });
        services.AddIdentityOAuth();
        more?.Invoke(services);
        _services = services.BuildServiceProvider(validateScopes: true);
        Subjects.Add(new Subject(Ada, new JsonObject
        {
            ["name"] = "Ada Lovelace",
            ["email"] = "ada@example.com",
            ["email_verified"] = true,
            ["roles"] = new JsonArray("admin", "author"),
        }));
    }

    public static string Ada { get; } = "0197a5e0-0000-7000-8000-000000000001";

    public FakeTimeProvider Time { get; } = new();

    public DateTimeOffset Now => Time.GetUtcNow();

    public InMemorySessions Sessions => Get<InMemorySessions>();

    public InMemorySubjects Subjects => Get<InMemorySubjects>();

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    public async Task<Client> AddClientAsync(string json)
    {
        var result = ClientMetadata.Parse(JsonNode.Parse(json)!.AsObject(), requireConsent: false);
        Assert.Empty(result.Problems);
        await Get<IClientStore>().UpsertAsync(result.Client!, Cancel);
        return result.Client!;
    }

    public async Task<Resource> AddResourceAsync(string json)
    {
        var result = ResourceMetadata.Parse(JsonNode.Parse(json)!.AsObject(), text => int.TryParse(text, out var seconds) ? TimeSpan.FromSeconds(seconds) : null);
        Assert.Empty(result.Problems);
        await Get<IResourceStore>().UpsertAsync(result.Resource!, Cancel);
        return result.Resource!;
    }

    /// <summary>A public client that uses PKCE and refreshes.</summary>
    public Task<Client> AddPublicClientAsync(string id = "spa", string scope = "openid profile email offline_access notes.read notes.write") => AddClientAsync($$"""
        {"client_id":"{{id}}","token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],
         "redirect_uris":["{{Redirect}}"],"scope":"{{scope}}"}
        """);

    /// <summary>A confidential client with all grants, by client_secret_basic.</summary>
    public Task<Client> AddConfidentialClientAsync(string id = "service", string more = "", string scope = "openid profile email offline_access notes.read notes.write") => AddClientAsync($$"""
        {"client_id":"{{id}}","client_secret":"{{Secret}}","grant_types":["authorization_code","refresh_token","client_credentials"],
         "redirect_uris":["{{Redirect}}"],"scope":"{{scope}}"{{more}} }
        """);

    /// <summary>What the authorize endpoint leaves behind.</summary>
    public async Task<string> IssueCodeAsync(Client client, string scope = "openid offline_access", Func<AuthorizationGrant, AuthorizationGrant>? change = null)
    {
        var session = Sessions.Start(Ada);
        var code = SecureValue.Create();
        var grant = new AuthorizationGrant
        {
            GrantId = Guid.CreateVersion7(Now),
            ClientId = client.ClientId,
            Subject = Ada,
            SessionId = session.Id,
            Scopes = scope.Split(' '),
            RedirectUri = Redirect,
            CodeChallenge = Challenge(Verifier),
            Nonce = "n-0S6_WzA2Mj",
            AuthTime = session.AuthTime,
            Acr = session.Acr,
            Amr = session.Amr,
        };
        grant = change?.Invoke(grant) ?? grant;
        await Get<ISingleUseStore>().SaveAsync(
            new SingleUseEntry(SingleUseKinds.AuthorizationCode, SecureValue.Hash(code), client.ClientId, JsonSerializer.Serialize(grant), Now.AddSeconds(60), Now.AddDays(7)),
            Cancel);
        return code;
    }

    public Task<Outcome<TokenResponse>> RedeemAsync(Client client, string code, params (string Name, string? Value)[] more) => TokenAsync(
        client,
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Redirect), ("code_verifier", Verifier), .. more]);

    public Task<Outcome<TokenResponse>> RefreshAsync(Client client, string refreshToken, params (string Name, string? Value)[] more) =>
        TokenAsync(client, [("grant_type", "refresh_token"), ("refresh_token", refreshToken), .. more]);

    /// <summary>A request as this client would authenticate it.</summary>
    public Task<Outcome<TokenResponse>> TokenAsync(Client client, params (string Name, string? Value)[] form) => client.TokenEndpointAuthMethod switch
    {
        "client_secret_basic" => TokenAsync(Basic(client.ClientId, Secret), form),
        "client_secret_post" => TokenAsync((string?)null, [("client_id", client.ClientId), ("client_secret", Secret), .. form]),
        _ => TokenAsync((string?)null, [("client_id", client.ClientId), .. form]),
    };

    public async Task<Outcome<TokenResponse>> TokenAsync(string? authorization, params (string Name, string? Value)[] form) =>
        Form(form).TryGet(out var parameters, out var error)
            ? await Get<TokenEndpoint>().HandleAsync(new TokenRequest(parameters, authorization), Cancel)
            : error;

    public async Task<JsonObject> SucceedAsync(Task<Outcome<TokenResponse>> answer)
    {
        var outcome = await answer;
        Assert.True(outcome.Error is null, outcome.Error?.ToString());
        return outcome.Value.Body;
    }

    public static async Task<OAuthError> FailAsync(Task<Outcome<TokenResponse>> answer, string code, int status = 400)
    {
        var error = (await answer).Error;
        Assert.NotNull(error);
        Assert.Equal(code, error.Code);
        Assert.Equal(status, error.Status);
        Assert.DoesNotContain(error.Description, character => character is < ' ' or > '~' or '"' or '\\');
        return error;
    }

    public async Task<JsonObject> IntrospectAsync(Client client, string token)
    {
        var form = Form(("token", token)).Value;
        return (await Get<IntrospectionEndpoint>().HandleAsync(form, Basic(client.ClientId, Secret), Cancel)).Value.Body;
    }

    public async Task<bool> IsActiveAsync(Client client, string token) => (bool)(await IntrospectAsync(client, token))["active"]!;

    public async Task<OAuthError?> RevokeAsync(Client client, string token, string? hint = null) => client.IsPublic
        ? await Get<RevocationEndpoint>().HandleAsync(Form(("client_id", client.ClientId), ("token", token), ("token_type_hint", hint)).Value, null, Cancel)
        : await Get<RevocationEndpoint>().HandleAsync(Form(("token", token), ("token_type_hint", hint)).Value, Basic(client.ClientId, Secret), Cancel);

    public async Task<AccessToken?> ValidateAsync(string token, bool acceptCompatibility = false) =>
        await Get<AccessTokenValidator>().ValidateAsync(token, acceptCompatibility, Cancel);

    public static Outcome<RequestParameters> Form(params (string Name, string? Value)[] form) =>
        RequestParameters.Read(form.GroupBy(pair => pair.Name).Select(group => KeyValuePair.Create<string, IReadOnlyList<string?>>(group.Key, [.. group.Select(pair => pair.Value)])));

    /// <summary>RFC 6749 §2.3.1: both parts form-encoded, then joined.</summary>
    public static string Basic(string id, string secret) =>
        "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes(System.Net.WebUtility.UrlEncode(id) + ":" + System.Net.WebUtility.UrlEncode(secret)));

    public static string Challenge(string verifier) => Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(verifier)));

    public static JsonObject Header(string jwt) => JsonNode.Parse(Base64UrlEncoder.Decode(jwt.Split('.')[0]))!.AsObject();

    public static JsonObject Payload(string jwt) => JsonNode.Parse(Base64UrlEncoder.Decode(jwt.Split('.')[1]))!.AsObject();

    /// <summary>Runs all at once.</summary>
    public static async Task<IReadOnlyList<T>> RaceAsync<T>(Func<Task<T>> attempt, int width = 50)
    {
        var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var attempts = Enumerable.Range(0, width).Select(_ => Task.Run(async () =>
        {
            await start.Task;
            return await attempt();
        })).ToArray();
        start.SetResult();
        return await Task.WhenAll(attempts);
    }
}
