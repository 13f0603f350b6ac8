using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;

namespace Identity.Tests.Security;

/// <summary>
/// Sends what nobody should: values of every bad kind in every place, seeded, so that a find can be had again. A server may refuse
/// all of it, but never fail (5xx), hang, or tell of its insides.
/// </summary>
internal sealed class Fuzz(Node node, int seed)
{
    // Percent-encoded, so that bytes get through that no string can hold.
    private static readonly string[] s_bad =
    [
        "", "%00", "a%00b", "%FF%FE", "%C0%80", "%ED%A0%80", "%F0%9F%98", "%F4%90%80%80", "%EF%BF%BE", "%E2%80%AE", "%F0%9F%91%A9%E2%80%8D%F0%9F%94%A7", "%0D%0ASet-Cookie:%20x=1", "%0A", "%09", "%7F", "%1B%5B31m",
        "'", "''%20OR%201=1%20--", "%22;DROP%20TABLE%20accounts;--", "%25", "%25s%25n", "%7B0%7D", "%7B%7D", "%5B%5D", "null", "true", "-1", "0", "1e309", "99999999999999999999", "2147483648", "9223372036854775808", "NaN",
        "..%2F..%2Fetc%2Fpasswd", "..%5C..%5C", "%2F%2Fevil.example", "https:%2F%2Fevil.example%2F", "javascript:alert(1)", "data:text%2Fhtml,x", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%7B%7B7*7%7D%7D", "$%7Bjndi:ldap:%2F%2Fx%7D",
        "a@b.c", "a@b", "@", "%20", "%C2%A0", "%E3%80%80", "+", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJub25lIn0.e30", "....", "a.b.c", "a.b.c.d.e", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOjF9.AAAA", "AAAA", "=", "====", "_-_-",
        "00000000-0000-0000-0000-000000000000", "%7B%22id_token%22:%7B%22acr%22:%7B%22essential%22:true,%22values%22:%5B%7B%7D%5D%7D%7D%7D", "%5B%5B%5B%5B", "%7B%22a%22:", "openid", "openid%20openid", "%20openid%20", "none%20login", "en-US-x-%C3%BC", "S256", "plain",
    ];

