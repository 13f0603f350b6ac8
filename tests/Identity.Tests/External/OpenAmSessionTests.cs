// The wire contract's POST /api/identity/sso/openam, against OpenAM's recorded answers.
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Changes;
using Identity.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>A session token signs in while OpenAM says so, and nothing else does.</summary>
public sealed class OpenAmSessionTests
{
    private const string Validate = "POST /openam/json/sessions";
    private const string Token = "AQIC5wM2LY4SfcwITAonKhac9rvJwfadIjk9zNmsvC1EYwY.*AAJTSQACMDEAAlNLABM4MjIzMjEwODA4MTY5MzgzMDEyAAJTMQAA*";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 22, 43, 0, TimeSpan.Zero);

    [Fact]
    public async Task Token_WhenValid_SignsInByAHeaderNeverByAPath()
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));

        var (status, body, _) = await PostAsync(world, Token);

        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        Assert.Equal("alice@example.org", (string)body["user"]!["email"]!);
        Assert.True((long)body["expiresIn"]! <= 1800);
        Assert.Equal(1800, (long)body["refreshExpiresIn"]!);
        var asked = world.Provider.Requests.First();
        Assert.Equal("resource=1.2", asked.Headers["Accept-API-Version"]);
        Assert.Equal(Token, asked.Headers["iPlanetDirectoryPro"]);
        Assert.All(world.Provider.Requests, request => Assert.DoesNotContain("AQIC", request.Path + request.Query + request.Body, StringComparison.Ordinal));
        Assert.DoesNotContain(world.Logs.Lines, line => line.Contains(Token, StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, await world.Server.UserAsync(body));
    }

    [Fact]
    public async Task Token_HoweverTheNameWasTyped_IsOneAccount()
    {
        await using var world = await StartAsync();
        world.Provider.On("GET /openam/json/users/ALICE", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var spelling in (string[])["upper", "mixed", "space"])
        {
            world.Provider.On(Validate, StubAnswer.Of(Recording.Read($"session/username-case/{spelling}-validate.http")));
            var (status, body, _) = await PostAsync(world, Token);
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            ids.Add((string)body["user"]!["id"]!);
        }

        Assert.Single(ids);
    }

    // What is handed out at minute twenty ends with what it came from at minute thirty, and says so.
    [Fact]
    public async Task Tokens_WhenRefreshed_EndWhenOpenAmsTimeIsOver()
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        var (_, tokens, _) = await PostAsync(world, Token);
        world.Time.Advance(TimeSpan.FromMinutes(20));
        using var http = new HttpClient();
        using var refreshed = await http.PostAsJsonAsync(new Uri(world.Server.Url, "/api/identity/refresh-token"), new { refreshToken = (string)tokens["refreshToken"]! });
        var body = JsonNode.Parse(await refreshed.Content.ReadAsStringAsync())!;
        Assert.True(refreshed.IsSuccessStatusCode, body.ToJsonString());
        Assert.Equal((600, 600), ((long)body["expiresIn"]!, (long)body["refreshExpiresIn"]!));
    }

    [Fact]
    public async Task Token_WhereAnAddressMustBeVerifiedAndNobodyProvedIt_SignsNobodyIn()
    {
        await using var world = await StartAsync(("Accounts:RequireVerifiedEmail", "true"));
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        var (status, body, _) = await PostAsync(world, Token);
        Assert.Equal((HttpStatusCode.Forbidden, "email_not_verified"), (status, (string?)body["errorCode"]));
    }

    [Fact]
    public async Task Token_OfAnAccountWithASecondFactor_IsTheFirstHalf_AndLoginFinishesItWithinOpenAmsTime()
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        var (_, first, _) = await PostAsync(world, Token);
        using var http = new HttpClient { BaseAddress = new Uri(world.Server.Url, "/api/identity/") };
        async Task<JsonNode> CallAsync(string route, object body, string? token = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, route) { Content = JsonContent.Create(body) };
            request.Headers.Authorization = token is null ? null : new("Bearer", token);
            using var answer = await http.SendAsync(request);
            return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        }

        var begun = await CallAsync("factors/totp", new { }, (string)first["accessToken"]!);
        var app = new OtpNet.Totp(OtpNet.Base32Encoding.ToBytes((string)begun["secret"]!));
        await CallAsync("factors/totp/confirm", new { enrolmentToken = (string)begun["enrolmentToken"]!, code = app.ComputeTotp(world.Time.GetUtcNow().UtcDateTime) }, (string)first["accessToken"]!);
        world.Time.Advance(TimeSpan.FromSeconds(60));

        var (status, half, _) = await PostAsync(world, Token);
        Assert.Equal((HttpStatusCode.Unauthorized, "mfa_required"), (status, (string)half["errorCode"]!));
        Assert.Equal(["totp", "recovery_code"], half["methods"]!.AsArray().Select(method => (string)method!));
        var done = await CallAsync("login", new { mfaToken = (string)half["mfaToken"]!, code = app.ComputeTotp(world.Time.GetUtcNow().UtcDateTime) });
        Assert.True(done["accessToken"] is not null, done.ToJsonString());
        Assert.Equal(1800, (long)done["refreshExpiresIn"]!);
        Assert.Equal(HttpStatusCode.OK, await world.Server.UserAsync(done));
    }

    [Theory]
    [InlineData("session/invalid/garbage-r1.2.http", 401)]
    [InlineData("session/subrealm/validate-path-at-root-r1.2.http", 401)]
    [InlineData("session/validate-nopath/header-r2.0.http", 503)]
    [InlineData("session/validate-nopath/header-none.http", 503)]
    [InlineData("oidc/discovery/root-at-context.http", 503)]
    public async Task Token_WhenOpenAmSaysNoOrNothingOfUse_SignsNobodyIn(string file, int status)
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read(file)));
        var (answered, body, retryAfter) = await PostAsync(world, Token);
        Assert.Equal(status, (int)answered);
        Assert.Null(body["accessToken"]);
        Assert.Equal(status == 503, retryAfter is not null);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"valid\":\"true\",\"uid\":\"alice\",\"realm\":\"/\"}")]
    [InlineData("{\"valid\":true}")]
    [InlineData("{\"valid\":true,\"uid\":\"alice\"}")]
    [InlineData("{\"valid\":false,\"valid\":true,\"uid\":\"alice\",\"realm\":\"/\"}")]
    [InlineData("{\"valid\":true,\"uid\":\"\\ud800\",\"realm\":\"/\"}")]
    [InlineData("{\"valid\":true,\"uid\":\"al\\u0000ice\",\"realm\":\"/\"}")]
    [InlineData("<html>Sign in</html>")]
    [InlineData("")]
    public async Task Answer_WhenItIsNotWhatOpenAmSays_SignsNobodyIn(string body)
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, new StubAnswer(200, body));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await PostAsync(world, Token)).Status);
    }

    // Without her address she would be somebody else here, for ever.
    [Fact]
    public async Task Profile_WhileOpenAmCannotTellIt_MakesNoAccount()
    {
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        foreach (var answer in (StubAnswer[])[new(500, "<html>", "text/html"), new(503, "{}"), new(302, "")])
        {
            world.Provider.On("GET /openam/json/users/alice", answer);
            Assert.Equal((answer.Status, HttpStatusCode.ServiceUnavailable), (answer.Status, (await PostAsync(world, Token)).Status));
        }

        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        var (status, body, _) = await PostAsync(world, Token);
        Assert.Equal((HttpStatusCode.OK, "alice@example.org"), (status, (string?)body["user"]?["email"]));
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a\r\nX-Evil: 1")]
    [InlineData("../../serverinfo/*\u00e9")]
    [InlineData("\u0000")]
    public async Task Token_WhenItIsNone_IsRefusedAndOpenAmIsNotAsked(string token)
    {
        await using var world = await StartAsync();
        var (status, _, _) = await PostAsync(world, token);
        Assert.True(status is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest);
        Assert.Empty(world.Provider.Requests);
    }

    [Fact]
    public async Task OpenAm_WhenSlowOrDown_Is503WithinFiveSecondsAndRecovers()
    {
        await using var world = await StartAsync();
        var asked = new TaskCompletionSource();
        world.Provider.Routes[Validate] = async _ =>
        {
            await asked.Task;
            return new StubAnswer(200, "{\"valid\":true,\"uid\":\"alice\",\"realm\":\"/\"}");
        };
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        var (status, _, retryAfter) = await PostAsync(world, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.NotNull(retryAfter);
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TimeLimit.Seconds(5));
        asked.SetResult();

        world.Provider.IsDown = true;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await PostAsync(world, Token)).Status);
        world.Provider.IsDown = false;
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(world, Token)).Status);
    }

    [Fact]
    public async Task Account_WhenDisabledHere_IsRefusedAlthoughOpenAmGoesOnSayingYes()
    {
        // Recorded: OpenAM says valid for people whom it has disabled.
        await using var world = await StartAsync();
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/disabled-user/validate.http")));
        var (_, body, _) = await PostAsync(world, Token);
        await world.Server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(Guid.Parse((string)body["user"]!["id"]!), new AccountChange { IsActive = false }, null, new(null, null), CancellationToken.None);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(world, Token)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, await world.Server.UserAsync(body));
    }

    [Fact]
    public async Task Account_WithTheSameAddress_IsNotTakenOverByASessionToken()
    {
        await using var world = await StartAsync();
        await world.Server.RegisterAsync("alice@example.org", "a sound pass phrase 7");
        world.Provider.On(Validate, StubAnswer.Of(Recording.Read("session/validate-nopath/header-r1.2.http")));
        world.Provider.On("GET /openam/json/users/alice", StubAnswer.Of(Recording.Read("session/other-actions/users-alice.http")));
        var (status, body, _) = await PostAsync(world, Token);
        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Equal("account_not_linked", (string)body["errorCode"]!);
    }

    [Fact]
    public async Task Route_WhereNoOpenAmIsConfigured_IsNotThere()
    {
        await using var world = await ExternalWorld.StartAsync(s_time, new Dictionary<string, string>(StringComparer.Ordinal));
        Assert.Equal(HttpStatusCode.NotFound, (await PostAsync(world, Token)).Status);
    }

    private static Task<ExternalWorld> StartAsync(params (string Name, string Value)[] more) => ExternalWorld.StartAsync(s_time, new Dictionary<string, string>(more.Select(setting => KeyValuePair.Create(setting.Name, setting.Value)), StringComparer.Ordinal)
    {
        ["Federation:Providers:openam:Type"] = "session",
        ["Federation:Providers:openam:Preset"] = "openam",
        ["Federation:Providers:openam:Timeout"] = "00:00:02",
        ["Federation:Providers:openam:SessionToken:Root"] = "http://openam.example.org:18300/openam",
        ["Federation:Providers:openam:SessionToken:Realms:0"] = "/",
        ["Federation:Providers:openam:SessionToken:Lifetime"] = "00:30:00",
    });

    private static async Task<(HttpStatusCode Status, JsonNode Body, string? RetryAfter)> PostAsync(ExternalWorld world, string token)
    {
        using var http = new HttpClient();
        using var answer = await http.PostAsJsonAsync(new Uri(world.Server.Url, "/api/identity/sso/openam"), new { ssoToken = token });
        return (answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync())!, answer.Headers.RetryAfter?.ToString());
    }
}

/// <summary>What a caller does with its tokens.</summary>
internal static class TokenUse
{
    public static async Task<HttpStatusCode> UserAsync(this Kit.Hosting.HostedServer server, JsonNode tokens)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Url, "/api/identity/users/" + (string)tokens["user"]!["id"]!));
        request.Headers.Authorization = new("Bearer", (string)tokens["accessToken"]!);
        using var answer = await http.SendAsync(request);
        return answer.StatusCode;
    }
}
