// OpenID Connect Core 1.0 §3.1, RFC 6749 §4.1 and §5, RFC 9207, Form Post Response Mode 1.0: what every module of the suite does and checks.
using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Identity.Tests.Conformance;

/// <summary>Tokens that passed every check.</summary>
public sealed record CheckedTokens(string AccessToken, string IdToken, JsonObject Claims, JsonObject Body, string Code)
{
    public string? RefreshToken => (string?)Body["refresh_token"];
}

/// <summary>A client as the suite plays it, with the browser of one module: cookies of its own, and a person who signs in and allows when asked.</summary>
public sealed class RelyingParty : IDisposable
{
    private readonly ConformanceWorld _world;
    private readonly bool _formPost;
    private readonly bool _ownsBrowser;
    private readonly string _secret;

    private RelyingParty(ConformanceWorld world, string clientId, bool formPost, Browser? browser)
    {
        var client = CertificationClients.Find(clientId);
        (_world, _formPost, _ownsBrowser) = (world, formPost, browser is null);
        ClientId = clientId;
        Method = (string)client["token_endpoint_auth_method"]!;
        RedirectUri = (string)client["redirect_uris"]![0]!;
        PostLogoutRedirectUri = (string?)client["post_logout_redirect_uris"]?[0];
        _secret = (string)client["client_secret"]!;
        Browser = browser ?? new Browser(world.Address);
    }

    public RelyingParty(ConformanceWorld world, string clientId = "certification", bool formPost = false)
        : this(world, clientId, formPost, browser: null)
    {
    }

    public Browser Browser { get; }

    public string ClientId { get; }

    public string Method { get; }

    public string RedirectUri { get; }

    public string? PostLogoutRedirectUri { get; }

    /// <summary>Another client in the same browser.</summary>
    public RelyingParty Beside(string clientId) => new(_world, clientId, _formPost, Browser);

