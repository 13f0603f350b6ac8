// Security catalogue, Web: line breaks make no new log line or mail header; Host and X-Forwarded-* of strangers change nothing that people are sent.
using System.Net;
using System.Net.Http.Json;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests.Security;

/// <summary>What strangers write into names, addresses and headers, looked for in mails, logs and answers.</summary>
public sealed class InjectionTests(RunningServer server)
{
    [Theory]
    [InlineData("\r\n")]
    [InlineData("\n")]
    [InlineData("\r")]
    [InlineData("\u2028")]
    [InlineData("\u0085")]
    [InlineData("\0")]
    public async Task LoginName_WithALineBreak_MakesNoNewLineInTheLog(string lineBreak)
    {
        var marker = "forged" + Guid.NewGuid().ToString("N");
        foreach (var login in new[] { $"ada{lineBreak}{marker}", $"ada@example.com{lineBreak}{marker}" })
        {
            using var api = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/login"), new { userName = login, password = "x" });
            Assert.InRange((int)api.StatusCode, 400, 499);
            using var browser = new Browser(server.Address);
            using var page = await browser.SubmitAsync("/signin", new() { ["username"] = login, ["current-password"] = "x" });
            Assert.InRange((int)page.StatusCode, 400, 499);
            await server.PostAsync("/connect/token", null, ("grant_type", login), ("client_id", login));
            using var agent = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/connect/authorize?client_id=" + Uri.EscapeDataString(login)));
            using var authorize = await server.Http.SendAsync(agent);
            Assert.InRange((int)authorize.StatusCode, 400, 499);
        }

        Assert.DoesNotContain(server.Output.Split('\n', '\r', '\u2028', '\u0085'), line => line.StartsWith(marker, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("eve{0}Bcc: victim@example.com@example.com")]
    [InlineData("eve@example.com{0}Bcc: victim@example.com")]
    [InlineData("eve@example.com{0}{0}A whole new body")]
    [InlineData("\"eve{0}Bcc: victim@example.com\"@example.com")]
    [InlineData("eve@example.com, victim@example.com")]
    [InlineData("eve@example.com; victim@example.com")]
    [InlineData("Eve <victim@example.com>")]
    public async Task Address_WithALineBreakOrASecondAddress_IsNoAddress(string pattern)
    {
        foreach (var lineBreak in (string[])["\r\n", "\n", "\r", "%0d%0a"])
        {
            var email = string.Format(System.Globalization.CultureInfo.InvariantCulture, pattern, lineBreak);
            using var api = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/register"), new { email, password = Node.Password });
            Assert.Equal(HttpStatusCode.BadRequest, api.StatusCode);
            using var forgot = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/password/forgot"), new { email });
            Assert.Equal(HttpStatusCode.BadRequest, forgot.StatusCode);
            using var browser = new Browser(server.Address);
            using var page = await browser.SubmitAsync("/register", new() { ["username"] = email, ["new-password"] = Node.Password });
            Assert.Equal(HttpStatusCode.UnprocessableEntity, page.StatusCode);
            using var asked = await browser.SubmitAsync("/forgot-password", new() { ["username"] = email });
            Assert.Equal(HttpStatusCode.UnprocessableEntity, asked.StatusCode);
        }

        Assert.DoesNotContain(server.Mails(), mail => mail.Split("\r\n\r\n")[0].Contains("victim", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Name_WithALineBreak_AddsNothingToAMail()
    {
        var email = $"p{Guid.NewGuid():N}@example.com";
        const string name = "Eve\r\nBcc: victim@example.com\r\n\r\nA whole new body";
        using var registered = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/register"), new { email, password = Node.Password, firstName = name, lastName = name, userName = "u" + Guid.NewGuid().ToString("N") });
        using var plain = registered.IsSuccessStatusCode ? null : await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/register"), new { email, password = Node.Password });
        using var forgot = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/password/forgot"), new { email });
        Assert.True(forgot.IsSuccessStatusCode);
        var mail = await server.MailToAsync(email);
        Assert.DoesNotContain("victim", mail, StringComparison.Ordinal);
        Assert.DoesNotContain("whole new body", mail, StringComparison.Ordinal);
    }

    // Every header that a stranger could bend an address with, on every request that leads to a mail or a redirect.
    [Theory]
    [InlineData("Host")]
    [InlineData("X-Forwarded-Host")]
    [InlineData("X-Forwarded-Proto")]
    [InlineData("X-Forwarded-For")]
    [InlineData("X-Forwarded-Prefix")]
    [InlineData("X-Original-Host")]
    [InlineData("Forwarded")]
    public async Task Headers_OfAStranger_ChangeNoMailNoRedirectAndNoPage(string header)
    {
        const string evil = "evil.example.com";
        var value = header == "Forwarded" ? $"host={evil};proto=https;for={evil}" : evil;
        var (_, email) = await server.RegisterAsync();
        using var signedIn = await server.SignedInAsync();
        using var forgot = await SendAsync(HttpMethod.Post, "/api/identity/password/forgot", JsonContent.Create(new { email }));
        Assert.True(forgot.IsSuccessStatusCode);
        Assert.DoesNotContain(evil, await server.MailToAsync(email), StringComparison.Ordinal);

        foreach (var path in new[] { "/", "/account", "/signin", "/register", "/forgot-password", "/reset-password", "/signed-out", "/no-such-page", "/connect/authorize?client_id=nobody", server.AuthorizeUrl(), "/connect/endsession", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/openapi/v1.json" })
        {
            using var answer = await SendAsync(HttpMethod.Get, path);
            Assert.DoesNotContain(evil, answer.ToString() + await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        using var userInfo = await SendAsync(HttpMethod.Get, "/connect/userinfo");
        Assert.DoesNotContain(evil, userInfo.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);

        async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null)
        {
            using var request = new HttpRequestMessage(method, new Uri(server.Address, path)) { Content = content };
            request.Headers.TryAddWithoutValidation(header, value);
            return await server.Http.SendAsync(request);
        }
    }

    // Behind a proxy that is trusted the same headers do count: else the test above would see nothing.
    [Fact]
    public async Task Headers_OfATrustedProxy_AreBelieved()
    {
        await using var trusting = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["TRUSTED_PROXIES"] = "127.0.0.1,::1", ["Accounts:SignInsPerAddress"] = "2" });
        using var http = new HttpClient();
        var statuses = new List<HttpStatusCode>();
        foreach (var address in (string[])["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(trusting.Url, "/api/identity/login")) { Content = JsonContent.Create(new { email = "nobody@example.com", password = "x" }) };
            request.Headers.Add("X-Forwarded-For", address);
            using var answer = await http.SendAsync(request);
            statuses.Add(answer.StatusCode);
        }

        Assert.Equal([HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests, HttpStatusCode.Unauthorized], statuses);
    }

    [Theory]
    [InlineData("charset=utf-7")]
    [InlineData("charset=\"utf-16\"")]
    [InlineData("charset=utf-32")]
    public async Task Form_InAnotherEncoding_IsRefused(string parameter)
    {
        foreach (var (path, status) in new[] { ("/signin", 415), ("/register", 415), ("/account", 415), ("/no-such-page", 415), ("/connect/authorize", 415), ("/connect/endsession", 415), ("/connect/introspect", 400), ("/connect/revoke", 400), ("/connect/userinfo", 400), ("/api/identity/login", 415) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, path)) { Content = new ByteArrayContent("a=b"u8.ToArray()) };
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/x-www-form-urlencoded; " + parameter);
            using var answer = await server.Http.SendAsync(request);
            Assert.Equal((path, status), (path, (int)answer.StatusCode));
        }
    }

    [Theory]
    [InlineData("a[[")]
    [InlineData("a]")]
    [InlineData("[")]
    [InlineData("a[b][")]
    [InlineData("a.b.c[0].d")]
    [InlineData(".")]
    public async Task FieldName_WithStrayBrackets_IsIgnored(string name)
    {
        using var browser = new Browser(server.Address);
        using var form = await browser.SubmitAsync("/signin", new() { ["username"] = "nobody@example.com", ["current-password"] = "x" }, change: fields => fields[name] = "1");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, form.StatusCode);
        using var query = await browser.GetAsync("/signin?" + Uri.EscapeDataString(name) + "=1");
        Assert.Equal(HttpStatusCode.OK, query.StatusCode);
        using var api = await server.Http.PostAsJsonAsync(new Uri(server.Address, "/api/identity/login?" + Uri.EscapeDataString(name) + "=1"), new { email = "nobody@example.com", password = "x" });
        Assert.Equal(HttpStatusCode.Unauthorized, api.StatusCode);
    }

    // Headers by which some frameworks let a request say that it is another one.
    [Fact]
    public async Task Headers_ThatNameAnotherAddressOrMethod_ChangeNothing()
    {
        var token = await server.ServiceTokenAsync("identity.users.read");
        var (id, _) = await server.RegisterAsync();
        foreach (var header in (string[])["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Original-URI"])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(HttpMethod.Get, "/api/identity/users/" + id, null, header, "/.well-known/openid-configuration"));
            Assert.Equal(HttpStatusCode.OK, await AskAsync(HttpMethod.Get, "/.well-known/openid-configuration", null, header, "/api/identity/users/" + id));
            Assert.Equal(HttpStatusCode.OK, await AskAsync(HttpMethod.Get, "/signin", null, header, "/account"));
        }

        foreach (var header in (string[])["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
        {
            Assert.Equal(HttpStatusCode.OK, await AskAsync(HttpMethod.Get, "/api/identity/users/" + id, token, header, "DELETE"));
            Assert.Equal(HttpStatusCode.MethodNotAllowed, await AskAsync(HttpMethod.Get, "/connect/token", null, header, "POST"));
            Assert.Equal(HttpStatusCode.MethodNotAllowed, await AskAsync(HttpMethod.Get, "/connect/revoke", null, header, "POST"));
        }

        Assert.Equal(HttpStatusCode.OK, await AskAsync(HttpMethod.Get, "/api/identity/users/" + id, token, "Accept", "*/*"));

        async Task<HttpStatusCode> AskAsync(HttpMethod method, string path, string? bearer, string header, string value)
        {
            using var request = new HttpRequestMessage(method, new Uri(server.Address, path));
            request.Headers.Authorization = bearer is null ? null : new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", bearer);
            request.Headers.Add(header, value);
            using var answer = await server.Http.SendAsync(request);
            return answer.StatusCode;
        }
    }
}
