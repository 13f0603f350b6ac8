// Security catalogue: a malformed but rightly prefixed token is an invalid token at every endpoint that takes one, never a failure. RFC 6749 §5.2, RFC 6750 §3.1, RFC 7662 §2.2.
using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Identity.Tests.Security;

/// <summary>Every kind of token of ours, whole and damaged in every part, in every slot it does not belong in.</summary>
public sealed class DamagedTokenTests(RunningServer server)
{
    [Fact]
    public async Task Token_WhenDamagedInAnyPart_IsAnInvalidTokenInEverySlot()
    {
        using var browser = await server.SignedInAsync();
        var tokens = await server.TokensAsync(browser);
        var (_, pushed) = await server.PostAsync("/connect/par", client: null, ("client_id", "spa"), ("redirect_uri", Node.RedirectUri), ("response_type", "code"), ("scope", "openid"), ("code_challenge", Node.Challenge), ("code_challenge_method", "S256"));
        var kinds = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["access"] = (string)tokens["access_token"]!,
            ["refresh"] = (string)tokens["refresh_token"]!,
            ["id"] = (string)tokens["id_token"]!,
            ["reference"] = await server.ServiceTokenAsync("opaque.read"),
            ["code"] = await server.CodeAsync(browser),
            ["request_uri"] = (string)pushed["request_uri"]!,
        };
        var tried = 0;
        foreach (var (kind, token) in kinds)
        {
            // One in a hundred random values has an empty part: taking that away changes nothing.
            foreach (var damaged in Damage(token).Where(damaged => damaged != token).Distinct(StringComparer.Ordinal))
            {
                foreach (var (slot, refuse) in Slots())
                {
                    tried++;
                    if (await refuse(damaged) is { } complaint)
                    {
                        Assert.Fail($"{kind} as {slot}: {complaint} for {damaged}");
                    }
                }
            }
        }

        Assert.True(tried > 500, $"{tried}");

        // None of it harmed the whole ones.
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync(kinds["access"]));
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(kinds["refresh"])).Status);
    }

    // What was verified once is remembered (VerifiedSignatures): it must be remembered of those very characters.
    [Fact]
    public async Task AccessToken_ThatIsAnotherThanTheVerifiedOneInASingleCharacter_IsWorthNothing()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser))["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync(token));
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync(token));
        for (var i = 0; i < token.Length; i += 7)
        {
            if (token[i] != '.')
            {
                Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..]));
            }
        }

        // And revoking it is asked about each time.
        await server.PostAsync("/connect/revoke", client: null, ("client_id", "spa"), ("token", token));
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(token));
    }

    private static IEnumerable<string> Damage(string token)
    {
        var separator = token.StartsWith("urn:", StringComparison.Ordinal) ? ':' : token.Contains('.', StringComparison.Ordinal) ? '.' : '_';
        var parts = token.Split(separator);
        for (var i = 0; i < parts.Length; i++)
        {
            foreach (var part in (string[])["", "!", "A", parts[i] + "=", parts[i] + "A", parts[i][..(parts[i].Length / 2)], "é", new string('A', 4000)])
            {
                yield return string.Join(separator, [.. parts[..i], part, .. parts[(i + 1)..]]);
            }
        }

        yield return token + separator;
        yield return separator + token;
        yield return token[..^1];
        yield return token[1..];
    }

    // A refusal is null; else what was wrong about the answer.
    private (string Slot, Func<string, Task<string?>> Refuse)[] Slots() =>
    [
        ("code", async value => Expect(await server.RedeemAsync(value), "invalid_grant", "invalid_request")),
        ("refresh_token", async value => Expect(await server.RefreshAsync(value), "invalid_grant", "invalid_request")),
        ("client_assertion", async value => Expect(await server.PostAsync("/connect/token", client: null, ("grant_type", "client_credentials"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", value)), "invalid_client", "invalid_request")),
        ("introspection", async value => await server.PostAsync("/connect/introspect", "notes-api", ("token", value)) is var (status, body) && body.ToJsonString() is """{"active":false}""" || status == HttpStatusCode.BadRequest ? null : $"{status} {body}"),
        ("revocation", async value => (await server.PostAsync("/connect/revoke", client: null, ("client_id", "other"), ("token", value))).Status is HttpStatusCode.OK or HttpStatusCode.BadRequest ? null : "not taken quietly"),
        ("bearer at userinfo", value => BearerAsync("/connect/userinfo", value)),
        ("bearer at the API", value => BearerAsync("/api/identity/users/" + Guid.Empty, value)),
        ("refreshToken", async value => await JsonAsync("/api/identity/refresh-token", new JsonObject { ["refreshToken"] = value })),
        ("request_uri", async value => await GetAsync("/connect/authorize?client_id=spa&request_uri=" + Uri.EscapeDataString(value))),
        ("id_token_hint", async value => await GetAsync("/connect/endsession?id_token_hint=" + Uri.EscapeDataString(value))),
    ];

    private static string? Expect((HttpStatusCode Status, JsonNode Body) answer, params string[] errors) =>
        answer.Status is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized && errors.Contains((string?)answer.Body["error"], StringComparer.Ordinal) ? null : $"{answer.Status} {answer.Body}";

    private async Task<string?> BearerAsync(string path, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path));
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + value);
        using var answer = await server.Http.SendAsync(request);
        return answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest ? null : $"{answer.StatusCode}";
    }

    private async Task<string?> JsonAsync(string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var answer = await server.Http.PostAsync(new Uri(server.Address, path), content);
        return answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest ? null : $"{answer.StatusCode}";
    }

    // A page that says what is wrong, or one that asks first: never a code, never a fault.
    private async Task<string?> GetAsync(string path)
    {
        using var answer = await server.Http.GetAsync(new Uri(server.Address, path));
        return (int)answer.StatusCode < 500 && !(answer.Headers.Location?.OriginalString.Contains("code=", StringComparison.Ordinal) ?? false) ? null : $"{answer.StatusCode} {answer.Headers.Location}";
    }
}
