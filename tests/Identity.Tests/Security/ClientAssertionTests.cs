// RFC 7523 §3, OpenID Connect Core §9 and FAPI 2.0 §5.3.2.1: the lines of the security catalogue under "JWTs sent to us".
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Clients that prove themselves by a signed assertion, at a server whose clock a test moves on.</summary>
public sealed class ClientAssertionTests(ClientAssertionTests.World world) : IClassFixture<ClientAssertionTests.World>
{
    private const string AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    [Fact]
    public async Task Assertion_WhenSound_ProvesTheClient()
    {
        await AcceptsAsync(Sign());
        await AcceptsAsync(Sign(header => header["typ"] = "client-authentication+jwt"));
        await AcceptsAsync(Sign(header => header.Remove("kid")));
        await AcceptsAsync(SignRsa("RS256", RSASignaturePadding.Pkcs1));
        await AcceptsAsync(SignRsa("PS256", RSASignaturePadding.Pss));
    }

    public static TheoryData<string> HeaderAttacks =>
    [
        "alg none", "alg None", "alg NONE", "alg missing", "alg RS256 over an EC signature", "crit", "typ at+jwt", "typ logout+jwt",
        "kid traversal", "kid sql", "kid of nobody", "kid not a string",
    ];

    [Theory]
    [MemberData(nameof(HeaderAttacks))]
    public async Task Assertion_WithAnAttackInItsHeader_IsRefused(string attack)
    {
        await RefusesAsync(Sign(header =>
            {
                switch (attack)
                {
                    case "alg missing": header.Remove("alg"); break;
                    case "alg RS256 over an EC signature": header["alg"] = "RS256"; break;
                    case "crit": header["crit"] = new JsonArray("b64"); header["b64"] = false; break;
                    case "kid traversal": header["kid"] = "../../../../dev/null"; break;
                    case "kid sql": header["kid"] = "x' UNION SELECT 'k"; break;
                    case "kid of nobody": header["kid"] = "other"; break;
                    case "kid not a string": header["kid"] = new JsonArray("ec"); break;
                    case var other when other.StartsWith("alg ", StringComparison.Ordinal): header["alg"] = other[4..]; break;
                    default: header["typ"] = attack[4..]; break;
                }
            }));
    }

    public static TheoryData<string, string> ClaimAttacks => new()
    {
        { "iss", "\"other\"" }, { "iss", "" }, { "sub", "\"other\"" }, { "sub", "" },
        { "aud", "[\"{issuer}\"]" }, { "aud", "\"{issuer}/\"" }, { "aud", "\"{issuer}/connect/token\"" },
        { "aud", "\"https://evil.example\"" }, { "aud", "" }, { "aud", "[\"{issuer}\",\"https://evil.example\"]" },
        { "jti", "" }, { "jti", "7" }, { "exp", "" }, { "exp", "\"soon\"" }, { "exp", "-31" }, { "exp", "-300" }, { "exp", "3700" }, { "exp", "1e300" },
        { "nbf", "61" }, { "iat", "61" }, { "nbf", "\"now\"" },
    };

    [Theory]
    [MemberData(nameof(ClaimAttacks))]
    public async Task Assertion_WithAWrongClaim_IsRefused(string claim, string value)
    {
        var assertion = Sign(null, claims =>
        {
            claims.Remove(claim);
            if (value.Length > 0)
            {
                claims[claim] = claim is "exp" or "nbf" or "iat" && long.TryParse(value, out var seconds)
                    ? world.Time.GetUtcNow().ToUnixTimeSeconds() + seconds
                    : JsonNode.Parse(value.Replace("{issuer}", world.Issuer, StringComparison.Ordinal));
            }
        });
        await RefusesAsync(assertion);
    }

    [Theory]
    [InlineData("nbf", 8)]
    [InlineData("iat", 8)]
    [InlineData("nbf", 29)]
    [InlineData("exp", -10)]
    public async Task Assertion_WhenTheClientsClockIsALittleOff_IsTaken(string claim, int seconds)
    {
        await AcceptsAsync(Sign(null, claims => claims[claim] = world.Time.GetUtcNow().ToUnixTimeSeconds() + seconds));
    }

