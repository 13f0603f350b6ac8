using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;

namespace Identity.Tests.Security;

/// <summary>Rotation, reuse and what a refresh token dies with (RFC 6749 §6, RFC 9700 §4.14). The server runs with a grace window of two seconds.</summary>
public sealed class RefreshTests(RunningServer server)
{
    [Fact]
    public async Task Refresh_WhenUsedFiftyTimesAtOnceInsideTheWindow_LeadsToOneSuccessor()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser))["refresh_token"]!;
        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => server.RefreshAsync(token)));
        Assert.All(results, result => Assert.Equal(HttpStatusCode.OK, result.Status));
        var successor = Assert.Single(results.Select(result => (string)result.Body["refresh_token"]!).Distinct());
        Assert.NotEqual(token, successor);
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(successor)).Status);
    }

    [Fact]
    public async Task Refresh_WhenAnOlderGenerationIsReused_TheFamilyDies()
    {
        using var browser = await server.SignedInAsync();
        var first = (string)(await server.TokensAsync(browser))["refresh_token"]!;
        var second = (string)(await server.RefreshAsync(first)).Body["refresh_token"]!;
        var third = (await server.RefreshAsync(second)).Body;

        // Two generations back: no window covers it.
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(first)).Body["error"]);
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)third["refresh_token"]!)).Body["error"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)third["access_token"]!));
    }

    [Fact]
    public async Task Refresh_WhenMoreIsAskedThanWasGranted_IsRefusedAndNothingRotates()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser, scope: "openid offline_access notes.read"))["refresh_token"]!;
        Assert.Equal("invalid_scope", (string?)(await server.RefreshAsync(token, "spa", ("scope", "openid notes.write"))).Body["error"]);
        Assert.Equal("invalid_target", (string?)(await server.RefreshAsync(token, "spa", ("resource", RunningServer.Orders))).Body["error"]);
        Assert.Equal("invalid_target", (string?)(await server.RefreshAsync(token, "spa", ("resource", "https://unknown.example.com"))).Body["error"]);
        var (status, body) = await server.RefreshAsync(token, "spa", ("scope", "notes.read"));
        Assert.Equal((HttpStatusCode.OK, "notes.read"), (status, (string?)body["scope"]));
    }

    [Fact]
    public async Task Refresh_WhenAnotherClientUsesIt_IsRefusedAndStaysGood()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser))["refresh_token"]!;
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(token, "other")).Body["error"]);
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(token)).Status);
    }

    [Fact]
    public async Task Refresh_WhenItsTagIsChanged_IsRefused()
    {
        using var browser = await server.SignedInAsync();
        var token = (string)(await server.TokensAsync(browser))["refresh_token"]!;
        for (var i = 0; i < token.Length; i += 7)
        {
            var changed = token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..];
            Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(changed)).Body["error"]);
        }
    }

    [Fact]
    public async Task Refresh_WhenThePasswordWasChanged_IsDead()
    {
        var (_, email) = await server.RegisterAsync();
        using var browser = new Browser(server.Address);
        await browser.SignInAsync(email, RunningServer.Password);
        var tokens = await server.TokensAsync(browser);

        using var login = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/login"), new { email, password = RunningServer.Password });
        var access = (string)System.Text.Json.Nodes.JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]!;
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, "/api/identity/password/change")) { Content = JsonContent.Create(new { currentPassword = RunningServer.Password, newPassword = "another sound phrase 8" }) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", access);
        using var changed = await server.Http.SendAsync(request);
        Assert.True(changed.IsSuccessStatusCode, await changed.Content.ReadAsStringAsync());

        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)tokens["refresh_token"]!)).Body["error"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));
        using var silent = await browser.GetAsync(server.AuthorizeUrl(changes: ("prompt", "none")));
        Assert.Equal("login_required", RunningServer.Query(silent.Headers.Location)["error"]);
    }

    [Fact]
    public async Task Refresh_WhenTheAccountIsLocked_IsRefusedUntilItIsNot()
    {
        var (_, email) = await server.RegisterAsync();
        using var browser = new Browser(server.Address);
        await browser.SignInAsync(email, RunningServer.Password);
        var token = (string)(await server.TokensAsync(browser))["refresh_token"]!;
        for (var i = 0; i < 10; i++)
        {
            using var wrong = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/login"), new { email, password = "wrong" });
            Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        }

        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync(token)).Body["error"]);
    }

    [Fact]
    public async Task Refresh_WhenTheAccountIsDisabled_IsDeadAlsoAfterwards()
    {
        var (id, email) = await server.RegisterAsync();
        using var browser = new Browser(server.Address);
        await browser.SignInAsync(email, RunningServer.Password);
        var tokens = await server.TokensAsync(browser);
        var admin = await LoginAsync("admin@example.com");
        foreach (var isActive in (bool[])[false, true])
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, new Uri(server.Address, "/api/identity/users/" + id)) { Content = JsonContent.Create(new { isActive }) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", admin);
            using var changed = await server.Http.SendAsync(request);
            Assert.True(changed.IsSuccessStatusCode, await changed.Content.ReadAsStringAsync());
            Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)tokens["refresh_token"]!)).Body["error"]);
            Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));
        }
    }

    [Fact]
    public async Task Refresh_WhenConsentIsTakenBack_IsDeadAndOtherClientsTokensLive()
    {
        using var browser = await server.SignedInAsync();
        using (var asked = await browser.GetAsync(server.AuthorizeUrl("asks")))
        {
            Assert.StartsWith("/consent", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
            using var allowed = await browser.SubmitAsync(asked.Headers.Location.OriginalString, [], "Allow");
            Assert.Equal(HttpStatusCode.SeeOther, allowed.StatusCode);
        }

        var tokens = await server.TokensAsync(browser, "asks");
        var others = await server.TokensAsync(browser);
        using var revoked = await browser.SubmitAsync("/account/apps", [], "Disconnect");
        Assert.Equal(HttpStatusCode.SeeOther, revoked.StatusCode);
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)tokens["refresh_token"]!, "asks")).Body["error"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync((string)others["refresh_token"]!)).Status);
    }

    [Fact]
    public async Task Refresh_WhenTheSessionEnds_IsDead()
    {
        using var browser = await server.SignedInAsync();
        var tokens = await server.TokensAsync(browser);
        using var gone = await browser.SubmitAsync("/signout", []);
        Assert.Equal("invalid_grant", (string?)(await server.RefreshAsync((string)tokens["refresh_token"]!)).Body["error"]);
        Assert.Equal(HttpStatusCode.Unauthorized, await server.UserInfoAsync((string)tokens["access_token"]!));
    }

    private async Task<string> LoginAsync(string email)
    {
        using var login = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/login"), new { email, password = RunningServer.Password });
        return (string)System.Text.Json.Nodes.JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]!;
    }
}
