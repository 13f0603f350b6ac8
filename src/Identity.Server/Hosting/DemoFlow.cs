// RFC 6749 §4.1 with RFC 7636 (PKCE) and RFC 9207 (iss): the demo client's side of a sign-in, for Development.
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Server.Hosting;

/// <summary>What came of a run of the demo client: the token endpoint's answer and userinfo's, or what went wrong.</summary>
/// <param name="Error">In the protocol's words; null: it went well.</param>
public sealed record DemoRun(string? Error, JsonObject? Tokens = null, JsonObject? UserInfo = null)
{
    /// <summary>Header and payload of a JWT, to be looked at and not to be believed.</summary>
    public static string? Decode(string? token)
    {
        if (token?.Split('.') is not [var header, var payload, _])
        {
            return null;
        }

        return Pretty(JsonNode.Parse(Base64Url.DecodeFromChars(header))!) + "\n" + Pretty(JsonNode.Parse(Base64Url.DecodeFromChars(payload))!);
    }

    public static string Pretty(JsonNode json) => json.ToJsonString(Indented);

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}

/// <summary>Does what an application does: asks for a code, and exchanges it. The verifier and state wait in a cookie of ten minutes.</summary>
public sealed class DemoFlow(IDataProtectionProvider protection, ServerSettings settings) : IDisposable
{
    public const string CallbackPath = "/demo/callback";

    private const string CookieName = "identity-demo";
    private const string ClientId = "demo";

    private readonly ITimeLimitedDataProtector _protector = protection.CreateProtector("identity.demo.v1").ToTimeLimitedDataProtector();
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(20) };

    public static string RedirectUri(ServerSettings settings) => settings.PublicUrl + CallbackPath;

    /// <summary>Where to send the browser.</summary>
    public string Begin(HttpContext context)
    {
        var state = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        var verifier = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        context.Response.Cookies.Append(CookieName, _protector.Protect(state + "/" + verifier, TimeSpan.FromMinutes(10)), Cookie());
        return QueryHelpers.AddQueryString(settings.PublicUrl + "/" + ProtocolEndpoints.Authorization, new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["client_id"] = ClientId,
            ["redirect_uri"] = RedirectUri(settings),
            ["response_type"] = "code",
            ["scope"] = "openid profile email offline_access",
            ["state"] = state,
            ["code_challenge"] = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(verifier))),
            ["code_challenge_method"] = "S256",
        });
    }

    /// <summary>With what the authorize endpoint sent back.</summary>
    public async Task<DemoRun> FinishAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var query = context.Request.Query;
        if (Read(context) is not [var state, var verifier] || !string.Equals(query["state"], state, StringComparison.Ordinal) || !string.Equals(query["iss"], settings.PublicUrl, StringComparison.Ordinal))
        {
            return new("state");
        }

        context.Response.Cookies.Delete(CookieName, Cookie());
        if (query["error"] is [{ } error])
        {
            return new(error);
        }

        try
        {
            using var form = new FormUrlEncodedContent(new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["grant_type"] = "authorization_code",
                ["client_id"] = ClientId,
                ["code"] = query["code"].ToString(),
                ["redirect_uri"] = RedirectUri(settings),
                ["code_verifier"] = verifier,
            });
            using var answer = await _http.PostAsync(new Uri(settings.PublicUrl + "/" + ProtocolEndpoints.Token), form, cancellationToken);
            var tokens = JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancellationToken))!.AsObject();
            if (!answer.IsSuccessStatusCode)
            {
                return new((string?)tokens["error"] ?? $"{(int)answer.StatusCode}");
            }

            using var request = new HttpRequestMessage(HttpMethod.Get, settings.PublicUrl + "/" + ProtocolEndpoints.UserInfo);
            request.Headers.Authorization = new("Bearer", (string)tokens["access_token"]!);
            using var userInfo = await _http.SendAsync(request, cancellationToken);
            return new(null, tokens, JsonNode.Parse(await userInfo.Content.ReadAsStringAsync(cancellationToken))!.AsObject());
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return new(exception.Message);
        }
    }

    public void Dispose() => _http.Dispose();

    private string[]? Read(HttpContext context)
    {
        try
        {
            return context.Request.Cookies.TryGetValue(CookieName, out var cookie) && cookie is { Length: > 0 and < 2000 } ? _protector.Unprotect(cookie).Split('/') : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    // Lax: it comes along when the browser is sent back here, which is below the path of PUBLIC_URL.
    private CookieOptions Cookie() => new() { HttpOnly = true, Secure = settings.IsHttps, SameSite = SameSiteMode.Lax, Path = PublicPath.Of(settings) + CallbackPath, IsEssential = true, MaxAge = TimeSpan.FromMinutes(10) };
}
