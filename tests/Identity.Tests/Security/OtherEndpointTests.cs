using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Revocation, introspection, userinfo, metadata, sign-out, assertions and CORS (RFC 7009, 7662, 9701, 6750, 8414, 7523; RP-Initiated Logout 1.0).</summary>
public sealed class OtherEndpointTests(RunningServer server)
{
    [Fact]
    public async Task Revocation_WhenTheTokenIsUnknownOrAnothersOrHintedWrong_Answers200AndHarmsNobody()
    {
        using var browser = await server.SignedInAsync();
        var tokens = await server.TokensAsync(browser);
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", "unknown"))).Status);

        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/connect/revoke", null, ("client_id", "other"), ("token", (string)tokens["access_token"]!))).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/connect/revoke", null, ("client_id", "other"), ("token", (string)tokens["refresh_token"]!))).Status);
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync((string)tokens["access_token"]!));

        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/connect/revocation", null, ("client_id", "spa"), ("token", (string)tokens["access_token"]!), ("token_type_hint", "refresh_token"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));

        var refreshed = (await server.RefreshAsync((string)tokens["refresh_token"]!)).Body;
        Assert.Equal(HttpStatusCode.OK, (await server.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", (string)refreshed["refresh_token"]!))).Status);
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)refreshed["refresh_token"]!)).Body["error"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)refreshed["access_token"]!));
    }

    [Fact]
    public async Task Introspection_WhenNobodyOrAPublicClientAsks_Answers401()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.PostAsync("/connect/introspect", null, ("token", "x"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.PostAsync("/connect/introspect", null, ("client_id", "spa"), ("token", "x"))).Status);
    }

    [Fact]
    public async Task Introspection_WhenTheTokenIsNotTheCallers_SaysOnlyInactive()
    {
        var notes = await server.ServiceTokenAsync("notes.read");
        var orders = await server.ServiceTokenAsync("orders.read");
        Assert.True((bool)(await server.PostAsync("/connect/introspect", "notes-api", ("token", notes))).Body["active"]!);
        foreach (var token in (string[])[orders, "unknown", notes + "x", notes[..^4]])
        {
            Assert.Equal("{\"active\":false}", (await server.PostAsync("/connect/introspect", "notes-api", ("token", token))).Body.ToJsonString());
        }
    }

    [Fact]
    public async Task Introspection_WhenASignedAnswerIsAskedFor_ComesAsAJwtForTheCaller()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/introspect")) { Content = new FormUrlEncodedContent([KeyValuePair.Create("token", await server.ServiceTokenAsync("notes.read"))]) };
        request.Headers.Authorization = RunningServer.Basic("notes-api", RunningServer.Secret);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/token-introspection+jwt"));
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal("application/token-introspection+jwt", answer.Content.Headers.ContentType!.MediaType);
        var jwt = await answer.Content.ReadAsStringAsync();
        var keys = new JsonWebKeySet(await server.Http.GetStringAsync(new Uri(server.Address, "/connect/jwks")));
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(jwt, new TokenValidationParameters { ValidIssuer = server.Issuer, ValidAudience = "notes-api", IssuerSigningKeys = keys.GetSigningKeys(), ValidTypes = ["token-introspection+jwt"], RequireExpirationTime = false });
        Assert.True(result.IsValid, result.Exception?.Message);
        Assert.True((bool)RunningServer.Payload(jwt)["token_introspection"]!["active"]!);
    }

    [Fact]
    public async Task Introspection_WhenTheTokenIsNotTheCallersAndASignedAnswerIsAskedFor_SaysOnlyInactive()
    {
        foreach (var token in (string[])[await server.ServiceTokenAsync("orders.read"), "unknown"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/introspect")) { Content = new FormUrlEncodedContent([KeyValuePair.Create("token", token)]) };
            request.Headers.Authorization = RunningServer.Basic("notes-api", RunningServer.Secret);
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/token-introspection+jwt"));
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal("application/token-introspection+jwt", answer.Content.Headers.ContentType!.MediaType);
            var claims = RunningServer.Payload(await answer.Content.ReadAsStringAsync());
            Assert.Equal(["aud", "iat", "iss", "token_introspection"], claims.Select(claim => claim.Key).Order(StringComparer.Ordinal));
            Assert.Equal("{\"active\":false}", claims["token_introspection"]!.ToJsonString());
        }
    }

    // Resources × grants: each token is good where it is for and nowhere else; formats, algorithms and types are the API's.
    [Theory]
    [InlineData("notes.read", RunningServer.Notes, "at+jwt", "ES256", 3600)]
    [InlineData("orders.read", RunningServer.Orders, "at+jwt", "ES256", 900)]
    [InlineData("legacy.read", "legacy", "JWT", "RS256", 3600)]
    public async Task AccessToken_WhenForOneApi_IsMadeItsWayAndForNoOther(string scope, string audience, string typ, string algorithm, int lifetime)
    {
        using var browser = await server.SignedInAsync();
        var flow = await server.TokensAsync(browser, scope: scope);
        var refreshed = (await server.RefreshAsync((string)flow["refresh_token"]!)).Body;
        foreach (var token in (string[])[await server.ServiceTokenAsync(scope), (string)flow["access_token"]!, (string)refreshed["access_token"]!])
        {
            Assert.Equal((typ, algorithm), ((string?)RunningServer.Header(token)["typ"], (string?)RunningServer.Header(token)["alg"]));
            var claims = RunningServer.Payload(token);
            Assert.Equal((audience, lifetime), ((string?)claims["aud"], (int)((long)claims["exp"]! - (long)claims["iat"]!)));
            Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(token));
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/api/identity/users/" + Guid.NewGuid()));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }
    }

    [Fact]
    public async Task ReferenceToken_WhenIssued_IsOpaqueIntrospectedAndRevocable()
    {
        var token = await server.ServiceTokenAsync("opaque.read");
        Assert.Equal(43, token.Length);
        Assert.DoesNotContain('.', token);
        var (_, seen) = await server.PostAsync("/connect/introspect", "notes-api", ("token", token));
        Assert.Equal((true, "opaque", "opaque.read"), ((bool)seen["active"]!, (string?)seen["aud"], (string?)seen["scope"]));
        await server.PostAsync("/connect/revoke", "service", ("token", token));
        Assert.Equal("{\"active\":false}", (await server.PostAsync("/connect/introspect", "notes-api", ("token", token))).Body.ToJsonString());
    }

    [Fact]
    public async Task Resource_WhenNamedAtTheTokenEndpoint_NarrowsAndNeverWidens()
    {
        using var browser = await server.SignedInAsync();
        var code = await server.CodeAsync(browser, scope: "openid offline_access notes.read orders.read");
        var (_, tokens) = await server.RedeemAsync(code, "spa", ("resource", RunningServer.Notes));
        Assert.Equal((RunningServer.Notes, "notes.read"), ((string?)RunningServer.Payload((string)tokens["access_token"]!)["aud"], Scope(tokens)));
        var other = (await server.RefreshAsync((string)tokens["refresh_token"]!, "spa", ("resource", RunningServer.Orders))).Body;
        Assert.Equal((RunningServer.Orders, "orders.read"), ((string?)RunningServer.Payload((string)other["access_token"]!)["aud"], Scope(other)));

        var narrow = await server.TokensAsync(browser, scope: "notes.read orders.read", changes: ("resource", RunningServer.Notes));
        Assert.Equal("invalid_target", (string?)(await server.RefreshAsync((string)narrow["refresh_token"]!, "spa", ("resource", RunningServer.Orders))).Body["error"]);

        var (_, mixed) = await server.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"), ("scope", "notes.read legacy.read"));
        Assert.Equal("invalid_target", (string?)mixed["error"]);

        static string Scope(JsonNode body) => string.Join(' ', ((string)body["scope"]!).Split(' ').Where(scope => scope.EndsWith(".read", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task UserInfo_WhenTheTokenIsMissingBadOrTooWeak_SaysSoByRfc6750()
    {
        await ExpectAsync(null, null, HttpStatusCode.Unauthorized, challenge => Assert.DoesNotContain("error", challenge, StringComparison.Ordinal));
        await ExpectAsync("nonsense", null, HttpStatusCode.Unauthorized, challenge => Assert.Contains("invalid_token", challenge, StringComparison.Ordinal));
        using var browser = await server.SignedInAsync();
        var tokens = await server.TokensAsync(browser);
        await ExpectAsync((string)tokens["id_token"]!, null, HttpStatusCode.Unauthorized, challenge => Assert.Contains("invalid_token", challenge, StringComparison.Ordinal));
        await ExpectAsync((string)tokens["access_token"]!, (string)tokens["access_token"]!, HttpStatusCode.BadRequest, challenge => Assert.Contains("invalid_request", challenge, StringComparison.Ordinal));
        var weak = await server.TokensAsync(browser, scope: "email");
        await ExpectAsync((string)weak["access_token"]!, null, HttpStatusCode.Forbidden, challenge => Assert.Contains("scope=\"openid\"", challenge, StringComparison.Ordinal));

        async Task ExpectAsync(string? header, string? form, HttpStatusCode status, Action<string> check)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/userinfo"));
            request.Headers.Authorization = header is null ? null : new AuthenticationHeaderValue("Bearer", header);
            request.Content = form is null ? null : new FormUrlEncodedContent([KeyValuePair.Create("access_token", form)]);
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal(status, answer.StatusCode);
            check(answer.Headers.WwwAuthenticate.ToString());
            var body = await answer.Content.ReadAsStringAsync();
            Assert.All(body.Length == 0 ? [] : (JsonObject)JsonNode.Parse(body)!, member => Assert.Contains(member.Key, (string[])["error", "error_description"]));
            Assert.Equal(header is not null, body.Length > 0 && answer.Headers.WwwAuthenticate.ToString().Contains($"error=\"{(string?)JsonNode.Parse(body)!["error"]}\"", StringComparison.Ordinal));
            Assert.Contains("resource_metadata", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task AccessToken_WhenForgedOrChanged_IsWorthNothing()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser))["access_token"]!;
        var parts = token.Split('.');
        var jwks = await server.Http.GetStringAsync(new Uri(server.Address, "/connect/jwks"));
        var kid = (string)RunningServer.Header(token)["kid"]!;
        string Mac(string header, byte[] key)
        {
            var head = Base64UrlEncoder.Encode(header) + "." + parts[1];
            return head + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(key, System.Text.Encoding.ASCII.GetBytes(head)));
        }

        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string[] forged =
        [
            Base64UrlEncoder.Encode("{\"alg\":\"none\",\"typ\":\"at+jwt\"}") + "." + parts[1] + ".",
            Base64UrlEncoder.Encode("{\"alg\":\"None\",\"typ\":\"at+jwt\"}") + "." + parts[1] + ".",
            parts[0] + "." + parts[1] + ".",
            parts[0] + "." + parts[1] + "." + Base64UrlEncoder.Encode(new byte[64]),
            Mac($"{{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\"}}", System.Text.Encoding.UTF8.GetBytes(jwks)),
            Mac("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", new byte[32]),
            new JsonWebTokenHandler().CreateToken(Base64UrlEncoder.Decode(parts[1]), new SigningCredentials(new ECDsaSecurityKey(foreign) { KeyId = kid }, "ES256"), new Dictionary<string, object> { ["typ"] = "at+jwt" }),
            Base64UrlEncoder.Encode($"{{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\",\"crit\":[\"x\"],\"x\":1}}") + "." + parts[1] + "." + parts[2],
            Base64UrlEncoder.Encode("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"../../etc/passwd\"}") + "." + parts[1] + "." + parts[2],
            Base64UrlEncoder.Encode("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"' OR 1=1 --\"}") + "." + parts[1] + "." + parts[2],
            new string('a', 20_000) + "." + parts[1] + "." + parts[2],
            "...", ".", "a.b.c", "a.b.c.d.e",
        ];
        foreach (var value in forged)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(value));
        }
    }

    [Fact]
    public async Task ClientAssertion_WhenItIsNotExactlyRight_IsRefused()
    {
        Assert.Equal(HttpStatusCode.OK, (await AssertAsync(Claims())).Status);
        var replayed = Sign(Claims());
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(replayed)).Status);
        Assert.Equal("invalid_client", (string?)(await SendAsync(replayed)).Body["error"]);

        await RefusedAsync(claims => claims["aud"] = new JsonArray(server.Issuer));
        await RefusedAsync(claims => claims["aud"] = server.Issuer + "/connect/token");
        await RefusedAsync(claims => claims["aud"] = server.Issuer + "/");
        await RefusedAsync(claims => claims["exp"] = DateTimeOffset.UtcNow.AddMinutes(-5).ToUnixTimeSeconds());
        await RefusedAsync(claims => claims["nbf"] = DateTimeOffset.UtcNow.AddMinutes(2).ToUnixTimeSeconds());
        await RefusedAsync(claims => claims.Remove("exp"));
        await RefusedAsync(claims => claims.Remove("jti"));
        await RefusedAsync(claims => claims.Remove("sub"));
        await RefusedAsync(claims => claims["iss"] = "spa");
        await RefusedAsync(claims => claims["sub"] = "spa");

        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var forged = new JsonWebTokenHandler().CreateToken(Claims().ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(foreign) { KeyId = "client-key" }, "ES256"));
        Assert.Equal("invalid_client", (string?)(await SendAsync(forged)).Body["error"]);
        var parts = Sign(Claims()).Split('.');
        foreach (var header in (string[])["{\"alg\":\"none\"}", "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"client-key\"}", "{\"alg\":\"HS256\",\"kid\":\"client-key\"}", "{\"alg\":\"ES256\",\"kid\":\"client-key\",\"crit\":[\"b64\"],\"b64\":true}"])
        {
            Assert.Equal("invalid_client", (string?)(await SendAsync(Base64UrlEncoder.Encode(header) + "." + parts[1] + "." + parts[2])).Body["error"]);
        }

        JsonObject Claims() => new()
        {
            ["iss"] = "web-jwt",
            ["sub"] = "web-jwt",
            ["aud"] = server.Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["iat"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            ["exp"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds(),
        };
        string Sign(JsonObject claims) => new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(server.ClientKey) { KeyId = "client-key" }, "ES256"));

        // Revocation takes any authenticated client, so its answer tells of the authentication alone.
        Task<(HttpStatusCode Status, JsonNode Body)> SendAsync(string assertion) =>
            server.PostAsync("/connect/revoke", null, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("token", "x"));
        Task<(HttpStatusCode Status, JsonNode Body)> AssertAsync(JsonObject claims) => SendAsync(Sign(claims));
        async Task RefusedAsync(Action<JsonObject> change)
        {
            var claims = Claims();
            change(claims);
            Assert.Equal("invalid_client", (string?)(await AssertAsync(claims)).Body["error"]);
        }
    }

    [Fact]
    public async Task ClientAssertion_WhenItBringsOrPointsToItsOwnKey_IsRefusedAndNobodyIsAsked()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var keys = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/keys";
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = own.ExportParameters(includePrivateParameters: false).Q;
        var jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64UrlEncoder.Encode(point.X), ["y"] = Base64UrlEncoder.Encode(point.Y) };
        var claims = new JsonObject { ["iss"] = "web-jwt", ["sub"] = "web-jwt", ["aud"] = server.Issuer, ["jti"] = Guid.NewGuid().ToString(), ["exp"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds() };
        JsonObject[] headers =
        [
            new() { ["jku"] = keys },
            new() { ["x5u"] = keys },
            new() { ["jwk"] = jwk },
            new() { ["kid"] = "../../../../dev/null" },
            new() { ["kid"] = "' OR 1=1 --" },
            new() { ["kid"] = keys },
            new() { ["kid"] = new string('k', 1024 * 1024) },
        ];
        foreach (var header in headers)
        {
            header["alg"] = "ES256";
            var signed = Base64UrlEncoder.Encode(header.ToJsonString()) + "." + Base64UrlEncoder.Encode(claims.ToJsonString());
            await RefusedAsync(signed + "." + Base64UrlEncoder.Encode(own.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256)));
        }

        // Signed with nothing, with zeros, and with our public key for a secret.
        var body = Base64UrlEncoder.Encode(claims.ToJsonString());
        foreach (var algorithm in (string[])["none", "None", "NONE", ""])
        {
            await RefusedAsync(Base64UrlEncoder.Encode($"{{\"alg\":\"{algorithm}\"}}") + "." + body + ".");
        }

        var es256 = Base64UrlEncoder.Encode("{\"alg\":\"ES256\",\"kid\":\"client-key\"}") + "." + body;
        await RefusedAsync(es256 + ".");
        await RefusedAsync(es256 + "." + Base64UrlEncoder.Encode(new byte[64]));
        var hs256 = Base64UrlEncoder.Encode("{\"alg\":\"HS256\",\"kid\":\"client-key\"}") + "." + body;
        foreach (var secret in new[] { Encoding.ASCII.GetBytes(server.ClientKey.ExportSubjectPublicKeyInfoPem()), server.ClientKey.ExportSubjectPublicKeyInfo() })
        {
            await RefusedAsync(hs256 + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(hs256))));
        }

        // A JWE has five parts, and its zip could be a bomb.
        await RefusedAsync(Base64UrlEncoder.Encode("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}") + "..AAAA.AAAA.AAAA");
        Assert.False(listener.Pending());

        async Task RefusedAsync(string assertion)
        {
            var (status, answer) = await server.PostAsync(
                "/connect/revoke", null, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("client_id", "web-jwt"), ("token", "x"));
            Assert.True((int)status is >= 400 and < 500 && (string?)answer["error"] is "invalid_client" or "invalid_request", $"{(int)status} {answer.ToJsonString()} {assertion[..Math.Min(200, assertion.Length)]}");
        }
    }

    [Fact]
    public async Task ClientAssertion_WhenSentFiftyTimesAtOnce_WorksOnce()
    {
        var claims = new JsonObject { ["iss"] = "web-jwt", ["sub"] = "web-jwt", ["aud"] = server.Issuer, ["jti"] = Guid.NewGuid().ToString(), ["exp"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds() };
        var assertion = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(server.ClientKey) { KeyId = "client-key" }, "ES256"));
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.PostAsync("/connect/revoke", null, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("token", "x"))));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("Host", "evil.example.com")]
    [InlineData("X-Forwarded-Host", "evil.example.com")]
    [InlineData("X-Forwarded-Proto", "https")]
    [InlineData("Forwarded", "host=evil.example.com;proto=https")]
    public async Task Metadata_WhenAnUntrustedPeerSetsHeaders_StaysTheSame(string header, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/.well-known/openid-configuration"));
        request.Headers.TryAddWithoutValidation(header, value);
        using var answer = await server.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain("evil", text, StringComparison.Ordinal);
        Assert.Equal(server.Issuer, (string?)JsonNode.Parse(text)!["issuer"]);
    }

    [Fact]
    public async Task Metadata_WhenRead_AnnouncesWhatIsThereAndNoPrivateKey()
    {
        var document = JsonNode.Parse(await server.Http.GetStringAsync(new Uri(server.Address, "/.well-known/openid-configuration")))!;
        Assert.Equal(["authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"], document["grant_types_supported"]!.AsArray().Select(value => (string)value!).Order());
        Assert.Equal(["client_secret_basic", "client_secret_post", "none", "private_key_jwt"], document["token_endpoint_auth_methods_supported"]!.AsArray().Select(value => (string)value!).Order());
        Assert.True((bool)document["authorization_response_iss_parameter_supported"]!);
        Assert.True((bool)document["request_parameter_supported"]!);
        Assert.Equal(["ES256", "PS256", "RS256"], document["request_object_signing_alg_values_supported"]!.AsArray().Select(value => (string)value!).Order());
        foreach (var (name, value) in document.AsObject().Where(member => member.Key.EndsWith("_endpoint", StringComparison.Ordinal)))
        {
            using var answer = await server.Http.GetAsync(new Uri((string)value!));
            Assert.True(answer.StatusCode != HttpStatusCode.NotFound, name);
        }

        var keys = JsonNode.Parse(await server.Http.GetStringAsync(new Uri((string)document["jwks_uri"]!)))!["keys"]!.AsArray();
        Assert.Equal(keys.Count, keys.Select(key => (string)key!["kid"]!).Distinct().Count());
        Assert.All(keys, key => Assert.DoesNotContain(key!.AsObject(), member => member.Key is "d" or "p" or "q" or "dp" or "dq" or "qi" or "k"));
    }

    [Fact]
    public async Task SignOut_WhenTheHintIsRight_EndsEverythingAndGoesBackWithItsState()
    {
        using var browser = await server.SignedInAsync();
        var tokens = await server.TokensAsync(browser);
        const string state = "a b&c=d/é?#%";
        using var answer = await browser.GetAsync($"/connect/endsession?id_token_hint={tokens["id_token"]}&post_logout_redirect_uri={Uri.EscapeDataString("http://127.0.0.1:4711/bye")}&state={Uri.EscapeDataString(state)}");
        Assert.StartsWith("http://127.0.0.1:4711/bye?state=", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal(state, RunningServer.Query(answer.Headers.Location)["state"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)tokens["refresh_token"]!)).Body["error"]);
        using var silent = await browser.GetAsync(server.AuthorizeUrl(changes: ("prompt", "none")));
        Assert.Equal("login_required", RunningServer.Query(silent.Headers.Location)["error"]);
    }

    [Fact]
    public async Task SignOut_WhenNothingProvesThatThePersonWantsIt_AsksFirst()
    {
        using var browser = await server.SignedInAsync();
        using var plain = await browser.GetAsync("/connect/endsession");
        Assert.StartsWith("/signout", plain.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var bad = await browser.GetAsync("/connect/endsession?post_logout_redirect_uri=" + Uri.EscapeDataString("http://127.0.0.1:4711/bye"));
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        var hint = (string)(await server.TokensAsync(browser))["id_token"]!;
        using var unregistered = await browser.GetAsync($"/connect/endsession?id_token_hint={hint}&post_logout_redirect_uri={Uri.EscapeDataString("http://127.0.0.1:4711/bye?foo=bar")}");
        Assert.Equal(HttpStatusCode.BadRequest, unregistered.StatusCode);

        using var done = await browser.SubmitAsync(plain.Headers.Location!.OriginalString, []);
        Assert.Equal(HttpStatusCode.SeeOther, done.StatusCode);
        using var silent = await browser.GetAsync(server.AuthorizeUrl(changes: ("prompt", "none")));
        Assert.Equal("login_required", RunningServer.Query(silent.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Cookie_WhenReplayedAfterSignOut_IsAnonymous()
    {
        using var browser = await server.SignedInAsync();
        var cookie = browser.Cookies.GetCookies(server.Address)["identity"]!.Value;
        using var page = await browser.SubmitAsync("/signout", []);
        using var thief = new Browser(server.Address);
        thief.Cookies.Add(server.Address, new Cookie("identity", cookie));
        using var silent = await thief.GetAsync(server.AuthorizeUrl(changes: ("prompt", "none")));
        Assert.Equal("login_required", RunningServer.Query(silent.Headers.Location)["error"]);
    }

    // A client has one way to prove itself: what it brings besides is no proof, and takes none away.
    [Theory]
    [InlineData("web-post")]
    [InlineData("web-basic")]
    [InlineData("web-jwt")]
    public async Task ClientAssertion_UnsignedBesideTheRightSecret_IsRefused(string client)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = client, ["sub"] = client, ["aud"] = server.Issuer, ["jti"] = Guid.NewGuid().ToString(), ["iat"] = now, ["exp"] = now + 60 }.ToJsonString();
        var unsigned = Base64UrlEncoder.Encode("""{"alg":"none"}""") + "." + Base64UrlEncoder.Encode(claims) + ".";
        (string, string)[] assertion = [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", unsigned)];
        (string, string)[] secret = client == "web-basic" ? [] : [("client_id", client), ("client_secret", RunningServer.Secret)];
        var basic = client == "web-basic" ? client : null;
        foreach (var more in ((string, string)[][])[assertion, [("client_assertion", unsigned)]])
        {
            var (status, body) = await server.PostAsync("/connect/revoke", basic, [.. secret, .. more, ("token", "x")]);
            Assert.True(status is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest && (string?)body["error"] is "invalid_client" or "invalid_request", body.ToJsonString());
        }

        // The secret alone is enough where it is the client's way.
        Assert.Equal(client == "web-jwt" ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, (await server.PostAsync("/connect/revoke", basic, [.. secret, ("token", "x")])).Status);
    }

    // RFC 7518 §4.8.1.2, RFC 8725 §3.6: to derive that key takes an hour; that there is an answer shows that nobody did.
    [Theory]
    [InlineData("""{"alg":"PBES2-HS512+A256KW","enc":"A256CBC-HS512","p2c":2000000000,"p2s":"c2FsdHNhbHQ","zip":"DEF","typ":"at+jwt","cty":"JWT"}""")]
    [InlineData("""{"alg":"PBES2-HS256+A128KW","enc":"A128CBC-HS256","p2c":2147483647,"p2s":"c2FsdHNhbHQ"}""")]
    [InlineData("""{"alg":"dir","enc":"A256CBC-HS512","zip":"DEF","typ":"JWT"}""")]
    public async Task EncryptedToken_InWhateverPlace_IsRefusedUnopened(string header)
    {
        // What zip would make a thousand times as much of, in an address that need not be kept aside.
        using var zipped = new MemoryStream();
        using (var deflate = new System.IO.Compression.DeflateStream(zipped, System.IO.Compression.CompressionLevel.SmallestSize, leaveOpen: true))
        {
            deflate.Write(new byte[400_000]);
        }

        var token = string.Join('.', Base64UrlEncoder.Encode(header), header.Contains("dir", StringComparison.Ordinal) ? "" : Base64UrlEncoder.Encode(new byte[40]), Base64UrlEncoder.Encode(new byte[16]), Base64UrlEncoder.Encode(zipped.ToArray()), Base64UrlEncoder.Encode(new byte[32]));
        using var browser = await server.SignedInAsync();
        await server.CodeAsync(browser);
        var since = Stopwatch.StartNew();
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(token));
        using (var me = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/api/identity/users/me")))
        {
            me.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await server.Http.SendAsync(me);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        Assert.Equal("{\"active\":false}", (await server.PostAsync("/connect/introspect", "notes-api", ("token", token))).Body.ToJsonString());
        Assert.Equal("invalid_grant", (string?)(await server.RedeemAsync(token)).Body["error"]);
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(token)).Body["error"]);
        var (_, exchanged) = await server.PostAsync("/connect/token", "exchanger", ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", token), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("audience", RunningServer.Orders));
        Assert.Equal("invalid_request", (string?)exchanged["error"]);
        using (var hinted = await browser.GetAsync(server.AuthorizeUrl(changes: [("id_token_hint", token), ("prompt", "none")])))
        {
            Assert.True(RunningServer.Query(hinted.Headers.Location).GetValueOrDefault("error") == "invalid_request", $"{(int)hinted.StatusCode} {hinted.Headers.Location}");
        }

        using (var signOut = await browser.GetAsync("/connect/endsession?id_token_hint=" + token))
        {
            Assert.True(signOut.StatusCode == HttpStatusCode.BadRequest || signOut.Headers.Location?.OriginalString.StartsWith("/signout", StringComparison.Ordinal) == true, $"{(int)signOut.StatusCode} {signOut.Headers.Location}");
        }

        Assert.InRange(since.Elapsed, TimeSpan.Zero, TimeLimit.Seconds(4));
    }

    // A form comes with a POST: whatever a GET says it is, nothing of it is read.
    [Theory]
    [InlineData("multipart/form-data")]
    [InlineData("multipart/form-data; boundary=x")]
    [InlineData("application/x-www-form-urlencoded; charset=utf-7")]
    public async Task UserInfo_WhenAGetSaysItIsAForm_AsksForAToken(string contentType)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/connect/userinfo")) { Content = new ByteArrayContent([]) };
        request.Headers.Add("Origin", "https://anybody.example");
        request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        using var answer = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Theory]
    [InlineData("/.well-known/openid-configuration", "https://anybody.example", "*")]
    [InlineData("/connect/jwks", "https://anybody.example", "*")]
    [InlineData("/signin", "https://client.example.com", null)]
    public async Task Cors_WhenAnotherOriginReads_AnswersAsDeclared(string path, string origin, string? allowed)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path));
        request.Headers.Add("Origin", origin);
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(allowed, answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var values) ? values.Single() : null);
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Theory]
    [InlineData("https://client.example.com", true)]
    [InlineData("http://127.0.0.1:5173", true)]
    [InlineData("http://127.0.0.1.evil.example.com", false)]
    [InlineData("http://localhost:5173", false)]
    [InlineData("https://evil.example.com", false)]
    [InlineData("null", false)]
    public async Task Cors_WhenAScriptCallsTheTokenEndpoint_OnlyItsClientsOriginsMayRead(string origin, bool allowed)
    {
        using var preflight = new HttpRequestMessage(HttpMethod.Options, new Uri(server.Address, "/connect/token"));
        preflight.Headers.Add("Origin", origin);
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        using var permitted = await server.Http.SendAsync(preflight);
        Assert.Equal(allowed, permitted.Headers.Contains("Access-Control-Allow-Origin"));

        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "refresh_token"), KeyValuePair.Create("client_id", "spa"), KeyValuePair.Create("refresh_token", "x")]) };
        request.Headers.Add("Origin", origin);
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(allowed, answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    // A library that adds a header of its own to every call has the browser ask first.
    [Theory]
    [InlineData("/.well-known/openid-configuration")]
    [InlineData("/.well-known/oauth-authorization-server")]
    [InlineData("/connect/jwks")]
    public async Task Cors_WhenAScriptReadsADocumentWithAHeaderOfItsOwn_AnyOriginMay(string path)
    {
        using var preflight = new HttpRequestMessage(HttpMethod.Options, new Uri(server.Address, path));
        preflight.Headers.Add("Origin", "https://anywhere.example");
        preflight.Headers.Add("Access-Control-Request-Method", "GET");
        preflight.Headers.Add("Access-Control-Request-Headers", "authorization,x-requested-with");
        using var permitted = await server.Http.SendAsync(preflight);
        Assert.Equal(HttpStatusCode.NoContent, permitted.StatusCode);
        Assert.Equal("*", Assert.Single(permitted.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal("GET, HEAD", Assert.Single(permitted.Headers.GetValues("Access-Control-Allow-Methods")));
        Assert.Equal("*, Authorization", Assert.Single(permitted.Headers.GetValues("Access-Control-Allow-Headers")));
        Assert.False(permitted.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Theory]
    [InlineData("/connect/token")]
    [InlineData("/connect/par")]
    [InlineData("/connect/device")]
    [InlineData("/connect/userinfo")]
    [InlineData("/connect/revoke")]
    [InlineData("/connect/introspect")]
    [InlineData("/connect/authorize")]
    [InlineData("/api/identity/login")]
    public async Task Cors_WhenAnOriginOnlyLooksLikeAClients_AnswersNothingThatItMayRead(string path)
    {
        foreach (var origin in (string[])[
            "https://client.example.com.evil.example", "https://client.example.comevil.example", "https://evilclient.example.com", "https://sub.client.example.com", "https://client.example.com:8443", "http://client.example.com",
            "https://client.example.com@evil.example", "https://client.example.com/", "https://client.example.com https://evil.example", "https://evil.example, https://client.example.com", "http://127.0.0.1.evil.example:5173", "file://", "null",
        ])
        {
            foreach (var method in (HttpMethod[])[HttpMethod.Options, HttpMethod.Post])
            {
                using var request = new HttpRequestMessage(method, new Uri(server.Address, path));
                request.Headers.TryAddWithoutValidation("Origin", origin);
                request.Headers.Add("Access-Control-Request-Method", "POST");
                request.Content = method == HttpMethod.Post ? new FormUrlEncodedContent([KeyValuePair.Create("client_id", "spa"), KeyValuePair.Create("token", "x")]) : null;
                using var answer = await server.Http.SendAsync(request);
                Assert.DoesNotContain(answer.Headers, header => header.Key.StartsWith("Access-Control-Allow-", StringComparison.OrdinalIgnoreCase));
            }
        }
    }

    // What a library of others would make an array of that many pieces for.
    [Fact]
    public async Task Cookies_ThatSayTheyComeInPieces_AreCookiesLikeAnyOther()
    {
        string[] names = ["identity", "identity-form", "identity-state", "identity-browser", "identity-ended", "identity-language", "identity-external", "identity-registered", "identity-half", "identity-remembered", "identity-demo"];
        foreach (var path in (string[])["/signin", "/register", "/forgot-password", "/account"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path));
            request.Headers.Add("Cookie", string.Join("; ", names.SelectMany(name => (string[])[$"{name}=chunks-2000000000", $"__Host-{name}=chunks-2000000000", $"{name}C1=x"])));
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal((path, path == "/account" ? HttpStatusCode.SeeOther : HttpStatusCode.OK), (path, answer.StatusCode));
        }
    }
}
