using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Security;

/// <summary>The device authorization grant (RFC 8628) as a device and a person meet it.</summary>
public sealed class DeviceGrantTests(RunningServer server)
{
    private const string Grant = "urn:ietf:params:oauth:grant-type:device_code";

    [Fact]
    public async Task DeviceGrant_WhenThePersonAllows_BringsTokensOfTheirSession()
    {
        using var browser = await server.SignedInAsync();
        var session = Node.Payload((string)(await server.TokensAsync(browser))["id_token"]!);
        var asked = await BeginAsync();
        Assert.Equal((600, 5), ((int)asked["expires_in"]!, (int)asked["interval"]!));
        Assert.Matches("^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$", (string)asked["user_code"]!);
        Assert.Equal(server.Issuer + "/connect/verify", (string?)asked["verification_uri"]);
        Assert.Equal(server.Issuer + "/connect/verify?user_code=" + (string)asked["user_code"]!, (string?)asked["verification_uri_complete"]);
        Assert.Equal("authorization_pending", await ErrorAsync(asked));

        await AnswerAsync(browser, asked, "Allow", "allowed");
        var (status, tokens) = await PollAsync(asked);
        Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());
        var claims = Node.Payload((string)tokens["id_token"]!);
        foreach (var name in (string[])["sub", "sid", "auth_time", "acr", "amr"])
        {
            Assert.Equal(session[name]!.ToJsonString(), claims[name]!.ToJsonString());
        }

        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync((string)tokens["access_token"]!));
        var (refreshed, next) = await server.RefreshAsync((string)tokens["refresh_token"]!, "tv");
        Assert.True(refreshed == HttpStatusCode.OK, next.ToJsonString());
    }

    [Fact]
    public async Task DeviceGrant_WhenThePersonDenies_IsToldAccessDenied()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        await AnswerAsync(browser, asked, "Do not allow", "denied");
        Assert.Equal("access_denied", await ErrorAsync(asked));
        Assert.Equal("access_denied", await ErrorAsync(asked));
        using var again = await browser.GetAsync(Link(asked));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, again.StatusCode);
    }

    [Fact]
    public async Task DeviceCode_WhenPolledFiftyTimesAtOnce_IsToldToSlowDownFortyNineTimes()
    {
        var asked = await BeginAsync();
        var errors = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ErrorAsync(asked)));
        Assert.Single(errors, error => error == "authorization_pending");
        Assert.Equal(49, errors.Count(error => error == "slow_down"));
    }

    [Fact]
    public async Task DeviceCode_WhenRedeemedFiftyTimesAtOnce_WorksOnce()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        await AnswerAsync(browser, asked, "Allow", "allowed");
        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => PollAsync(asked)));
        var (_, tokens) = Assert.Single(results, result => result.Status == HttpStatusCode.OK);
        Assert.All(results.Where(result => result.Status != HttpStatusCode.OK), result => Assert.Equal("invalid_grant", (string?)result.Body["error"]));
        Assert.Equal("invalid_grant", await ErrorAsync(asked));
        Assert.Equal(HttpStatusCode.OK, await server.UserInfoAsync((string)tokens["access_token"]!));
    }

    [Fact]
    public async Task UserCode_WhenAnsweredManyTimesAtOnce_IsAnsweredOnce()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        var (page, fields) = await FormAsync(browser, asked);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async number =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, number % 2 == 0 ? page.Allow : page.Deny)) { Content = new FormUrlEncodedContent(fields) };
            using var answer = await browser.SendAsync(request);
            return (answer.StatusCode, answer.Headers.Location?.OriginalString);
        }));
        var (status, location) = Assert.Single(answers, answer => answer.StatusCode == HttpStatusCode.SeeOther);
        Assert.All(answers.Where(answer => answer.StatusCode != status), answer => Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode));
        var (polled, body) = await PollAsync(asked);
        Assert.True(location!.EndsWith("done=allowed", StringComparison.Ordinal) ? polled == HttpStatusCode.OK : (string?)body["error"] == "access_denied", location + body.ToJsonString());
    }

    [Fact]
    public async Task DeviceCode_WhenAnotherClientPolls_IsRefusedAndStaysGood()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        Assert.Equal("invalid_grant", await ErrorAsync(asked, "tv-other"));
        Assert.Equal("authorization_pending", await ErrorAsync(asked));
        await AnswerAsync(browser, asked, "Allow", "allowed");
        Assert.Equal("invalid_grant", await ErrorAsync(asked, "tv-other"));
        Assert.Equal(HttpStatusCode.OK, (await PollAsync(asked)).Status);
        Assert.Equal("invalid_grant", await ErrorAsync(asked, "tv-other"));
    }

    [Fact]
    public async Task DeviceGrant_WhenTheClientHasASecret_MustProveIt()
    {
        var (refused, error) = await server.PostAsync("/connect/device", client: null, ("client_id", "tv-secret"), ("scope", "openid"));
        Assert.Equal((HttpStatusCode.Unauthorized, "invalid_client"), (refused, (string?)error["error"]));
        var (status, asked) = await server.PostAsync("/connect/device", "tv-secret", ("scope", "openid notes.read"), ("resource", RunningServer.Notes));
        Assert.True(status == HttpStatusCode.OK, asked.ToJsonString());
        var (_, bare) = await server.PostAsync("/connect/token", client: null, ("grant_type", Grant), ("client_id", "tv-secret"), ("device_code", (string)asked["device_code"]!));
        Assert.Equal("invalid_client", (string?)bare["error"]);

        using var browser = await server.SignedInAsync();
        await AnswerAsync(browser, asked, "Allow", "allowed");
        var (redeemed, tokens) = await server.PostAsync("/connect/token", "tv-secret", ("grant_type", Grant), ("device_code", (string)asked["device_code"]!));
        Assert.True(redeemed == HttpStatusCode.OK, tokens.ToJsonString());
        var access = Node.Payload((string)tokens["access_token"]!);
        Assert.Equal((RunningServer.Notes, "notes.read"), ((string?)access["aud"], (string?)access["scope"]));
        Assert.Null(tokens["refresh_token"]);
    }

    [Theory]
    [InlineData("spa", "openid", "", "unauthorized_client")]
    [InlineData("tv", "openid orders.read", "", "invalid_scope")]
    [InlineData("tv", "openid nonsense", "", "invalid_scope")]
    [InlineData("tv", "openid notes.read", "https://api.example.com/none", "invalid_target")]
    [InlineData("nobody", "openid", "", "invalid_client")]
    public async Task DeviceAuthorization_WhenItAsksForWhatItMayNotHave_IsRefused(string client, string scope, string resource, string error)
    {
        (string, string)[] fields = [("client_id", client), ("scope", scope), .. resource.Length > 0 ? [("resource", resource)] : Array.Empty<(string, string)>()];
        var (_, body) = await server.PostAsync("/connect/device", client: null, fields);
        Assert.Equal(error, (string?)body["error"]);
        Assert.Null(body["error_uri"]);
    }

    [Theory]
    [InlineData("/connect/device")]
    [InlineData("/connect/deviceauthorization")]
    public async Task DeviceEndpoint_WhenAskedTheWrongWay_SaysSo(string path)
    {
        using var get = await server.Http.GetAsync(new Uri(server.Address, path));
        Assert.Equal((HttpStatusCode.MethodNotAllowed, "POST"), (get.StatusCode, get.Content.Headers.Allow.Single()));
        using var json = await server.Http.PostAsync(new Uri(server.Address, path), new StringContent("{}", MediaTypeHeaderValue.Parse("application/json")));
        Assert.Equal(HttpStatusCode.BadRequest, json.StatusCode);
        var (twice, body) = await server.PostAsync(path, client: null, ("client_id", "tv"), ("scope", "openid"), ("scope", "email"));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (twice, (string?)body["error"]));
        using var right = await server.Http.PostAsync(new Uri(server.Address, path), new FormUrlEncodedContent([KeyValuePair.Create("client_id", "tv")]));
        Assert.Equal(HttpStatusCode.OK, right.StatusCode);
        Assert.True(right.Headers.CacheControl!.NoStore);
        Assert.Equal("application/json", right.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task DeviceEndpoint_WhenAScriptAsks_AnswersTheOriginsOfItsClient()
    {
        foreach (var (origin, allowed) in new[] { ("https://tv.example.com", true), ("https://evil.example", false) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/connect/device")) { Content = new FormUrlEncodedContent([KeyValuePair.Create("client_id", "tv")]) };
            request.Headers.Add("Origin", origin);
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal(allowed, answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var value) && value.Single() == origin);
        }

        using var page = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/connect/verify"));
        page.Headers.Add("Origin", "https://tv.example.com");
        using var closed = await server.Http.SendAsync(page);
        Assert.False(closed.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Verify_WhenNobodyIsSignedIn_TellsNothingOfTheCode()
    {
        var asked = await BeginAsync();
        using var browser = new Browser(server.Address);
        foreach (var code in (string[])[(string)asked["user_code"]!, "BCDF-GHJK"])
        {
            using var answer = await browser.GetAsync("/connect/verify?user_code=" + code);
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
            Assert.StartsWith("/signin?returnUrl=", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Verify_ByTheLink_StillAsksAfterTheSignIn()
    {
        var (_, email) = await server.RegisterAsync();
        var asked = await BeginAsync();
        using var browser = new Browser(server.Address);
        using var first = await browser.GetAsync(Link(asked));
        var back = await browser.SignInAtAsync(first.Headers.Location!, email, Node.Password);
        using var page = await browser.GetAsync(back.OriginalString);
        var html = await page.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Contains("Living room", html, StringComparison.Ordinal);
        Assert.Contains((string)asked["user_code"]!, html, StringComparison.Ordinal);
        Assert.Contains("see your e-mail address", html, StringComparison.OrdinalIgnoreCase);
        Assert.True(page.Headers.CacheControl!.NoStore);
        Assert.Equal("authorization_pending", await ErrorAsync(asked));
    }

    [Fact]
    public async Task Verify_WhenTheCodeIsTyped_TakesItInAnyCase()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        var typed = " " + ((string)asked["user_code"]!).ToLowerInvariant().Replace("-", " ", StringComparison.Ordinal);
        using var answer = await browser.SubmitAsync("/connect/verify", new() { ["user_code"] = typed }, "Continue");
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/connect/verify?user_code=" + (string)asked["user_code"]!, answer.Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("BCDF-GHJK")]
    [InlineData("12345678")]
    [InlineData("\"><script>")]
    [InlineData("\ufffe")]
    public async Task Verify_WhenTheCodeIsWrong_SaysWhatToDo(string code)
    {
        using var browser = await server.SignedInAsync();
        using var linked = await browser.GetAsync("/connect/verify?user_code=" + Uri.EscapeDataString(code));
        Assert.InRange((int)linked.StatusCode, 200, 499);
        using var answer = await browser.SubmitAsync("/connect/verify", new() { ["user_code"] = code }, "Continue");
        var html = await answer.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Contains("This code does not work", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>\"", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_WithoutAntiforgeryOrFromAnotherSite_ChangesNothing()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        var (page, fields) = await FormAsync(browser, asked);
        using var bare = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, page.Allow)) { Content = new FormUrlEncodedContent([KeyValuePair.Create("user_code", (string)asked["user_code"]!)]) };
        using var refused = await browser.SendAsync(bare);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        using var foreign = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, page.Allow)) { Content = new FormUrlEncodedContent(fields) };
        foreign.Headers.Add("Sec-Fetch-Site", "cross-site");
        using var alsoRefused = await browser.SendAsync(foreign);
        Assert.Equal(HttpStatusCode.BadRequest, alsoRefused.StatusCode);
        Assert.Equal("authorization_pending", await ErrorAsync(asked));
    }

    [Fact]
    public async Task Verify_WhenAskedByMethodsThatAreNone_Says405()
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, new Uri(server.Address, "/connect/verify"));
        using var answer = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        using var twice = await server.Http.GetAsync(new Uri(server.Address, "/connect/verify?user_code=A&user_code=B"));
        Assert.Equal(HttpStatusCode.BadRequest, twice.StatusCode);
    }

    [Fact]
    public async Task DeviceCodes_WhenFedIntoAnotherSlot_AreRefused()
    {
        using var browser = await server.SignedInAsync();
        var asked = await BeginAsync();
        foreach (var value in (string[])[(string)asked["device_code"]!, (string)asked["user_code"]!, ((string)asked["user_code"]!).Replace("-", "", StringComparison.Ordinal)])
        {
            Assert.Equal("invalid_grant", (string?)(await server.RedeemAsync(value)).Body["error"]);
            Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(value)).Body["error"]);
            Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync(value));
        }

        foreach (var value in (string[])[await server.CodeAsync(browser), (string)asked["user_code"]!, (string)(await server.TokensAsync(browser))["refresh_token"]!, "nonsense", new('a', 70_000)])
        {
            var (status, body) = await server.PostAsync("/connect/token", client: null, ("grant_type", Grant), ("client_id", "tv"), ("device_code", value));
            Assert.True(status is HttpStatusCode.BadRequest && (string?)body["error"] is "invalid_grant" or "invalid_request", body.ToJsonString());
        }

        Assert.Equal("authorization_pending", await ErrorAsync(asked));
    }

    [Theory]
    [InlineData("sign-out")]
    [InlineData("consent")]
    [InlineData("account")]
    public async Task DeviceCode_WhenWhatItStandsForEnds_IsRefused(string how)
    {
        var (id, email) = await server.RegisterAsync();
        using var browser = new Browser(server.Address);
        await browser.SignInAsync(email, Node.Password);
        var (_, asked) = await server.PostAsync("/connect/device", client: null, ("client_id", "tv-asks"), ("scope", "openid email"));
        await AnswerAsync(browser, asked, "Allow", "allowed");
        switch (how)
        {
            case "sign-out":
                using (await browser.SubmitAsync("/signout", [], "Sign out"))
                {
                }

                break;
            case "consent":
                using (var gone = await browser.SubmitAsync("/account/apps", [], "Disconnect"))
                {
                    Assert.True((int)gone.StatusCode < 400);
                }

                break;
            default:
                using (var login = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/login"), new { email = "admin@example.com", password = Node.Password }))
                using (var request = new HttpRequestMessage(HttpMethod.Put, new Uri(server.Address, "/api/identity/users/" + id)) { Content = JsonContent.Create(new { isActive = false }) })
                {
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]!);
                    using var changed = await server.Http.SendAsync(request);
                    Assert.True(changed.IsSuccessStatusCode, await changed.Content.ReadAsStringAsync());
                }

                break;
        }

        var (status, body) = await server.PostAsync("/connect/token", client: null, ("grant_type", Grant), ("client_id", "tv-asks"), ("device_code", (string)asked["device_code"]!));
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, (string?)body["error"]));
    }

    [Fact]
    public async Task Discovery_AnnouncesTheDeviceEndpointAndGrant()
    {
        var document = JsonNode.Parse(await server.Http.GetStringAsync(new Uri(server.Address, "/.well-known/openid-configuration")))!;
        Assert.Equal(server.Issuer + "/connect/device", (string?)document["device_authorization_endpoint"]);
        Assert.Contains(Grant, document["grant_types_supported"]!.AsArray().Select(grant => (string)grant!));
        Assert.Null(document["device_authorization_endpoint_auth_methods_supported"]);
    }

    private static string Link(JsonNode asked) => new Uri((string)asked["verification_uri_complete"]!).PathAndQuery;

    private async Task<JsonNode> BeginAsync()
    {
        var (status, body) = await server.PostAsync("/connect/device", client: null, ("client_id", "tv"), ("scope", "openid email offline_access"));
        Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
        return body;
    }

    private Task<(HttpStatusCode Status, JsonNode Body)> PollAsync(JsonNode asked, string client = "tv") =>
        server.PostAsync("/connect/token", client: null, ("grant_type", Grant), ("client_id", client), ("device_code", (string)asked["device_code"]!));

    private async Task<string?> ErrorAsync(JsonNode asked, string client = "tv")
    {
        var (status, body) = await PollAsync(asked, client);
        Assert.True(status == HttpStatusCode.BadRequest, body.ToJsonString());
        return (string?)body["error"];
    }

    private static async Task AnswerAsync(Browser browser, JsonNode asked, string button, string done)
    {
        using var answer = await browser.SubmitAsync(Link(asked), [], button);
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        Assert.Equal("/connect/verify?done=" + done, answer.Headers.Location!.OriginalString);
        using var page = await browser.GetAsync(answer.Headers.Location.OriginalString);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
    }

    private static async Task<((string Allow, string Deny) Page, Dictionary<string, string> Fields)> FormAsync(Browser browser, JsonNode asked)
    {
        using var page = await browser.GetAsync(Link(asked));
        var document = new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync());
        var form = document.Forms.Single(candidate => candidate.QuerySelector("button[formaction]") is not null);
        return (
            (form.GetAttribute("action")!, form.QuerySelector("button[formaction]")!.GetAttribute("formaction")!),
            form.QuerySelectorAll("input").ToDictionary(input => input.GetAttribute("name")!, input => input.GetAttribute("value") ?? "", StringComparer.Ordinal));
    }
}
