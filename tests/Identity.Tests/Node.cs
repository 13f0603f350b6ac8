using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests;

/// <summary>One address at which the server answers, and the ways a client or a person talks to it.</summary>
public abstract class Node(SocketsHttpHandler? handler = null) : IDisposable
{
    public const string Secret = "a-client-secret-of-at-least-32-characters";
    public const string RedirectUri = "http://127.0.0.1:4711/callback";
    public const string Password = "a sound pass phrase 7";

    /// <summary>RFC 7636 appendix B.</summary>
    public const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    public const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    public abstract Uri Address { get; }

    public HttpClient Http { get; } = new(Plain(handler ?? new SocketsHttpHandler { AllowAutoRedirect = false }));

    public void Dispose()
    {
        Http.Dispose();
        GC.SuppressFinalize(this);
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

    // Header values go out as they are, also those that no header may have.
    private static SocketsHttpHandler Plain(SocketsHttpHandler handler)
    {
        handler.UseCookies = false;
        handler.RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1;
        return handler;
    }
}

/// <summary>A server that somebody else started and ends.</summary>
internal sealed class AddressedNode(Uri address, SocketsHttpHandler? handler = null) : Node(handler)
{
    public override Uri Address => address;
}
