// What a real OpenAM 16.0.5 answered, each recording replayed: a success signs in, a fault gives its page (docs/openam.md lists which difference is which test).
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.External;

/// <summary>The recordings by kind; what is to come of one is told by what OpenAM answered, not by a list of names.</summary>
public sealed class OpenAmRecordingTests
{
    private const string Root = "http://openam.example.org:18300/openam/oauth2";
    private const string SamlIssuer = "http://openam.example.org:18300/openam";
    private static readonly DateTimeOffset s_time = new(2026, 11, 22, 23, 3, 0, TimeSpan.Zero);

    // What each error of OpenAM's, registered or not, tells the person.
    private static readonly Dictionary<string, string> s_problems = new(StringComparer.Ordinal)
    {
        ["access_denied"] = "Denied",
        ["consent_required"] = "Denied",
        ["interaction_required"] = "NotFresh",
        ["invalid_scope"] = "Setup",
        ["unsupported_response_type"] = "Setup",
        ["bad_request"] = "Refused",
        ["invalid_grant"] = "Expired",
        ["invalid_client"] = "Setup",
        ["redirect_uri_mismatch"] = "Setup",
        ["server_error"] = "Unavailable",
        ["invalid_request"] = "Refused",
        ["unsupported_grant_type"] = "Refused",
        ["method_not_allowed"] = "Refused",
    };

    [Fact]
    public async Task TokenAnswer_AsRecorded_SignsIn_UnlessItIsARefreshedOneWithoutNonce()
    {
        // OpenAM's shipped key signed most, and HMAC one, which are refused (OpenAmOidcTests): their payloads, to the byte, under a key of the test's.
        using var key = new TestKey();
        var recordings = Files("oidc", "*token*.http").Concat(Files("oidc", "10-refresh.http")).Select(name => (Name: name, Recording: Recording.Read(name)))
            .Where(one => one.Recording.Status == 200 && one.Recording.Json.ContainsKey("id_token")).OrderBy(one => (long)one.Recording.Claims["iat"]!).ToArray();
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (i, (_, recording)) in recordings.Index())
        {
            foreach (var (setting, value) in ExternalWorld.Root((string)recording.Claims["aud"]!))
            {
                settings[setting.Replace(":openam:", $":r{i}:", StringComparison.Ordinal)] = value;
            }

            settings[$"Federation:Providers:r{i}:Authority"] = (string)recording.Claims["iss"]!;
            settings[$"Federation:Providers:r{i}:Realm"] = (string)recording.Claims["realm"]!;
            settings[$"Federation:Providers:r{i}:CallbackPath"] = $"/cb{i}";
        }

        await using var world = await ExternalWorld.StartAsync(DateTimeOffset.FromUnixTimeSeconds((long)recordings[0].Recording.Claims["iat"]!), settings);
        var failures = new List<string>();
        foreach (var (i, (name, recording)) in recordings.Index())
        {
            var (json, claims) = (recording.Json, recording.Claims);
            var issuer = (string)claims["iss"]!;
            var path = new Uri(issuer).AbsolutePath;
            json["id_token"] = key.Resign(recording.IdToken);
            world.Time.Jump(DateTimeOffset.FromUnixTimeSeconds((long)claims["iat"]!).AddSeconds(2) - world.Time.GetUtcNow());
            world.Provider.On($"GET {path}/.well-known/openid-configuration", new StubAnswer(200, Recording.Text("oidc/discovery-root.json").Replace(Root, issuer, StringComparison.Ordinal)));
            world.Provider.On($"GET {path}/connect/jwk_uri", new StubAnswer(200, key.Jwks()));
            world.Provider.On($"POST {path}/access_token", new StubAnswer(200, json.ToJsonString()));
            world.Provider.On($"POST {path}/token/revoke", new StubAnswer(200, "{}"));
            world.Provider.On($"GET {path}/userinfo", new StubAnswer(200, new JsonObject { ["sub"] = (string)claims["sub"]!, ["name"] = "Alice Anders" }.ToJsonString()));
            using var browser = world.NewBrowser();
            var location = await world.SignInAsync(browser, (string?)claims["nonce"] ?? "n", issuer, provider: $"r{i}", callback: $"/cb{i}");
            var expected = claims.ContainsKey("nonce") ? "/account" : "/external/problem?problem=Refused";
            if (!location.OriginalString.StartsWith(expected, StringComparison.Ordinal) || await ExternalWorld.PersonAsync(browser) is null == claims.ContainsKey("nonce"))
            {
                failures.Add($"{name}: {location} {world.Logs.Lines.LastOrDefault(line => line.Contains("ExternalFailures", StringComparison.Ordinal))}");
            }
        }

