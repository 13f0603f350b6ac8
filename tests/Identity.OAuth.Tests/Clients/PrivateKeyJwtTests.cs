// RFC 7523 §3, OpenID Connect Core §9 and FAPI 2.0 §5.3.2.1: the lines of the security catalogue under "JWTs sent to us".
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.OAuth.Clients;
using Identity.OAuth.Token;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.Clients;

public sealed class PrivateKeyJwtTests : IAsyncDisposable
{
    private readonly OAuthHost _host = new();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly RSA _rsa = RSA.Create(2048);

    public ValueTask DisposeAsync()
    {
        _key.Dispose();
        _rsa.Dispose();
        return _host.DisposeAsync();
    }

    [Fact]
    public async Task Assertion_WhenSound_ProvesTheClient()
    {
        await AddClientAsync();
        await _host.SucceedAsync(SendAsync(Sign()));
        await _host.SucceedAsync(SendAsync(Sign(header => header["typ"] = "client-authentication+jwt")));
        await _host.SucceedAsync(SendAsync(Sign(header => header.Remove("kid"))));
        await _host.SucceedAsync(SendAsync(SignRsa("RS256", RSASignaturePadding.Pkcs1)));
        await _host.SucceedAsync(SendAsync(SignRsa("PS256", RSASignaturePadding.Pss)));
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
        await AddClientAsync();
        await OAuthHost.FailAsync(
            SendAsync(Sign(header =>
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
            })),
            "invalid_client");
    }

    public static TheoryData<string, string> ClaimAttacks => new()
    {
        { "iss", "\"other\"" }, { "iss", "" }, { "sub", "\"other\"" }, { "sub", "" },
        { "aud", "[\"https://id.example.com\"]" }, { "aud", "\"https://id.example.com/\"" }, { "aud", "\"https://id.example.com/connect/token\"" },
        { "aud", "\"https://evil.example\"" }, { "aud", "" }, { "aud", "[\"https://id.example.com\",\"https://evil.example\"]" },
        { "jti", "" }, { "jti", "7" }, { "exp", "" }, { "exp", "\"soon\"" }, { "exp", "-31" }, { "exp", "-300" }, { "exp", "3700" }, { "exp", "1e300" },
        { "nbf", "61" }, { "iat", "61" }, { "nbf", "\"now\"" },
    };

    [Theory]
    [MemberData(nameof(ClaimAttacks))]
    public async Task Assertion_WithAWrongClaim_IsRefused(string claim, string value)
    {
        await AddClientAsync();
        var assertion = Sign(null, claims =>
        {
            claims.Remove(claim);
            if (value.Length > 0)
            {
                claims[claim] = claim is "exp" or "nbf" or "iat" && long.TryParse(value, out var seconds)
                    ? _host.Now.ToUnixTimeSeconds() + seconds
                    : JsonNode.Parse(value);
            }
        });
        await OAuthHost.FailAsync(SendAsync(assertion), "invalid_client");
    }

    [Theory]
    [InlineData("nbf", 8)]
    [InlineData("iat", 8)]
    [InlineData("nbf", 29)]
    [InlineData("exp", -10)]
    public async Task Assertion_WhenTheClientsClockIsALittleOff_IsTaken(string claim, int seconds)
    {
        await AddClientAsync();
        await _host.SucceedAsync(SendAsync(Sign(null, claims => claims[claim] = _host.Now.ToUnixTimeSeconds() + seconds)));
    }

    [Fact]
    public async Task Assertion_UnderAForeignKeyOrZeroSignature_IsRefused()
    {
        await AddClientAsync();
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var sound = Sign();
        var input = sound[..sound.LastIndexOf('.')];
        var signature = Base64UrlEncoder.Encode(foreign.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256));
        await OAuthHost.FailAsync(SendAsync($"{input}.{signature}"), "invalid_client");
        await OAuthHost.FailAsync(SendAsync($"{input}.{Base64UrlEncoder.Encode(new byte[64])}"), "invalid_client");
        await OAuthHost.FailAsync(SendAsync(input + "."), "invalid_client");
        await OAuthHost.FailAsync(SendAsync(input), "invalid_client");
        await _host.SucceedAsync(SendAsync(sound));
    }

    [Fact]
    public async Task Assertion_KeyedWithAPublicKeyAsSharedSecret_IsRefused()
    {
        await AddClientAsync();
        var secrets = new[]
        {
            Encoding.ASCII.GetBytes(_key.ExportSubjectPublicKeyInfoPem()),
            Encoding.ASCII.GetBytes(Jwks()["keys"]![0]!.ToJsonString()),
            _key.ExportSubjectPublicKeyInfo(),
            (await _host.Get<Identity.OAuth.Keys.KeyRing>().GetJwksAsync(OAuthHost.Cancel)).ToArray(),
            Encoding.UTF8.GetBytes(""),
        };
        foreach (var secret in secrets)
        {
            await OAuthHost.FailAsync(SendAsync(Compose("HS256", input => HMACSHA256.HashData(secret, input))), "invalid_client");
        }
    }

    [Fact]
    public async Task Assertion_ThatBringsItsOwnKey_IsNotBelieved()
    {
        await AddClientAsync();
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
            await OAuthHost.FailAsync(SendAsync(assertion), "invalid_client");
        }
    }

    [Theory]
    [InlineData("""{"alg":"none","alg":"ES256","kid":"ec"}""", null)]
    [InlineData("""{"alg":"ES256","kid":"ec","kid":"ec"}""", null)]
    [InlineData(null, ""","sub":"robot"}""")]
    [InlineData(null, ""","aud":"https://id.example.com"}""")]
    public async Task Assertion_WithDuplicateMembers_IsRefused(string? header, string? tail)
    {
        await AddClientAsync();
        header ??= """{"alg":"ES256","kid":"ec"}""";
        var claims = Claims().ToJsonString();
        claims = tail is null ? claims : claims[..^1] + tail;
        var input = Base64UrlEncoder.Encode(header) + "." + Base64UrlEncoder.Encode(claims);
        await OAuthHost.FailAsync(SendAsync(input + "." + Base64UrlEncoder.Encode(_key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256))), "invalid_client");
    }

    [Fact]
    public async Task Assertion_OfAbsurdSize_IsRefusedUnread()
    {
        await AddClientAsync();
        await OAuthHost.FailAsync(SendAsync(Sign(header => header["pad"] = new string('a', 20_000))), "invalid_client");
        var answer = await SendAsync(Sign(header => header["pad"] = new string('a', 1024 * 1024)));
        Assert.Equal("invalid_request", answer.Error!.Code);
        await OAuthHost.FailAsync(SendAsync(new string('.', 5000)), "invalid_client");
        await OAuthHost.FailAsync(SendAsync("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0..AAAA.AAAA.AAAA"), "invalid_client");
    }

    [Fact]
    public async Task Assertion_SentAgain_IsRefused()
    {
        await AddClientAsync();
        var assertion = Sign();
        await _host.SucceedAsync(SendAsync(assertion));
        await OAuthHost.FailAsync(SendAsync(assertion), "invalid_client");
        _host.Time.Advance(TimeSpan.FromSeconds(80));
        await OAuthHost.FailAsync(SendAsync(assertion), "invalid_client");
        _host.Time.Advance(TimeSpan.FromSeconds(15));
        await OAuthHost.FailAsync(SendAsync(assertion), "invalid_client");
    }

    [Fact]
    public async Task Assertion_RacedFiftyWide_WorksOnce()
    {
        await AddClientAsync();
        var assertion = Sign();
        Assert.Single(await OAuthHost.RaceAsync(() => SendAsync(assertion)), answer => answer.Error is null);
    }

    [Fact]
    public async Task Assertion_ThatProvesNothing_UsesNobodysJtiUp()
    {
        await AddClientAsync();
        var sound = Sign(null, claims => claims["jti"] = "the-one");
        var forged = sound[..sound.LastIndexOf('.')] + "." + Base64UrlEncoder.Encode(new byte[64]);
        await OAuthHost.FailAsync(SendAsync(forged), "invalid_client");
        await _host.SucceedAsync(SendAsync(sound));
    }

    [Fact]
    public async Task Assertion_InAnotherAlgorithmThanTheRegisteredOne_IsRefused()
    {
        await AddClientAsync(""","token_endpoint_auth_signing_alg":"PS256" """);
        await OAuthHost.FailAsync(SendAsync(Sign()), "invalid_client");
        await OAuthHost.FailAsync(SendAsync(SignRsa("RS256", RSASignaturePadding.Pkcs1)), "invalid_client");
        await _host.SucceedAsync(SendAsync(SignRsa("PS256", RSASignaturePadding.Pss)));
    }

    [Fact]
    public async Task Request_ThatNamesAnotherClientOrType_IsRefused()
    {
        await AddClientAsync();
        await _host.AddPublicClientAsync("other");
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, [.. Form(Sign()), ("client_id", "other")]), "invalid_client");
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, ("grant_type", "client_credentials"), ("client_assertion", Sign())), "invalid_client");
        await OAuthHost.FailAsync(
            _host.TokenAsync((string?)null, ("grant_type", "client_credentials"), ("client_assertion", Sign()), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")),
            "invalid_client");
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, ("grant_type", "client_credentials"), ("client_id", "robot")), "invalid_client");
        await OAuthHost.FailAsync(_host.TokenAsync((string?)null, [.. Form(Sign()), ("client_secret", "x")]), "invalid_request");
        await _host.SucceedAsync(_host.TokenAsync((string?)null, [.. Form(Sign()), ("client_id", "robot")]));
    }

    [Fact]
    public async Task KeySource_IsAskedAgainOnlyWhereNoKeyCanBeMeant()
    {
        var source = new RotatingKeys();
        await using var host = new OAuthHost(more: services => services.AddSingletonFor(source));
        await host.AddClientAsync("""
            {"client_id":"robot","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://robot.example/keys","grant_types":["client_credentials"],"scope":"a"}
            """);
        source.Later = [.. new JsonWebKeySet(Jwks().ToJsonString()).Keys];
        await host.SucceedAsync(host.TokenAsync((string?)null, Form(Sign())));
        Assert.Equal(1, source.Refreshes);

        source.Now = source.Later;
        var sound = Sign();
        await OAuthHost.FailAsync(host.TokenAsync((string?)null, Form(sound[..sound.LastIndexOf('.')] + "." + Base64UrlEncoder.Encode(new byte[64]))), "invalid_client");
        Assert.Equal(1, source.Refreshes);
    }

    private Task<Client> AddClientAsync(string more = "") => _host.AddClientAsync(
        $$"""{"client_id":"robot","token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials"],"scope":"a","jwks":{{Jwks().ToJsonString()}}{{more}} }""");

    private JsonObject Jwks()
    {
        var q = _key.ExportParameters(includePrivateParameters: false).Q;
        var rsa = _rsa.ExportParameters(includePrivateParameters: false);
        return new JsonObject
        {
            ["keys"] = new JsonArray(
                new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = "ec", ["x"] = Base64UrlEncoder.Encode(q.X), ["y"] = Base64UrlEncoder.Encode(q.Y) },
                new JsonObject { ["kty"] = "RSA", ["kid"] = "rsa", ["n"] = Base64UrlEncoder.Encode(rsa.Modulus), ["e"] = Base64UrlEncoder.Encode(rsa.Exponent) }),
        };
    }

    private JsonObject Claims()
    {
        var now = _host.Now.ToUnixTimeSeconds();
        return new JsonObject
        {
            ["iss"] = "robot",
            ["sub"] = "robot",
            ["aud"] = OAuthHost.Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["iat"] = now,
            ["exp"] = now + 60,
        };
    }

    private string Sign(Action<JsonObject>? header = null, Action<JsonObject>? claims = null) =>
        Compose("ES256", input => _key.SignData(input, HashAlgorithmName.SHA256), header, claims);

    private string SignRsa(string algorithm, RSASignaturePadding padding) =>
        Compose(algorithm, input => _rsa.SignData(input, HashAlgorithmName.SHA256, padding), header => header["kid"] = "rsa");

    private string Compose(string algorithm, Func<byte[], byte[]> sign, Action<JsonObject>? header = null, Action<JsonObject>? claims = null)
    {
        var (head, body) = (new JsonObject { ["alg"] = algorithm, ["kid"] = "ec" }, Claims());
        header?.Invoke(head);
        claims?.Invoke(body);
        var input = Base64UrlEncoder.Encode(head.ToJsonString()) + "." + Base64UrlEncoder.Encode(body.ToJsonString());
        return input + "." + Base64UrlEncoder.Encode(sign(Encoding.ASCII.GetBytes(input)));
    }

    private static (string Name, string? Value)[] Form(string assertion) =>
    [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];

    private Task<Outcome<TokenResponse>> SendAsync(string assertion) => _host.TokenAsync((string?)null, Form(assertion));
}
