// FAPI 2.0 Security Profile §5.3.2 and §5.3.3, FAPI 2.0 Message Signing §5.3 and §5.4, RFC 9126, RFC 9449: what every module of these plans does and checks.
using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>An answer to a client, as far as modules look at it.</summary>
public sealed record ClientAnswer(HttpStatusCode Status, JsonObject Body, HttpResponseHeaders Headers, string? MediaType)
{
    public string? Error => (string?)Body["error"];

    public string Text(string member) => (string)Body[member]!;

    /// <summary>One of these errors, in the form of RFC 6749 §5.2: 400, or 401 where the client did not prove itself.</summary>
    public void IsError(params string[] errors)
    {
        Assert.True(errors.Contains(Error, StringComparer.Ordinal), $"{(int)Status} {Body.ToJsonString()}, and not {string.Join(", ", errors)}");
        Assert.True(Status == HttpStatusCode.BadRequest || (Status == HttpStatusCode.Unauthorized && Error == "invalid_client"), $"{(int)Status} {Error}");
        Assert.Equal(MediaTypeNames.Application.Json, MediaType);
        Assert.Empty(Body.Select(member => member.Key).Except(["error", "error_description", "error_uri"]));
        AnswerChecks.Description((string?)Body["error_description"]);
    }
}

/// <summary>A pushed request.</summary>
public sealed record PushedRequest(JsonObject Request, string Address);

/// <summary>Tokens of a flow that passed every check.</summary>
public sealed record BoundTokens(string AccessToken, string? RefreshToken, JsonObject IdToken, string Code);

/// <summary>A client as the suite plays it in the plans of FAPI 2.0: it pushes, it proves itself by its key, and it holds a key for its tokens.</summary>
internal sealed class Fapi2Client : IDisposable
{
    public const string AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    public const string Scope = "openid offline_access";

    // RSA keys are slow to make: a module takes others of these where it wants others.
    private static readonly DPoPKey[] Keys = [new("PS256"), new("PS256"), new("PS256")];

    private readonly ConformanceWorld _world;
    private readonly bool _signs;
    private readonly bool _isSecond;
    private readonly JsonObject _metadata;
    private readonly CertificationKey _key;
    private readonly string _verifier = Base64UrlEncoder.Encode(RandomNumberGenerator.GetBytes(96));

    /// <param name="world">Whom it asks.</param>
    /// <param name="signs">Of the plan Message Signing: it signs its requests, and gets signed answers.</param>
    /// <param name="isSecond">The other one, with another key and another redirect_uri.</param>
    public Fapi2Client(ConformanceWorld world, bool signs, bool isSecond = false)
    {
        ClientId = (signs ? "certification-signing" : "certification-fapi") + (isSecond ? "-2" : "");
        (_world, _signs, _isSecond, Signs, GetsSignedAnswers) = (world, signs, isSecond, signs, signs);
        _metadata = CertificationClients.Find(ClientId);
        _key = CertificationClients.KeyOf(ClientId);
        RedirectUri = (string)_metadata["redirect_uris"]![isSecond ? 1 : 0]!;
        HoldsKey = Keys[isSecond ? 1 : 0];
        Browser = new Browser(world.Address);
    }

    public Browser Browser { get; }

    public string ClientId { get; }

    public string RedirectUri { get; }

    /// <summary>Whether its requests are signed.</summary>
    public bool Signs { get; init; }

    /// <summary>Whether it asks for signed answers.</summary>
    public bool GetsSignedAnswers { get; init; }

    /// <summary>The key that its tokens are bound to.</summary>
    public DPoPKey HoldsKey { get; set; }

    /// <summary>What proves that it asks.</summary>
    public CertificationKey Key => _key;

    public static DPoPKey OtherKey => Keys[2];

    private long Now => _world.Clock.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>The other client of the plan.</summary>
    public Fapi2Client Other() => new(_world, _signs, !_isSecond);

