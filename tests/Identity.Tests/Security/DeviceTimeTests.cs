// RFC 8628 §3.5 (slow_down, expired_token) and §5.1 (guessing); who must be signed in, and how, before a device is let in.
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.Options;
using OtpNet;

namespace Identity.Tests.Security;

/// <summary>Servers whose clock a test moves on.</summary>
public sealed class DeviceTimeTests
{
    private const string Grant = "urn:ietf:params:oauth:grant-type:device_code";

    private static readonly string s_clients = new JsonArray(
        Client("tv"),
        Client("bank"),
        With(Client("fresh"), "default_max_age", 60)).ToJsonString();

    [Fact]
    public async Task Polls_FasterThanTold_HaveFiveSecondsMoreToWaitEachTime()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time);
        using var node = new AddressedNode(server.Url);
        var asked = await BeginAsync(node);
        foreach (var (seconds, error) in new[]
        {
            (0, "authorization_pending"), (5, "authorization_pending"), (4, "slow_down"), // From now on 10.
            (5, "slow_down"), // From now on 15.
            (15, "authorization_pending"), (14, "slow_down"), // From now on 20.
            (20, "authorization_pending"),
        })
        {
            time.Advance(TimeSpan.FromSeconds(seconds));
            Assert.Equal(error, await ErrorAsync(node, asked));
        }
    }

    [Fact]
    public async Task DeviceCode_AfterTenMinutes_HasExpiredWhateverWasAnswered()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time);
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var (waiting, allowed) = (await BeginAsync(node), await BeginAsync(node));
        time.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal(HttpStatusCode.SeeOther, await AnswerAsync(browser, allowed, "Allow"));

        // A yes does not let the code live longer.
        time.Advance(TimeSpan.FromSeconds(61));
        foreach (var asked in new[] { waiting, allowed })
        {
            Assert.Equal("expired_token", await ErrorAsync(node, asked));
            using var page = await browser.GetAsync(Link(asked));
            Assert.Equal(HttpStatusCode.UnprocessableEntity, page.StatusCode);
        }

        // Cleared away an hour later: until then the device is told why.
        time.Advance(TimeSpan.FromMinutes(50));
        Assert.Equal("expired_token", await ErrorAsync(node, waiting));
    }

    [Fact]
    public async Task UserCodes_GuessedFiftyTimesAtOnce_AreLookedUpAsOftenAsOnePersonMay()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:UserCodesPerAccount"] = "5" });
        using var node = new AddressedNode(server.Url);
        using var browser = await node.SignedInAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var answer = await browser.GetAsync("/connect/verify?user_code=BCDF-GHJK");
            return answer.StatusCode;
        }));
        Assert.Equal(5, answers.Count(status => status == HttpStatusCode.UnprocessableEntity));
        Assert.Equal(45, answers.Count(status => status == HttpStatusCode.TooManyRequests));

        // A right one tells no more, and another person is not in the way.
        using var right = await browser.GetAsync(Link(await BeginAsync(node)));
        Assert.Equal(HttpStatusCode.TooManyRequests, right.StatusCode);
        Assert.NotNull(right.Headers.RetryAfter);
        using var other = await node.SignedInAsync();
        using var theirs = await other.GetAsync(Link(await BeginAsync(node)));
        Assert.Equal(HttpStatusCode.OK, theirs.StatusCode);
    }

    [Fact]
    public async Task UserCodes_GuessedByManyPeopleFromOneAddress_AreLimitedToo()
    {
        await using var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:UserCodesPerAddress"] = "3" });
        using var node = new AddressedNode(server.Url);
        var statuses = new List<HttpStatusCode>();
        for (var person = 0; person < 4; person++)
        {
            using var browser = await node.SignedInAsync();
            using var answer = await browser.GetAsync("/connect/verify?user_code=BCDF-GHJK");
            statuses.Add(answer.StatusCode);
        }

        Assert.Equal([HttpStatusCode.UnprocessableEntity, HttpStatusCode.UnprocessableEntity, HttpStatusCode.UnprocessableEntity, HttpStatusCode.TooManyRequests], statuses);
    }

    [Fact]
    public async Task Verify_WhenTheClientWantsARecentSignIn_AsksForOneAndThenNoMore()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time);
        using var node = new AddressedNode(server.Url);
        var (_, email) = await node.RegisterAsync();
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(email, Node.Password);
        time.Advance(TimeSpan.FromMinutes(5));
        var asked = await BeginAsync(node, "fresh");
        using var stale = await browser.GetAsync(Link(asked));
        Assert.StartsWith("/signin?", stale.Headers.Location!.OriginalString, StringComparison.Ordinal);

        // The link that somebody else made for an older sign-in proves nothing of this code.
        var back = await browser.SignInAtAsync(stale.Headers.Location, email, Node.Password);
        time.Advance(TimeSpan.FromMinutes(2));
        using var foreign = await browser.GetAsync(Link(await BeginAsync(node, "fresh")) + "&interaction=" + Uri.EscapeDataString(Node.Query(back)["interaction"]));
        Assert.StartsWith("/signin?", foreign.Headers.Location!.OriginalString, StringComparison.Ordinal);

        using var answer = await browser.SubmitAsync(back.OriginalString, [], "Allow");
        Assert.Equal("/connect/verify?done=allowed", answer.Headers.Location?.OriginalString);
        var (status, tokens) = await PollAsync(node, asked, "fresh");
        Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());
        Assert.True((long)Node.Payload((string)tokens["id_token"]!)["auth_time"]! >= (time.GetUtcNow() - TimeSpan.FromMinutes(3)).ToUnixTimeSeconds());
    }

    [Fact]
    public async Task Verify_WhenTheClientRequiresASecondFactor_AsksForItOrLetsOnlyDeny()
    {
        var time = FakeTimeProvider.OfThisSecond();
        await using var server = await HostedServer.StartAsync(s_clients, time: time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["SecondFactors:RequiredForClients:0"] = "bank" });
        using var node = new AddressedNode(server.Url);
        var (_, email) = await node.RegisterAsync();
        using var browser = new Browser(server.Url);
        await browser.SignInAsync(email, Node.Password);
        var asked = await BeginAsync(node, "bank");
        using var page = await browser.GetAsync(Link(asked));
        var html = await page.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, page.StatusCode);
        Assert.Contains("asks for more proof", html, StringComparison.Ordinal);
        Assert.DoesNotContain(">Allow<", html, StringComparison.Ordinal);

        var secret = await AddAuthenticatorAsync(node, email, time);
        using var stepUp = await browser.GetAsync(Link(asked));
        Assert.StartsWith("/signin/second-factor?", stepUp.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var proven = await browser.SubmitAsync(stepUp.Headers.Location.OriginalString, new() { ["Code"] = Totp(secret, time) });
        Assert.StartsWith("/connect/verify?user_code=", proven.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var answer = await browser.SubmitAsync(proven.Headers.Location.OriginalString, [], "Allow");
        Assert.Equal("/connect/verify?done=allowed", answer.Headers.Location?.OriginalString);
        var (_, tokens) = await PollAsync(node, asked, "bank");
        Assert.Equal("urn:identity:acr:2fa", (string?)Node.Payload((string)tokens["id_token"]!)["acr"]);
    }

    [Theory]
    [InlineData("OAuth:DeviceCodeLifetime", "00:00:10", "DeviceCodeLifetime")]
    [InlineData("OAuth:DevicePollInterval", "00:02:00", "DevicePollInterval")]
    [InlineData("RateLimits:UserCodesPerAccount", "0", "UserCodesPerAccount")]
    public async Task Start_WithASettingThatCannotBeUsed_NamesIt(string name, string value, string named)
    {
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(() => HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { [name] = value }));
        Assert.Contains(failure.Failures, line => line.Contains(named, StringComparison.Ordinal));
    }

    private static async Task<string> AddAuthenticatorAsync(Node node, string email, FakeTimeProvider time)
    {
        async Task<JsonNode> PostAsync(string route, object? body, string? access)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(node.Address, "/api/identity/" + route)) { Content = body is null ? null : JsonContent.Create(body) };
            request.Headers.Authorization = access is null ? null : new AuthenticationHeaderValue("Bearer", access);
            using var answer = await node.Http.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.IsSuccessStatusCode, text);
            return JsonNode.Parse(text)!;
        }

        var access = (string)(await PostAsync("login", new { email, password = Node.Password }, access: null))["accessToken"]!;
        var begun = await PostAsync("factors/totp", body: null, access);
        var secret = (string)begun["secret"]!;
        await PostAsync("factors/totp/confirm", new { enrolmentToken = (string)begun["enrolmentToken"]!, code = Totp(secret, time) }, access);
        time.Advance(TimeSpan.FromSeconds(60));
        return secret;
    }

    private static string Totp(string secret, FakeTimeProvider time) => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(time.GetUtcNow().UtcDateTime);

    private static async Task<JsonNode> BeginAsync(Node node, string client = "tv")
    {
        var (status, body) = await node.PostAsync("/connect/device", client: null, ("client_id", client), ("scope", "openid"));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return body;
    }

    private static Task<(HttpStatusCode Status, JsonNode Body)> PollAsync(Node node, JsonNode asked, string client = "tv") =>
        node.PostAsync("/connect/token", client: null, ("grant_type", Grant), ("client_id", client), ("device_code", (string)asked["device_code"]!));

    private static async Task<string?> ErrorAsync(Node node, JsonNode asked) => (string?)(await PollAsync(node, asked)).Body["error"];

    private static async Task<HttpStatusCode> AnswerAsync(Browser browser, JsonNode asked, string button)
    {
        using var answer = await browser.SubmitAsync(Link(asked), [], button);
        return answer.StatusCode;
    }

    private static string Link(JsonNode asked) => new Uri((string)asked["verification_uri_complete"]!).PathAndQuery;

    private static JsonObject Client(string id) => new()
    {
        ["client_id"] = id,
        ["client_name"] = id.ToUpper(CultureInfo.InvariantCulture),
        ["token_endpoint_auth_method"] = "none",
        ["grant_types"] = new JsonArray(Grant),
        ["scope"] = "openid",
    };

    private static JsonObject With(JsonObject client, string name, JsonNode value)
    {
        client[name] = value;
        return client;
    }
}
