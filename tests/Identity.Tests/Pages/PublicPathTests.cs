// PUBLIC_URL with a path: behind a proxy that keeps the path and one that strips it, nothing leads out of it. RFC 8414 §3.1, RFC 9728 §3.1.
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Identity.Tests.Pages;

/// <summary>The whole service below https://host/identity.</summary>
public sealed class PublicPathTests
{
    private const string Prefix = "/identity";

    private static readonly string s_clients = new JsonArray(new JsonObject
    {
        ["client_id"] = "spa",
        ["token_endpoint_auth_method"] = "none",
        ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
        ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
        ["post_logout_redirect_uris"] = new JsonArray("http://127.0.0.1:4711/bye"),
        ["scope"] = "openid email offline_access",
    }).ToJsonString();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Service_UnderAPath_SignsInAndHandsOutTokens(bool strips)
    {
        await using var proxy = await Proxy.StartAsync(strips);
        using var node = new AddressedNode(proxy.Url);
        var email = $"p{Guid.NewGuid():N}@example.com";
        using var registered = await node.Http.PostAsync(new Uri(proxy.Url, Prefix + "/api/identity/register"), new StringContent($$"""{"email":"{{email}}","password":"{{Node.Password}}"}""", System.Text.Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Created, registered.StatusCode);

        using var browser = new Browser(proxy.Url);
        using var asked = await browser.GetAsync(Prefix + node.AuthorizeUrl());
        var page = Rooted(asked);
        var back = await browser.SignInAtAsync(page, email, Node.Password);
        Assert.StartsWith(Prefix + "/connect/authorize?", back.OriginalString, StringComparison.Ordinal);
        using var granted = await browser.GetAsync(back.OriginalString);
        var query = Node.Query(granted.Headers.Location);
        Assert.Equal(proxy.Issuer, query["iss"]);
        var (status, tokens) = await node.PostAsync(Prefix + "/connect/token", client: null, ("grant_type", "authorization_code"), ("client_id", "spa"), ("code", query["code"]), ("redirect_uri", Node.RedirectUri), ("code_verifier", Node.Verifier));
        Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());
        Assert.Equal(proxy.Issuer, (string?)RunningServer.Payload((string)tokens["id_token"]!)["iss"]);

        // Every link, form, picture and stylesheet of the pages stays inside, and is there.
        var assets = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in (string[])["/", "/signin?here=1", page.OriginalString[Prefix.Length..], "/account", "/account/password", "/account/security", "/account/sessions", "/account/apps", "/signout", "/register", "/forgot-password", "/verify-email", "/connect/verify", "/no/such/page"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(proxy.Url, Prefix + path));
            request.Headers.Accept.ParseAdd("text/html");
            using var answer = await browser.SendAsync(request);
            if (answer.StatusCode == HttpStatusCode.SeeOther)
            {
                Rooted(answer);
                continue;
            }

            var document = new HtmlParser().ParseDocument(await answer.Content.ReadAsStringAsync());
            foreach (var element in document.QuerySelectorAll("[href], [src], [action], [formaction]"))
            {
                foreach (var name in (string[])["href", "src", "action", "formaction"])
                {
                    if (element.GetAttribute(name) is { } address && address.StartsWith('/'))
                    {
                        Assert.True(address == Prefix || address.StartsWith(Prefix + "/", StringComparison.Ordinal), $"{path}: {element.OuterHtml}");
                        Assert.False(address.StartsWith(Prefix + Prefix, StringComparison.Ordinal), $"{path}: {element.OuterHtml}");
                        Assert.DoesNotContain("&amp;", address, StringComparison.Ordinal);
                        if (element.LocalName is "link" or "script" or "img")
                        {
                            assets.Add(address);
                        }
                    }
                }
            }
        }

        Assert.NotEmpty(assets);
        foreach (var asset in assets)
        {
            using var answer = await browser.GetAsync(asset);
            Assert.True(answer.StatusCode == HttpStatusCode.OK, asset);
        }

