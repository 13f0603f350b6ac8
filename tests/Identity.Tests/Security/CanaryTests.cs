// Security catalogue, Web: canaries never appear in logs, traces, metrics, crash pages or, in clear, in a store.
using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>
/// A server that logs at the most talkative level and sends traces and metrics to a collector, driven through its pages and standard
/// endpoints; rightly, wrongly, and with secrets where none belong. (The routes under /api/identity have a test of their own.)
/// </summary>
public sealed partial class CanaryTests
{
    private const string Password = "canary sentence number one";
    private const string NextPassword = "canary sentence number two";
    private const string LastPassword = "canary sentence number three";
    private const string Verifier = "canary-verifier-canary-verifier-canary-verifier";

    [Theory]
    [InlineData("Development")]
    [InlineData("Production")]
    public async Task Secrets_WhenPagesAndEndpointsHaveSeenThem_AreInNoLogTraceMetricErrorOrStore(string environment)
    {
        var directory = Directory.CreateTempSubdirectory("identity-canary-test-");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await using var collector = new Collector();
        var settings = await RunningServer.WriteClientsAsync(directory.FullName, key);
        var data = Path.Combine(directory.FullName, "data");
        settings["DATA_DIR"] = data;
        foreach (var category in (string[])["Default", "Microsoft.AspNetCore", "Microsoft.AspNetCore.DataProtection", "Microsoft.AspNetCore.Hosting.Diagnostics", "Microsoft.EntityFrameworkCore", "System.Net.Http"])
        {
            settings["Logging__LogLevel__" + category] = "Trace";
            settings["Logging__Console__LogLevel__" + category] = "Trace";
        }

        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Address;
        settings["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf";
        settings["OTEL_BSP_SCHEDULE_DELAY"] = "100";
        settings["OTEL_METRIC_EXPORT_INTERVAL"] = "500";
        await using var proxy = await TlsProxy.StartAsync();
        var isProduction = environment == "Production";
        if (isProduction)
        {
            settings["PUBLIC_URL"] = proxy.Address.GetLeftPart(UriPartial.Authority);
            settings["TRUSTED_PROXIES"] = "127.0.0.1";
            settings.Remove("Accounts__PasswordHashIterations");
            settings["MASTER_KEY"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        }

        var secrets = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["a password"] = "canary sentence",
            ["a password in a form"] = "canary+sentence",
            ["a password in a query"] = "canary%20sentence",
            ["the verifier"] = Verifier,
            ["the client secret"] = Node.Secret,
        };
        var codes = new List<string>();
        var failures = new List<string>();
        string output;
        await using (var process = ServerProcess.Start(settings, environment))
        {
            await process.WaitReadyAsync();
            proxy.Target = new Uri($"http://127.0.0.1:{process.Port}");
            using var node = isProduction ? new AddressedNode(proxy.Address, proxy.CreateHandler()) : new AddressedNode(process.Address);
            await DriveAsync(node, () => new Browser(node.Address, isProduction ? proxy.CreateHandler() : null), key, node.Address.GetLeftPart(UriPartial.Authority), Path.Combine(data, "outbox"), secrets, codes, failures);
            await collector.WaitAsync(path => path.Contains("traces", StringComparison.Ordinal));
            await collector.WaitAsync(path => path.Contains("metrics", StringComparison.Ordinal));
            Assert.Equal(0, await process.TerminateAsync());
            await process.WaitOutputAsync();
            output = process.Output;
        }

        // The test would see nothing if nothing were there to see.
        Assert.True(output.Length > 100_000, "The log is short: is it at Trace?");
        Assert.True(secrets.Count > 15);
        Assert.Equal(2, codes.Count);
        Assert.NotEmpty(failures);
        foreach (var line in output.Split('\n'))
        {
            AssertClean("a log line", line, secrets, codes);
        }

        foreach (var (path, body) in collector.Received)
        {
            AssertClean("what was sent to " + path, body, secrets, codes);
        }

        Assert.All(
            (string[])["POST /connect/token", "password hash", "identity.oauth.token_answers", "identity.oauth.refusals", "identity.accounts.actions"],
            told => Assert.Contains(collector.Received, sent => sent.Body.Contains(told, StringComparison.Ordinal)));
        foreach (var failure in failures)
        {
            AssertClean("an answer", failure, secrets, codes);
        }

        var files = Directory.GetFiles(data, "*", SearchOption.AllDirectories);
        Assert.Contains(files, file => file.EndsWith("identity.db", StringComparison.Ordinal));
        foreach (var file in files)
        {
            var text = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
            var isMail = file.EndsWith(".eml", StringComparison.Ordinal);
            AssertClean(file, text, secrets, isMail ? [] : codes);
            AssertClean(file, isMail ? text.Split("\r\n\r\n")[0] : "", secrets, codes);
        }

        directory.Delete(recursive: true);
    }

    private static async Task DriveAsync(Node node, Func<Browser> open, ECDsa key, string issuer, string outbox, Dictionary<string, string> secrets, List<string> codes, List<string> failures)
    {
        const string email = "ada.canary@example.com";
        using var newcomer = open();
        using (await newcomer.SubmitAsync("/register", new() { ["username"] = email, ["new-password"] = Password }))
        {
        }

        codes.Add(await ReadCodeAsync(outbox, []));
        await KeepAsync(await newcomer.SubmitAsync("/verify-email?email=ada.canary%40example.com&sent=1", new() { ["one-time-code"] = codes[0] }));

        using var browser = open();

        // Wrong ones, and a password typed where the name belongs.
        foreach (var (name, password) in new[] { (email, Password + " not"), (Password, Password), ("nobody\r\nforged: line of a log", Password) })
        {
            await KeepAsync(await browser.SubmitAsync("/signin", new() { ["username"] = name, ["current-password"] = password }));
        }

        await browser.SignInAsync(email, Password);
        secrets["the session cookie"] = Cookie(browser);

        // Code, tokens, refresh, by each kind of client.
        var code = await node.CodeAsync(browser, "web-basic", changes: ("code_challenge", Challenge()));
        secrets["a code"] = code;
        var (status, tokens) = await node.PostAsync("/connect/token", "web-basic", ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Node.RedirectUri), ("code_verifier", Verifier));
        Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());
        AddTokens(tokens, "first");
        var (_, refreshed) = await node.PostAsync("/connect/token", "web-basic", ("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!));
        AddTokens(refreshed, "refreshed");
        var (_, reference) = await node.PostAsync("/connect/token", "service", ("grant_type", "client_credentials"), ("scope", "opaque.read"));
        secrets["a reference token"] = (string)reference["access_token"]!;
        Assert.Equal(HttpStatusCode.OK, await node.UserInfoAsync((string)refreshed["access_token"]!));
        await node.PostAsync("/connect/introspect", "notes-api", ("token", (string)reference["access_token"]!));
        var claims = new JsonObject { ["iss"] = "web-jwt", ["sub"] = "web-jwt", ["aud"] = issuer, ["jti"] = Guid.NewGuid().ToString(), ["exp"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds() };
        var assertion = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(key) { KeyId = "client-key" }, "ES256"));
        secrets["a client assertion"] = assertion.Split('.')[2];
        for (var twice = 0; twice < 2; twice++)
        {
            await node.PostAsync("/connect/revoke", null, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("token", (string)tokens["access_token"]!));
        }

        // Wrong: replayed, at the wrong place, in the wrong member, in the query, behind an unknown path, too large.
        var access = (string)refreshed["access_token"]!;
        var refresh = (string)refreshed["refresh_token"]!;
        await node.PostAsync("/connect/token", "web-basic", ("grant_type", "authorization_code"), ("code", refresh), ("redirect_uri", Node.RedirectUri), ("code_verifier", Verifier));
        await node.PostAsync("/connect/token", "web-basic", ("grant_type", "refresh_token"), ("refresh_token", access));
        await node.PostAsync("/connect/token", "web-basic", ("grant_type", Password), ("scope", access), ("resource", refresh));
        await node.PostAsync("/connect/token", Node.Secret, ("grant_type", "client_credentials"));
        foreach (var path in new[]
        {
            $"/connect/userinfo?access_token={access}", $"/connect/token?client_secret={Node.Secret}&code={code}", $"/connect/authorize?client_id={Node.Secret}&redirect_uri={access}&state={refresh}",
            $"/connect/authorize?client_id=spa&redirect_uri={Uri.EscapeDataString(Node.RedirectUri)}&response_type=code&scope={access}&code_challenge={Verifier}&code_challenge_method=S256&id_token_hint={access}&claims={refresh}",
            $"/connect/endsession?id_token_hint={refreshed["id_token"]}&post_logout_redirect_uri={access}", $"/no-such?code={code}&password={Uri.EscapeDataString(Password)}",
            $"/signin?returnUrl={Uri.EscapeDataString("/connect/authorize?id_token_hint=" + access)}", $"/.well-known/openid-configuration?{access}", $"/api/identity/users/1?access_token={refresh}",
        })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(node.Address, path));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (string)tokens["access_token"]!);
            request.Headers.Accept.ParseAdd("text/html");
            using var answer = await node.Http.SendAsync(request);
            var text = $"{answer.StatusCode} {await answer.Content.ReadAsStringAsync()}";
            if (!path.StartsWith("/signin?", StringComparison.Ordinal))
            {
                failures.Add(text);
            }
        }

        foreach (var content in new HttpContent[] { new StringContent("{\"password\":\"" + Password + "\"", Encoding.UTF8, "application/json"), new StringContent("client_secret=" + Node.Secret + "&code=" + code + "&%", Encoding.UTF8, "application/x-www-form-urlencoded"), new StringContent("code=" + new string('x', 300_000) + refresh) })
        {
            using var answer = await node.Http.PostAsync(new Uri(node.Address, "/connect/token"), content);
            failures.Add($"{answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }

        // The account's own pages: another password, then a forgotten one.
        await KeepAsync(await browser.SubmitAsync("/account/password", new() { ["current-password"] = Password + " not", ["new-password"] = NextPassword }));
        await KeepAsync(await browser.SubmitAsync("/account/password", new() { ["current-password"] = Password, ["new-password"] = NextPassword }));
        await KeepAsync(await browser.SubmitAsync("/forgot-password", new() { ["username"] = email }));
        codes.Add(await ReadCodeAsync(outbox, codes));
        await KeepAsync(await browser.SubmitAsync("/reset-password?email=ada.canary%40example.com", new() { ["one-time-code"] = codes[1], ["new-password"] = LastPassword }));
        using var again = open();
        await again.SignInAsync(email, LastPassword);
        secrets["another session cookie"] = Cookie(again);
        await node.PostAsync("/connect/revoke", "web-basic", ("token", refresh), ("token_type_hint", access));
        using var gone = await again.SubmitAsync("/signout", []);

        void AddTokens(JsonNode body, string which)
        {
            secrets[which + " access token"] = ((string)body["access_token"]!).Split('.')[2];
            secrets[which + " refresh token"] = (string)body["refresh_token"]!;
            secrets[which + " ID token"] = ((string)body["id_token"]!).Split('.')[2];
        }

        async Task KeepAsync(HttpResponseMessage answer)
        {
            using (answer)
            {
                failures.Add($"{answer.StatusCode} {answer.Headers.Location} {await answer.Content.ReadAsStringAsync()}".Replace("value=\"" + Password + "\"", "", StringComparison.Ordinal));
            }
        }

        string Cookie(Browser at) => at.Cookies.GetAllCookies().First(cookie => cookie.Name is "identity" or "__Host-identity").Value;
    }

    private static string Challenge() => Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)));

    private static void AssertClean(string where, string text, Dictionary<string, string> secrets, List<string> codes)
    {
        foreach (var (name, secret) in secrets)
        {
            Assert.False(text.Contains(secret, StringComparison.Ordinal), $"{name} is in {where}: {Around(text, secret)}");
        }

        foreach (var code in codes)
        {
            // Six digits can be a part of an id or a number.
            Assert.False(Regex.IsMatch(text, $"(?<![0-9a-zA-Z.:-]){code}(?![0-9a-zA-Z.:-])", RegexOptions.None, TimeSpan.FromSeconds(5)), $"A code is in {where}: {Around(text, code)}");
        }

        static string Around(string text, string secret)
        {
            var at = text.IndexOf(secret, StringComparison.Ordinal);
            return at < 0 ? "" : text[Math.Max(0, at - 150)..Math.Min(text.Length, at + secret.Length + 50)];
        }
    }

    // The code of the newest mail that is not one of these; it is written behind the answer.
    private static async Task<string> ReadCodeAsync(string outbox, List<string> not)
    {
        for (var attempt = 0; attempt < 1800; attempt++)
        {
            string[] files = Directory.Exists(outbox) ? Directory.GetFiles(outbox, "*.eml") : [];
            foreach (var file in files.OrderDescending(StringComparer.Ordinal))
            {
                var text = await File.ReadAllTextAsync(file);
                if (Code().Match(text[text.IndexOf("\r\n\r\n", StringComparison.Ordinal)..]) is { Success: true } match && !not.Contains(match.Value))
                {
                    return match.Value;
                }
            }

            await Task.Delay(50);
        }

        throw new InvalidOperationException("No mail with a code.");
    }

    [GeneratedRegex(@"\b[0-9]{6}\b")]
    private static partial Regex Code();

    /// <summary>Takes OTLP over HTTP and keeps it as text.</summary>
    private sealed class Collector : IAsyncDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly SemaphoreSlim _changed = new(0);
        private readonly Task _work;

        public Collector()
        {
            Address = $"http://127.0.0.1:{Ports.Free()}/";
            _listener.Prefixes.Add(Address);
            _listener.Start();
            _work = WorkAsync();
        }

        public string Address { get; }

        public ConcurrentQueue<(string Path, string Body)> Received { get; } = new();

        public async Task WaitAsync(Func<string, bool> path)
        {
            while (!Received.Any(sent => path(sent.Path)))
            {
                Assert.True(await _changed.WaitAsync(TimeLimit.Patience, TestContext.Current.CancellationToken), "Nothing was sent.");
            }
        }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _work;
            _listener.Close();
            _changed.Dispose();
        }

        private async Task WorkAsync()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    using var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    Received.Enqueue((context.Request.Url!.AbsolutePath, Encoding.Latin1.GetString(body.ToArray())));
                    _changed.Release();
                    context.Response.Close();
                }
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
            {
                // The tests are over.
            }
        }
    }
}
