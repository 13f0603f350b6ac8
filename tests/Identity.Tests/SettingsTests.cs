using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Accounts;
using Identity.Api;
using Identity.OAuth;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Repository;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Identity.Tests;

/// <summary>A value that cannot be used stops the start with one line that names the setting.</summary>
public sealed partial class SettingsTests(RunningServer running)
{
    [Theory]
    [InlineData("PORT", "abc")]
    [InlineData("PORT", "70000")]
    [InlineData("BIND_ADDRESS", "everywhere")]
    [InlineData("BIND_ADDRESS", "192.0.2.1")]
    [InlineData("API_DOCS", "yes")]
    [InlineData("MANAGEMENT_PORT", "0")]
    [InlineData("DATA_DIR", "/proc/identity")]
    [InlineData("PUBLIC_URL", "not a url")]
    [InlineData("PUBLIC_URL", "http://id.example.com")]
    [InlineData("JWT_SECRET", "too-short")]
    [InlineData("JWT_ACCESS_EXPIRY", "soon")]
    [InlineData("JWT_REFRESH_EXPIRY", "-1h")]
    [InlineData("TRUSTED_PROXIES", "everybody")]
    [InlineData("OUTGOING_ALLOW", "http://x")]
    [InlineData("MTLS_PORT", "abc")]
    [InlineData("MTLS_CLIENT_HEADER", "Client-Cert")]
    [InlineData("MTLS_CLIENT_CAS", "/nowhere/cas.pem")]
    [InlineData("MTLS_URL", "https://mtls.example.com")]
    [InlineData("CLIENTS_FILE", "/nowhere/clients.json")]
    [InlineData("ADMIN_EMAIL", "nobody")]
    [InlineData("MASTER_KEY", "short")]
    [InlineData("DEFAULT_REGION", "Germany")]
    [InlineData("DB_PROVIDER", "oracle")]
    [InlineData("RABBITMQ_URIS", "http://x")]
    [InlineData("Accounts__MinimumPasswordLength", "3")]
    [InlineData("MEDIA_SERVICE_URL", "http://media.example.com/")]
    [InlineData("Exports__MediaTimeout", "00:00:00")]
    [InlineData("SecondFactors__RememberedBrowserDays", "400")]
    [InlineData("SecondFactors__AttemptsPerAccount", "1")]
    [InlineData("PushSignIn__Lifetime", "00:00:10")]
    [InlineData("PushSignIn__RequestsPerAccount", "2")]
    [InlineData("PushSignIn__DenialDelay", "00:00:01")]
    [InlineData("Accounts__LockoutDuration", "soon")]
    [InlineData("Accounts__SessionLifetime", "7")]
    [InlineData("Accounts__RequireVerifiedEmail", "yes")]
    [InlineData("Accounts__LockoutThreshold", "ten")]
    [InlineData("Compatibility__PostStatus", "created")]
    [InlineData("OAuth__ClockSkew", "5s")]
    [InlineData("OAuth__RefreshGrace", "2m")]
    [InlineData("Federation__Providers__corp__CreateAccounts", "perhaps")]
    [InlineData("Logging__LogLevel__Default", "loud")]
    [InlineData("Clients__0", "atlas")]
    [InlineData("Resources__0", "https://notes.example.com")]
    [InlineData("ADMIN_PASSWORD", "a sound pass phrase 7", "Production")]
    public async Task Setting_WhenItCannotBeUsed_StopsTheStartWithALineThatNamesIt(string name, string value, string environment = "Development")
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName };
        settings[name] = value;
        await using var server = ServerProcess.Start(settings, environment);
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains(name.Replace("__", ":", StringComparison.Ordinal) + ":", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", server.Output, StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("[{\"client_id\":\"broken\",\"redirect_uris\":[\"http://evil.example.com/cb\"],\"token_endpoint_auth_method\":\"none\"}]", "broken", "redirect_uris[0]")]
    [InlineData("[{\"client_id\":\"open\",\"token_endpoint_auth_method\":\"none\",\"redirect_uris\":[\"https://a.example.com/\"],\"require_pkce\":false}]", "open", "require_pkce")]
    [InlineData("{}", "CLIENTS_FILE", "array")]
    public async Task ClientsFile_WhenAnEntryIsBad_NamesTheClientAndTheMember(string json, string client, string member)
    {
        var failure = await Assert.ThrowsAsync<StartFailureException>(() => HostedServer.StartAsync(json));
        Assert.Contains(client, failure.Message, StringComparison.Ordinal);
        Assert.Contains(member, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_WhenSeveralSectionsCannotBeUsed_AreToldALineEach()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        await using var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = directory.FullName,
            ["DEFAULT_REGION"] = "de",
            ["Accounts__LockoutDuration"] = "soon",
            ["Accounts__MinimumPasswordLength"] = "3",
            ["SecondFactors__RememberedBrowserDays"] = "400",
            ["SecondFactors__RequiredForRole"] = "admin",
        });
        Assert.Equal(1, await server.WaitForExitAsync());
        await server.WaitOutputAsync();
        var lines = server.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(
            ["DEFAULT_REGION: ", "Accounts:LockoutDuration: expected a duration such as 30s, 15m, 1h, 7d or 00:15:00", "Accounts:MinimumPasswordLength: ", "SecondFactors:RememberedBrowserDays: ",
             "SecondFactors:RequiredForRole: expected a setting that exists, such as SecondFactors:RequiredForRoles."],
            start => Assert.Single(lines, line => line.StartsWith(start, StringComparison.Ordinal)));
        Assert.DoesNotContain("Unhandled", server.Output, StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Section_WhenItsValuesAreWrittenAsInOtherSettings_TakesThem()
    {
        await using var server = await Api.ApiServer.StartAsync(new(StringComparer.Ordinal)
        {
            ["Accounts:LockoutDuration"] = "30m",
            ["Accounts:SessionLifetime"] = "7d",
            ["Accounts:SessionIdleTimeout"] = "1.02:00:00",
            ["Accounts:RequireVerifiedEmail"] = "True",
            ["Accounts:AllowCodeSignIn"] = "",
            ["Accounts:OneTimeCodeGuesses"] = " 4 ",
            ["OAuth:RefreshGrace"] = "0s",
        });
        var accounts = server.Services.GetRequiredService<IOptions<AccountsOptions>>().Value;
        Assert.Equal(TimeSpan.FromMinutes(30), accounts.LockoutDuration);
        Assert.Equal(TimeSpan.FromDays(7), accounts.SessionLifetime);
        Assert.Equal(TimeSpan.FromHours(26), accounts.SessionIdleTimeout);
        Assert.True(accounts.RequireVerifiedEmail);
        Assert.False(accounts.AllowCodeSignIn);
        Assert.Equal(4, accounts.OneTimeCodeGuesses);
        Assert.Equal(TimeSpan.Zero, server.Services.GetRequiredService<IOptions<OAuthOptions>>().Value.RefreshGrace);
    }

    // Those of the contract's table, for both: an .env of the older service has them.
    [Theory]
    [InlineData("30s", 30)]
    [InlineData("15m", 900)]
    [InlineData("1h", 3600)]
    [InlineData("7d", 604800)]
    [InlineData("120", 120)]
    public async Task Expiry_WhenItIsOneOfTheContracts_IsTaken(string text, int seconds)
    {
        foreach (var (access, refresh) in new[] { (text, "7d"), ("1h", text) })
        {
            await using var server = await Api.ApiServer.StartAsync(new(StringComparer.Ordinal) { ["JWT_ACCESS_EXPIRY"] = access, ["JWT_REFRESH_EXPIRY"] = refresh });
            var person = await server.RegisterAsync();
            var answer = await server.PostAsync("login", new { email = person.Email, password = person.Password });
            answer.AssertOk();
            Assert.Equal(access == text ? seconds : 3600, (int)answer.Json["expiresIn"]!);
            Assert.Equal(refresh == text ? seconds : 604800, (int)answer.Json["refreshExpiresIn"]!);
        }
    }

    [Fact]
    public async Task AccessToken_WhenItLivesForDays_IsGoodSoLongAndNoLongerThanItsSession()
    {
        await using var server = await Api.ApiServer.StartAsync(new(StringComparer.Ordinal) { ["JWT_ACCESS_EXPIRY"] = "7d", ["JWT_REFRESH_EXPIRY"] = "30s" });
        var (person, tokens) = await server.SignedInAsync();
        var other = await server.LoginAsync(person.Email);
        (await server.PostAsync("logout", null, other.Access)).AssertOk();
        server.Time.Advance(TimeSpan.FromDays(6));
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertOk();
        (await server.GetAsync($"users/{person.Id}", other.Access)).AssertFailure(401, "invalid_token");
        server.Time.Advance(TimeSpan.FromDays(1));
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
    }

    // JSON's true becomes "True" in .NET's settings.
    [Theory]
    [InlineData("true", true)]
    [InlineData("True", true)]
    [InlineData("FALSE", false)]
    public void ApiDocs_InAnyCase_IsRead(string text, bool shown)
    {
        Assert.Equal(shown, ServerSettings.Read(Configuration(("API_DOCS", text)), isDevelopment: true).ShowsApiDocuments);
    }

    [Fact]
    public void PublicUrl_WhenSchemeAndHostAreInCapitals_IsTheUsualOne()
    {
        var settings = ServerSettings.Read(Configuration(("PUBLIC_URL", "HTTPS://Id.Example.COM/Identity/")), isDevelopment: true);
        Assert.True(settings.IsHttps);
        Assert.Equal("https://id.example.com/Identity", settings.PublicUrl);
    }

    // RFC 9068 §3 and the contract: a scope that only clients name belongs to no API, so its tokens are for the issuer.
    [Fact]
    public async Task ClientsFile_WhenAScopeIsNoApis_StartsAndSaysSoAndTheTokenIsForTheIssuer()
    {
        await using var server = await Api.ApiServer.StartAsync(new(StringComparer.Ordinal)
        {
            ["Clients:0:client_id"] = "billing",
            ["Clients:0:client_secret"] = "billing-secret-of-at-least-32-characters",
            ["Clients:0:grant_types:0"] = "client_credentials",
            ["Clients:0:scope"] = "reports.read identity.users.raed orders.read",
        });
        var token = await server.ServiceTokenAsync("billing", "reports.read");
        Assert.Equal(Api.ApiServer.Issuer, (string?)RunningServer.Payload(token)["aud"]);
        Assert.Equal("invalid_scope", (await server.FormAsync("/connect/token", "billing", ("grant_type", "client_credentials"), ("scope", "nobodys.read"))).Value("error"));
        var told = Assert.Single(server.Logs.Lines, line => line.Contains("billing", StringComparison.Ordinal) && line.Contains("misspelt", StringComparison.Ordinal));
        Assert.Contains("reports.read, identity.users.raed", told, StringComparison.Ordinal);
        Assert.DoesNotContain("orders.read", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_WhenOutsideDevelopment_NeedsAnHttpsPublicUrl()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        await using var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName }, "Production");
        Assert.Equal(1, await server.WaitForExitAsync());
        Assert.Contains("PUBLIC_URL", server.Output, StringComparison.Ordinal);
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Server_WhenTold_StopsCleanlyAndFindsItsDataAgain()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["Accounts__PasswordHashIterations"] = "1000" };
        string keys;
        await using (var first = ServerProcess.Start(settings))
        {
            await first.WaitReadyAsync();
            using var http = new HttpClient { BaseAddress = first.Address };
            keys = await http.GetStringAsync("/connect/jwks");
            Assert.Equal(0, await first.TerminateAsync());
            await first.WaitOutputAsync();

            // At once what it does; what was made up only when it listens; then where to open, who signs in, what to try.
            Assert.Contains("demo-service", first.Output, StringComparison.Ordinal);
            Assert.Contains("Administrator", first.Output, StringComparison.Ordinal);
            string[] order = ["Identity is starting", "Identity listens", "Open ", "Sign in ", "shown this once", "Try "];
            var places = order.Select(part => first.Output.IndexOf(part, StringComparison.Ordinal)).ToArray();
            Assert.DoesNotContain(-1, places);
            Assert.Equal(places.Order(), places);
            settings["PORT"] = first.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await using var second = ServerProcess.Start(settings);
        await second.WaitReadyAsync();
        Assert.DoesNotContain("shown this once", second.Output, StringComparison.Ordinal);
        Assert.All(["users reset-password admin@localhost.local", "clients rotate-secret demo-service"], command => Assert.Contains(command, second.Output, StringComparison.Ordinal));
        using var again = new HttpClient { BaseAddress = second.Address };
        Assert.Equal(keys, await again.GetStringAsync("/connect/jwks"));
        await second.TerminateAsync();
        directory.Delete(recursive: true);
    }

    [Fact]
    public void Server_WhenThePasswordIsTheSettings_SaysWhichSettingAndNotThePassword()
    {
        Assert.Contains("Administrator admin@example.com with ADMIN_PASSWORD", running.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(Node.Password, running.Output, StringComparison.Ordinal);
    }

    // Nobody would see a password that was made up for a server which then cannot listen: none is made.
    [Fact]
    public async Task Server_WhenItsPortIsTaken_EndsWithOneLineAndMakesNoAccounts()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        await using var server = ServerProcess.Start(new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName, ["PORT"] = port });
        Assert.Equal(1, await server.WaitForExitAsync());
        await server.WaitOutputAsync();
        Assert.Single(server.Output.Split('\n'), line => line.StartsWith("PORT: ", StringComparison.Ordinal) && line.Contains(port, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", server.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("shown this once", server.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(directory.FullName, "identity.db")));
        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("admin@localhost.local", null)]
    [InlineData("admin@localhost.local", "root@example.com")]
    [InlineData("ada@example.com", "root@example.com")]
    public async Task PrintedPassword_OutsideDevelopment_OpensNothing(string printed, string? admin)
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["DATA_DIR"] = directory.FullName };
        if (printed == "ada@example.com")
        {
            settings["ADMIN_EMAIL"] = printed;
        }

        string password, access;
        await using (var first = ServerProcess.Start(settings))
        {
            await first.WaitReadyAsync();
            password = PrintedPassword().Match(first.Output).Groups["password"].Value;
            (var status, access) = await LoginAsync(first, printed, password);
            Assert.Equal(HttpStatusCode.OK, status);
            Assert.Equal(0, await first.TerminateAsync());
        }

        (settings["PUBLIC_URL"], settings["TRUSTED_PROXIES"], settings["BIND_ADDRESS"]) = ("https://id.example.com", "127.0.0.1,::1", "127.0.0.1");
        if (admin is not null)
        {
            (settings["ADMIN_EMAIL"], settings["ADMIN_PASSWORD"]) = (admin, "a sound pass phrase 7");
        }

        await using (var second = ServerProcess.Start(settings, "Production"))
        {
            await second.WaitReadyAsync();
            Assert.Equal(HttpStatusCode.Unauthorized, (await LoginAsync(second, printed, password)).Status);
            using var http = new HttpClient { BaseAddress = second.Address };
            http.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
            http.DefaultRequestHeaders.Authorization = new("Bearer", access);
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/api/identity/users")).StatusCode);
            if (admin is not null)
            {
                // Else whoever runs it would have nobody to sign in as.
                Assert.Equal(HttpStatusCode.OK, (await LoginAsync(second, admin, "a sound pass phrase 7")).Status);
            }

            Assert.Equal(0, await second.TerminateAsync());
            await second.WaitOutputAsync();
            Assert.Single(second.Output.Split('\n'), line => line.Contains("\"eventId\":5013", StringComparison.Ordinal));
        }

        directory.Delete(recursive: true);
    }

    private static async Task<(HttpStatusCode Status, string Access)> LoginAsync(ServerProcess server, string email, string password)
    {
        using var http = new HttpClient { BaseAddress = server.Address };
        http.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        using var answer = await http.PostAsJsonAsync("/api/identity/login", new { email, password });
        return (answer.StatusCode, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["accessToken"] ?? "");
    }

    [Fact]
    public async Task Server_WhenInProduction_TellsItsTrapsInJsonAndKeepsItsDocumentsClosed()
    {
        var directory = Directory.CreateTempSubdirectory("identity-settings-test-");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATA_DIR"] = directory.FullName,
            ["PUBLIC_URL"] = "https://id.example.com",
            ["TRUSTED_PROXIES"] = "127.0.0.1,::1,::ffff:127.0.0.1",
            ["BIND_ADDRESS"] = "127.0.0.1",
            ["Logging__LogLevel__Microsoft.AspNetCore.Routing"] = "Debug",
            ["SecondFactors__RequiredForRoles"] = "admin, ghost",
            ["SecondFactors__RequiredForClients"] = "demo,identity-api,nobody",
        };
        settings["CLIENTS_FILE"] = Path.Combine(directory.FullName, "clients.json");
        await File.WriteAllTextAsync(settings["CLIENTS_FILE"], "[{\"client_id\":\"demo\",\"token_endpoint_auth_method\":\"none\",\"redirect_uris\":[\"https://demo.example.com/cb\"],\"scope\":\"openid\"}]");
        await using var server = ServerProcess.Start(settings, "Production");
        await server.WaitReadyAsync();
        using var http = new HttpClient { BaseAddress = server.Address };
        http.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
        foreach (var path in (string[])["/docs", "/docs/index.html", "/openapi/v1.json", "/openapi/v1-3.0.json", "/asyncapi/v1.yaml", "/demo/callback"])
        {
            using var closed = await http.GetAsync(path);
            Assert.Equal(HttpStatusCode.NotFound, closed.StatusCode);
        }

        var service = JsonNode.Parse(await http.GetStringAsync("/api/identity"))!.AsObject();
        Assert.Equal("https://id.example.com", (string?)service["issuer"]);
        Assert.False(service.ContainsKey("openApi"));
        Assert.Equal(0, await server.TerminateAsync());
        await server.WaitOutputAsync();

        var lines = server.Output.Split('\n').Where(line => line.Length > 0).Select(line => JsonNode.Parse(line)!).ToArray();
        Assert.All(lines, line =>
        {
            Assert.Equal(TimeSpan.Zero, DateTimeOffset.Parse((string)line["time"]!, CultureInfo.InvariantCulture).Offset);
            Assert.False(string.IsNullOrEmpty((string?)line["level"]));
            Assert.NotNull(line["eventId"]);
        });
        Assert.Contains(lines, line => ((string?)line["traceId"])?.Length == 32);
        var traps = lines.Where(line => (int)line["eventId"]! == 5007).Select(line => (string)line["message"]!).ToArray();
        Assert.All(["SMTP_URL", "MASTER_KEY", "DB_HOST"], name => Assert.Single(traps, trap => trap.StartsWith(name + " ", StringComparison.Ordinal)));
        Assert.Single(traps, "Client demo has the name of a demo client and is in force.");
        Assert.Single(traps, trap => trap.StartsWith("SecondFactors:RequiredForRoles names ghost, ", StringComparison.Ordinal));
        Assert.Single(traps, trap => trap.StartsWith("SecondFactors:RequiredForClients names nobody, ", StringComparison.Ordinal));
        Assert.Equal(6, traps.Length);
        Assert.All(traps, trap => Assert.DoesNotContain('\n', trap));
        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task ManagementPort_WhenSet_HasHealthAndMetricsAndNothingElse()
    {
        var management = Ports.Free();
        await using var server = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["MANAGEMENT_PORT"] = management.ToString(CultureInfo.InvariantCulture) });
        using var http = new HttpClient();
        async Task<HttpStatusCode> StatusAsync(string url)
        {
            using var answer = await http.GetAsync(new Uri(url));
            return answer.StatusCode;
        }

        var inside = $"http://localhost:{management}";
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(inside + "/health/live"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(inside + "/health/ready"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(inside + "/"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(inside + "/.well-known/openid-configuration"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server.Url + ".well-known/openid-configuration"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server.Url + "health/live"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server.Url + "metrics"));
        Assert.Contains("http_server_request_duration", await http.GetStringAsync(inside + "/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public void Document_WhenTheSourcesReadASetting_ListsIt()
    {
        var document = Document();
        var read = Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(file => SettingName().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value))
            .Distinct(StringComparer.Ordinal)
            .Where(name => !document.Contains("`" + name + "`", StringComparison.Ordinal));
        Assert.Empty(read);
    }

    // Sections are options classes, which name theirs. Federation is a tree, and has a document of its own.
    [Fact]
    public void Document_WhenASectionHasAMember_TellsItsDefault()
    {
        Type[] marks = [typeof(AccountsOptions), typeof(OAuthOptions), typeof(CompatibilityOptions), typeof(ServerHost)];
        var options = marks.SelectMany(mark => mark.Assembly.GetTypes())
            .Select(type => (Type: type, Section: type == typeof(OAuthOptions) ? "OAuth" : type.GetField("Section", BindingFlags.Public | BindingFlags.Static)?.GetValue(obj: null) as string))
            .Where(found => found.Section is not (null or "Federation"))
            .ToArray();
        Assert.Contains(options, found => found.Section == "Accounts");
        var told = options.SelectMany(found => Members(found.Section!, found.Type)).Where(member => !SetByTheHost.Contains(member.Name, StringComparer.Ordinal));
        var listed = SectionRow().Matches(Document()).Select(match => (Name: match.Groups["name"].Value, Default: match.Groups["value"].Value));
        Assert.Equal(told.Distinct().OrderBy(member => member.Name, StringComparer.Ordinal), listed.OrderBy(member => member.Name, StringComparer.Ordinal));
    }

    // Given by a setting of another name, derived from the master key, or read off the pages' own files.
    private static readonly string[] SetByTheHost =
    [
        "Accounts:DefaultRegion", "Accounts:PublicUrl", "Accounts:OneTimeCodeKey",
        "OAuth:Issuer", "OAuth:AccessTokenLifetime", "OAuth:RefreshTokenLifetime", "OAuth:UiLocales", "OAuth:Metadata", "OAuth:RefreshTokenKey", "OAuth:CompatibilitySecret",
    ];

    private static IEnumerable<(string Name, string Default)> Members(string section, Type type)
    {
        var defaults = Activator.CreateInstance(type)!;
        return type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Select(member => ($"{section}:{member.Name}", Text(member.GetValue(defaults))));

        static string Text(object? value) => value switch
        {
            null => "unset",
            bool flag => flag ? "true" : "false",
            string text => text,
            System.Collections.IEnumerable => "none",
            _ => Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!,
        };
    }

    private static IConfiguration Configuration(params (string Name, string Value)[] settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Name, (string?)setting.Value))).Build();

    private static string Document() => File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "settings.md"));

    [GeneratedRegex(@"Administrator \S+, password (?<password>\S+)", RegexOptions.ExplicitCapture)]
    private static partial Regex PrintedPassword();

    [GeneratedRegex(@"^\| `(?<name>[A-Z]\w+:\w+)` \| (?<value>[^|]+) \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex SectionRow();

    [GeneratedRegex("(?:configuration\\[|configuration, |Text\\()\"([A-Z][A-Z_]+)\"")]
    private static partial Regex SettingName();
}
