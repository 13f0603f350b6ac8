using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using AngleSharp.Html.Parser;
using Identity.Server.External;
using Identity.Tests.Api;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.External;

/// <summary>What a provider answers.</summary>
public sealed record StubAnswer(int Status, string Body, string ContentType = "application/json;charset=UTF-8", IReadOnlyList<KeyValuePair<string, string>>? Headers = null)
{
    public static StubAnswer Of(Recording recording) => new(
        recording.Status,
        recording.Body,
        recording.Header("Content-Type") ?? "",
        [.. recording.Headers.Where(header => header.Key is "Location" or "WWW-Authenticate" or "Content-API-Version" or "Cache-Control")]);
}

/// <summary>A request that a provider got.</summary>
public sealed record StubRequest(string Method, string Path, string Query, string Body, IReadOnlyDictionary<string, string> Headers);

/// <summary>A small server that answers as it is told: by method and path, whatever host it is asked for.</summary>
public sealed class StubProvider : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<StubRequest> _requests = new();

    private StubProvider(WebApplication app) => _app = app;

    public ConcurrentDictionary<string, Func<StubRequest, Task<StubAnswer>>> Routes { get; } = new(StringComparer.Ordinal);

    public IReadOnlyCollection<StubRequest> Requests => _requests;

    public int Port { get; private set; }

    public bool IsDown { get; set; }

    public static async Task<StubProvider> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var stub = new StubProvider(app);
        app.Run(stub.AnswerAsync);
        await app.StartAsync();
        stub.Port = new Uri(app.Urls.Single()).Port;
        return stub;
    }

    public void On(string route, Func<StubRequest, StubAnswer> answer) => Routes[route] = request => Task.FromResult(answer(request));

    public void On(string route, StubAnswer answer) => Routes[route] = _ => Task.FromResult(answer);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        if (IsDown)
        {
            context.Abort();
            return;
        }

        using var reader = new StreamReader(context.Request.Body);
        var request = new StubRequest(context.Request.Method, context.Request.Path, context.Request.QueryString.ToString(), await reader.ReadToEndAsync(), context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase));
        _requests.Enqueue(request);
        var answer = Routes.TryGetValue(request.Method + " " + request.Path, out var route) ? await route(request) : new StubAnswer(404, "{}");
        context.Response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers ?? [])
        {
            context.Response.Headers[name] = value;
        }

        if (answer.ContentType.Length > 0)
        {
            context.Response.ContentType = answer.ContentType;
        }

        await context.Response.WriteAsync(answer.Body);
    }
}

/// <summary>The server with providers that a test stands in for, at a time of its own.</summary>
public sealed class ExternalWorld : IAsyncDisposable
{
    public const string Issuer = "http://openam.example.org:18300/openam/oauth2";
    public const string SubIssuer = Issuer + "/realms/root/realms/partners";

    private ExternalWorld(HostedServer server, StubProvider provider, FakeTimeProvider time, RecordedIds ids, CapturedLogs logs) => (Server, Provider, Time, Ids, Logs) = (server, provider, time, ids, logs);

    public HostedServer Server { get; }

    public StubProvider Provider { get; }

    public FakeTimeProvider Time { get; }

    public RecordedIds Ids { get; }

    public CapturedLogs Logs { get; }

    /// <param name="at">The time of the recordings, as a rule.</param>
    /// <param name="settings">Of the section Federation, and others.</param>
    /// <param name="clients">Content of CLIENTS_FILE; null: none.</param>
    /// <param name="resources">Content of RESOURCES_FILE; null: none.</param>
    public static async Task<ExternalWorld> StartAsync(DateTimeOffset at, IReadOnlyDictionary<string, string> settings, string? clients = null, string? resources = null)
    {
        var provider = await StubProvider.StartAsync();
        var (time, ids, logs) = (new FakeTimeProvider(at), new RecordedIds(), new CapturedLogs());
        var server = await HostedServer.StartAsync(clients, resources, time, settings, services: services =>
        {
            services.AddSingleton<ExternalHttp>(new StubHttp(provider));
            services.AddSingleton<ExternalIds>(ids);
        });

        // The host clears what was there before it.
        server.Services.GetRequiredService<ILoggerFactory>().AddProvider(logs);
        return new ExternalWorld(server, provider, time, ids, logs);
    }

    /// <summary>OpenAM's realm /partners, whose key is its own in the recordings.</summary>
    public static Dictionary<string, string> Partners(string client) => new(StringComparer.Ordinal)
    {
        ["Federation:Providers:openam:Type"] = "oidc",
        ["Federation:Providers:openam:Preset"] = "openam",
        ["Federation:Providers:openam:DisplayName"] = "Example OpenAM",
        ["Federation:Providers:openam:Authority"] = SubIssuer,
        ["Federation:Providers:openam:Realm"] = "/partners",
        ["Federation:Providers:openam:ClientId"] = client,
        ["Federation:Providers:openam:ClientSecret"] = "rp-secret-78",
        ["Federation:Providers:openam:CallbackPath"] = "/cb",
    };