        using var signOut = await browser.SubmitAsync(Prefix + "/signout", []);
        Assert.Equal(Prefix + "/signed-out", Rooted(signOut).OriginalString);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SignOutAtAProvider_UnderAPath_LeadsBackIntoIt(bool strips)
    {
        await using var proxy = await Proxy.StartAsync(strips);
        using var browser = new Browser(proxy.Url);
        using var back = await browser.GetAsync(Prefix + "/external/any/signed-out?state=unknown");
        Assert.Equal(Prefix + "/signed-out", Rooted(back).OriginalString);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Demo_UnderAPath_KeepsItsCookieForTheAddressItComesBackTo(bool strips)
    {
        await using var proxy = await Proxy.StartAsync(strips);
        using var browser = new Browser(proxy.Url);
        using var begun = await browser.SubmitAsync(Prefix + "/", [], "Run the demo client");
        Assert.Single(browser.Cookies.GetCookies(new Uri(proxy.Url, Prefix + "/demo/callback")), cookie => cookie.Name == "identity-demo");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Metadata_UnderAPath_IsFoundInsideAndBeforeIt(bool strips)
    {
        await using var proxy = await Proxy.StartAsync(strips);
        using var http = new HttpClient { BaseAddress = proxy.Url };
        foreach (var path in (string[])["/identity/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/identity", "/.well-known/openid-configuration/identity"])
        {
            var document = JsonNode.Parse(await http.GetStringAsync(new Uri(path, UriKind.Relative)))!;
            Assert.Equal(proxy.Issuer, (string?)document["issuer"]);
            Assert.Equal(proxy.Issuer + "/connect/authorize", (string?)document["authorization_endpoint"]);
            Assert.Equal(proxy.Issuer + "/connect/token", (string?)document["token_endpoint"]);
            using var keys = await http.GetAsync(new Uri((string)document["jwks_uri"]!));
            Assert.Equal(HttpStatusCode.OK, keys.StatusCode);
        }

        // RFC 9728 §3.1: before the path of the resource.
        foreach (var resource in (string[])["", "/api/identity"])
        {
            var document = JsonNode.Parse(await http.GetStringAsync(new Uri("/.well-known/oauth-protected-resource/identity" + resource, UriKind.Relative)))!;
            Assert.Equal(proxy.Issuer + resource, (string?)document["resource"]);
        }
    }

    [Fact]
    public async Task Start_WhenThePathBeginsLikeOneOfOurs_SaysSo()
    {
        var failure = await Assert.ThrowsAsync<Identity.ServiceDefaults.Settings.StartFailureException>(() => HostedServer.StartAsync(settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["PUBLIC_URL"] = "http://localhost/account" }));
        Assert.Contains("PUBLIC_URL", failure.Message, StringComparison.Ordinal);
    }

    private static Uri Rooted(HttpResponseMessage answer)
    {
        var location = answer.Headers.Location;
        Assert.NotNull(location);
        Assert.StartsWith(Prefix + "/", location.OriginalString, StringComparison.Ordinal);
        Assert.False(location.OriginalString.StartsWith(Prefix + Prefix, StringComparison.Ordinal), location.OriginalString);
        return location;
    }

    /// <summary>What stands before the server, as nginx does with and without a path in proxy_pass. Outside the path there is nothing.</summary>
    private sealed class Proxy : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly HostedServer _server;
        private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });

        private Proxy(WebApplication app, HostedServer server, Uri url) => (_app, _server, Url) = (app, server, url);

        public Uri Url { get; }

        public string Issuer => Url.GetLeftPart(UriPartial.Authority) + Prefix;

        public static async Task<Proxy> StartAsync(bool strips)
        {
            var url = string.Create(CultureInfo.InvariantCulture, $"http://localhost:{Ports.Free()}");
            var server = await HostedServer.StartAsync(s_clients, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["PUBLIC_URL"] = url + Prefix });
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            var app = builder.Build();
            app.Urls.Add(url);
            var proxy = new Proxy(app, server, new Uri(url));
            app.Run(context => proxy.ForwardAsync(context, strips));
            await app.StartAsync();
            return proxy;
        }

        public async ValueTask DisposeAsync()
        {
            await _app.DisposeAsync();
            _http.Dispose();
            await _server.DisposeAsync();
        }

        private async Task ForwardAsync(HttpContext context, bool strips)
        {
            var path = context.Request.Path;
            if (path.StartsWithSegments(Prefix, StringComparison.Ordinal, out var rest))
            {
                path = strips ? rest : path;
            }
            else if (!path.StartsWithSegments("/.well-known", StringComparison.Ordinal))
            {
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return;
            }

            using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), new Uri(_server.Url, path.ToUriComponent() + context.Request.QueryString));
            if (context.Request.ContentLength > 0)
            {
                request.Content = new StreamContent(context.Request.Body);
                request.Content.Headers.TryAddWithoutValidation("Content-Type", context.Request.ContentType);
            }

            foreach (var (name, values) in context.Request.Headers.Where(header => header.Key is "Cookie" or "Accept" or "Authorization" or "Accept-Language"))
            {
                request.Headers.TryAddWithoutValidation(name, values.ToArray());
            }

            using var answer = await _http.SendAsync(request, context.RequestAborted);
            context.Response.StatusCode = (int)answer.StatusCode;
            foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(header => header.Key is not "Transfer-Encoding"))
            {
                context.Response.Headers[name] = values.ToArray();
            }

            await answer.Content.CopyToAsync(context.Response.Body);
        }
    }
}