        Assert.Empty(failures);
        Assert.True(recordings.Length > 15 && world.LoggedReason("nonce"));
    }

    [Fact]
    public async Task TokenFault_AsRecorded_GivesItsPage()
    {
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        world.ServePartners();
        var told = new List<string>();
        foreach (var name in Files("oidc/errors", "token-*.http").Concat(Files("oidc/variants", "token-*.http")))
        {
            if (Recording.Read(name) is { Status: >= 400 } recorded)
            {
                world.Provider.On("POST /openam/oauth2/realms/root/realms/partners/access_token", StubAnswer.Of(recorded));
                using var browser = world.NewBrowser();
                var problem = await ExternalWorld.ProblemAsync(browser, await world.SignInAsync(browser, "n"));
                Assert.True(s_problems[(string)recorded.Json["error"]!] == problem, $"{name}: {problem}");
                told.Add(problem);
            }
        }

        Assert.Superset(new HashSet<string>(["Setup", "Refused", "Expired", "Unavailable"], StringComparer.Ordinal), told.ToHashSet(StringComparer.Ordinal));
    }

    [Fact]
    public async Task AuthorizeFault_AsRecordedWithoutIss_GivesItsPage()
    {
        await using var world = await ExternalWorld.StartAsync(s_time, ExternalWorld.Partners("rp-nc"));
        world.ServePartners();
        var told = 0;
        foreach (var location in Files("oidc/errors", "authorize-*.http").Select(name => Recording.Read(name).Header("Location")).Where(location => location?.Contains("error=", StringComparison.Ordinal) == true))
        {
            var recorded = Node.Query(new Uri(location!));
            using var browser = world.NewBrowser();
            var sent = await ExternalWorld.BeginAsync(browser);
            string Back() => $"/cb?error={recorded["error"]}&error_description={Uri.EscapeDataString(recorded["error_description"])}&state={Uri.EscapeDataString(sent["state"])}";
            if (recorded["error"] == "interaction_required")
            {
                // One ordinary sign-in is tried, for that OpenAM calls so who has no session.
                using var again = await browser.GetAsync(Back());
                Assert.Equal(HttpStatusCode.Redirect, again.StatusCode);
                sent = Node.Query(again.Headers.Location);
            }

            using var answer = await browser.GetAsync(Back());
            Assert.Equal(s_problems[recorded["error"]], await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!));
            told++;
        }

        Assert.Equal(6, told);
    }

    [Fact]
    public async Task Discovery_AsRecorded_IsTheProvidersByAnIssuerThatTheSettingsName()
    {
        var recordings = Files("oidc/discovery", "*.http").Select(name => (Name: name, Recording: Recording.Read(name))).ToArray();
        var issuers = recordings.Where(one => one.Recording.Status == 200).Select(one => (string)one.Recording.Json["issuer"]!).ToArray();
        var listing = ExternalWorld.Root("rp-nc");
        foreach (var (i, issuer) in issuers.Index())
        {
            listing[$"Federation:Providers:openam:Issuers:{i}"] = issuer;
        }

        await using var strict = await ExternalWorld.StartAsync(s_time, ExternalWorld.Root("rp-nc"));
        await using var listed = await ExternalWorld.StartAsync(s_time, listing);
        foreach (var (name, recording) in recordings)
        {
            var issuer = recording.Status == 200 ? (string)recording.Json["issuer"]! : null;

            // Host case is no difference under the preset; another port, name or realm is, until it is listed.
            Assert.Equal((name, issuer is null ? "Unavailable" : issuer.Equals(Root, StringComparison.OrdinalIgnoreCase) ? null : "Setup"), (name, await BeginAsync(strict, recording)));
            Assert.Equal((name, issuer is null ? "Unavailable" : null), (name, await BeginAsync(listed, recording)));
        }

        static async Task<string?> BeginAsync(ExternalWorld world, Recording recording)
        {
            // What was said before is forgotten by now.
            world.Time.Jump(TimeSpan.FromDays(2));
            world.ServeRoot(Recording.Text("oidc/jwks-root.json"));
            world.Provider.On("GET /openam/oauth2/.well-known/openid-configuration", StubAnswer.Of(recording));
            foreach (var path in (string[])["/openam/oauth2/realms/root/connect/jwk_uri", "/openam/oauth2/realms/root/realms/partners/connect/jwk_uri"])
            {
                world.Provider.On("GET " + path, new StubAnswer(200, Recording.Text("oidc/jwks-root.json")));
            }

            using var browser = world.NewBrowser();
            using var answer = await browser.GetAsync("/external/openam?returnUrl=/account");
            return answer.StatusCode == HttpStatusCode.Redirect ? null : await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!);
        }
    }

    [Fact]
    public async Task SessionAnswer_AsRecorded_SignsInWhoeverIsValidInARealmOfOurs()
    {
        await using var world = await ExternalWorld.StartAsync(s_time, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Federation:Providers:openam:Type"] = "session",
            ["Federation:Providers:openam:Preset"] = "openam",
            ["Federation:Providers:openam:SessionToken:Root"] = SamlIssuer,
            ["Federation:Providers:openam:SessionToken:Realms:0"] = "/",
        });
        using var http = new HttpClient();
        var told = new List<HttpStatusCode>();
        foreach (var name in Files("session", "*.http"))
        {
            var recorded = Recording.Read(name);
            if (!recorded.Request.Contains("_action=validate", StringComparison.Ordinal))
            {
                continue;
            }

            world.Provider.On("POST /openam/json/sessions", StubAnswer.Of(recorded));
            using var answer = await http.PostAsJsonAsync(new Uri(world.Server.Url, "/api/identity/sso/openam"), new { ssoToken = "AQIC5wM2LY4Sfcw*" });
            var isJson = recorded.Status == 200 && recorded.Body.StartsWith('{');
            var expected = !isJson ? HttpStatusCode.ServiceUnavailable : (bool)recorded.Json["valid"]! && (string?)recorded.Json["realm"] == "/" ? HttpStatusCode.OK : HttpStatusCode.Unauthorized;
            Assert.Equal((name, expected), (name, answer.StatusCode));
            Assert.Equal(expected == HttpStatusCode.ServiceUnavailable, answer.Headers.RetryAfter is not null);
            told.Add(expected);
        }

        Assert.True(told.Count > 40 && told.Distinct().Count() == 3);
    }

    [Fact]
    public async Task LogoutResponse_AsRecordedWithoutRelayState_LeadsOnByWhatItAnswers()
    {
        await using var world = await StartSamlAsync();
        using var browser = world.NewBrowser();
        var failed = 0;
        foreach (var name in Files("saml/logout", "response.xml"))
        {
            var xml = Recording.Text(name);
            var root = SamlIdp.Load(xml).DocumentElement!;
            failed += SamlIdp.Find(root.OwnerDocument, "StatusCode").GetAttribute("Value").EndsWith(":Success", StringComparison.Ordinal) ? 0 : 1;
            using var content = new FormUrlEncodedContent([new("SAMLResponse", Convert.ToBase64String(Encoding.UTF8.GetBytes(xml)))]);
            using var post = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Server.Url, "/external/openam/slo")) { Content = content };
            using var answer = await browser.SendAsync(post);
            Assert.Equal((name, "/external/openam/signed-out?state=" + root.GetAttribute("InResponseTo")), (name, answer.Headers.Location!.OriginalString));
            Assert.Equal(failed, world.Logs.Lines.Count(line => line.Contains("(logout_status)", StringComparison.Ordinal)));
        }

        Assert.NotEqual(0, failed);
    }

    [Fact]
    public async Task LogoutRequest_AsRecorded_EndsNothing_UnsignedOrSignedWithSha1()
    {
        await using var world = await StartSamlAsync();
        using var browser = world.NewBrowser();
        foreach (var name in Files("saml/logout", "*-request.http"))
        {
            using var request = Recording.Read(name).Header("Location") is { } location
                ? new HttpRequestMessage(HttpMethod.Get, new Uri(world.Server.Url, "/external/openam/slo" + new Uri(location).Query))
                : new HttpRequestMessage(HttpMethod.Post, new Uri(world.Server.Url, "/external/openam/slo"))
                {
                    Content = new FormUrlEncodedContent([new("SAMLRequest", Convert.ToBase64String(Encoding.UTF8.GetBytes(Recording.Text(name.Replace(".http", ".decoded.xml", StringComparison.Ordinal)))))]),
                };
            using var answer = await browser.SendAsync(request);
            var problem = await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!);
            var told = world.Logs.Lines.Last(line => line.Contains("ExternalFailures", StringComparison.Ordinal));
            Assert.Equal((name, name.Contains("slosig", StringComparison.Ordinal) ? "Setup" : "Refused"), (name, problem));
            Assert.Contains(name.Contains("slosig", StringComparison.Ordinal) ? "(sha1)" : "(unsigned)", told, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Metadata_AsRecorded_IsReadWithoutHelp_AndTheCheckFindsTheShippedKey()
    {
        var recordings = Files("saml/metadata", "*.http").Select(name => (Name: name, Recording: Recording.Read(name))).ToArray();
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (i, (_, recording)) in recordings.Index())
        {
            var entity = recording.Body.Contains("entityID=\"", StringComparison.Ordinal) ? recording.Body.Split("entityID=\"")[1].Split('"')[0] : SamlIssuer;
            foreach (var (setting, value) in SamlWorld.Settings($"m{i}", entity, $"http://openam.example.org:18300/metadata{i}", ("Preset", "openam"), ("Subject", "attribute:uid")))
            {
                settings[setting] = value;
            }
        }

        await using var world = await ExternalWorld.StartAsync(s_time, settings);
        var (shipped, good) = (0, 0);
        foreach (var (i, (name, recording)) in recordings.Index())
        {
            world.Provider.On($"GET /metadata{i}", StubAnswer.Of(recording));
            var findings = await world.Server.Services.GetRequiredService<Server.External.FederationCheck>().RunAsync($"m{i}", CancellationToken.None);
            var isMetadata = recording.Body.Contains("<EntityDescriptor", StringComparison.Ordinal);
            var isOwnKey = name.Contains("own-key", StringComparison.Ordinal);
            Assert.Equal((name, !isOwnKey), (name, findings[0].IsProblem));
            Assert.Equal((name, isMetadata && !isOwnKey), (name, findings.Any(finding => finding.Text.Contains("'test'", StringComparison.Ordinal))));
            using var browser = world.NewBrowser();
            using var answer = await browser.GetAsync($"/external/m{i}?returnUrl=/account");
            if (isOwnKey)
            {
                good++;
                Assert.StartsWith("http://openam.example.org:18300/openam/SSORedirect/", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
                continue;
            }

            shipped += isMetadata ? 1 : 0;
            Assert.Equal((name, isMetadata ? "Setup" : "Unavailable"), (name, await ExternalWorld.ProblemAsync(browser, answer.Headers.Location!)));
        }

        Assert.True(shipped > 4 && good == 1);
    }

    [Fact]
    public async Task SignOut_Here_IsTheRequestThatOpenAmAnswersByLeadingBack()
    {
        // Recorded: by GET with the hint and the registered address it leads back with the state; without a hint 400, by POST 405.
        Assert.Equal((302, 400, 405), (Recording.Read("oidc/logout/get-hint-redirect.http").Status, Recording.Read("oidc/logout/get-no-hint.http").Status, Recording.Read("oidc/logout/post-hint-redirect.http").Status));
        var (recorded, back) = (Recording.Read("oidc/logout/get-hint-redirect.http").Request.Split(' ')[1], Recording.Read("oidc/logout/get-hint-redirect.http").Header("Location")!);
        using var key = new TestKey();
        await using var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 23, 6, 0, TimeSpan.Zero), ExternalWorld.Root("rp-nocons"));
        world.ServeRoot(key.Jwks());
        var token = Recording.Read("oidc/variants/username-upper-token.http");
        var json = token.Json;
        json["id_token"] = key.Resign(token.IdToken);
        world.Provider.On("POST /openam/oauth2/access_token", new StubAnswer(200, json.ToJsonString()));
        world.Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read("oidc/variants/username-upper-userinfo.http")));
        using var browser = world.NewBrowser();
        Assert.Equal("/account", (await world.SignInAsync(browser, (string)token.Claims["nonce"]!, Root)).OriginalString);
        using var signedOut = await browser.SubmitAsync("/signout", []);
        using var page = await browser.GetAsync(signedOut.Headers.Location!.OriginalString);
        var address = new Uri(page.Headers.GetValues("Refresh").Single()["0; url=".Length..]);
        var recordedAddress = new Uri(new Uri(Root), recorded);
        Assert.Equal(recordedAddress.GetLeftPart(UriPartial.Path), address.GetLeftPart(UriPartial.Path));
        Assert.Superset(Node.Query(recordedAddress).Keys.ToHashSet(StringComparer.Ordinal), Node.Query(address).Keys.ToHashSet(StringComparer.Ordinal));
        using var done = await browser.GetAsync("/external/openam/signed-out" + new Uri(back).Query.Replace("=s1", "=" + Node.Query(address)["state"], StringComparison.Ordinal));
        Assert.Equal("/signed-out", done.Headers.Location!.OriginalString);
    }

    private static async Task<ExternalWorld> StartSamlAsync()
    {
        using var idp = new SamlIdp { EntityId = SamlIssuer };
        var world = await ExternalWorld.StartAsync(new(2026, 11, 22, 22, 42, 0, TimeSpan.Zero), SamlWorld.Settings("openam", SamlIssuer, "http://openam.example.org:18300/metadata", ("Subject", "nameid")));
        world.Provider.On("GET /metadata", new StubAnswer(200, idp.Metadata(), "text/xml"));
        return world;
    }

    private static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.GetFiles(Path.Combine(Recording.Folder, folder), pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(file => Path.GetRelativePath(Recording.Folder, file));
}