    [Fact]
    public async Task Assertion_UnderAForeignKeyOrZeroSignature_IsRefused()
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var sound = Sign();
        var input = sound[..sound.LastIndexOf('.')];
        var signature = Base64UrlEncoder.Encode(foreign.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256));
        await RefusesAsync($"{input}.{signature}");
        await RefusesAsync($"{input}.{Base64UrlEncoder.Encode(new byte[64])}");
        await RefusesAsync(input + ".");
        await RefusesAsync(input);
        await AcceptsAsync(sound);
    }

    [Fact]
    public async Task Assertion_KeyedWithAPublicKeyAsSharedSecret_IsRefused()
    {
        var secrets = new[]
        {
            Encoding.ASCII.GetBytes(world.Key.ExportSubjectPublicKeyInfoPem()),
            Encoding.ASCII.GetBytes(world.PublicKey().ToJsonString()),
            world.Key.ExportSubjectPublicKeyInfo(),
            await world.Http.GetByteArrayAsync("/connect/jwks"),
            Encoding.UTF8.GetBytes(""),
        };
        foreach (var secret in secrets)
        {
            await RefusesAsync(Compose("HS256", input => HMACSHA256.HashData(secret, input)));
        }
    }

    [Fact]
    public async Task Assertion_ThatBringsItsOwnKey_IsNotBelieved()
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var q = foreign.ExportParameters(includePrivateParameters: false).Q;
        foreach (var (name, value) in new (string, JsonNode)[]
        {
            ("jwk", new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64UrlEncoder.Encode(q.X), ["y"] = Base64UrlEncoder.Encode(q.Y) }),
            ("jku", "https://evil.example/keys"),
            ("x5u", "https://evil.example/cert"),
            ("x5c", new JsonArray("AAAA")),
        })
        {
            var assertion = Compose("ES256", input => foreign.SignData(input, HashAlgorithmName.SHA256), header => header[name] = value.DeepClone());
            await RefusesAsync(assertion);
        }
    }

    [Theory]
    [InlineData("""{"alg":"none","alg":"ES256","kid":"ec"}""", null)]
    [InlineData("""{"alg":"ES256","kid":"ec","kid":"ec"}""", null)]
    [InlineData(null, ""","sub":"robot"}""")]
    [InlineData(null, ""","aud":"{issuer}"}""")]
    public async Task Assertion_WithDuplicateMembers_IsRefused(string? header, string? tail)
    {
        header ??= """{"alg":"ES256","kid":"ec"}""";
        var claims = Claims().ToJsonString();
        claims = tail is null ? claims : claims[..^1] + tail.Replace("{issuer}", world.Issuer, StringComparison.Ordinal);
        var input = Base64UrlEncoder.Encode(header) + "." + Base64UrlEncoder.Encode(claims);
        await RefusesAsync(input + "." + Base64UrlEncoder.Encode(world.Key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256)));
    }

    [Theory]
    [InlineData("jti")]
    [InlineData("sub")]
    [InlineData("aud")]
    public async Task Assertion_WithHalfASurrogatePair_IsRefused(string claim)
    {
        var input = Sign().Split('.')[0] + "." + Base64UrlEncoder.Encode(Claims().ToJsonString().Replace($"\"{claim}\":\"", $"\"{claim}\":\"\\ud800", StringComparison.Ordinal));
        await RefusesAsync(input + "." + Base64UrlEncoder.Encode(world.Key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256)));
    }

    [Fact]
    public async Task Assertion_OfAbsurdSize_IsRefusedUnread()
    {
        await RefusesAsync(Sign(header => header["pad"] = new string('a', 20_000)));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), await SendAsync(Form(Sign(header => header["pad"] = new string('a', 1024 * 1024)))));
        await RefusesAsync(new string('.', 5000));
        await RefusesAsync("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0..AAAA.AAAA.AAAA");
    }

    [Fact]
    public async Task Assertion_SentAgain_IsRefused()
    {
        var assertion = Sign();
        await AcceptsAsync(assertion);
        await RefusesAsync(assertion);
        world.Time.Advance(TimeSpan.FromSeconds(80));
        await RefusesAsync(assertion);
        world.Time.Advance(TimeSpan.FromSeconds(15));
        await RefusesAsync(assertion);
    }

    [Fact]
    public async Task Assertion_RacedFiftyWide_WorksOnce()
    {
        var assertion = Sign();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => SendAsync(Form(assertion))));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal(49, answers.Count(answer => answer.Error == "invalid_client"));
    }

    [Fact]
    public async Task Assertion_ThatProvesNothing_UsesNobodysJtiUp()
    {
        var sound = Sign(null, claims => claims["jti"] = "the-one");
        var forged = sound[..sound.LastIndexOf('.')] + "." + Base64UrlEncoder.Encode(new byte[64]);
        await RefusesAsync(forged);
        await AcceptsAsync(sound);
    }

    [Fact]
    public async Task Assertion_InAnotherAlgorithmThanTheRegisteredOne_IsRefused()
    {
        await RefusesAsync(Sign(null, Named("robot-ps256")));
        await RefusesAsync(SignRsa("RS256", RSASignaturePadding.Pkcs1, "robot-ps256"));
        await AcceptsAsync(SignRsa("PS256", RSASignaturePadding.Pss, "robot-ps256"));
    }

    [Fact]
    public async Task Request_ThatNamesAnotherClientOrType_IsRefused()
    {
        Assert.Equal("invalid_client", (await SendAsync([.. Form(Sign()), ("client_id", "robot-ps256")])).Error);
        Assert.Contains((await SendAsync(("grant_type", "client_credentials"), ("client_assertion", Sign()))).Error, (string[])["invalid_client", "invalid_request"]);
        Assert.Contains(
            (await SendAsync(("grant_type", "client_credentials"), ("client_assertion", Sign()), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"))).Error,
            (string[])["invalid_client", "invalid_request"]);
        Assert.Equal("invalid_client", (await SendAsync(("grant_type", "client_credentials"), ("client_id", "robot"))).Error);
        Assert.Equal("invalid_client", (await SendAsync([.. Form(Sign()), ("client_secret", "x")])).Error);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync([.. Form(Sign()), ("client_id", "robot")])).Status);
    }

    private JsonObject Claims()
    {
        var now = world.Time.GetUtcNow().ToUnixTimeSeconds();
        return new JsonObject
        {
            ["iss"] = "robot",
            ["sub"] = "robot",
            ["aud"] = world.Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["iat"] = now,
            ["exp"] = now + 60,
        };
    }

    private string Sign(Action<JsonObject>? header = null, Action<JsonObject>? claims = null) =>
        Compose("ES256", input => world.Key.SignData(input, HashAlgorithmName.SHA256), header, claims);

    private string SignRsa(string algorithm, RSASignaturePadding padding, string client = "robot") => Compose(
        algorithm,
        input => world.Rsa.SignData(input, HashAlgorithmName.SHA256, padding),
        header => header["kid"] = "rsa",
        Named(client));

    private string Compose(string algorithm, Func<byte[], byte[]> sign, Action<JsonObject>? header = null, Action<JsonObject>? claims = null)
    {
        var (head, body) = (new JsonObject { ["alg"] = algorithm, ["kid"] = "ec" }, Claims());
        header?.Invoke(head);
        claims?.Invoke(body);
        var input = Base64UrlEncoder.Encode(head.ToJsonString()) + "." + Base64UrlEncoder.Encode(body.ToJsonString());
        return input + "." + Base64UrlEncoder.Encode(sign(Encoding.ASCII.GetBytes(input)));
    }

    private static Action<JsonObject> Named(string client) => claims => (claims["iss"], claims["sub"]) = (client, client);

    private static (string Name, string Value)[] Form(string assertion) =>
        [("grant_type", "client_credentials"), ("client_assertion_type", AssertionType), ("client_assertion", assertion)];

    private async Task AcceptsAsync(string assertion) => Assert.Equal((HttpStatusCode.OK, null), await SendAsync(Form(assertion)));

    private async Task RefusesAsync(string assertion) => Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), await SendAsync(Form(assertion)));

    private async Task<(HttpStatusCode Status, string? Error)> SendAsync(params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(pair => KeyValuePair.Create(pair.Name, pair.Value)));
        using var answer = await world.Http.PostAsync(new Uri("/connect/token", UriKind.Relative), content);
        return (answer.StatusCode, (string?)(await answer.Content.ReadFromJsonAsync<JsonObject>())!["error"]);
    }

    public sealed class World : IAsyncLifetime
    {
        private HostedServer? _server;

        public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

        public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        public RSA Rsa { get; } = QuickKeys.CreateRsa();

        public HttpClient Http { get; } = new();

        public string Issuer => _server!.Url.OriginalString;

        public async ValueTask InitializeAsync()
        {
            var clients = new JsonArray(Client("robot"), Client("robot-ps256", "PS256"));
            _server = await HostedServer.StartAsync(clients.ToJsonString(), time: Time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "1000000" });
            Http.BaseAddress = _server.Url;
        }

        public async ValueTask DisposeAsync()
        {
            Http.Dispose();
            Key.Dispose();
            Rsa.Dispose();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }

        public JsonObject PublicKey()
        {
            var point = Key.ExportParameters(includePrivateParameters: false).Q;
            return new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "ec", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) };
        }

        private JsonObject Client(string id, string? algorithm = null)
        {
            var rsa = Rsa.ExportParameters(includePrivateParameters: false);
            var client = new JsonObject
            {
                ["client_id"] = id,
                ["token_endpoint_auth_method"] = "private_key_jwt",
                ["grant_types"] = new JsonArray("client_credentials"),
                ["scope"] = "identity.users.read",
                ["jwks"] = new JsonObject
                {
                    ["keys"] = new JsonArray(PublicKey(), new JsonObject { ["kty"] = "RSA", ["kid"] = "rsa", ["n"] = Base64UrlEncoder.Encode(rsa.Modulus), ["e"] = Base64UrlEncoder.Encode(rsa.Exponent) }),
                },
            };
            if (algorithm is not null)
            {
                client["token_endpoint_auth_signing_alg"] = algorithm;
            }

            return client;
        }
    }
}
