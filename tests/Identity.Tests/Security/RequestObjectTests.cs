// Security catalogue: JAR, and "JWTs sent to us" where they are request objects. RFC 9101, OpenID Connect Core §6, FAPI 2.0 Message Signing §5.3.1.
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Authorization requests that their clients signed.</summary>
public sealed class RequestObjectTests(RequestWorld world) : IClassFixture<RequestWorld>
{
    [Fact]
    public async Task Object_WhenSound_LeadsToTokens()
    {
        using var browser = await world.Node.SignedInAsync();
        foreach (var sound in (string[])[
            world.Sign(), world.Sign(header: header => header["typ"] = "JWT"), world.Sign(header: header => header.Remove("typ")), world.Sign(header: header => header.Remove("kid")),
            world.Sign(claims: claims => claims["aud"] = new JsonArray("https://elsewhere.example", world.Issuer)), world.Sign(claims: claims => claims.Remove("nbf")), world.Sign(claims: claims => claims.Remove("jti")),
            world.SignRsa("RS256", RSASignaturePadding.Pkcs1), world.SignRsa("PS256", RSASignaturePadding.Pss)])
        {
            var query = await AnsweredAsync(browser, sound);
            Assert.Equal("inside", query["state"]);
            var (status, tokens) = await world.Node.RedeemAsync(query["code"], "app", ("redirect_uri", RequestWorld.RedirectUri));
            Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());
            Assert.Equal("n1", (string?)Node.Payload((string)tokens["id_token"]!)["nonce"]);
        }
    }

    // RFC 9101 §6.3; the suite's ensure-different-nonce/-state-inside-and-outside-request-object and state-only-outside-request-object-not-used.
    [Fact]
    public async Task Object_WhenOtherParametersStandOutside_AloneCounts()
    {
        using var browser = await world.Node.SignedInAsync();
        var query = await AnsweredAsync(browser, world.Sign(claims: claims => claims.Remove("state")),
            ("state", "outside"), ("nonce", "outside"), ("redirect_uri", "https://evil.example/"), ("scope", "openid email offline_access"), ("prompt", "login"), ("code_challenge", "outside"), ("response_mode", "form_post"));
        Assert.DoesNotContain("state", query.Keys);
        var (_, tokens) = await world.Node.RedeemAsync(query["code"], "app", ("redirect_uri", RequestWorld.RedirectUri));
        Assert.Equal("n1", (string?)Node.Payload((string)tokens["id_token"]!)["nonce"]);
        Assert.Null(tokens["refresh_token"]);
    }

    [Fact]
    public async Task Object_WhenParametersAreJson_AreReadAsWhatTheyStandFor()
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        using var asked = await browser.GetAsync(RequestWorld.Go(world.Sign(claims: claims =>
        {
            claims["max_age"] = 10;
            claims["claims"] = new JsonObject { ["id_token"] = new JsonObject { ["email"] = null } };
            claims["login_hint"] = "hinted@example.com";
            claims["ui_locales"] = "de";
            claims["ignored"] = new JsonArray(1, 2);
        })));
        Assert.Contains("ui_locales=de", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var page = await browser.GetAsync(asked.Headers.Location.OriginalString);
        Assert.Contains("hinted@example.com", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var back = await browser.SignInAtAsync(asked.Headers.Location, email, Node.Password);
        using var answered = await browser.GetAsync(back.OriginalString);
        var (_, tokens) = await world.Node.RedeemAsync(Node.Query(answered.Headers.Location)["code"], "app", ("redirect_uri", RequestWorld.RedirectUri));
        var idToken = Node.Payload((string)tokens["id_token"]!);
        Assert.NotNull(idToken["auth_time"]);
        Assert.Equal(email, (string?)idToken["email"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Object_WhenThePersonTakesLongerThanItLives_SurvivesSignInAndConsent(bool isLong)
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        var request = world.Sign("asks", claims => claims["state"] = isLong ? new string('s', 3000) : "inside");
        using var asked = await browser.GetAsync(RequestWorld.Go(request, "asks"));
        var page = asked.Headers.Location!;
        if (isLong)
        {
            Assert.Contains("kept=", page.OriginalString, StringComparison.Ordinal);
            using var kept = await browser.GetAsync(page.OriginalString);
            page = kept.Headers.Location!;
        }

        world.Time.Advance(TimeSpan.FromMinutes(5));
        var back = await browser.SignInAtAsync(page, email, Node.Password);
        using var consent = await browser.GetAsync(back.OriginalString);
        Assert.Contains("/consent", consent.Headers.Location!.OriginalString, StringComparison.Ordinal);
        world.Time.Advance(TimeSpan.FromMinutes(5));
        using var allowed = await browser.SubmitAsync(consent.Headers.Location.OriginalString, [], "Allow");
        using var answered = await browser.GetAsync(allowed.Headers.Location!.OriginalString);
        Assert.Contains("code", Node.Query(answered.Headers.Location).Keys);
    }

    [Fact]
    public async Task Object_WhenThePersonComesBackAfterAnHour_IsOver()
    {
        using var browser = new Browser(world.Node.Address);
        var (_, email) = await world.Node.RegisterAsync();
        using var asked = await browser.GetAsync(RequestWorld.Go(world.Sign()));
        world.Time.Advance(TimeSpan.FromMinutes(61));
        var back = await browser.SignInAtAsync(asked.Headers.Location!, email, Node.Password);
        using var answered = await browser.GetAsync(back.OriginalString);
        Assert.Equal("invalid_request_object", Node.Query(answered.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Object_WhenThePersonSaysNo_TellsTheClientAlsoAfterItsTime()
    {
        using var browser = await world.Node.SignedInAsync();
        using var consent = await browser.GetAsync(RequestWorld.Go(world.Sign("asks"), "asks"));
        world.Time.Advance(TimeSpan.FromMinutes(5));
        using var declined = await browser.SubmitAsync(consent.Headers.Location!.OriginalString, [], "Do not allow");
        using var answered = await browser.GetAsync(declined.Headers.Location!.OriginalString);
        Assert.Equal("access_denied", Node.Query(answered.Headers.Location)["error"]);
    }

    public static TheoryData<string> HeaderAttacks =>
    [
        "alg none", "alg None", "alg NONE", "alg missing", "alg HS256", "alg ES384", "alg RS256 over an EC signature", "crit", "typ at+jwt", "typ logout+jwt", "typ client-authentication+jwt", "typ not a string",
        "kid traversal", "kid sql", "kid of nobody",
    ];

    [Theory]
    [MemberData(nameof(HeaderAttacks))]
    public async Task Object_WithAnAttackInItsHeader_IsRefused(string attack) => await RefusesAsync(world.Sign(header: header =>
    {
        switch (attack)
        {
            case "alg missing": header.Remove("alg"); break;
            case "alg RS256 over an EC signature": header["alg"] = "RS256"; break;
            case "crit": header["crit"] = new JsonArray("b64"); header["b64"] = false; break;
            case "kid traversal": header["kid"] = "../../../../dev/null"; break;
            case "kid sql": header["kid"] = "x' UNION SELECT 'k"; break;
            case "kid of nobody": header["kid"] = "other"; break;
            case "typ not a string": header["typ"] = 7; break;
            case var other when other.StartsWith("alg ", StringComparison.Ordinal): header["alg"] = other[4..]; break;
            default: header["typ"] = attack[4..]; break;
        }
    }));

    public static TheoryData<string, string> ClaimAttacks => new()
    {
        { "iss", "\"other\"" }, { "iss", "" }, { "client_id", "\"other\"" }, { "client_id", "" }, { "sub", "\"app\"" },
        { "aud", "" }, { "aud", "\"{issuer}/\"" }, { "aud", "\"{issuer}/connect/authorize\"" }, { "aud", "\"https://evil.example\"" }, { "aud", "[]" }, { "aud", "7" }, { "aud", "[[\"{issuer}\"]]" },
        { "exp", "" }, { "exp", "\"soon\"" }, { "exp", "-31" }, { "exp", "-300" }, { "exp", "3700" }, { "exp", "1e300" },
        { "nbf", "61" }, { "nbf", "-3600" }, { "nbf", "\"now\"" }, { "iat", "61" }, { "jti", "7" }, { "jti", "\"\"" },
        { "request", "\"x\"" }, { "request_uri", "\"urn:ietf:params:oauth:request_uri:x\"" }, { "state", "\"\\u0000\"" }, { "state", "\"\\ud800\"" },
    };

    [Theory]
    [MemberData(nameof(ClaimAttacks))]
    public async Task Object_WithAWrongClaim_IsRefused(string claim, string value)
    {
        var claims = world.Claims("app");
        claims.Remove(claim);
        var text = claims.ToJsonString();
        if (value.Length > 0)
        {
            value = claim is "exp" or "nbf" or "iat" && long.TryParse(value, out var seconds)
                ? (world.Time.GetUtcNow().ToUnixTimeSeconds() + seconds).ToString(System.Globalization.CultureInfo.InvariantCulture)
                : value.Replace("{issuer}", world.Issuer, StringComparison.Ordinal);
            text = text[..^1] + $",\"{claim}\":{value}}}";
        }

        await RefusesAsync(RequestWorld.Seal("""{"alg":"ES256","kid":"ec"}""", text, Signature));
    }

    [Theory]
    [InlineData("nbf", 8)]
    [InlineData("iat", 29)]
    [InlineData("exp", -10)]
    public async Task Object_WhenTheClientsClockIsALittleOff_IsTaken(string claim, int seconds)
    {
        using var browser = await world.Node.SignedInAsync();
        Assert.Contains("code", (await AnsweredAsync(browser, world.Sign(claims: claims => claims[claim] = world.Time.GetUtcNow().ToUnixTimeSeconds() + seconds))).Keys);
    }

    [Fact]
    public async Task Object_UnderAForeignKeyOrZeroSignature_IsRefused()
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var sound = world.Sign();
        var input = sound[..sound.LastIndexOf('.')];
        await RefusesAsync($"{input}.{Base64UrlEncoder.Encode(foreign.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256))}");
        await RefusesAsync($"{input}.{Base64UrlEncoder.Encode(new byte[64])}");
        await RefusesAsync(input + ".");
        await RefusesAsync(input);
    }

    [Fact]
    public async Task Object_KeyedWithAPublicKeyAsSharedSecret_IsRefused()
    {
        foreach (var secret in (byte[][])[
            Encoding.ASCII.GetBytes(world.Key.ExportSubjectPublicKeyInfoPem()), Encoding.ASCII.GetBytes(world.PublicKey().ToJsonString()), world.Key.ExportSubjectPublicKeyInfo(),
            await world.Node.Http.GetByteArrayAsync(new Uri(world.Node.Address, "/connect/jwks")), Encoding.UTF8.GetBytes(Node.Secret)])
        {
            await RefusesAsync(world.Compose("app", "HS256", input => HMACSHA256.HashData(secret, input)));
        }
    }

    [Fact]
    public async Task Object_ThatBringsItsOwnKey_IsNotBelievedAndNothingIsFetched()
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = $"http://{listener.LocalEndpoint}/keys";
        var q = foreign.ExportParameters(includePrivateParameters: false).Q;
        foreach (var (name, value) in new (string, JsonNode)[]
        {
            ("jwk", new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64UrlEncoder.Encode(q.X), ["y"] = Base64UrlEncoder.Encode(q.Y) }),
            ("jku", address),
            ("x5u", address),
            ("x5c", new JsonArray("AAAA")),
        })
        {
            await RefusesAsync(world.Compose("app", "ES256", input => foreign.SignData(input, HashAlgorithmName.SHA256), header: header => header[name] = value.DeepClone()));
        }

        Assert.False(listener.Pending());
    }

    [Theory]
    [InlineData("""{"alg":"none","alg":"ES256","kid":"ec"}""", null)]
    [InlineData("""{"alg":"ES256","kid":"ec","kid":"ec"}""", null)]
    [InlineData(null, ""","client_id":"app"}""")]
    [InlineData(null, ""","redirect_uri":"https://client.example.com/second"}""")]
    public async Task Object_WithDuplicateMembers_IsRefused(string? header, string? tail)
    {
        var claims = world.Claims("app").ToJsonString();
        await RefusesAsync(RequestWorld.Seal(header ?? """{"alg":"ES256","kid":"ec"}""", tail is null ? claims : claims[..^1] + tail, Signature));
    }

    [Fact]
    public async Task Object_OfAbsurdSizeOrForm_IsRefusedUnread()
    {
        await RefusesAsync(world.Sign(header: header => header["pad"] = new string('a', 20_000)));
        await RefusesAsync(world.Sign(claims: claims => claims["pad"] = new string('a', 10_000)) + "AAAA");
        await RefusesAsync(world.Sign(claims: claims =>
        {
            for (var index = 0; index < 250; index++)
            {
                claims["p" + index] = "x";
            }
        }));
        await RefusesAsync(new string('.', 5000));
        await RefusesAsync("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0..AAAA.AAAA.AAAA");
        await RefusesAsync(RequestWorld.Seal("""{"alg":"ES256","kid":"ec"}""", "[]", Signature));
        await RefusesAsync(RequestWorld.Seal("""{"alg":"ES256","kid":"ec"}""", string.Concat(Enumerable.Repeat("{\"a\":", 40)) + "1" + new string('}', 40), Signature));
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, ("client_id", "app"), ("request", world.Sign(header: header => header["pad"] = new string('a', 1024 * 1024))));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Object_OfAnotherClient_IsRefused()
    {
        await RefusesAsync(world.Sign("other"));
        await RefusesAsync(world.Sign("other", claims => (claims["client_id"], claims["iss"]) = ("app", "app")), client: "keyless");
        await RefusesAsync(world.Sign("keyless"), client: "keyless");
    }

    [Fact]
    public async Task Object_InAnotherAlgorithmThanTheRegisteredOne_IsRefused()
    {
        await RefusesAsync(world.SignRsa("PS256", RSASignaturePadding.Pss, "strict"), client: "strict");
        using var browser = await world.Node.SignedInAsync();
        Assert.Contains("code", (await AnsweredAsync(browser, world.Sign("strict"), "strict")).Keys);
    }

    [Fact]
    public async Task Object_BesideAReference_IsRefused()
    {
        var (_, body) = await world.Node.PostAsync("/connect/par", client: null, ("client_id", "app"), ("request", world.Sign()));
        using var browser = await world.Node.SignedInAsync();
        using var answer = await browser.GetAsync(RequestWorld.Go(world.Sign(), "app", ("request_uri", (string)body["request_uri"]!)));
        Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
        var (status, error) = await world.Node.PostAsync("/connect/par", client: null, ("client_id", "app"), ("request", world.Sign()), ("request_uri", (string)body["request_uri"]!));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)error["error"]));
    }

    [Fact]
    public async Task Object_WhenResponseTypeOutsideIsAnother_IsRefused()
    {
        using var browser = await world.Node.SignedInAsync();
        Assert.Equal("invalid_request_object", (await AnsweredAsync(browser, world.Sign(), ("response_type", "token")))["error"]);
        Assert.Contains("code", (await AnsweredAsync(browser, world.Sign(), ("response_type", "code"), ("scope", "openid"))).Keys);
    }

    [Theory]
    [InlineData("response_type", null, "invalid_request")]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("scope", "openid nothing.of.ours", "invalid_scope")]
    [InlineData("code_challenge_method", "plain", "invalid_request")]
    [InlineData("prompt", "none login", "invalid_request")]
    [InlineData("registration", "{}", "registration_not_supported")]
    public async Task Object_WhenWhatItSaysIsWrong_TellsTheClientWhatItSays(string name, string? value, string error)
    {
        using var browser = await world.Node.SignedInAsync();
        var query = await AnsweredAsync(browser, world.Sign(claims: claims => claims[name] = value));
        Assert.Equal((error, "inside", world.Issuer), (query["error"], query["state"], query["iss"]));
    }

    // RFC 6749 §4.1.2.1, RFC 9700 §4.11.2.
    [Fact]
    public async Task Refusal_WhenTheRedirectUriIsNotTheClientsOrNobodyTrustsIt_GoesNowhere()
    {
        foreach (var wrong in (string[])[
            RequestWorld.Go(world.Sign(claims: claims => claims["redirect_uri"] = "https://evil.example/")),
            RequestWorld.Go(world.Sign(claims: claims => claims["exp"] = 1), "app", ("redirect_uri", "https://evil.example/")),
            RequestWorld.Go(world.Sign(claims: claims => (claims["redirect_uri"], claims["exp"]) = ("https://evil.example/", 1))),
            RequestWorld.Go(world.Sign(claims: claims => claims["exp"] = 1), "asks"),
            RequestWorld.Go(world.Sign("asks", claims => claims["exp"] = 1), "asks"),
            RequestWorld.Go(world.Sign("nobody"), "nobody"),
            RequestWorld.Go(world.Sign())["/connect/authorize?client_id=app&".Length..].Insert(0, "/connect/authorize?")])
        {
            using var answer = await world.Node.Http.GetAsync(new Uri(world.Node.Address, wrong));
            Assert.Equal((HttpStatusCode.BadRequest, null), (answer.StatusCode, answer.Headers.Location));
        }
    }

    // An object that is not believed overrules nothing; what only it says is looked at, to tell the client.
    [Fact]
    public async Task Refusal_WhenTheObjectIsNotBelieved_IsToldAtTheClientsRedirectUri()
    {
        using var browser = await world.Node.SignedInAsync();
        var query = await AnsweredAsync(browser, world.Sign(claims: claims => claims["exp"] = 1));
        Assert.Equal(("invalid_request_object", "inside", world.Issuer), (query["error"], query["state"], query["iss"]));
        query = await AnsweredAsync(browser, world.Sign(claims: claims => (claims["redirect_uri"], claims["exp"]) = ("https://evil.example/", 1)), ("redirect_uri", RequestWorld.RedirectUri), ("state", "outside"));
        Assert.Equal(("invalid_request_object", "outside"), (query["error"], query["state"]));
    }

    [Fact]
    public async Task Object_WithAnId_IsGoodForOneCode()
    {
        using var browser = await world.Node.SignedInAsync();
        var request = world.Sign();
        Assert.Contains("code", (await AnsweredAsync(browser, request)).Keys);
        Assert.Equal("invalid_request_object", (await AnsweredAsync(browser, request))["error"]);
        world.Time.Advance(TimeSpan.FromSeconds(80));
        Assert.Equal("invalid_request_object", (await AnsweredAsync(browser, request))["error"]);
        var without = world.Sign(claims: claims => claims.Remove("jti"));
        Assert.Contains("code", (await AnsweredAsync(browser, without)).Keys);
        Assert.Contains("code", (await AnsweredAsync(browser, without)).Keys);
    }

    [Fact]
    public async Task Object_WithAnIdRacedFiftyWide_LeadsToOneCode()
    {
        using var browser = await world.Node.SignedInAsync();
        var request = world.Sign();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AnsweredAsync(browser, request)));
        Assert.Single(answers, answer => answer.ContainsKey("code"));
        Assert.Equal(49, answers.Count(answer => answer.GetValueOrDefault("error") == "invalid_request_object"));
    }

    [Fact]
    public async Task Object_ThatIsNotTheClients_UsesNobodysIdUp()
    {
        using var browser = await world.Node.SignedInAsync();
        var sound = world.Sign();
        await RefusesAsync(sound[..sound.LastIndexOf('.')] + "." + Base64UrlEncoder.Encode(new byte[64]));
        Assert.Contains("code", (await AnsweredAsync(browser, sound)).Keys);
    }

    [Fact]
    public async Task PlainRequest_OfAClientThatSigns_IsRefused()
    {
        using var browser = await world.Node.SignedInAsync();
        using var answer = await browser.GetAsync(world.Node.AuthorizeUrl("strict", "openid", ("redirect_uri", RequestWorld.RedirectUri)));
        Assert.Equal("invalid_request", Node.Query(answer.Headers.Location)["error"]);
        var plain = world.Claims("strict").Where(pair => pair.Key is not ("iss" or "aud" or "iat" or "nbf" or "exp" or "jti")).Select(pair => (pair.Key, (string)pair.Value!)).ToArray();
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, plain);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, (string?)body["error"]));
        await RefusesAsync(world.Sign("strict", claims => claims.Remove("nbf")), client: "strict");
        Assert.Contains("code", (await PushedAsync(browser, "strict", world.Sign("strict"))).Keys);
    }

    [Fact]
    public async Task Push_WhenTheObjectIsSound_CountsAloneWhoeverProvesToBeItsClient()
    {
        using var browser = await world.Node.SignedInAsync();
        var query = await PushedAsync(browser, "app", world.Sign(), ("state", "outside"), ("redirect_uri", "https://evil.example/"));
        Assert.Equal("inside", query["state"]);
        var assertion = (Type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", Value: world.Assertion("web"));
        Assert.Contains("code", (await PushedAsync(browser, "web", world.Sign("web"), ("client_assertion_type", assertion.Type), ("client_assertion", assertion.Value))).Keys);

        // RFC 9126 §2.1: the assertion says who it is.
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, ("request", world.Sign("web")), ("client_assertion_type", assertion.Type), ("client_assertion", world.Assertion("web")));
        Assert.True(status == HttpStatusCode.Created, body.ToJsonString());
        (status, body) = await world.Node.PostAsync("/connect/par", "basic", ("request", world.Sign("basic")));
        Assert.True(status == HttpStatusCode.Created, body.ToJsonString());
    }

    [Fact]
    public async Task Push_WhenTheClientIsNotProvenOrAnother_IsRefused()
    {
        var type = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        foreach (var (expected, fields) in new (string, (string, string)[])[]
        {
            ("invalid_client", [("client_id", "web"), ("request", world.Sign("web"))]),
            ("invalid_client", [("client_id", "nobody"), ("request", world.Sign("nobody"))]),
            ("invalid_client", [("client_id", "web"), ("request", world.Sign("web")), type, ("client_assertion", world.Assertion("other"))]),
            ("invalid_client", [("client_id", "web"), ("request", world.Sign("web", claims => (claims["client_assertion"], claims["client_assertion_type"]) = (world.Assertion("web"), type.Item2)))]),
            ("invalid_request_object", [("client_id", "web"), ("request", world.Sign("app")), type, ("client_assertion", world.Assertion("web"))]),
            ("invalid_request_object", [("client_id", "app"), ("request", "eyJhbGciOiJub25lIn0.e30.")]),
            ("invalid_request_object", [("client_id", "app"), ("request", world.Assertion("app"))]),
        })
        {
            var (status, body) = await world.Node.PostAsync("/connect/par", client: null, fields);
            Assert.Equal((expected, expected == "invalid_client" ? HttpStatusCode.Unauthorized : HttpStatusCode.BadRequest), ((string?)body["error"], status));
        }
    }

    [Fact]
    public async Task Push_OfAnObjectWithAnId_WorksOnceAlsoFiftyWide()
    {
        var request = world.Sign();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => world.Node.PostAsync("/connect/par", client: null, ("client_id", "app"), ("request", request))));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.Created);
        Assert.Equal(49, answers.Count(answer => (string?)answer.Body["error"] == "invalid_request_object"));
    }

    private byte[] Signature(byte[] input) => world.Key.SignData(input, HashAlgorithmName.SHA256);

    private async Task<Dictionary<string, string>> PushedAsync(Browser browser, string client, string request, params (string Name, string Value)[] more)
    {
        var (status, body) = await world.Node.PostAsync("/connect/par", client: null, [("client_id", client), ("request", request), .. more]);
        Assert.True(status == HttpStatusCode.Created, body.ToJsonString());
        using var answer = await browser.GetAsync($"/connect/authorize?client_id={client}&request_uri={Uri.EscapeDataString((string)body["request_uri"]!)}");
        return Node.Query(answer.Headers.Location);
    }

    private static Task<Dictionary<string, string>> AnsweredAsync(Browser browser, string request, params (string Name, string Value)[] more) => AnsweredAsync(browser, request, "app", more);

    private static async Task<Dictionary<string, string>> AnsweredAsync(Browser browser, string request, string client, params (string Name, string Value)[] more)
    {
        using var answer = await browser.GetAsync(RequestWorld.Go(request, client, more));
        Assert.True(answer.Headers.Location?.OriginalString.StartsWith(RequestWorld.RedirectUri + "?", StringComparison.Ordinal) == true, $"{(int)answer.StatusCode} {answer.Headers.Location} {await answer.Content.ReadAsStringAsync()}");
        return Node.Query(answer.Headers.Location);
    }

    // The one who sends it stands at a redirect URI of the client outside, so the refusal is told there.
    private async Task RefusesAsync(string request, string client = "app")
    {
        // By POST, since it may be longer than a request line.
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>(StringComparer.Ordinal) { ["client_id"] = client, ["request"] = request, ["redirect_uri"] = RequestWorld.RedirectUri, ["state"] = "outside" });
        using var posted = await world.Node.Http.PostAsync(new Uri(world.Node.Address, "/connect/authorize"), form);
        Assert.Equal(HttpStatusCode.SeeOther, posted.StatusCode);
        using var answer = await world.Node.Http.GetAsync(new Uri(world.Node.Address, posted.Headers.Location!));
        Assert.Equal(HttpStatusCode.Found, answer.StatusCode);
        Assert.StartsWith(RequestWorld.RedirectUri + "?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal("invalid_request_object", Node.Query(answer.Headers.Location)["error"]);
    }
}
