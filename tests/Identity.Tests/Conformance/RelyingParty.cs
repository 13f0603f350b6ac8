// OpenID Connect Core 1.0 §3.1, RFC 6749 §4.1 and §5, RFC 9207, Form Post Response Mode 1.0: what every module of the suite does and checks.
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Conformance;

/// <summary>How an authorization request ended.</summary>
/// <param name="Request">What was sent.</param>
/// <param name="Pages">The pages that a person had to fill in on the way: sign-in, consent.</param>
/// <param name="Target">Where the answer went; null: nowhere, a page was shown.</param>
/// <param name="Parameters">The answer's parameters.</param>
/// <param name="Status">Of a page that was shown in its place.</param>
/// <param name="Html">That page.</param>
public sealed record AuthorizationAnswer(
    IReadOnlyDictionary<string, string> Request,
    IReadOnlyList<string> Pages,
    string? Target,
    IReadOnlyDictionary<string, string> Parameters,
    HttpStatusCode Status,
    string Html);

/// <summary>Tokens that passed every check.</summary>
public sealed record CheckedTokens(string AccessToken, string IdToken, JsonObject Claims, JsonObject Body, string Code)
{
    public string? RefreshToken => (string?)Body["refresh_token"];
}

/// <summary>A client as the suite plays it, with the browser of one module: cookies of its own, and a person who signs in and allows when asked.</summary>
public sealed class RelyingParty : IDisposable
{
    private static readonly string[] IdTokenClaims =
    [
        "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "nbf", "jti", "sid", "txn",
    ];

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
    public async Task<AuthorizationAnswer> SendAsync(IReadOnlyDictionary<string, string> request, bool post = false)
    {
        var endpoint = (string)_world.Metadata["authorization_endpoint"]!;
        var pages = new List<string>();
        var answer = post
            ? await _world.Http.PostAsync(new Uri(endpoint), new FormUrlEncodedContent(request))
            : await Browser.GetAsync(endpoint + "?" + string.Join('&', request.Select(pair => pair.Key + "=" + Uri.EscapeDataString(pair.Value))));
        for (var hops = 0; hops < 10; hops++)
        {
            if (answer.StatusCode is not (HttpStatusCode.SeeOther or HttpStatusCode.Found))
            {
                var html = await answer.Content.ReadAsStringAsync();
                var status = answer.StatusCode;
                answer.Dispose();
                return FormOf(html) is var (target, fields) && status == HttpStatusCode.OK
                    ? new(request, pages, target, fields, status, html)
                    : new(request, pages, null, new Dictionary<string, string>(StringComparer.Ordinal), status, html);
            }

            var next = answer.Headers.Location!;
            answer.Dispose();
            if (!next.OriginalString.StartsWith('/'))
            {
                // Registered query parameters stay in the address; the answer's come after them.
                return new(request, pages, next.OriginalString.Split('?')[0], RunningServer.Query(next), answer.StatusCode, "");
            }

            switch (next.OriginalString.Split('?')[0])
            {
                case "/signin":
                    pages.Add("sign-in");
                    answer = await Browser.SubmitAsync(next.OriginalString, new() { ["username"] = ConformanceWorld.Email, ["current-password"] = ConformanceWorld.Password });
                    break;
                case "/consent":
                    pages.Add("consent");
                    answer = await Browser.SubmitAsync(next.OriginalString, [], button: "Allow");
                    break;
                default:
                    answer = await Browser.GetAsync(next.OriginalString);
                    break;
            }
        }

        throw new InvalidOperationException("The request goes round and round: " + string.Join(", ", pages));
    }

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
        CheckDescription(answer.Parameters.GetValueOrDefault("error_description"));
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
        var idToken = (string)body["id_token"]!;
        var claims = await CheckIdTokenAsync(idToken, (string)body["access_token"]!, code, answer.Request.GetValueOrDefault("nonce"));
        return new CheckedTokens((string)body["access_token"]!, idToken, claims, body, code);
    }

    public Task<JsonObject> RefreshAsync(string token, params (string Name, string Value)[] more) => TokenAsync([("grant_type", "refresh_token"), ("refresh_token", token), .. more]);

    /// <summary>An answer of the token endpoint that must be good.</summary>
    public async Task<JsonObject> TokenAsync(params (string Name, string Value)[] fields)
    {
        using var answer = await PostTokenAsync(fields);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{(int)answer.StatusCode} {text}");
        CheckTokenHeaders(answer);
        var body = JsonNode.Parse(text)!.AsObject();
        Assert.Equal("Bearer", (string?)body["token_type"]);
        Assert.True((long)body["expires_in"]! > 0);
        var access = (string)body["access_token"]!;
        Assert.True(Entropy(access) >= 96);
        Assert.All(access, character => Assert.InRange(character, '\x20', '\x7e'));
        return body;
    }

    /// <summary>An answer of the token endpoint that must be <c>invalid_grant</c>, in the form of RFC 6749 §5.2.</summary>
    public async Task ExpectInvalidGrantAsync(params (string Name, string Value)[] fields)
    {
        using var answer = await PostTokenAsync(fields);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        CheckTokenHeaders(answer);
        var body = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();
        Assert.Equal("invalid_grant", (string?)body["error"]);
        Assert.Empty(body.Select(member => member.Key).Except(["error", "error_description", "error_uri"]));
        CheckDescription((string?)body["error_description"]);
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
        CheckClaimTypes(claims);
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

    /// <summary>Bits, as the suite counts them: Shannon's entropy of the characters times the length.</summary>
    public static double Entropy(string value) =>
        value.GroupBy(character => character).Sum(group => -(double)group.Count() / value.Length * Math.Log2((double)group.Count() / value.Length)) * value.Length;

    /// <summary>An unsigned JWT, as the suite makes request objects.</summary>
    public static string WithoutSignature(JsonObject claims) => Base64UrlEncoder.Encode("{\"alg\":\"none\"}") + "." + Base64UrlEncoder.Encode(claims.ToJsonString()) + ".";

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

    private async Task<JsonObject> CheckIdTokenAsync(string idToken, string accessToken, string code, string? nonce)
    {
        using var keysAnswer = await _world.Http.GetAsync(new Uri((string)_world.Metadata["jwks_uri"]!));
        var keys = new JsonWebKeySet(await keysAnswer.Content.ReadAsStringAsync());
        var header = RunningServer.Header(idToken);
        Assert.Equal("RS256", (string?)header["alg"]);
        var key = Assert.Single(keys.Keys, key => key.Kid == (string?)header["kid"]);
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(idToken, new TokenValidationParameters
        {
            ValidIssuer = (string)_world.Metadata["issuer"]!,
            ValidAudience = ClientId,
            IssuerSigningKey = key,
            ValidAlgorithms = ["RS256"],
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);

        var claims = RunningServer.Payload(idToken);
        var now = _world.Clock.GetUtcNow().ToUnixTimeSeconds();
        Assert.Equal(_world.Subject, (string?)claims["sub"]);
        Assert.InRange((long)claims["exp"]!, now + 1, now + (50L * 365 * 86400));
        Assert.InRange((long)claims["iat"]!, now - 300, now + 300);
        Assert.InRange((long)claims["auth_time"]!, now - (365 * 86400), now);
        Assert.Equal(nonce, (string?)claims["nonce"]);
        Assert.NotEmpty((string)claims["acr"]!);
        Assert.NotEmpty((string)claims["sid"]!);
        CheckHash(claims, "at_hash", accessToken);
        CheckHash(claims, "c_hash", code);

        // OpenID Connect Core §5.4: with an access token the claims of scopes are userinfo's. The suite warns of an address or a name in here that nobody asked for by name.
        Assert.Empty(claims.Select(claim => claim.Key).Except(IdTokenClaims));
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

    // OpenID Connect Core §5.1: an unset claim is left out, never empty or null.
    private void CheckClaimTypes(JsonObject claims)
    {
        foreach (var (name, value) in claims)
        {
            switch (name)
            {
                case "email_verified" or "phone_number_verified":
                    Assert.True(value!.GetValueKind() is JsonValueKind.True or JsonValueKind.False, name);
                    break;
                case "updated_at":
                    Assert.InRange((long)value!, 1, _world.Clock.GetUtcNow().ToUnixTimeSeconds());
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

    private static void CheckTokenHeaders(HttpResponseMessage answer)
    {
        Assert.Equal(MediaTypeNames.Application.Json, answer.Content.Headers.ContentType!.MediaType);
        Assert.True(answer.Headers.CacheControl!.NoStore);
    }

    // RFC 6749 §4.1.2.1 and §5.2: %x20-21 / %x23-5B / %x5D-7E.
    private static void CheckDescription(string? description) =>
        Assert.All(description ?? "", character => Assert.True(character is >= '\x20' and <= '\x7e' and not '"' and not '\\', $"'{character}' in: {description}"));

    private static (string Target, Dictionary<string, string> Fields)? FormOf(string html)
    {
        var document = new HtmlParser().ParseDocument(html);
        if (document.GetElementById("form-post") is not IHtmlFormElement form)
        {
            return null;
        }

        // The default encoding is application/x-www-form-urlencoded, which the callback must be sent in.
        Assert.Equal("post", form.GetAttribute("method"));
        Assert.False(form.HasAttribute("enctype"));
        Assert.Contains(document.Scripts, script => script.Source?.StartsWith("/js/form-post.js", StringComparison.Ordinal) == true);
        return (form.GetAttribute("action")!, form.QuerySelectorAll("input").OfType<IHtmlInputElement>().ToDictionary(input => input.Name!, input => input.Value, StringComparer.Ordinal));
    }
}
