// OpenID Connect Core §3.1: another provider, as small as one can be. Whoever comes is signed in there already.
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Identity.Browser.Tests;

/// <summary>Its addresses lie in the application's server.</summary>
internal sealed class StandInProvider : IDisposable
{
    public const string Path = "/op";

    private readonly RSA _key = RSA.Create(2048);
    private readonly ConcurrentDictionary<string, (string Email, string? Nonce, string ClientId)> _codes = new(StringComparer.Ordinal);

    /// <summary>Who is signed in there.</summary>
    public string Email { get; set; } = "nobody@example.com";

    public void Dispose() => _key.Dispose();

    public void Map(WebApplication app, Func<string> issuer)
    {
        app.MapGet(Path + "/.well-known/openid-configuration", () => Results.Json(new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["issuer"] = issuer(),
            ["authorization_endpoint"] = issuer() + "/authorize",
            ["token_endpoint"] = issuer() + "/token",
            ["jwks_uri"] = issuer() + "/jwks",
            ["end_session_endpoint"] = issuer() + "/logout",
            ["response_types_supported"] = (string[])["code"],
            ["subject_types_supported"] = (string[])["public"],
            ["id_token_signing_alg_values_supported"] = (string[])["RS256"],
            ["code_challenge_methods_supported"] = (string[])["S256"],
        }));
        app.MapGet(Path + "/jwks", () =>
        {
            var key = _key.ExportParameters(includePrivateParameters: false);
            return Results.Json(new { keys = new[] { new { kty = "RSA", kid = "1", use = "sig", alg = "RS256", n = Base64Url.EncodeToString(key.Modulus), e = Base64Url.EncodeToString(key.Exponent) } } });
        });
        app.MapGet(Path + "/authorize", (HttpRequest request) =>
        {
            var code = Guid.NewGuid().ToString("N");
            _codes[code] = (Email, request.Query["nonce"], request.Query["client_id"]!);
            return Results.Redirect($"{request.Query["redirect_uri"]}?code={code}&state={Uri.EscapeDataString(request.Query["state"]!)}");
        });
        app.MapPost(Path + "/token", async (HttpRequest request) =>
        {
            var (email, nonce, client) = _codes[(await request.ReadFormAsync())["code"]!];
            var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
            return Results.Json(new
            {
                access_token = "none",
                token_type = "Bearer",
                expires_in = 300,
                id_token = Sign(new { iss = issuer(), sub = email, aud = client, exp = now + 300, iat = now, nonce, email, email_verified = true }),
            });
        });

        // The page that leads here stays where it is.
        app.MapGet(Path + "/logout", () => Results.NoContent());
    }

    private string Sign(object claims)
    {
        var text = Base64Url.EncodeToString("""{"alg":"RS256","kid":"1","typ":"JWT"}"""u8) + "." + Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(claims));
        return text + "." + Base64Url.EncodeToString(_key.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
    }
}
