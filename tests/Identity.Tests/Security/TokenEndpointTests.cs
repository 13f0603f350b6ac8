using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;

namespace Identity.Tests.Security;

/// <summary>What the token endpoint answers to bad input (RFC 6749 §3.2 and §5.2).</summary>
public sealed class TokenEndpointTests(RunningServer server)
{
    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    [InlineData("PUT")]
    public async Task TokenEndpoint_WhenNotPosted_Answers405WithAllow(string method)
    {
        using var answer = await server.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), new Uri(server.Address, "/connect/token")));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Contains("POST", answer.Content.Headers.Allow);
    }

    [Theory]
    [InlineData("application/json", "{\"grant_type\":\"client_credentials\"}")]
    [InlineData("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x--\r\n")]
    [InlineData("text/plain", "grant_type=client_credentials")]
    [InlineData("application/x-www-form-urlencoded; charset=utf-7", "grant_type=client_credentials")]
    [InlineData("application/x-www-form-urlencoded; charset=\"UTF-16\"", "grant_type=client_credentials")]
    public async Task TokenEndpoint_WhenTheBodyIsNotAForm_AnswersInvalidRequest(string type, string body)
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        await ExpectAsync(content, RunningServer.Basic("service", RunningServer.Secret), HttpStatusCode.BadRequest, "invalid_request");
    }

    [Fact]
    public async Task TokenEndpoint_WhenTheBodyIsCompressed_SaysThatThisIsWhatIsWrong()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form("grant_type=client_credentials") };
        request.Headers.Authorization = RunningServer.Basic("service", RunningServer.Secret);
        request.Content.Headers.ContentEncoding.Add("gzip");
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var error = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal("invalid_request", (string?)error["error"]);
        Assert.Contains("Content-Encoding", (string)error["error_description"]!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("grant_type=client_credentials&grant_type=client_credentials")]
    [InlineData("grant_type=client_credentials&scope=reports.read&scope=")]
    [InlineData("grant_type=client_credentials&foo=1&foo=2")]
    public async Task TokenEndpoint_WhenAParameterIsSentTwice_AnswersInvalidRequest(string body) =>
        await ExpectAsync(Form(body), RunningServer.Basic("service", RunningServer.Secret), HttpStatusCode.BadRequest, "invalid_request");

    [Fact]
    public async Task TokenEndpoint_WhenAValueIsEmpty_TreatsItAsAbsent()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form("grant_type=client_credentials&scope=&client_id=") };
        request.Headers.Authorization = RunningServer.Basic("service", RunningServer.Secret);
        using var answer = await server.Http.SendAsync(request);

        // Without scope all its scopes would be meant, whose APIs take tokens of different kinds: what counts is that an empty scope is not an invalid one.
        Assert.NotEqual("invalid_scope", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]);
    }

    [Fact]
    public async Task TokenEndpoint_WhenItAnswers_IsInNoCache()
    {
        foreach (var scope in (string[])["reports.read", "unknown"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form("grant_type=client_credentials&scope=" + scope) };
            request.Headers.Authorization = RunningServer.Basic("service", RunningServer.Secret);
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
            Assert.True(answer.Headers.CacheControl!.NoStore);
        }
    }

    [Theory]
    [InlineData("grant_type=%22%5C%0D%0A%09<x>")]
    [InlineData("grant_type=client_credentials&scope=%22%5C%0D%0A<x>")]
    public async Task TokenEndpoint_WhenItDescribesAnError_ReflectsNothingAndKeepsToTheCharacterSet(string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form(body) };
        request.Headers.Authorization = RunningServer.Basic("service", RunningServer.Secret);
        using var answer = await server.Http.SendAsync(request);
        var description = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error_description"]!;
        Assert.DoesNotContain("<x>", description, StringComparison.Ordinal);
        Assert.All(description, character => Assert.True(character is >= '\x20' and <= '\x7e' and not '"' and not '\\'));
    }

    [Fact]
    public async Task TokenEndpoint_WhenBasicCredentialsAreWrong_Answers401WithAChallenge()
    {
        foreach (var (id, secret) in ((string, string)[])[("service", "wrong"), ("nobody", RunningServer.Secret), ("SERVICE", RunningServer.Secret)])
        {
            var answer = await ExpectAsync(Form("grant_type=client_credentials"), RunningServer.Basic(id, secret), HttpStatusCode.Unauthorized, "invalid_client");
            var challenge = answer.Headers.WwwAuthenticate.Single();
            Assert.Equal("Basic", challenge.Scheme);
            Assert.Contains($"realm=\"{server.Issuer}\"", challenge.Parameter, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task TokenEndpoint_WhenBasicAndBodySecretAreSent_AnswersInvalidRequest() =>
        await ExpectAsync(Form("grant_type=client_credentials&client_id=service&client_secret=" + RunningServer.Secret), RunningServer.Basic("service", RunningServer.Secret), HttpStatusCode.BadRequest, "invalid_request");

    [Fact]
    public async Task TokenEndpoint_WhenBasicPartsHoldReservedCharacters_DecodesThemFirst()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form("grant_type=client_credentials") };
        request.Headers.Authorization = RunningServer.Basic("od:d%+", "s:e%c+r e&t-of-32-characters-ünï");
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("Basic ")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Basic !!!")]
    [InlineData("Basic Og==")]
    [InlineData("Basic /////w==")]
    [InlineData("Negotiate abc")]
    public async Task TokenEndpoint_WhenTheAuthorizationHeaderIsBroken_Answers4xx(string header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form("grant_type=client_credentials") };
        request.Headers.TryAddWithoutValidation("Authorization", header);
        using var answer = await server.Http.SendAsync(request);
        Assert.InRange((int)answer.StatusCode, 400, 499);
    }

    [Theory]
    [InlineData("password", "unsupported_grant_type")]
    [InlineData("urn:ietf:params:oauth:grant-type:device_code", "unauthorized_client")]
    [InlineData("nonsense", "unsupported_grant_type")]
    [InlineData("authorization_code", "unauthorized_client")]
    public async Task TokenEndpoint_WhenTheGrantIsNotTheClients_SaysWhich(string grantType, string error) =>
        await ExpectAsync(Form("username=a&password=b&code=c&device_code=d&grant_type=" + Uri.EscapeDataString(grantType)), RunningServer.Basic("service", RunningServer.Secret), HttpStatusCode.BadRequest, error);

    [Fact]
    public async Task TokenEndpoint_WhenAPublicClientAsksForItself_IsRefused()
    {
        var (status, body) = await server.PostAsync("/connect/token", client: null, ("grant_type", "client_credentials"), ("client_id", "spa"));
        Assert.Equal((HttpStatusCode.BadRequest, "unauthorized_client"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task TokenEndpoint_WhenTheRequestIsHuge_Answers4xxAtOnce()
    {
        string[] bodies =
        [
            "grant_type=client_credentials&scope=" + new string('a', 1024 * 1024),
            "grant_type=client_credentials&scope=" + string.Join('+', Enumerable.Range(0, 10_000).Select(i => "s" + i)),
            "grant_type=client_credentials&" + string.Join('&', Enumerable.Range(0, 10_000).Select(i => $"p{i}=1")),
        ];
        foreach (var body in bodies)
        {
            var started = System.Diagnostics.Stopwatch.GetTimestamp();
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = Form(body) };
            request.Headers.Authorization = RunningServer.Basic("service", RunningServer.Secret);
            using var answer = await server.Http.SendAsync(request);
            Assert.InRange((int)answer.StatusCode, 400, 499);
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TimeLimit.Seconds(5));
        }
    }

    [Fact]
    public async Task AccessToken_WhenIssued_IsAnRfc9068Jwt()
    {
        var token = await server.ServiceTokenAsync("notes.read");
        Assert.Equal(("at+jwt", "ES256"), ((string?)RunningServer.Header(token)["typ"], (string?)RunningServer.Header(token)["alg"]));
        var claims = RunningServer.Payload(token);
        Assert.Equal((server.Issuer, RunningServer.Notes, "service", "service", "notes.read"), ((string?)claims["iss"], (string?)claims["aud"], (string?)claims["sub"], (string?)claims["client_id"], (string?)claims["scope"]));
        Assert.Equal(3600, (long)claims["exp"]! - (long)claims["iat"]!);
        Assert.NotNull(claims["jti"]);
    }

    private static StringContent Form(string body) => new(body, Encoding.UTF8, "application/x-www-form-urlencoded");

    private async Task<HttpResponseMessage> ExpectAsync(HttpContent content, AuthenticationHeaderValue authorization, HttpStatusCode status, string error)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/token")) { Content = content };
        request.Headers.Authorization = authorization;
        var answer = await server.Http.SendAsync(request);
        var body = await answer.Content.ReadAsStringAsync();
        Assert.True(status == answer.StatusCode && (string?)JsonNode.Parse(body)!["error"] == error, $"{(int)answer.StatusCode} {body}");
        return answer;
    }
}
