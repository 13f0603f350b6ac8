// RFC 9449 §4.3, §7 and §11.1: the lines of the security catalogue under "DPoP" and "JWTs sent to us", wherever a proof is read.
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Right and wrong proofs at the token endpoint, with pushed requests, at userinfo and at our own API.</summary>
public sealed class DPoPProofTests(DPoPWorld world) : IClassFixture<DPoPWorld>
{
    private static readonly string[] Places = ["token", "par", "userinfo", "api"];

    public static TheoryData<string> Everywhere => [.. Places];

    public static TheoryData<string> Algorithms => ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"];

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task Proof_OfEveryAlgorithmAnnounced_BindsTheTokenToItsKey(string algorithm)
    {
        using var key = new DPoPKey(algorithm);
        var tokens = await world.ServiceAsync(world.Proof("POST", "/connect/token", key: key));
        Assert.True(tokens.Status == HttpStatusCode.OK, tokens.Body.ToJsonString());
        Assert.Equal("DPoP", tokens.Text("token_type"));
        Assert.Equal($$"""{"jkt":"{{key.Thumbprint}}"}""", Node.Payload(tokens.Text("access_token"))["cnf"]!.ToJsonString());
        var discovery = JsonNode.Parse(await world.Node.Http.GetStringAsync(new Uri(world.Node.Address, "/.well-known/openid-configuration")))!;
        Assert.Equal(Algorithms.Select(row => row.Data), discovery["dpop_signing_alg_values_supported"]!.AsArray().Select(value => (string)value!));
    }

    private static readonly string[] Attacks =
    [
        "no header", "two headers", "two in one header", "empty", "not a JWT", "two parts", "JWE", "9 KB", "signature empty", "signature zero", "signature of another key", "signature cut",
        "typ missing", "typ JWT", "typ at+jwt", "alg missing", "alg none", "alg None", "alg NONE", "alg HS256", "alg RS256", "alg PKCS1", "alg ES384", "alg EdDSA", "crit", "header twice", "header surrogate",
        "jwk missing", "jwk private", "jwk shared", "jwk text", "jwk empty", "jwk off its curve", "jwk of another curve", "jwk x no text", "jwk weak", "jku", "x5u",
        "jti missing", "jti number", "jti empty", "jti long", "jti surrogate", "htm missing", "htm other", "htm lower case", "htu missing", "htu other path", "htu other host", "htu other port", "htu other scheme",
        "htu relative", "htu with a user", "htu number", "iat missing", "iat text", "iat null", "iat negative", "iat huge", "iat -1 h", "iat +1 h", "iat -91 s", "iat +31 s", "nonce number", "claims twice", "claims array",
    ];

    private static readonly string[] ResourceAttacks = ["ath missing", "ath number", "ath of another token", "other key"];