    /// <summary>What every module sends, changed. No PKCE.</summary>
    public Dictionary<string, string> Request(params (string Name, string? Value)[] changes)
    {
        var request = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["client_id"] = ClientId,
            ["redirect_uri"] = RedirectUri,
            ["scope"] = "openid",
            ["state"] = RandomNumberGenerator.GetHexString(20),
            ["nonce"] = RandomNumberGenerator.GetHexString(20),
            ["response_type"] = "code",
        };
        if (_formPost)
        {
            request["response_mode"] = "form_post";
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

    public Task<AuthorizationAnswer> AuthorizeAsync(params (string Name, string? Value)[] changes) => SendAsync(Request(changes));

    /// <summary>Sends the request and answers every page on the way.</summary>
    /// <param name="request">The parameters, in this order.</param>
    /// <param name="post">By a form from another site: without the cookies that SameSite=Lax keeps back.</param>
    public Task<AuthorizationAnswer> SendAsync(IReadOnlyDictionary<string, string> request, bool post = false) => AuthorizationAnswer.OfAsync(_world, Browser, request, post);

    /// <summary>A whole flow with every check: request, answer, tokens, userinfo.</summary>
    public async Task<(CheckedTokens Tokens, AuthorizationAnswer Answer)> SignInAsync(params (string Name, string? Value)[] changes)
    {
        var answer = await AuthorizeAsync(changes);
        return (await FinishAsync(answer), answer);
    }

    public async Task<CheckedTokens> FinishAsync(AuthorizationAnswer answer, params (string Name, string Value)[] more)
    {
        CheckSuccess(answer);
        var tokens = await RedeemAsync(answer, more);
        await UserInfoAsync(tokens);
        return tokens;
    }

    /// <summary>Nothing but a code, the state and the issuer, at the right address and in the right way.</summary>
    public void CheckSuccess(AuthorizationAnswer answer)
    {
        Assert.True(answer.Target == RedirectUri, $"{(int)answer.Status} {answer.Target} {string.Join(' ', answer.Parameters)} {answer.Html}");
        Assert.Equal(_formPost ? HttpStatusCode.OK : HttpStatusCode.Found, answer.Status);
        Assert.Equal(["code", "iss", "state"], answer.Parameters.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(answer.Request["state"], answer.Parameters["state"]);
        Assert.Equal(_world.Issuer, answer.Parameters["iss"]);
    }

    /// <summary>An error told to the client: one of these codes, and nothing beside that the specs do not name.</summary>
    public void CheckError(AuthorizationAnswer answer, params string[] errors)
    {
        Assert.True(answer.Target == RedirectUri, $"{(int)answer.Status} {answer.Target} {answer.Html}");
        Assert.Equal(_formPost ? HttpStatusCode.OK : HttpStatusCode.Found, answer.Status);
        Assert.Contains(answer.Parameters["error"], errors);
        Assert.Empty(answer.Parameters.Keys.Except(["error", "error_description", "error_uri", "state", "iss"]));
        Assert.Equal(answer.Request.GetValueOrDefault("state"), answer.Parameters.GetValueOrDefault("state"));
        Assert.Equal(_world.Issuer, answer.Parameters["iss"]);
        AnswerChecks.Description(answer.Parameters.GetValueOrDefault("error_description"));
    }

    /// <summary>A page of ours in place of an answer: the address cannot be trusted.</summary>
    public static void CheckErrorPage(AuthorizationAnswer answer, string says)
    {
        Assert.Null(answer.Target);
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Contains(says, answer.Html, StringComparison.Ordinal);
    }

    public async Task<CheckedTokens> RedeemAsync(AuthorizationAnswer answer, params (string Name, string Value)[] more)
    {
        var code = answer.Parameters["code"];
        var body = await TokenAsync([("grant_type", "authorization_code"), ("code", code), ("redirect_uri", RedirectUri), .. more]);
        var claims = await AnswerChecks.IdTokenAsync(_world, ClientId, "RS256", body, code, answer.Request.GetValueOrDefault("nonce"));
        return new CheckedTokens((string)body["access_token"]!, (string)body["id_token"]!, claims, body, code);
    }

    public Task<JsonObject> RefreshAsync(string token, params (string Name, string Value)[] more) => TokenAsync([("grant_type", "refresh_token"), ("refresh_token", token), .. more]);

    /// <summary>An answer of the token endpoint that must be good.</summary>
    public async Task<JsonObject> TokenAsync(params (string Name, string Value)[] fields)
    {
        using var answer = await PostTokenAsync(fields);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{(int)answer.StatusCode} {text}");
        AnswerChecks.TokenHeaders(answer);
        var body = JsonNode.Parse(text)!.AsObject();
        Assert.Equal("Bearer", (string?)body["token_type"]);
        Assert.True((long)body["expires_in"]! > 0);
        var access = (string)body["access_token"]!;
        Assert.True(AnswerChecks.Entropy(access) >= 96);
        Assert.All(access, character => Assert.InRange(character, '\x20', '\x7e'));
        return body;
    }

    /// <summary>An answer of the token endpoint that must be <c>invalid_grant</c>, in the form of RFC 6749 §5.2.</summary>
    public async Task ExpectInvalidGrantAsync(params (string Name, string Value)[] fields)
    {
        using var answer = await PostTokenAsync(fields);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        AnswerChecks.TokenHeaders(answer);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();
        Assert.Equal("invalid_grant", (string?)body["error"]);
        Assert.Empty(body.Select(member => member.Key).Except(["error", "error_description", "error_uri"]));
        AnswerChecks.Description((string?)body["error_description"]);
    }

    /// <summary>Userinfo must know the token, and tell of the person that the ID token names.</summary>
    /// <param name="tokens">The flow's.</param>
    /// <param name="method">GET, or POST.</param>
    /// <param name="inForm">The token in a form, and not in the header.</param>
    public async Task<JsonObject> UserInfoAsync(CheckedTokens tokens, string method = "GET", bool inForm = false)
    {
        using var answer = await CallUserInfoAsync(tokens.AccessToken, method, inForm);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(MediaTypeNames.Application.Json, answer.Content.Headers.ContentType!.MediaType);
        var claims = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();
        Assert.Equal((string?)tokens.Claims["sub"], (string?)claims["sub"]);
        AnswerChecks.ClaimTypes(_world, claims);
        return claims;
    }

    public async Task<HttpResponseMessage> CallUserInfoAsync(string accessToken, string method = "GET", bool inForm = false)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri((string)_world.Metadata["userinfo_endpoint"]!));
        if (inForm)
        {
            request.Content = new FormUrlEncodedContent([KeyValuePair.Create("access_token", accessToken)]);
        }
        else
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", accessToken);
        }

        return await _world.Http.SendAsync(request);
    }

    public void Dispose()
    {
        if (_ownsBrowser)
        {
            Browser.Dispose();
        }
    }

    private async Task<HttpResponseMessage> PostTokenAsync((string Name, string Value)[] fields)
    {
        var form = fields.Select(field => KeyValuePair.Create(field.Name, field.Value));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri((string)_world.Metadata["token_endpoint"]!));
        if (Method == "client_secret_post")
        {
            form = form.Append(KeyValuePair.Create("client_id", ClientId)).Append(KeyValuePair.Create("client_secret", _secret));
        }
        else
        {
            request.Headers.Authorization = RunningServer.Basic(ClientId, _secret);
        }

        request.Content = new FormUrlEncodedContent(form);
        return await _world.Http.SendAsync(request);
    }
}
