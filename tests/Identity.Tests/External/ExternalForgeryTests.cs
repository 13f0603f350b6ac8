// RFC 8725, RFC 9700 §4.4 and §4.5, OpenID Connect Core §3.1.3.7: what nobody gets in by.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.External;

/// <summary>Forged, replayed, mixed-up and raced answers of OpenID providers. The forgeries begin from a recorded token.</summary>
public sealed class ExternalForgeryTests : IAsyncLifetime
{
    private const string TokenRoute = "POST /openam/oauth2/access_token";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero);
    private readonly TestKey _key = new();
    private ExternalWorld _world = null!;

    public async ValueTask InitializeAsync()
    {
        var settings = ExternalWorld.Root("rp-nocons");
        foreach (var (name, value) in settings.ToArray())
        {
            settings[name.Replace(":openam:", ":other:", StringComparison.Ordinal)] = value.Replace("openam.example.org", "other.example.org", StringComparison.Ordinal);
        }

        settings["Federation:Providers:other:CallbackPath"] = "/cb-other";
        _world = await ExternalWorld.StartAsync(s_time, settings);
        _world.ServeRoot(_key.Jwks());
    }

    public async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        _key.Dispose();
    }

    public static TheoryData<string> Forgeries => [.. Makers.Keys];

    private static Dictionary<string, Func<TestKey, JsonObject, string>> Makers { get; } = new(StringComparer.Ordinal)
    {
        ["alg none"] = (_, claims) => Unsigned("none", claims),
        ["alg None"] = (_, claims) => Unsigned("None", claims),
        ["alg NONE"] = (_, claims) => Unsigned("NONE", claims),
        ["no signature"] = (key, claims) => key.Sign(claims)[..(key.Sign(claims).LastIndexOf('.') + 1)],
        ["HS256 keyed with the public key as PEM"] = (key, claims) => Hmac(Encoding.ASCII.GetBytes(key.Rsa.ExportSubjectPublicKeyInfoPem()), claims),
        ["HS256 keyed with the public key as JWK"] = (key, claims) => Hmac(Encoding.UTF8.GetBytes(key.Jwk().ToJsonString()), claims),
        ["HS256 keyed with the client's secret"] = (_, claims) => Hmac("rp-secret-78"u8.ToArray(), claims),
        ["ES256 with a signature of zeros"] = (key, claims) => Part($$"""{"alg":"ES256","kid":"{{key.Kid}}"}""") + "." + Part(claims.ToJsonString()) + "." + Base64UrlEncoder.Encode(new byte[64]),
        ["a critical header"] = (key, claims) => key.Sign($$"""{"alg":"RS256","kid":"{{key.Kid}}","crit":["x"],"x":1}""", claims.ToJsonString()),
        ["alg twice"] = (key, claims) => key.Sign($$"""{"alg":"none","alg":"RS256","kid":"{{key.Kid}}"}""", claims.ToJsonString()),
        ["sub twice"] = (key, claims) => key.Sign($$"""{"alg":"RS256","kid":"{{key.Kid}}"}""", claims.ToJsonString()[..^1] + ",\"sub\":\"bob\"}"),
        ["the algorithm in small letters"] = (key, claims) => key.Sign($$"""{"alg":"rs256","kid":"{{key.Kid}}"}""", claims.ToJsonString()),
        ["no algorithm"] = (key, claims) => key.Sign($$"""{"kid":"{{key.Kid}}"}""", claims.ToJsonString()),
        ["PS256 by an RS256 signature"] = (key, claims) => key.Sign($$"""{"alg":"PS256","kid":"{{key.Kid}}"}""", claims.ToJsonString()),
        ["a key of its own behind x5u"] = (key, claims) => Foreign(key, claims, "x5u"),
        ["a certificate of its own in x5c"] = (key, claims) => Foreign(key, claims, "x5c"),
        ["kid of nobody"] = (key, claims) => key.Sign("""{"alg":"RS256","kid":"nobody"}""", claims.ToJsonString()),
        ["kid with a path"] = (key, claims) => key.Sign("""{"alg":"RS256","kid":"../../../../dev/null"}""", claims.ToJsonString()),
        ["kid with SQL"] = (key, claims) => key.Sign("""{"alg":"RS256","kid":"' OR 1=1 --"}""", claims.ToJsonString()),
        ["another key under the right kid"] = (key, claims) => Foreign(key, claims, header: null),
        ["a key of its own in jwk"] = (key, claims) => Foreign(key, claims, "jwk"),
        ["a key of its own behind jku"] = (key, claims) => Foreign(key, claims, "jku"),
        ["a changed payload"] = (key, claims) => Swap(key.Sign(claims), With(claims, "sub", "bob")),
        ["another issuer"] = (key, claims) => key.Sign(With(claims, "iss", "http://evil.example.org/openam/oauth2")),
        ["the issuer of another realm"] = (key, claims) => key.Sign(With(claims, "iss", ExternalWorld.SubIssuer)),
        ["another realm"] = (key, claims) => key.Sign(With(claims, "realm", "/partners")),
        ["no realm"] = (key, claims) => key.Sign(With(claims, "realm", null)),
        ["another audience"] = (key, claims) => key.Sign(With(claims, "aud", "rp-other")),
        ["two audiences and no azp"] = (key, claims) => key.Sign(With(With(claims, "aud", new JsonArray("rp-nocons", "rp-other")), "azp", null)),
        ["another azp"] = (key, claims) => key.Sign(With(claims, "azp", "rp-other")),
        ["no exp"] = (key, claims) => key.Sign(With(claims, "exp", null)),
        ["exp at the end of time, and iat too"] = (key, claims) => key.Sign(With(With(claims, "exp", long.MaxValue), "iat", long.MaxValue)),
        ["exp that is no number"] = (key, claims) => key.Sign(With(claims, "exp", "tomorrow")),
        ["exp past"] = (key, claims) => key.Sign(With(claims, "exp", s_time.AddMinutes(-2).ToUnixTimeSeconds())),
        ["iat to come"] = (key, claims) => key.Sign(With(claims, "iat", s_time.AddMinutes(5).ToUnixTimeSeconds())),
        ["no iat"] = (key, claims) => key.Sign(With(claims, "iat", null)),
        ["nbf to come"] = (key, claims) => key.Sign(With(claims, "nbf", s_time.AddMinutes(5).ToUnixTimeSeconds())),
        ["no sub"] = (key, claims) => key.Sign(With(claims, "sub", null)),
        ["an empty sub"] = (key, claims) => key.Sign(With(claims, "sub", "")),
        ["an endless sub"] = (key, claims) => key.Sign(With(claims, "sub", new string('a', 300))),
        ["another sub than userinfo"] = (key, claims) => key.Sign(With(claims, "sub", "bob")),
        ["no nonce"] = (key, claims) => key.Sign(With(claims, "nonce", null)),
        ["another nonce"] = (key, claims) => key.Sign(With(claims, "nonce", "n-other")),
        ["another at_hash"] = (key, claims) => key.Sign(With(claims, "at_hash", "AAAAAAAAAAAAAAAAAAAAAA")),
        ["a compressed JWE"] = (_, claims) => Part("""{"alg":"dir","enc":"A256GCM","zip":"DEF"}""") + "..AAAA." + Part(claims.ToJsonString()) + ".AAAA",
        ["half a megabyte of header"] = (key, claims) => key.Sign($$"""{"alg":"RS256","kid":"{{key.Kid}}","x":"{{new string('x', 400_000)}}"}""", claims.ToJsonString()),
        ["no JWT at all"] = (_, _) => "!!!.!!!.!!!",
        ["a header that is no object"] = (key, claims) => key.Sign("[]", claims.ToJsonString()),
    };

    [Theory]
    [MemberData(nameof(Forgeries))]
    public async Task IdToken_WhenForged_SignsNobodyIn(string forgery)
    {
        var recorded = Recording.Read("oidc/variants/username-upper-token.http");
        var answer = recorded.Json;
        answer["id_token"] = Makers[forgery](_key, recorded.Claims);
        _world.Provider.On(TokenRoute, new StubAnswer(200, answer.ToJsonString()));
        _world.Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read("oidc/variants/username-upper-userinfo.http")));
        using var browser = _world.NewBrowser();

        var location = await _world.SignInAsync(browser, (string)recorded.Claims["nonce"]!, ExternalWorld.Issuer);

        Assert.Contains(await ExternalWorld.ProblemAsync(browser, location), (string[])["Refused", "Setup", "Unavailable"]);
        Assert.Null(await ExternalWorld.PersonAsync(browser));
        Assert.DoesNotContain(_world.Provider.Requests, request => request.Path.Contains("attacker", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Answer_WhenItComesTwice_IsWorthNothingTheSecondTime()
    {
        var (browser, url) = await AnswerAsync();
        using var first = await browser.GetAsync(url);
        Assert.Equal("/account", first.Headers.Location!.OriginalString);
        using var second = await browser.GetAsync(url);
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, second.Headers.Location!));
        Assert.Single(_world.Provider.Requests, request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        browser.Dispose();
    }

    [Fact]
    public async Task Answer_When50SendItAtOnce_IsRedeemedOnce()
    {
        var (browser, url) = await AnswerAsync();
        var cookies = browser.Cookies.GetCookieHeader(_world.Server.Url);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, MaxConnectionsPerServer = 50 });
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_world.Server.Url, url));
            request.Headers.Add("Cookie", cookies);
            using var answer = await http.SendAsync(request);
            return answer.Headers.Location!.OriginalString;
        }));
        Assert.Single(answers, answer => answer == "/account");
        Assert.Equal(49, answers.Count(answer => answer.Contains("problem=Expired", StringComparison.Ordinal)));
        Assert.Single(_world.Provider.Requests, request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        browser.Dispose();
    }

    [Fact]
    public async Task Answer_WhenAnotherBrowserBringsIt_SignsNobodyIn()
    {
        var (browser, url) = await AnswerAsync();
        using var victim = _world.NewBrowser();
        using var answer = await victim.GetAsync(url);
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(victim, answer.Headers.Location!));
        Assert.Null(await ExternalWorld.PersonAsync(victim));
        Assert.DoesNotContain(_world.Provider.Requests, request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        browser.Dispose();
    }

    [Fact]
    public async Task Answer_WhenItIsOld_SignsNobodyIn()
    {
        var (browser, url) = await AnswerAsync();
        _world.Time.Advance(TimeSpan.FromMinutes(31));
        using var answer = await browser.GetAsync(url);
        Assert.Equal("Expired", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        browser.Dispose();
    }

    [Fact]
    public async Task MixUp_WhenTheAnswerOfOneProviderComesToTheOther_NoCodeIsSent()
    {
        var (browser, url) = await AnswerAsync();

        // At the other's address; with the other's name; and without a name where one was announced.
        foreach (var mixed in (string[])[url.Replace("/cb?", "/cb-other?", StringComparison.Ordinal), url.Replace("openam.example.org", "other.example.org", StringComparison.Ordinal)])
        {
            using var answer = await browser.GetAsync(mixed);
            Assert.Contains(await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!), (string[])["Expired", "Refused"]);
        }

        Assert.DoesNotContain(_world.Provider.Requests, request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        browser.Dispose();
    }

    [Fact]
    public async Task Answer_ByPost_WhichNobodyAskedFor_IsRefused()
    {
        // OpenAM answers by form_post too, with the code in the form's address as well.
        var (browser, url) = await AnswerAsync();
        using var post = new HttpRequestMessage(HttpMethod.Post, new Uri(_world.Server.Url, "/cb")) { Content = new StringContent(url["/cb?".Length..], Encoding.UTF8, "application/x-www-form-urlencoded") };
        using var answer = await browser.SendAsync(post);
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        Assert.DoesNotContain(_world.Provider.Requests, request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        browser.Dispose();
    }

    [Theory]
    [InlineData("state=")]
    [InlineData("state=x")]
    [InlineData("code=")]
    [InlineData("")]
    public async Task Answer_WithoutStateOrCode_IsRefused(string query)
    {
        var (browser, url) = await AnswerAsync();
        var state = Node.Query(new Uri(_world.Server.Url, url))["state"];
        using var answer = await browser.GetAsync($"/cb?iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&{(query.StartsWith("code", StringComparison.Ordinal) ? "state=" + Uri.EscapeDataString(state) : "code=c")}&{query}");
        Assert.Contains(await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!), (string[])["Refused", "Expired"]);
        Assert.DoesNotContain(_world.Provider.Requests, request => request.Path.EndsWith("/access_token", StringComparison.Ordinal));
        browser.Dispose();
    }

    [Fact]
    public async Task Iss_WhenAnnounced_IsRequired()
    {
        var discovery = JsonNode.Parse(Recording.Text("oidc/discovery-root.json"))!;
        discovery["authorization_response_iss_parameter_supported"] = true;
        _world.Provider.On("GET /openam/oauth2/.well-known/openid-configuration", new StubAnswer(200, discovery.ToJsonString()));
        var (browser, url) = await AnswerAsync();
        using var answer = await browser.GetAsync(string.Join('&', url.Split('&').Where(pair => !pair.StartsWith("iss=", StringComparison.Ordinal))));
        Assert.Equal("Refused", await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
        browser.Dispose();
    }

    private async Task<(Browser Browser, string Url)> AnswerAsync()
    {
        var recorded = Recording.Read("oidc/variants/username-upper-token.http");
        var json = recorded.Json;
        json["id_token"] = _key.Resign(recorded.IdToken);
        _world.Provider.On(TokenRoute, new StubAnswer(200, json.ToJsonString()));
        _world.Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read("oidc/variants/username-upper-userinfo.http")));
        _world.Ids.Nonce = (string)recorded.Claims["nonce"]!;
        var browser = _world.NewBrowser();
        var sent = await ExternalWorld.BeginAsync(browser);
        return (browser, $"/cb?code=c&iss={Uri.EscapeDataString(ExternalWorld.Issuer)}&state={Uri.EscapeDataString(sent["state"])}");
    }

    private static JsonObject With(JsonObject claims, string name, JsonNode? value)
    {
        var changed = claims.DeepClone().AsObject();
        changed.Remove(name);
        if (value is not null)
        {
            changed[name] = value;
        }

        return changed;
    }

    private static string Part(string json) => Base64UrlEncoder.Encode(json);

    private static string Unsigned(string algorithm, JsonObject claims) => Part($$"""{"alg":"{{algorithm}}"}""") + "." + Part(claims.ToJsonString()) + ".";

    private static string Hmac(byte[] secret, JsonObject claims)
    {
        var signed = Part("""{"alg":"HS256","typ":"JWT"}""") + "." + Part(claims.ToJsonString());
        return signed + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(signed)));
    }

    private static string Foreign(TestKey key, JsonObject claims, string? header)
    {
        using var foreign = new TestKey();
        var more = header switch
        {
            "jwk" => ",\"jwk\":" + foreign.Jwk().ToJsonString(),
            "x5u" => ",\"x5u\":\"http://openam.example.org:18300/attacker/keys\"",
            "x5c" => ",\"x5c\":[\"" + SamlIdp.CertificateOf(foreign.Rsa) + "\"]",
            "jku" => ",\"jku\":\"http://openam.example.org:18300/attacker/keys\"",
            _ => "",
        };
        return foreign.Sign($$"""{"alg":"RS256","kid":"{{(header is null ? key.Kid : foreign.Kid + "x")}}"{{more}}}""", claims.ToJsonString());
    }

    private static string Swap(string token, JsonObject claims)
    {
        var parts = token.Split('.');
        return parts[0] + "." + Part(claims.ToJsonString()) + "." + parts[2];
    }
}
