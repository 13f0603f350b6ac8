// OpenID Connect Session Management 1.0 §3: the frame that an application asks, in a browser that holds it to its policy.
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;
using Microsoft.Playwright;

namespace Identity.Browser.Tests;

[Collection(BrowserCollection.Name)]
public sealed class SessionManagementTests(BrowserFixture fixture)
{
    [Fact]
    public async Task Frame_WhenAnApplicationAsks_SaysUnchangedUntilThePersonSignsOut()
    {
        await using var server = await StartAsync();
        await using var visit = await fixture.VisitAsync();
        await server.RegisterAsync(visit.Email, BrowserFixture.Password);
        await SignInAsync(visit, server);
        var told = await ToldAsync(visit, server);
        Assert.Equal("unchanged", await AskAsync(visit, server, fixture.SinglePageApp, "lighthouse " + told));

        // Another client's value, a changed one, and what is none at all.
        Assert.Equal("changed", await AskAsync(visit, server, fixture.SinglePageApp, "harbour " + told));
        Assert.Equal("changed", await AskAsync(visit, server, fixture.SinglePageApp, "lighthouse " + told[1..]));
        Assert.Equal("changed", await AskAsync(visit, server, fixture.SinglePageApp, "lighthouse without-a-salt"));
        foreach (var wrong in (string[])["", "lighthouse", "lighthouse ", " " + told, $"lighthouse {told} more"])
        {
            Assert.Equal("error", await AskAsync(visit, server, fixture.SinglePageApp, wrong));
        }

        await visit.GotoAsync(server.Url + "signout");
        await visit.PressAsync("Sign out");
        await visit.Page.ArriveAtAsync("**/signed-out");
        Assert.Equal("changed", await AskAsync(visit, server, fixture.SinglePageApp, "lighthouse " + told));

        // Signed in again it is another sign-in.
        await SignInAsync(visit, server);
        Assert.Equal("changed", await AskAsync(visit, server, fixture.SinglePageApp, "lighthouse " + told));
        Assert.Equal("unchanged", await AskAsync(visit, server, fixture.SinglePageApp, "lighthouse " + await ToldAsync(visit, server)));
        visit.AssertPolicyHeld();
    }

    // The application would ask for a new sign-in whenever it hears "changed".
    [Fact]
    public async Task Frame_WhereTheBrowserKeepsTheCookieFromIt_SaysErrorAndNotChanged()
    {
        await using var server = await StartAsync();
        await using var visit = await fixture.VisitAsync();
        await server.RegisterAsync(visit.Email, BrowserFixture.Password);
        await SignInAsync(visit, server);
        var told = await ToldAsync(visit, server);
        Assert.Equal("error", await AskAsync(visit, server, fixture.Elsewhere, "lighthouse " + told));
    }

    [Fact]
    public async Task Application_WithAStockLibrary_HearsOfASignOutInAnotherTab()
    {
        await using var server = await StartAsync();
        await using var visit = await fixture.VisitAsync();
        await server.RegisterAsync(visit.Email, BrowserFixture.Password);
        await visit.Page.RouteAsync("**/app/settings.json", route => route.FulfillAsync(new() { ContentType = "application/json", Body = new JsonObject { ["authority"] = server.Url.AbsoluteUri.TrimEnd('/') }.ToJsonString() }));
        await visit.Page.AddInitScriptAsync("sessionStorage.setItem('monitor', 'on'); sessionStorage.setItem('scope', 'openid email');");
        await SignInAsync(visit, server);
        await visit.GotoAsync(fixture.SinglePageApp.AbsoluteUri);
        await visit.PressAsync("Sign in");
        var status = visit.Page.Locator("#status");
        await Assertions.Expect(status).ToHaveTextAsync("Signed in as " + visit.Email);

        var other = await visit.Page.Context.NewPageAsync();
        await other.GotoAsync(server.Url + "signout");
        await Assertions.Expect(status).ToHaveTextAsync("Signed in as " + visit.Email);
        await other.GetByRole(AriaRole.Button, new() { Name = "Sign out", Exact = true }).ClickAsync();
        await other.ArriveAtAsync("**/signed-out");
        await Assertions.Expect(status).ToHaveTextAsync("Signed out elsewhere", new() { Timeout = Visit.Patience });
        visit.AssertPolicyHeld();
    }

    private Task<HostedServer> StartAsync() => HostedServer.StartAsync(
        new JsonArray(Client("lighthouse", "/callback"), Client("notes", "/app/callback.html")).ToJsonString(),
        settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["OAuth:SessionManagement"] = "true" });

    private JsonObject Client(string id, string path) => new()
    {
        ["client_id"] = id,
        ["redirect_uris"] = new JsonArray(new Uri(fixture.SinglePageApp, path).AbsoluteUri),
        ["token_endpoint_auth_method"] = "none",
        ["scope"] = "openid email",
    };

    private string Callback => new Uri(fixture.SinglePageApp, "/callback").AbsoluteUri;

    private static async Task SignInAsync(Visit visit, HostedServer server)
    {
        await visit.GotoAsync(server.Url + "signin");
        await visit.Page.GetByLabel("E-mail address or user name").FillAsync(visit.Email);
        await visit.Page.GetByLabel("Password", new() { Exact = true }).FillAsync(BrowserFixture.Password);
        await visit.PressAsync("Sign in");
        await visit.Page.ArriveAtAsync("**/account");
    }

    private async Task<string> ToldAsync(Visit visit, HostedServer server)
    {
        await visit.GotoAsync(server.Url + visit.AuthorizeUrl("openid", client: "lighthouse").TrimStart('/').Replace(Uri.EscapeDataString(fixture.Callback), Uri.EscapeDataString(Callback), StringComparison.Ordinal));
        await visit.Page.ArriveAtAsync(Callback + "?*");
        return Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(new Uri(visit.Page.Url).Query)["session_state"].ToString();
    }

    /// <summary>What a page of the application hears from the server's frame in it.</summary>
    private static async Task<string> AskAsync(Visit visit, HostedServer server, Uri application, string message)
    {
        await visit.GotoAsync(new Uri(application, "/callback").AbsoluteUri);
        return await visit.Page.EvaluateAsync<string>(
            """
            async ([url, message]) => {
              const frame = document.createElement('iframe');
              const loaded = new Promise(done => { frame.onload = done; });
              frame.src = url;
              document.body.append(frame);
              await loaded;
              const heard = new Promise(done => addEventListener('message', event => done(event), { once: true }));
              frame.contentWindow.postMessage(message, new URL(url).origin);
              const { origin, source, data } = await heard;
              return origin === new URL(url).origin && source === frame.contentWindow ? data : `from ${origin}`;
            }
            """,
            new[] { server.Url + "connect/checksession", message });
    }
}