    private static readonly Dictionary<string, string[]> s_endpoints = new(StringComparer.Ordinal)
    {
        ["/connect/authorize"] = ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "response_mode", "prompt", "max_age", "login_hint", "id_token_hint", "acr_values", "claims", "ui_locales", "display", "resource", "request", "request_uri", "registration"],
        ["/connect/token"] = ["grant_type", "client_id", "client_secret", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource", "client_assertion_type", "client_assertion", "audience", "username", "password", "device_code"],
        ["/connect/device"] = ["client_id", "client_secret", "scope", "resource", "client_assertion", "client_assertion_type"],
        ["/connect/par"] = ["client_id", "client_secret", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "request", "request_uri", "claims", "prompt"],
        ["/connect/introspect"] = ["token", "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type"],
        ["/connect/revoke"] = ["token", "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type"],
        ["/connect/userinfo"] = ["access_token", "schema"],
        ["/connect/endsession"] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "logout_hint"],
        ["/connect/jwks"] = ["kid"],
        ["/.well-known/openid-configuration"] = ["x"],
        ["/signin"] = ["returnUrl", "login", "email", "done"],
        ["/signin/code"] = ["returnUrl", "email", "sent"],
        ["/register"] = ["returnUrl", "email"],
        ["/forgot-password"] = ["returnUrl", "email"],
        ["/reset-password"] = ["returnUrl", "email", "sent"],
        ["/verify-email"] = ["returnUrl", "email", "sent", "again"],
        ["/consent"] = ["returnUrl"],
        ["/connect/verify"] = ["user_code", "interaction", "done", "handler", "returnUrl"],
        ["/signout"] = ["returnUrl"],
        ["/signed-out"] = ["client_id", "returnUrl"],
        ["/account"] = ["saved"],
        ["/account/sessions"] = ["ended"],
        ["/account/apps"] = ["removed"],
        ["/status/404"] = ["x"],
        ["/health/ready"] = ["x"],
    };

    private static readonly (string Method, string Path, string[] Members)[] s_routes =
    [
        ("POST", "register", ["email", "password", "userName", "phoneNumber", "firstName", "lastName", "metadata"]),
        ("POST", "login", ["email", "userName", "username", "phoneNumber", "password", "deviceId", "rememberMe"]),
        ("POST", "refresh-token", ["refreshToken"]),
        ("POST", "logout", ["refreshToken", "allSessions"]),
        ("POST", "otp/generate", ["email", "userId", "phoneNumber", "channel", "purpose"]),
        ("POST", "otp/verify", ["otpId", "code", "otp", "email", "userId", "purpose"]),
        ("POST", "password/change", ["currentPassword", "newPassword"]),
        ("POST", "password/forgot", ["email"]),
        ("POST", "password/reset", ["email", "code", "newPassword"]),
        ("PUT", "users/{id}", ["email", "userName", "phoneNumber", "firstName", "lastName", "metadata", "isActive", "roles"]),
        ("GET", "users/{id}", []),
    ];

    private static readonly string[] s_json =
    [
        "null", "true", "7", "-0.0", "1e400", "1e-400", "123456789012345678901234567890", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u202e\"", "\"a\\r\\nb: c\"", "\"' OR 1=1 --\"", "[]", "{}", "[[[[[[]]]]]]", "{\"\":{\"\":null}}",
        "{\"a\\u0000\":1}", "{\"$type\":\"System.Object\"}", "{\"__proto__\":1}", "[\"admin\"]", "\"a@b.c\"", "\"+4366012345678901234567890\"", "\"00000000-0000-0000-0000-000000000000\"", "\"\\uD83D\\uDE00\"", "\"2026-02-30\"",
    ];

    private readonly Random _random = new(seed);
    private readonly List<string> _seeds = [];
    private string? _access;

    public int Sent { get; private set; }

    /// <summary>Runs for this many requests at endpoints, routes and forms, a third each.</summary>
    public async Task RunAsync(int requests)
    {
        using var browser = await node.SignedInAsync();
        var tokens = await node.TokensAsync(browser);
        _access = (string)tokens["access_token"]!;
        _seeds.AddRange([(string)tokens["access_token"]!, (string)tokens["refresh_token"]!, (string)tokens["id_token"]!, await node.CodeAsync(browser), "spa", "service", "notes-api", "web-jwt", Node.RedirectUri, Node.Verifier, Node.Challenge, "code", "authorization_code", "refresh_token", "client_credentials", Node.Secret, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]);
        var cookies = browser.Cookies.GetCookieHeader(node.Address);
        for (var i = 0; i < requests / 3; i++)
        {
            await SendAsync(Endpoint(cookies));
            await SendAsync(Route());
        }

        await FormsAsync(browser, requests / 3);
    }

    private HttpRequestMessage Endpoint(string cookies)
    {
        var (path, names) = s_endpoints.ElementAt(_random.Next(s_endpoints.Count));
        var pairs = new StringBuilder();
        foreach (var name in names.Where(_ => _random.Next(3) > 0))
        {
            for (var times = _random.Next(12) == 0 ? 2 : 1; times > 0; times--)
            {
                pairs.Append(pairs.Length > 0 ? "&" : "").Append(name).Append(_random.Next(20) == 0 ? "" : "=").Append(Value());
            }
        }

        if (_random.Next(10) == 0)
        {
            pairs.Append('&').Append(Value()).Append('=').Append(Value()).Append("&&=&=x&").Append(Value());
        }

        var isPost = _random.Next(2) == 0;
        var request = new HttpRequestMessage(isPost ? HttpMethod.Post : Pick([HttpMethod.Get, HttpMethod.Get, HttpMethod.Get, HttpMethod.Head, HttpMethod.Options, HttpMethod.Put, HttpMethod.Delete]), Address(path + (isPost && _random.Next(4) > 0 ? "" : "?" + pairs)));
        if (isPost)
        {
            request.Content = new ByteArrayContent(Encoding.ASCII.GetBytes(pairs.ToString()));
            request.Content.Headers.TryAddWithoutValidation("Content-Type", Pick(["application/x-www-form-urlencoded", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7", "application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "/"]));
        }

        Headers(request);
        if (_random.Next(3) == 0)
        {
            request.Headers.TryAddWithoutValidation("Cookie", _random.Next(3) == 0 ? Cut(cookies) : cookies);
        }

        return request;
    }

    private HttpRequestMessage Route()
    {
        var (method, path, members) = s_routes[_random.Next(s_routes.Length)];
        var body = new StringBuilder("{");
        foreach (var member in members.Where(_ => _random.Next(3) > 0))
        {
            body.Append(body.Length > 1 ? "," : "").Append('"').Append(member).Append("\":").Append(_random.Next(5) switch
            {
                0 => "\"" + new string((char)_random.Next('a', 'z'), _random.Next(5000)) + "\"",
                1 => "\"" + Pick(_seeds) + "\"",
                _ => Pick(s_json),
            });
        }

        body.Append('}');
        var text = _random.Next(8) == 0 ? Cut(body.ToString()) : body.ToString();
        var request = new HttpRequestMessage(new HttpMethod(method), Address("/api/identity/" + path.Replace("{id}", _random.Next(3) == 0 ? RunningServer.Payload(_access!)["sub"]!.ToString() : Value(), StringComparison.Ordinal)));
        if (method != "GET")
        {
            request.Content = new StringContent(text, Encoding.UTF8, "application/json");
        }

        Headers(request);
        if (_random.Next(2) == 0)
        {
            request.Headers.Remove("Authorization");
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + _access);
        }

        request.Headers.TryAddWithoutValidation("If-Match", _random.Next(4) == 0 ? Pick(["*", "\"x\"", "W/\"1\"", "\"\"", "1", "\"99999999999999999999\""]) : null);
        return request;
    }

    private async Task FormsAsync(Browser signedIn, int requests)
    {
        using var anonymous = new Browser(node.Address);
        (Browser Browser, string Path)[] pages =
        [
            (anonymous, "/signin"), (anonymous, "/register"), (anonymous, "/forgot-password"), (anonymous, "/reset-password?email=a%40b.example"), (anonymous, "/verify-email?email=a%40b.example&sent=1"),
            (signedIn, "/account"), (signedIn, "/account/password"), (signedIn, "/account/sessions"), (signedIn, "/account/apps"),
        ];
        var forms = new List<(Browser Browser, string Action, List<KeyValuePair<string, string>> Fields)>();
        foreach (var (browser, path) in pages)
        {
            using var answer = await browser.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var document = new HtmlParser().ParseDocument(await answer.Content.ReadAsStringAsync());
            foreach (var form in document.Forms.Where(form => form.Method == "post"))
            {
                var action = form.GetAttribute("action") is { Length: > 0 } given ? given : path;
                if (!action.Contains("signout", StringComparison.OrdinalIgnoreCase) && !action.Contains("handler=", StringComparison.OrdinalIgnoreCase))
                {
                    var fields = form.Elements.Select((Func<IHtmlElement, (string? Name, string Value)>)(element => element switch
                    {
                        IHtmlInputElement input => (input.Name, input.Value),
                        IHtmlTextAreaElement area => (area.Name, area.Value),
                        IHtmlSelectElement select => (select.Name, select.Value ?? ""),
                        _ => (null, ""),
                    }));
                    forms.Add((browser, action, [.. fields.Where(field => !string.IsNullOrEmpty(field.Name)).Select(field => KeyValuePair.Create(field.Name!, field.Value))]));
                }
            }
        }

        Assert.True(forms.Count >= 7, $"Only {forms.Count} forms were found.");
        for (var i = 0; i < requests; i++)
        {
            var (browser, action, fields) = forms[_random.Next(forms.Count)];
            var pairs = fields.Select(field => Uri.EscapeDataString(field.Key) + "=" + (field.Key.StartsWith("__", StringComparison.Ordinal) && _random.Next(20) > 0 ? Uri.EscapeDataString(field.Value) : _random.Next(3) == 0 ? Uri.EscapeDataString(field.Value) : Value())).ToList();
            if (_random.Next(5) == 0)
            {
                pairs.Add(Pick(pairs));
            }

            if (_random.Next(5) == 0)
            {
                pairs.RemoveAt(_random.Next(pairs.Count));
            }

            var request = new HttpRequestMessage(HttpMethod.Post, Address(action)) { Content = new ByteArrayContent(Encoding.ASCII.GetBytes(string.Join('&', pairs))) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-www-form-urlencoded");
            await SendAsync(request, browser);
        }
    }

    private void Headers(HttpRequestMessage request)
    {
        if (_random.Next(3) == 0)
        {
            request.Headers.TryAddWithoutValidation("Authorization", Pick(["Basic", "Basic ", "Basic !", "Basic Og==", "Basic OjpBOg==", "Basic /////w==", "Basic c2VydmljZTo=", "Bearer", "Bearer ", "Bearer a b", "Bearer " + Pick(_seeds), "Bearer " + Cut(Pick(_seeds)), "DPoP x", "Negotiate x", "Basic " + Convert.ToBase64String(Encoding.Latin1.GetBytes(Cut(Node.Secret) + ":%zz\u00ff"))]));
        }

        if (_random.Next(4) == 0)
        {
            request.Headers.TryAddWithoutValidation(Pick(["Accept", "Accept-Language", "Origin", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Referer", "Sec-Fetch-Site", "X-HTTP-Method-Override", "Content-Encoding", "traceparent", "X-Device-Id"]), Pick(["", "*", "x", "\u00ff", "de;q=x,,;;", "application/token-introspection+jwt", "null", "http://[", "[::1]:x", new string('a', 4000), "00-0-0-0", "gzip"]));
        }
    }

    private async Task SendAsync(HttpRequestMessage request, Browser? browser = null)
    {
        var started = Stopwatch.GetTimestamp();
        using (request)
        {
            HttpResponseMessage answer;
            try
            {
                answer = browser is null ? await node.Http.SendAsync(request) : await browser.SendAsync(request);
            }
            catch (HttpRequestException exception)
            {
                Assert.Fail($"{await DescribeAsync(request)}: {exception.Message}");
                throw;
            }

            using (answer)
            {
                Sent++;
                if ((int)answer.StatusCode >= 500 || Stopwatch.GetElapsedTime(started) > TimeSpan.FromSeconds(20))
                {
                    Assert.Fail($"{(int)answer.StatusCode} after {Stopwatch.GetElapsedTime(started)}: {await DescribeAsync(request)}");
                }

                var text = await answer.Content.ReadAsStringAsync();
                if (text.Contains("   at ", StringComparison.Ordinal) || text.Contains("Exception", StringComparison.Ordinal) || text.Contains("Npgsql", StringComparison.Ordinal) || text.Contains("SQLite", StringComparison.OrdinalIgnoreCase))
                {
                    Assert.Fail($"It tells of its insides: {await DescribeAsync(request)}: {text}");
                }

                if (answer.Headers.Location is { IsAbsoluteUri: true } location && location.Host != node.Address.Host && location.Host is not ("127.0.0.1" or "client.example.com"))
                {
                    Assert.Fail($"It leads away, to {location}: {await DescribeAsync(request)}");
                }
            }
        }
    }

    private async Task<string> DescribeAsync(HttpRequestMessage request)
    {
        var body = request.Content is null ? "" : Encoding.Latin1.GetString(await request.Content.ReadAsByteArrayAsync());
        var headers = string.Join("; ", request.Headers.NonValidated.Select(header => header.Key + ": " + header.Value));
        return $"seed {seed}, request {Sent}: {request.Method} {request.RequestUri!.OriginalString} {headers} {request.Content?.Headers} {body}";
    }

    private string Value() => _random.Next(10) switch
    {
        0 => new string('x', _random.Next(4000)),
        1 or 2 => Uri.EscapeDataString(Pick(_seeds)),
        3 => Uri.EscapeDataString(Cut(Pick(_seeds))),
        4 => Pick(s_bad) + Pick(s_bad),
        5 => Uri.EscapeDataString(Pick(_seeds)) + Pick(s_bad),
        _ => Pick(s_bad),
    };

    // Cut short, doubled, or with one letter changed.
    private string Cut(string text)
    {
        var at = _random.Next(text.Length);
        return _random.Next(3) switch
        {
            0 => text[..at],
            1 => text + text,
            _ => text[..at] + (char)_random.Next(33, 126) + text[(at + 1)..],
        };
    }

    private T Pick<T>(IReadOnlyList<T> of) => of[_random.Next(of.Count)];

    // As it is written: nothing is made tidy on the way.
    private Uri Address(string path) => new(node.Address.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
}
