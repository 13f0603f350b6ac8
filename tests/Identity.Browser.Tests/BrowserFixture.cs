using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Identity.Accounts;
using Identity.Accounts.Devices;
using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Kit.Push;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[CollectionDefinition(Name)]
public sealed class BrowserCollection : ICollectionFixture<BrowserFixture>
{
    public const string Name = "browser";
}

/// <summary>The machine's Chromium, a running server, and an application that people are sent back to.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    public const string Password = "violet tram harbour";

    private static readonly string Axe = Path.Combine(SourceDirectory(), "node_modules", "axe-core", "axe.min.js");
    private static readonly string OidcClient = Path.Combine(SourceDirectory(), "node_modules", "oidc-client-ts", "dist", "browser", "oidc-client-ts.min.js");
    private static readonly string[] Chromes = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private HostedServer? _server;
    private HostedServer? _narrow;
    private HostedServer? _federated;
    private readonly StandInProvider _provider = new();
    private StandInFcm? _fcm;
    private WebApplication? _application;
    private string? _missing;

    public HostedServer Server => _server!;

    /// <summary>A server on which nearly every second attempt is one too many.</summary>
    public HostedServer NarrowServer => _narrow!;

    /// <summary>A server that people may also come to from another provider.</summary>
    public HostedServer FederatedServer => _federated!;

    /// <summary>Where the application is called back.</summary>
    public string Callback { get; private set; } = "";

    /// <summary>The single-page application, at the origin that its redirect URIs name: another than the server's, of the same site, for the cookie of a frame's renewal is kept from other sites.</summary>
    public Uri SinglePageApp => At("localhost");

    /// <summary>The same page at an origin that one client allows.</summary>
    public Uri Elsewhere => At("127.0.0.2");

    /// <summary>The same page at an origin that no client names.</summary>
    public Uri Stranger => At("127.0.0.3");

    /// <summary>What applications heard of sessions that ended, by query: whose address it was, of which session.</summary>
    public ConcurrentQueue<Dictionary<string, string>> Heard { get; } = new();

    public string AxeSource { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var chromium = Array.Find(Chromes, File.Exists);
        _missing = chromium is null ? "Chromium is not installed." : !File.Exists(Axe) || !File.Exists(OidcClient) ? "axe-core or oidc-client-ts is not installed: npm ci in tests/Identity.Browser.Tests." : null;
        if (_missing is not null)
        {
            return;
        }

        AxeSource = await File.ReadAllTextAsync(Axe);
        await StartApplicationAsync();
        _fcm = await StandInFcm.StartAsync();
        _server = await HostedServer.StartAsync(Clients(SinglePageApp, Elsewhere, new Uri(Callback)), settings: new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Accounts:AllowCodeSignIn"] = "true",
            ["Accounts:OneTimeCodesPerAccount"] = "1000",
            ["SecondFactors:RequiredForRoles:0"] = "auditor",
            ["FIREBASE_CREDENTIALS"] = _fcm.Credentials,
            ["FCM_ENDPOINT"] = _fcm.Address.AbsoluteUri,
        });

        _narrow = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:OneTimeCodesPerAccount"] = "2", ["Accounts:OneTimeCodesPerAddress"] = "2" });

        _federated = await HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Federation:Providers:example:Type"] = "oidc",
            ["Federation:Providers:example:DisplayName"] = "Example Inc.",
            ["Federation:Providers:example:Authority"] = Provider,
            ["Federation:Providers:example:ClientId"] = "identity",
            ["Federation:Providers:example:ClientSecret"] = "a-secret-of-the-stand-in-of-32-characters",
        });

        Environment.SetEnvironmentVariable("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = chromium,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
    }

    /// <summary>A browser of its own for one test: no cookies, and a complaint about any breach of the content security policy.</summary>
    public async Task<Visit> VisitAsync(bool javaScript = true, string locale = "en-GB", ColorScheme scheme = ColorScheme.Light)
    {
        if (_missing is not null)
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") != "1", _missing);
            Assert.Fail(_missing);
        }

        var context = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = Server.Url.AbsoluteUri,
            JavaScriptEnabled = javaScript,
            Locale = locale,
            ColorScheme = scheme,
            ReducedMotion = ReducedMotion.Reduce,
            ViewportSize = new ViewportSize { Width = 1280, Height = 800 },
        });
        context.SetDefaultTimeout(Visit.Patience);
        return new Visit(this, context, await context.NewPageAsync());
    }

    /// <summary>Leads a visit from the sign-in page over the other provider to the question whose account its address is.</summary>
    public async Task ComeFromTheProviderAsync(Visit visit)
    {
        await FederatedServer.RegisterAsync(visit.Email, Password, "Ada", "Lovelace");
        _provider.Email = visit.Email;
        await visit.GotoAsync(FederatedServer.Url + "signin");
        await visit.Page.EnterAsync("Continue with Example Inc.");
        await visit.Page.ArriveAtAsync("**/external/link?*");
    }

    /// <summary>Two devices of a person who is signed in, as their apps would register them.</summary>
    public async Task AddPushDevicesAsync(string email)
    {
        var account = await Server.Services.GetRequiredService<AccountLookup>().FindAsync(new CodeRecipient(null, email, null), CancellationToken.None);
        var session = (await Server.Services.GetRequiredService<ISessionStore>().ListLiveAsync(account!.Id, DateTimeOffset.UtcNow, CancellationToken.None))[0];
        foreach (var (platform, environment) in new (string, string?)[] { (DevicePlatforms.Android, null), (DevicePlatforms.Ios, "production") })
        {
            var device = new NewDevice(platform, Guid.NewGuid().ToString("N"), AppId: "com.example.atlas", Environment: environment);
            Assert.IsType<DeviceRegistration.Registered>(await Server.Services.GetRequiredService<DeviceRegistry>().RegisterAsync(account.Id, session.Id, device, new Caller(null, null), notice: null, CancellationToken.None));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
        foreach (var server in new[] { _server, _narrow, _federated })
        {
            if (server is not null)
            {
                await server.DisposeAsync();
            }
        }

        _provider.Dispose();
        if (_fcm is not null)
        {
            await _fcm.DisposeAsync();
        }

        if (_application is not null)
        {
            await _application.DisposeAsync();
        }
    }

    public static string SourceDirectory([System.Runtime.CompilerServices.CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private string Provider => new Uri(new Uri(Callback), StandInProvider.Path).AbsoluteUri;

    private Uri At(string host) => new UriBuilder(Callback) { Host = host, Path = "/app/index.html" }.Uri;

    private async Task StartApplicationAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Any, 0));
        _application = builder.Build();
        _application.Map("/callback", async (HttpRequest request) =>
        {
            var posted = request.HasFormContentType ? string.Join(' ', (await request.ReadFormAsync()).Keys.Order()) : "";
            return Results.Content($"<!DOCTYPE html><html lang=en><title>Atlas</title><h1>Back at Atlas</h1><output>{WebUtility.HtmlEncode(posted)}</output>", "text/html");
        });
        _application.MapGet("/heard", (HttpRequest request) =>
        {
            Heard.Enqueue(request.Query.ToDictionary(pair => pair.Key, pair => pair.Value.ToString(), StringComparer.Ordinal));
            return Results.Content("<!DOCTYPE html><title>Signed out</title>", "text/html");
        });
        _application.MapGet("/never", (HttpContext context) => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default));
        _provider.Map(_application, () => Provider);
        _application.MapGet("/app/oidc-client-ts.js", () => Results.File(OidcClient, "text/javascript"));
        _application.MapGet("/app/settings.json", () => Results.Json(new { authority = Server.Url.AbsoluteUri.TrimEnd('/') }));
        _application.MapGet("/app/{file}", (string file) => Results.File(Path.Combine(SourceDirectory(), "app", Path.GetFileName(file)), file.EndsWith(".js", StringComparison.Ordinal) ? "text/javascript" : "text/html"));
        await _application.StartAsync();
        Callback = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{new Uri(_application.Urls.First()).Port}/callback");
    }

    private static string Clients(Uri application, Uri elsewhere, Uri callback) => $$"""
        [
          {
            "client_id": "atlas",
            "client_name": "Atlas",
            "client_uri": "https://atlas.example.com/",
            "tos_uri": "https://atlas.example.com/terms",
            "policy_uri": "https://atlas.example.com/privacy",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "post_logout_redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "scope": "openid profile email address phone offline_access",
            "require_consent": true
          },
          {
            "client_id": "tv",
            "client_name": "Living room TV",
            "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "scope": "openid profile email offline_access"
          },
          {
            "client_id": "notes",
            "client_name": "Notes",
            "redirect_uris": ["{{new Uri(application, "/app/callback.html")}}"],
            "post_logout_redirect_uris": ["{{new Uri(application, "/app/index.html")}}", "{{new Uri(application, "/app/callback.html?signed-out")}}"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "scope": "openid profile email offline_access"
          },
          {
            "client_id": "elsewhere",
            "client_name": "A page that is served from another place than it is called back at",
            "redirect_uris": ["https://elsewhere.example.com/callback"],
            "allowed_origins": ["{{elsewhere.GetLeftPart(UriPartial.Authority)}}"],
            "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "none",
            "scope": "openid"
          },
          {
            "client_id": "harbour",
            "client_name": "Harbour",
            "redirect_uris": ["{{callback}}"],
            "post_logout_redirect_uris": ["{{callback}}"],
            "frontchannel_logout_uri": "{{new Uri(callback, "/heard?by=harbour")}}",
            "token_endpoint_auth_method": "none",
            "scope": "openid"
          },
          {
            "client_id": "lighthouse",
            "client_name": "Lighthouse",
            "redirect_uris": ["{{callback}}", "{{new Uri(application, "/callback")}}"],
            "frontchannel_logout_uri": "{{new Uri(application, "/heard?by=lighthouse")}}",
            "token_endpoint_auth_method": "none",
            "scope": "openid"
          },
          {
            "client_id": "mute",
            "client_name": "One that never answers",
            "redirect_uris": ["{{callback}}"],
            "frontchannel_logout_uri": "{{new Uri(callback, "/never")}}",
            "token_endpoint_auth_method": "none",
            "scope": "openid"
          }
        ]
        """;
}