    public static TheoryData<string, string> AttacksByPlace
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var place in Places)
            {
                foreach (var attack in place is "token" or "par" ? Attacks[1..] : [.. Attacks, .. ResourceAttacks])
                {
                    data.Add(place, attack);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(AttacksByPlace))]
    public async Task Proof_WhenAnythingOfItIsWrong_IsRefused(string place, string attack)
    {
        var answer = await AtAsync(place, (method, path, token) => Attack(attack, method, path, token));
        if (place is "token" or "par")
        {
            Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (answer.Status, answer.Error));
            return;
        }

        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.StartsWith("DPoP ", answer.Challenge, StringComparison.Ordinal);
        Assert.Contains($"error=\"{(attack == "other key" ? "invalid_token" : "invalid_dpop_proof")}\"", answer.Challenge, StringComparison.Ordinal);
        Assert.Contains("algs=\"ES256 ", answer.Challenge, StringComparison.Ordinal);
        Assert.Contains("resource_metadata=\"", answer.Challenge, StringComparison.Ordinal);
    }

    private static readonly string[] Habits =
    [
        "as it is", "query in htu", "fragment in htu", "query in the address", "upper-case host", "upper-case scheme", "escaped letter", "more claims", "exp and nbf", "exp long over", "iat -10 s", "iat +10 s", "iat -90 s", "iat with a fraction",
        "typ in capitals", "more in the key", "more in the header",
    ];

    public static TheoryData<string, string> HabitsByPlace => new(from place in Places from habit in Habits select (place, habit));

    [Theory]
    [MemberData(nameof(HabitsByPlace))]
    public async Task Proof_WhenItsClientHasItsOwnWays_IsTaken(string place, string habit)
    {
        var now = world.Time.GetUtcNow().ToUnixTimeSeconds();
        var answer = await AtAsync(
            place,
            (method, path, token) =>
            [
                world.Proof(
                    method,
                    path,
                    token,
                    header: header =>
                    {
                        switch (habit)
                        {
                            case "typ in capitals": header["typ"] = "DPOP+JWT"; break;
                            case "more in the key": header["jwk"]!["kid"] = "1"; header["jwk"]!["use"] = "sig"; break;
                            case "more in the header": header["kid"] = "../../etc/passwd"; header["jku"] = "https://evil.example/keys"; break;
                            default: break;
                        }
                    },
                    claims: claims =>
                    {
                        var address = (string)claims["htu"]!;
                        switch (habit)
                        {
                            case "query in htu": claims["htu"] = address + "?a=b"; break;
                            case "fragment in htu": claims["htu"] = address + "#a"; break;
                            case "upper-case host": claims["htu"] = address.Replace("localhost", "LOCALHOST", StringComparison.Ordinal); break;
                            case "upper-case scheme": claims["htu"] = address.Replace("http:", "HTTP:", StringComparison.Ordinal); break;
                            case "escaped letter": claims["htu"] = address.Replace("/con", "/%63on", StringComparison.Ordinal).Replace("/api", "/%61pi", StringComparison.Ordinal); break;
                            case "more claims": claims["sub"] = "x"; claims["purpose"] = new JsonObject { ["a"] = new JsonArray(1) }; break;
                            case "exp and nbf": claims["exp"] = now + 60; claims["nbf"] = now; break;
                            case "exp long over": claims["exp"] = now - 7200; break;
                            case "iat with a fraction": claims["iat"] = now + 0.5; break;
                            case "iat -10 s": claims["iat"] = now - 10; break;
                            case "iat +10 s": claims["iat"] = now + 10; break;
                            case "iat -90 s": claims["iat"] = now - 90; break;
                            default: break;
                        }
                    }),
            ],
            habit == "query in the address" ? "?a=b" : "");
        Assert.True(answer.Status is HttpStatusCode.OK or HttpStatusCode.Created, $"{answer.Status} {answer.Challenge} {answer.Body.ToJsonString()}");
    }

    [Theory]
    [MemberData(nameof(Everywhere))]
    public async Task Proof_WhenSentAgain_IsRefused(string place)
    {
        string[]? sent = null;
        string[] Same(string method, string path, string? token) => sent ??= [world.Proof(method, path, token)];
        var token = await TokenForAsync(place);
        Assert.True((await AtAsync(place, Same, token: token)).Status is HttpStatusCode.OK or HttpStatusCode.Created);
        var again = await AtAsync(place, Same, token: token);
        Assert.True(again.Error == "invalid_dpop_proof" || again.Challenge.Contains("error=\"invalid_dpop_proof\"", StringComparison.Ordinal), $"{again.Status} {again.Challenge}");
    }

    [Theory]
    [MemberData(nameof(Everywhere))]
    public async Task Proof_WhenSentFiftyTimesAtOnce_IsTakenOnce(string place)
    {
        var token = await TokenForAsync(place);
        string[]? sent = null;
        string[] Same(string method, string path, string? bound) => sent ??= [world.Proof(method, path, bound)];
        Same(place is "userinfo" or "api" ? "GET" : "POST", PathOf(place), token);
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AtAsync(place, Same, token: token)));
        Assert.Single(answers, answer => answer.Status is HttpStatusCode.OK or HttpStatusCode.Created);
        Assert.All(answers, answer => Assert.True((int)answer.Status < 500, answer.Body.ToJsonString()));
    }

    [Fact]
    public async Task Proof_ThatProvesNothing_UsesUpNobodysId()
    {
        var id = Guid.NewGuid().ToString();
        using var stranger = new DPoPKey();
        Assert.Equal(HttpStatusCode.OK, (await world.ServiceAsync(world.Proof("POST", "/connect/token", key: stranger, claims: claims => claims["jti"] = id))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await world.ServiceAsync(world.Proof("POST", "/connect/par", claims: claims => claims["jti"] = id))).Status);
        Assert.Equal(HttpStatusCode.OK, (await world.ServiceAsync(world.Proof("POST", "/connect/token", claims: claims => claims["jti"] = id))).Status);
    }

    [Fact]
    public async Task Proof_ThatNamesAddresses_HasNobodyAsked()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = $"http://{listener.LocalEndpoint}/keys";
        foreach (var member in (string[])["jku", "x5u"])
        {
            Assert.Equal(HttpStatusCode.OK, (await world.ServiceAsync(world.Proof("POST", "/connect/token", header: header => header[member] = address))).Status);
            Assert.Equal("invalid_dpop_proof", (await world.ServiceAsync(world.Proof("POST", "/connect/token", header: header => { header.Remove("jwk"); header[member] = address; }))).Error);
        }

        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task Proof_WhenDamagedAnywhere_NeverFailsTheServer()
    {
        var random = new Random(9449);
        var token = await world.BoundApiTokenAsync();
        for (var i = 0; i < 600; i++)
        {
            var place = Places[i % Places.Length];
            var answer = await AtAsync(
                place,
                (method, path, bound) =>
                {
                    var characters = world.Proof(method, path, bound).ToCharArray();
                    for (var change = random.Next(1, 4); change > 0; change--)
                    {
                        // The last characters of a part have bits that mean nothing.
                        characters[random.Next(characters.Length - 1)] = "AZaz09-_.{}\"\\ \u00e9"[random.Next(15)];
                    }

                    return [new string(characters)];
                },
                token: place == "userinfo" ? null : token);
            Assert.True((int)answer.Status is >= 200 and < 500, $"{place} {answer.Status}");
        }
    }

    [Theory]
    [InlineData("DPoP")]
    [InlineData("dpop")]
    [InlineData("dPOP")]
    [InlineData("DPOP")]
    public async Task Scheme_InAnyCase_IsTaken(string scheme)
    {
        var person = (await world.BoundTokensAsync()).Text("access_token");
        Assert.Equal(HttpStatusCode.OK, (await world.GetAsync("/connect/userinfo", scheme, person, world.Proof("GET", "/connect/userinfo", person))).Status);
        var service = await world.BoundApiTokenAsync();
        Assert.Equal(HttpStatusCode.OK, (await world.GetAsync("/api/identity/users", scheme, service, world.Proof("GET", "/api/identity/users", service))).Status);
    }

    [Theory]
    [InlineData("userinfo")]
    [InlineData("api")]
    public async Task BoundToken_WhenSentAsBearer_IsRefused(string place)
    {
        var token = await TokenForAsync(place);
        foreach (var proofs in (string[][])[[], [world.Proof("GET", PathOf(place), token)]])
        {
            var answer = await world.GetAsync(PathOf(place), "Bearer", token!, proofs);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
            Assert.StartsWith("DPoP ", answer.Challenge, StringComparison.Ordinal);
            Assert.Contains("error=\"invalid_token\"", answer.Challenge, StringComparison.Ordinal);
            Assert.Contains("algs=\"", answer.Challenge, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task BoundToken_WhenSentInAForm_IsRefused()
    {
        var token = (await world.BoundTokensAsync()).Text("access_token");
        Assert.Equal(HttpStatusCode.Unauthorized, (await world.PostAsync("/connect/userinfo", [world.Proof("POST", "/connect/userinfo", token)], ("access_token", token))).Status);
    }

    [Theory]
    [InlineData("userinfo")]
    [InlineData("api")]
    public async Task UnboundToken_WhenSentByDPoP_IsRefused(string place)
    {
        using var browser = await world.Node.SignedInAsync();
        var token = place == "userinfo" ? (string)(await world.Node.TokensAsync(browser, "app"))["access_token"]! : (await world.ServiceAsync(null, "identity.users.read")).Text("access_token");
        Assert.Equal(HttpStatusCode.OK, (await world.GetAsync(PathOf(place), "Bearer", token)).Status);
        var answer = await world.GetAsync(PathOf(place), "DPoP", token, world.Proof("GET", PathOf(place), token));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.Contains("error=\"invalid_token\"", answer.Challenge, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BoundToken_WithoutTheScope_IsRefusedByItsOwnScheme()
    {
        var tokens = await world.ServiceAsync(world.Proof("POST", "/connect/token"), "notes.read");
        var token = tokens.Text("access_token");
        var answer = await world.GetAsync("/connect/userinfo", "DPoP", token, world.Proof("GET", "/connect/userinfo", token));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.StartsWith("DPoP ", answer.Challenge, StringComparison.Ordinal);
        var person = await world.BoundTokensAsync();
        var other = await world.GetAsync("/api/identity/users", "DPoP", person.Text("access_token"), world.Proof("GET", "/api/identity/users", person.Text("access_token")));
        Assert.StartsWith("DPoP ", other.Challenge, StringComparison.Ordinal);
    }

    private string[] Attack(string attack, string method, string path, string? token)
    {
        var now = world.Time.GetUtcNow().ToUnixTimeSeconds();
        var right = world.Proof(method, path, token);
        var parts = right.Split('.');
        string Header(Action<JsonObject> change) => world.Proof(method, path, token, header: change);
        string Claim(string name, JsonNode? value) => world.Proof(method, path, token, claims: claims => claims[name] = value);
        string Texts(string header, string claims) => world.Key.Sign(header, claims);
        string Text(string part) => Base64UrlEncoder.Decode(part);
        var (kind, rest) = attack.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space ? (attack[..space], attack[(space + 1)..]) : (attack, "");
        return attack switch
        {
            "no header" => [],
            "two headers" => [right, world.Proof(method, path, token)],
            "two in one header" => [right + ", " + world.Proof(method, path, token)],
            "empty" => [" "],
            "not a JWT" => ["x"],
            "two parts" => [parts[0] + "." + parts[1]],
            "JWE" => [right + ".AAAA.AAAA"],
            "9 KB" => [Claim("more", new string('x', 9000))],
            "signature empty" => [parts[0] + "." + parts[1] + "."],
            "signature zero" => [parts[0] + "." + parts[1] + "." + Base64UrlEncoder.Encode(new byte[64])],
            "signature cut" => [right[..^2]],
            "signature of another key" => [parts[0] + "." + parts[1] + "." + world.OtherKey.Sign(Text(parts[0]), Text(parts[1])).Split('.')[2]],
            "alg HS256" => [Hmac(parts[1])],
            "crit" => [Header(header => { header["crit"] = new JsonArray("b64"); header["b64"] = true; })],
            "header twice" => [Texts(Text(parts[0])[..^1] + ",\"alg\":\"ES256\"}", Text(parts[1]))],
            "header surrogate" => [Texts(Text(parts[0]).Replace("dpop+jwt", "dpop\\ud800", StringComparison.Ordinal).Replace("dpop\\u002Bjwt", "dpop\\ud800", StringComparison.Ordinal), Text(parts[1]))],
            "jwk private" => [Header(header => header["jwk"] = world.Key.Jwk(isPrivate: true))],
            "jwk shared" => [Header(header => header["jwk"] = new JsonObject { ["kty"] = "oct", ["k"] = "AAAA" })],
            "jwk text" => [Header(header => header["jwk"] = "{}")],
            "jwk empty" => [Header(header => header["jwk"] = new JsonObject())],
            "jwk off its curve" => [Header(header => header["jwk"]!["y"] = (string)header["jwk"]!["x"]!)],
            "jwk of another curve" => [Header(header => header["jwk"]!["crv"] = "P-384")],
            "jwk x no text" => [Header(header => header["jwk"]!["x"] = 7)],
            "jwk weak" => [Rsa(parts[1], 1024, "PS256", RSASignaturePadding.Pss)],
            "alg PKCS1" => [Rsa(parts[1], 2048, "RS256", RSASignaturePadding.Pkcs1)],
            "jku" or "x5u" => [Header(header => { header.Remove("jwk"); header[attack] = "http://127.0.0.1:9/keys"; })],
            "jti number" => [Claim("jti", 7)],
            "jti empty" => [Claim("jti", "")],
            "jti long" => [Claim("jti", new string('x', 501))],
            "jti surrogate" => [Texts(Text(parts[0]), Text(parts[1]).Replace("\"jti\":\"", "\"jti\":\"\\ud800", StringComparison.Ordinal))],
            "htm other" => [Claim("htm", method == "GET" ? "POST" : "GET")],
            "htm lower case" => [Claim("htm", method.ToLowerInvariant())],
            "htu other path" => [Claim("htu", world.Issuer + "/connect/revoke")],
            "htu other host" => [Claim("htu", "http://evil.example" + path)],
            "htu other port" => [Claim("htu", "http://localhost:1" + path)],
            "htu other scheme" => [Claim("htu", world.Issuer.Replace("http:", "https:", StringComparison.Ordinal) + path)],
            "htu relative" => [Claim("htu", path)],
            "htu with a user" => [Claim("htu", world.Issuer.Replace("http://", "http://a@", StringComparison.Ordinal) + path)],
            "htu number" => [Claim("htu", 7)],
            "iat text" => [Claim("iat", now.ToString(System.Globalization.CultureInfo.InvariantCulture))],
            "iat null" => [Claim("iat", null)],
            "iat negative" => [Claim("iat", -1)],
            "iat huge" => [Claim("iat", 1e300)],
            "iat -1 h" => [Claim("iat", now - 3600)],
            "iat +1 h" => [Claim("iat", now + 3600)],
            "iat -91 s" => [Claim("iat", now - 91)],
            "iat +31 s" => [Claim("iat", now + 31)],
            "nonce number" => [Claim("nonce", 7)],
            "claims twice" => [Texts(Text(parts[0]), Text(parts[1])[..^1] + ",\"htm\":\"" + method + "\"}")],
            "claims array" => [Texts(Text(parts[0]), "[" + Text(parts[1]) + "]")],
            "ath number" => [Claim("ath", 7)],
            "ath of another token" => [world.Proof(method, path, token + "x")],
            "other key" => [world.Proof(method, path, token, world.OtherKey)],
            _ when rest == "missing" => [world.Proof(method, path, token, header: header => header.Remove(kind), claims: claims => claims.Remove(kind))],
            _ when kind is "typ" or "alg" => [Header(header => header[kind] = rest)],
            _ => throw new InvalidOperationException(attack),
        };
    }

    // Keyed with the public key, which everybody knows.
    private string Hmac(string claims)
    {
        var input = Base64UrlEncoder.Encode(new JsonObject { ["typ"] = "dpop+jwt", ["alg"] = "HS256", ["jwk"] = world.Key.Jwk() }.ToJsonString()) + "." + claims;
        return input + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(world.Key.Jwk().ToJsonString()), Encoding.ASCII.GetBytes(input)));
    }

    private static string Rsa(string claims, int bits, string algorithm, RSASignaturePadding padding)
    {
        using var key = RSA.Create(bits);
        var numbers = key.ExportParameters(includePrivateParameters: false);
        var input = Base64UrlEncoder.Encode(new JsonObject { ["typ"] = "dpop+jwt", ["alg"] = algorithm, ["jwk"] = new JsonObject { ["kty"] = "RSA", ["n"] = Base64UrlEncoder.Encode(numbers.Modulus), ["e"] = Base64UrlEncoder.Encode(numbers.Exponent) } }.ToJsonString()) + "." + claims;
        return input + "." + Base64UrlEncoder.Encode(key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, padding));
    }

    private static string PathOf(string place) => place switch { "token" => "/connect/token", "par" => "/connect/par", "userinfo" => "/connect/userinfo", _ => "/api/identity/users" };

    private async Task<string?> TokenForAsync(string place) => place switch
    {
        "userinfo" => (await world.BoundTokensAsync()).Text("access_token"),
        "api" => await world.BoundApiTokenAsync(),
        _ => null,
    };

    /// <summary>Asks at this place with proofs made for it.</summary>
    private async Task<DPoPAnswer> AtAsync(string place, Func<string, string, string?, string[]> proofs, string query = "", string? token = null)
    {
        var path = PathOf(place);
        switch (place)
        {
            case "token":
                return await world.PostAsync(path + query, proofs("POST", path, null), ("client_id", "service"), ("client_secret", Node.Secret), ("grant_type", "client_credentials"), ("scope", "reports.read"));
            case "par":
                return await world.PushAsync(proofs("POST", path, null));
            default:
                token ??= await TokenForAsync(place);
                return await world.GetAsync(path + query, "DPoP", token!, proofs("GET", path, token));
        }
    }
}