    public string Endpoint(string name) => (string)_world.Metadata[name + "_endpoint"]!;

    public void Dispose() => Browser.Dispose();

    /// <summary>What every module asks for, changed.</summary>
    public JsonObject Request(params (string Name, JsonNode? Value)[] changes)
    {
        var request = new JsonObject
        {
            ["client_id"] = ClientId,
            ["redirect_uri"] = RedirectUri,
            ["scope"] = Scope,
            ["state"] = RandomNumberGenerator.GetHexString(_isSecond ? 128 : 10),
            ["nonce"] = RandomNumberGenerator.GetHexString(_isSecond ? 43 : 10),
            ["response_type"] = "code",
            ["code_challenge"] = Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(_verifier))),
            ["code_challenge_method"] = "S256",
        };
        if (GetsSignedAnswers)
        {
            request["response_mode"] = "jwt";
        }

        foreach (var (name, value) in changes)
        {
            if (value is null)
            {
                request.Remove(name);
            }
            else
            {
                request[name] = value;
            }
        }

        return request;
    }

    /// <summary>What proves the client; its audience is the issuer, as text.</summary>
    /// <param name="claims">Changes it.</param>
    /// <param name="by">Another algorithm of its key.</param>
    public string Assertion(Action<JsonObject>? claims = null, string? by = null)
    {
        var body = new JsonObject { ["iss"] = ClientId, ["sub"] = ClientId, ["aud"] = _world.Issuer, ["jti"] = RandomNumberGenerator.GetHexString(20), ["nbf"] = Now, ["iat"] = Now, ["exp"] = Now + 60 };
        claims?.Invoke(body);
        return _key.Sign(body, by: by);
    }

    /// <summary>The request as its client signs it.</summary>
    public JsonObject RequestObject(JsonObject request)
    {
        var claims = request.DeepClone().AsObject();
        if (_isSecond)
        {
            claims["iat"] = Now;
        }

        (claims["nbf"], claims["exp"], claims["aud"], claims["iss"], claims["client_id"]) = (Now, Now + 300, _world.Issuer, ClientId, ClientId);
        return claims;
    }

    public string Sign(JsonObject requestObject) => _key.Sign(requestObject, _isSecond ? "OautH-auThZ-REQ+jWt" : null);

    /// <summary>A proof for an endpoint.</summary>
    public string Proof(string address, string method = "POST", string? accessToken = null, Action<JsonObject>? header = null, Action<JsonObject>? claims = null) =>
        HoldsKey.Proof(method, address, _world.Clock.GetUtcNow(), accessToken, header, claims);

    /// <summary>Pushes a request, signed or as it is.</summary>
    public Task<ClientAnswer> PushAsync(JsonObject request, string? proof = null, string? assertion = null) =>
        PushFormAsync(Signs ? [("request", Sign(RequestObject(request)))] : Fields(request), proof, assertion);

    public Task<ClientAnswer> PushFormAsync((string Name, string Value)[] fields, string? proof = null, string? assertion = null, HttpMethod? method = null) =>
        SendAsync(method ?? HttpMethod.Post, Endpoint("pushed_authorization_request"), [.. fields, .. Proven(assertion ?? Assertion())], proof);

    /// <summary>The parameters of a request, as a form has them.</summary>
    public static (string Name, string Value)[] Fields(JsonObject request) => [.. request.Select(member => (member.Key, Text(member.Value!)))];

    /// <summary>The pushed request that must have come of it.</summary>
    public static PushedRequest Pushed(JsonObject request, ClientAnswer answer)
    {
        Assert.True(answer.Status == HttpStatusCode.Created, $"{(int)answer.Status} {answer.Body.ToJsonString()}");
        Assert.Equal(MediaTypeNames.Application.Json, answer.MediaType);
        Assert.InRange((int)answer.Body["expires_in"]!, 5, 600);
        Assert.True(AnswerChecks.Entropy(answer.Text("request_uri")) > 96);
        return new(request, answer.Text("request_uri"));
    }

    public async Task<PushedRequest> PushSoundAsync(JsonObject request, string? proof = null, string? assertion = null) => Pushed(request, await PushAsync(request, proof, assertion));

    /// <summary>Brings a pushed request to the authorization endpoint, with what OpenID Connect wants repeated outside, and answers every page.</summary>
    /// <param name="pushed">It.</param>
    /// <param name="repeats">False: nothing but client_id and request_uri.</param>
    /// <param name="reverse">The parameters the other way round.</param>
    /// <param name="decline">The person says no.</param>
    /// <param name="outside">What else is said in the address.</param>
    public async Task<AuthorizationAnswer> GoAsync(PushedRequest pushed, bool repeats = true, bool reverse = false, bool decline = false, params (string Name, string Value)[] outside)
    {
        var parameters = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["request_uri"] = pushed.Address, ["client_id"] = ClientId };
        foreach (var name in repeats ? (string[])["redirect_uri", "response_type", "scope"] : [])
        {
            if ((string?)pushed.Request[name] is { } value)
            {
                parameters[name] = value;
            }
        }

        foreach (var (name, value) in outside)
        {
            parameters[name] = value;
        }

        var sent = (reverse ? parameters.Reverse() : parameters).ToDictionary(StringComparer.Ordinal);
        return await OpenAsync(await AuthorizationAnswer.OfAsync(_world, Browser, sent, decline: decline));
    }

    /// <summary>A request that is not pushed.</summary>
    public async Task<AuthorizationAnswer> GoPlainAsync(JsonObject request) =>
        await OpenAsync(await AuthorizationAnswer.OfAsync(_world, Browser, Fields(request).ToDictionary(field => field.Name, field => field.Value, StringComparer.Ordinal)));

    /// <summary>Pushes, and goes there.</summary>
    public async Task<(AuthorizationAnswer Answer, JsonObject Request)> AuthorizeAsync(params (string Name, JsonNode? Value)[] changes)
    {
        var request = Request(changes);
        return (await GoAsync(await PushSoundAsync(request)), request);
    }

    /// <summary>A code, with the request's state and the issuer, at its redirect_uri and in the way that it asked for.</summary>
    public string Code(AuthorizationAnswer answer, JsonObject request)
    {
        Assert.True(answer.Target == RedirectUri.Split('?')[0], $"{(int)answer.Status} {answer.Target} {string.Join(' ', answer.Parameters)} {answer.Html}");
        string[] registered = _isSecond ? ["dummy1", "dummy2"] : [];
        string[] expected = ["code", "iss", .. request.ContainsKey("state") ? ["state"] : Array.Empty<string>(), .. registered];
        Assert.Equal(expected.Order(StringComparer.Ordinal), answer.Parameters.Keys.Where(name => name is not ("aud" or "exp")).Order(StringComparer.Ordinal));
        Assert.Equal((string?)request["state"], answer.Parameters.GetValueOrDefault("state"));
        Assert.Equal(_world.Issuer, answer.Parameters["iss"]);
        if (_isSecond)
        {
            Assert.Equal(("lorem", "ipsum"), (answer.Parameters["dummy1"], answer.Parameters["dummy2"]));
        }

        var code = answer.Parameters["code"];
        Assert.True(code.Length * 8 >= 128 && AnswerChecks.Entropy(code) > 96);
        return code;
    }

    /// <summary>One of these errors at the client's address, with its state; nothing that the specs do not name.</summary>
    public void IsError(AuthorizationAnswer answer, JsonObject request, params string[] errors)
    {
        Assert.True(answer.Target == RedirectUri.Split('?')[0], $"{(int)answer.Status} {answer.Target} {answer.Html}");
        Assert.True(errors.Contains(answer.Parameters["error"], StringComparer.Ordinal), string.Join(' ', answer.Parameters));
        Assert.Empty(answer.Parameters.Keys.Except(["error", "error_description", "error_uri", "state", "iss", "aud", "exp", .. _isSecond ? ["dummy1", "dummy2"] : Array.Empty<string>()]));
        Assert.Equal(_world.Issuer, answer.Parameters["iss"]);
        AnswerChecks.Description(answer.Parameters.GetValueOrDefault("error_description"));

        // It may be missing where nothing of the pushed request is known any more.
        var state = answer.Parameters.GetValueOrDefault("state");
        Assert.True(state == (string?)request["state"] || (state is null && answer.Parameters["error"] is "invalid_request_uri" or "invalid_request_object"), state);
    }

    /// <summary>Asks for tokens.</summary>
    /// <param name="fields">The grant.</param>
    /// <param name="proof">The DPoP header; "": none; null: a sound one.</param>
    /// <param name="assertion">What proves the client; "": nothing; null: a sound one.</param>
    public Task<ClientAnswer> TokenAsync((string Name, string Value)[] fields, string? proof = null, string? assertion = null) => SendAsync(
        HttpMethod.Post,
        Endpoint("token"),
        [.. fields, .. assertion is "" ? [] : Proven(assertion ?? Assertion())],
        proof is "" ? null : proof ?? Proof(Endpoint("token")));

    /// <summary>The grant that a code is.</summary>
    public (string Name, string Value)[] CodeGrant(string code) => [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", RedirectUri), ("code_verifier", _verifier)];

    /// <summary>Tokens that must have come of a code.</summary>
    public async Task<BoundTokens> TokensAsync(ClientAnswer answer, string code, JsonObject request, params string[] named)
    {
        AreSound(answer);
        var refresh = answer.Text("refresh_token");
        var algorithm = (string)_metadata["id_token_signed_response_alg"]!;
        Assert.Contains(algorithm, (string[])["PS256", "ES256"]);
        var claims = await AnswerChecks.IdTokenAsync(_world, ClientId, algorithm, answer.Body, code, (string?)request["nonce"], named);
        return new(answer.Text("access_token"), refresh, claims, code);
    }

    /// <summary>Redeems a code in the right way.</summary>
    public async Task<BoundTokens> RedeemAsync(AuthorizationAnswer answer, JsonObject request, params string[] named)
    {
        var code = Code(answer, request);
        return await TokensAsync(await TokenAsync(CodeGrant(code)), code, request, named);
    }

    /// <summary>A whole flow: request, answer, tokens, resource.</summary>
    public async Task<BoundTokens> SignInAsync(params (string Name, JsonNode? Value)[] changes)
    {
        var (answer, request) = await AuthorizeAsync(changes);
        return await FinishAsync(answer, request);
    }

    public async Task<BoundTokens> FinishAsync(AuthorizationAnswer answer, JsonObject request)
    {
        var tokens = await RedeemAsync(answer, request);
        var resource = await ResourceAsync(tokens.AccessToken);
        Assert.Equal(HttpStatusCode.OK, resource.Status);
        Assert.NotNull(resource.Headers.Date);
        Assert.Equal((string?)tokens.IdToken["sub"], resource.Text("sub"));
        return tokens;
    }

    /// <summary>An answer of the token endpoint that must be good.</summary>
    public static void AreSound(ClientAnswer answer)
    {
        Assert.True(answer.Status == HttpStatusCode.OK, $"{(int)answer.Status} {answer.Body.ToJsonString()}");
        Assert.Equal(MediaTypeNames.Application.Json, answer.MediaType);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        Assert.Equal("DPoP", answer.Text("token_type"));
        Assert.True((long)answer.Body["expires_in"]! > 0);
        foreach (var token in (string[])[answer.Text("access_token"), .. answer.Body["refresh_token"] is { } refresh ? [(string)refresh!] : Array.Empty<string>()])
        {
            Assert.True(token.Length * 8 >= 128 && AnswerChecks.Entropy(token) > 96);
            Assert.All(token, character => Assert.InRange(character, '\x20', '\x7e'));
        }
    }

    /// <summary>Calls userinfo, which stands for any resource.</summary>
    /// <param name="accessToken">The token.</param>
    /// <param name="proofs">Its DPoP headers; null: one sound proof.</param>
    /// <param name="scheme">How the token is sent.</param>
    /// <param name="change">Changes the request.</param>
    public async Task<ClientAnswer> ResourceAsync(string accessToken, string[]? proofs = null, string scheme = "DPoP", Action<HttpRequestMessage>? change = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Endpoint("userinfo"));
        request.Headers.Authorization = new AuthenticationHeaderValue(scheme, accessToken);
        foreach (var proof in proofs ?? [ResourceProof(accessToken)])
        {
            request.Headers.TryAddWithoutValidation("DPoP", proof);
        }

        change?.Invoke(request);
        return await ReadAsync(request);
    }

    public string ResourceProof(string accessToken, Action<JsonObject>? header = null, Action<JsonObject>? claims = null) => Proof(Endpoint("userinfo"), "GET", accessToken, header, claims);

    private static (string Name, string Value)[] Proven(string assertion) => [("client_assertion_type", AssertionType), ("client_assertion", assertion)];

    private static string Text(JsonNode value) => value is JsonValue text ? (string)text! : value.ToJsonString();

    private async Task<ClientAnswer> SendAsync(HttpMethod method, string address, (string Name, string Value)[] fields, string? proof)
    {
        using var request = new HttpRequestMessage(method, address) { Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
        if (proof is not null)
        {
            request.Headers.TryAddWithoutValidation("DPoP", proof);
        }

        return await ReadAsync(request);
    }

    private async Task<ClientAnswer> ReadAsync(HttpRequestMessage request)
    {
        using var answer = await _world.Http.SendAsync(request);
        var type = answer.Content.Headers.ContentType?.MediaType;
        var text = await answer.Content.ReadAsStringAsync();
        return new(answer.StatusCode, type == MediaTypeNames.Application.Json && text.Length > 0 ? JsonNode.Parse(text)!.AsObject() : [], answer.Headers, type);
    }

    // JARM §2.4: what a signed answer says, in the place of what was sent.
    private async Task<AuthorizationAnswer> OpenAsync(AuthorizationAnswer answer)
    {
        if (!answer.Parameters.TryGetValue("response", out var response))
        {
            // An error may come unsigned where nothing is known of how it was asked for.
            Assert.True(!GetsSignedAnswers || !answer.Parameters.ContainsKey("code"));
            return answer;
        }

        Assert.True(GetsSignedAnswers);
        Assert.Empty(answer.Parameters.Keys.Except(["response", "dummy1", "dummy2"]));
        var keys = new JsonWebKeySet(await _world.Http.GetStringAsync(new Uri((string)_world.Metadata["jwks_uri"]!)));
        var algorithm = (string)_metadata["authorization_signed_response_alg"]!;
        Assert.Contains(algorithm, (string[])["PS256", "ES256"]);
        var result = await new JsonWebTokenHandler { MapInboundClaims = false }.ValidateTokenAsync(response, new TokenValidationParameters
        {
            ValidIssuer = _world.Issuer,
            ValidAudience = ClientId,
            IssuerSigningKey = Assert.Single(keys.Keys, key => key.Kid == (string?)RunningServer.Header(response)["kid"]),
            ValidAlgorithms = [algorithm],
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        var claims = RunningServer.Payload(response);

        // §2.1: ten minutes at most; time enough to read it.
        Assert.InRange((long)claims["exp"]! - Now, 30, 600);
        var parameters = answer.Parameters.Where(pair => pair.Key != "response").Concat(claims.Select(claim => KeyValuePair.Create(claim.Key, claim.Value!.ToString())));
        return answer with { Parameters = parameters.ToDictionary(StringComparer.Ordinal) };
    }
}