    /// <summary>OpenAM's root realm.</summary>
    public static Dictionary<string, string> Root(string client)
    {
        var settings = Partners(client);
        settings["Federation:Providers:openam:Authority"] = Issuer;
        settings["Federation:Providers:openam:Realm"] = "/";
        return settings;
    }

    /// <summary>Discovery and keys of /partners as recorded.</summary>
    public void ServePartners()
    {
        Provider.On("GET /openam/oauth2/realms/root/realms/partners/.well-known/openid-configuration", new StubAnswer(200, Recording.Text("oidc/discovery-sub.json")));
        Provider.On("GET /openam/oauth2/realms/root/realms/partners/connect/jwk_uri", new StubAnswer(200, Recording.Text("oidc/jwks-sub-own-key.json")));
        Provider.On("POST /openam/oauth2/realms/root/realms/partners/token/revoke", new StubAnswer(200, "{}"));
        Provider.On("GET /openam/oauth2/realms/root/realms/partners/userinfo", StubAnswer.Of(Recording.Read("oidc/userinfo-alice.http")));
    }

    public void ServeRoot(string jwks)
    {
        Provider.On("GET /openam/oauth2/.well-known/openid-configuration", new StubAnswer(200, Recording.Text("oidc/discovery-root.json")));
        Provider.On("GET /openam/oauth2/connect/jwk_uri", new StubAnswer(200, jwks));
        Provider.On("POST /openam/oauth2/token/revoke", StubAnswer.Of(Recording.Read("oidc/variants/revoke-at-token-revoke.http")));
        Provider.On("GET /openam/oauth2/userinfo", StubAnswer.Of(Recording.Read("oidc/userinfo-alice.http")));
    }

    public Browser NewBrowser() => new(Server.Url);

    /// <summary>Presses the button: the request that goes to the provider.</summary>
    public static async Task<Dictionary<string, string>> BeginAsync(Browser browser, string provider = "openam", string returnUrl = "/account")
    {
        using var answer = await browser.GetAsync($"/external/{provider}?returnUrl={Uri.EscapeDataString(returnUrl)}");
        Assert.True(answer.StatusCode == HttpStatusCode.Redirect, $"{(int)answer.StatusCode} {answer.Headers.Location}");
        var query = Node.Query(answer.Headers.Location);
        query["(address)"] = answer.Headers.Location!.GetLeftPart(UriPartial.Path);
        return query;
    }

    /// <summary>A whole sign-in with a recorded code and tokens; where it leads.</summary>
    public async Task<Uri> SignInAsync(Browser browser, string nonce, string issuer = SubIssuer, string code = "a-code", string returnUrl = "/account", string provider = "openam", string callback = "/cb")
    {
        Ids.Nonce = nonce;
        var sent = await BeginAsync(browser, provider, returnUrl);
        using var answer = await browser.GetAsync($"{callback}?code={code}&scope=openid%20profile%20email&iss={Uri.EscapeDataString(issuer)}&state={Uri.EscapeDataString(sent["state"])}&client_id={sent["client_id"]}");
        Assert.True(answer.Headers.Location is not null, $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return answer.Headers.Location;
    }

    /// <summary>What the failure page tells, once it is shown.</summary>
    public static async Task<string> ProblemAsync(Browser browser, Uri location)
    {
        Assert.StartsWith("/external/problem?", location.OriginalString, StringComparison.Ordinal);
        using var page = await browser.GetAsync(location.OriginalString);
        var html = await page.Content.ReadAsStringAsync();
        var problem = Node.Query(location)["problem"];
        Assert.True((int)page.StatusCode is >= 400 and < 600 and not 500, $"{(int)page.StatusCode} {html}");
        var document = new HtmlParser().ParseDocument(html);
        Assert.NotEmpty(document.QuerySelector("h1")!.TextContent);
        Assert.DoesNotContain("External.", document.Body!.TextContent, StringComparison.Ordinal);
        Assert.Contains(Node.Query(location)["id"], html, StringComparison.Ordinal);
        return problem;
    }

    /// <summary>The reason that the log names.</summary>
    public bool LoggedReason(string reason) => Logs.Lines.Any(line => line.Contains("ExternalFailures", StringComparison.Ordinal) && line.Contains($"({reason})", StringComparison.Ordinal));

    /// <summary>Who is signed in: what the account page shows.</summary>
    public static async Task<string?> PersonAsync(Browser browser)
    {
        using var page = await browser.GetAsync("/account");
        return page.StatusCode == HttpStatusCode.OK ? new HtmlParser().ParseDocument(await page.Content.ReadAsStringAsync()).QuerySelector(".page-head bdi")!.TextContent : null;
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Provider.DisposeAsync();
    }

    private sealed class StubHttp(StubProvider provider) : ExternalHttp
    {
        protected override SocketsHttpHandler CreateHandler()
        {
            var handler = base.CreateHandler();
            handler.ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(IPAddress.Loopback, provider.Port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            };
            return handler;
        }
    }

    /// <summary>Sends what was sent when the answers were recorded.</summary>
    public sealed class RecordedIds : ExternalIds
    {
        public string? Nonce { get; set; }

        public string? RequestId { get; set; }

        public override string NewNonce() => Nonce ?? base.NewNonce();

        public override string NewRequestId() => RequestId ?? base.NewRequestId();
    }
}
