// OpenID Connect Core 1.0 §3.1.3.7 and §5.1, RFC 6749 §5: what every module of the suite checks, whoever the client is.
using System.Globalization;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>Tokens, claims and answers that must be sound.</summary>
internal static class AnswerChecks
{
    private static readonly string[] IdTokenClaims =
    [
        "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "nbf", "jti", "sid", "txn",
    ];

    /// <summary>Bits, as the suite counts them: Shannon's entropy of the characters times the length.</summary>
    public static double Entropy(string value) =>
        value.GroupBy(character => character).Sum(group => -(double)group.Count() / value.Length * Math.Log2((double)group.Count() / value.Length)) * value.Length;

    /// <summary>The claims of the ID token in an answer of the token endpoint, which must be sound.</summary>
    /// <param name="world">Whose it is.</param>
    /// <param name="clientId">For whom.</param>
    /// <param name="algorithm">How it must be signed.</param>
    /// <param name="answer">That of the token endpoint.</param>
    /// <param name="code">What was redeemed for it.</param>
    /// <param name="nonce">What was sent; null: nothing was, and none may come.</param>
    /// <param name="named">Claims that were asked for by name.</param>
    public static async Task<JsonObject> IdTokenAsync(ConformanceWorld world, string clientId, string algorithm, JsonObject answer, string code, string? nonce, params string[] named)
    {
        var idToken = (string)answer["id_token"]!;
        using var keysAnswer = await world.Http.GetAsync(new Uri((string)world.Metadata["jwks_uri"]!));
        var keys = new JsonWebKeySet(await keysAnswer.Content.ReadAsStringAsync());
        var header = RunningServer.Header(idToken);
        Assert.Equal(algorithm, (string?)header["alg"]);
        var key = Assert.Single(keys.Keys, key => key.Kid == (string?)header["kid"]);
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(idToken, new TokenValidationParameters
        {
            ValidIssuer = (string)world.Metadata["issuer"]!,
            ValidAudience = clientId,
            IssuerSigningKey = key,
            ValidAlgorithms = [algorithm],
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);

        var claims = RunningServer.Payload(idToken);
        var now = world.Clock.GetUtcNow().ToUnixTimeSeconds();
        Assert.Equal(world.Subject, (string?)claims["sub"]);
        Assert.InRange((long)claims["exp"]!, now + 1, now + (50L * 365 * 86400));
        Assert.InRange((long)claims["iat"]!, now - 300, now + 300);
        Assert.InRange((long)claims["auth_time"]!, now - (365 * 86400), now);
        Assert.Equal(nonce, (string?)claims["nonce"]);
        Assert.NotEmpty((string)claims["acr"]!);

        // Back-Channel Logout §2.1: whoever is told of sign-outs has to know which session is meant. To the suite it is an unknown claim in the module of FAPI 2.0 that asks for claims by name.
        var client = CertificationClients.Find(clientId);
        Assert.Equal(client.ContainsKey("backchannel_logout_uri") || client.ContainsKey("frontchannel_logout_uri"), !string.IsNullOrEmpty((string?)claims["sid"]));
        CheckHash(claims, "at_hash", (string)answer["access_token"]!);
        CheckHash(claims, "c_hash", code);

        // OpenID Connect Core §5.4: with an access token the claims of scopes are userinfo's. The suite warns of an address or a name in here that nobody asked for by name.
        Assert.Empty(claims.Select(claim => claim.Key).Except(IdTokenClaims).Except(named));
        return claims;
    }

    // OpenID Connect Core §3.1.3.6: the left half of the hash, and both may be left out in the code flow.
    private static void CheckHash(JsonObject claims, string name, string value)
    {
        if (claims[name] is { } hash)
        {
            Assert.Equal(Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(value))[..16]), (string?)hash);
        }
    }

    /// <summary>OpenID Connect Core §5.1: an unset claim is left out, never empty or null.</summary>
    public static void ClaimTypes(ConformanceWorld world, JsonObject claims)
    {
        foreach (var (name, value) in claims)
        {
            switch (name)
            {
                case "email_verified" or "phone_number_verified":
                    Assert.True(value!.GetValueKind() is JsonValueKind.True or JsonValueKind.False, name);
                    break;
                case "updated_at":
                    Assert.InRange((long)value!, 1, world.Clock.GetUtcNow().ToUnixTimeSeconds());
                    break;
                case "address":
                    Assert.All(value!.AsObject(), member => Assert.False(string.IsNullOrWhiteSpace((string?)member.Value), member.Key));
                    break;
                case "birthdate":
                    Assert.True(DateOnly.TryParseExact((string?)value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _), (string?)value);
                    break;
                default:
                    Assert.False(string.IsNullOrWhiteSpace((string?)value), name);
                    break;
            }
        }
    }

    /// <summary>JSON, and kept by nobody.</summary>
    public static void TokenHeaders(HttpResponseMessage answer)
    {
        Assert.Equal(MediaTypeNames.Application.Json, answer.Content.Headers.ContentType!.MediaType);
        Assert.True(answer.Headers.CacheControl!.NoStore);
    }

    /// <summary>RFC 6749 §4.1.2.1 and §5.2: %x20-21 / %x23-5B / %x5D-7E.</summary>
    public static void Description(string? description) =>
        Assert.All(description ?? "", character => Assert.True(character is >= '\x20' and <= '\x7e' and not '"' and not '\\', $"'{character}' in: {description}"));
}
