// OWASP ASVS 5.0 §8.2: who sees what, every page by every kind of caller, and every form by everybody without its token.
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.Sessions;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Pages;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.RazorPages.Infrastructure;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>The pages × nobody, a person, an administrator, a service with its token, a person's access token without a session.</summary>
public sealed class PageMatrixTests
{
    private const string Password = "violet tram harbour";

    // P: the page. S: to the sign-in. H: home, to what a person has of their own. O: to "signed out". T: to the start page. E: a page that says what is wrong. In the order of the summary.
    // An administrator's work is done by the API: no page shows them more than their own.
    private static readonly (string Page, string Expected)[] Matrix =
    [
        ("/", "PPPPP"),
        ("/signin", "PHHPP"),
        ("/signin/code", "PPPPP"),
        ("/signin/second-factor", "SSSSS"),
        ("/signin/phone", "SSSSS"),
        ("/signin/add-factor", "SHHSS"),
        ("/register", "PHHPP"),
        ("/forgot-password", "PPPPP"),
        ("/reset-password", "PPPPP"),
        ("/verify-email", "PPPPP"),
        ("/consent", "HHHHH"),
        ("/connect/verify", "SPPSS"),
        ("/signout", "OPPOO"),
        ("/signed-out", "PPPPP"),
        ("/not-me", "PPPPP"),
        ("/status/404", "EEEEE"),
        ("/external/link", "EEEEE"),
        ("/external/problem", "EEEEE"),
        ("/external/signout", "OOOOO"),
        ("/demo", "TTTTT"),
        ("/account", "SPPSS"),
        ("/account/apps", "SPPSS"),
        ("/account/connections", "SPPSS"),
        ("/account/data", "SPPSS"),
        ("/account/devices", "SPPSS"),
        ("/account/password", "SPPSS"),
        ("/account/pending/email", "SHHSS"),
        ("/account/security", "SPPSS"),
        ("/account/security/authenticator", "SPPSS"),
        ("/account/security/passkey", "SPPSS"),
        ("/account/security/recovery-codes", "SHHSS"),
        ("/account/security/confirm", "SPPSS"),
        ("/account/sessions", "SPPSS"),
    ];

    [Fact]
    public async Task Pages_ByEveryKindOfCaller_AnswerAsTheTableSays()
    {
        await using var server = await StartAsync();
        var everybody = await EverybodyAsync(server);
        var wrong = new List<string>();
        foreach (var (page, expected) in Matrix)
        {
            var got = "";
            foreach (var (client, token) in everybody)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, page);
                request.Headers.Authorization = token is null ? null : new("Bearer", token);
                using var answer = await client.SendAsync(request);
                var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
                got += ((int)answer.StatusCode, answer.Headers.Location?.OriginalString) switch
                {
                    (200, _) => 'P',
                    (303 or 302, { } to) when to == "/signin" || to.StartsWith("/signin?", StringComparison.Ordinal) => 'S',
                    (303 or 302, { } to) when to.StartsWith("/account", StringComparison.Ordinal) => 'H',
                    (303 or 302, "/signed-out") => 'O',
                    (303 or 302, "/") => 'T',
                    (303 or 302, { } to) when to.StartsWith("/external/problem?", StringComparison.Ordinal) => 'E',
                    ( >= 400 and < 500, _) when text.Contains("<h1", StringComparison.Ordinal) => 'E',
                    _ => '?',
                };

                // Nobody reads of anybody else.
                if (everybody.Any(other => other.Client != client && other.Email is { } email && text.Contains(email, StringComparison.OrdinalIgnoreCase)))
                {
                    wrong.Add($"{page}: shows somebody else's address");
                }
            }

            if (got != expected)
            {
                wrong.Add($"{page}: {expected} expected, {got}");
            }
        }

        Assert.Empty(wrong);
    }

    /// <summary>A page that somebody adds belongs in the table: there is no other way past this test.</summary>
    [Fact]
    public async Task Pages_ThatThereAre_AreAllInTheTable()
    {
        await using var server = await StartAsync();
        var pages = Pages(server).Select(page => "/" + page.AttributeRouteInfo!.Template!.Replace("{what}", "email", StringComparison.Ordinal).Replace("{code:int}", "404", StringComparison.Ordinal).Replace("/{step:regex(^callback$)?}", "", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        string[] known = [.. Matrix.Select(row => row.Page)];
        Assert.Empty(pages.Except(known));
        Assert.Empty(known.Except(pages));
    }

    [Fact]
    public async Task Forms_OfEveryPage_WithoutTheirToken_AreRefusedWhoeverSendsThem()
    {
        await using var server = await StartAsync();
        var everybody = await EverybodyAsync(server);
        var (person, chief) = (everybody[1].Client, everybody[2].Client);
        var (loader, wrong, tried) = (server.Services.GetRequiredService<PageLoader>(), new List<string>(), 0);
        foreach (var page in Pages(server))
        {
            var path = "/" + page.AttributeRouteInfo!.Template!.Replace("{what}", "email", StringComparison.Ordinal).Replace("{code:int}", "404", StringComparison.Ordinal).Replace("/{step:regex(^callback$)?}", "", StringComparison.Ordinal);
            var handlers = (await loader.LoadAsync(page, new EndpointMetadataCollection())).HandlerMethods.Where(handler => handler.HttpMethod == "Post").Select(handler => handler.Name ?? "");
            foreach (var handler in handlers)
            {
                foreach (var (client, token) in everybody)
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, path + (handler.Length > 0 ? "?handler=" + handler : "")) { Content = new FormUrlEncodedContent([new("id", Guid.NewGuid().ToString())]) };
                    request.Headers.Authorization = token is null ? null : new("Bearer", token);
                    using var answer = await client.SendAsync(request);
                    tried++;

                    // Whoever has no session is sent to get one before the form is looked at, and so is an old link to its problem, and who has nothing pending: nothing is done.
                    var leads = answer.Headers.Location?.OriginalString ?? "";
                    var isLed = (client != person && client != chief && leads.StartsWith("/signin?", StringComparison.Ordinal)) || leads.StartsWith("/external/problem?", StringComparison.Ordinal)
                        || (path == "/account/pending/email" && leads == "/account") || (path == "/status/404" && answer.StatusCode == HttpStatusCode.NotFound);
                    if (answer.StatusCode != HttpStatusCode.BadRequest && !isLed)
                    {
                        wrong.Add($"{path} {handler}: {(int)answer.StatusCode} {answer.Headers.Location}");
                    }
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(tried > 150, $"only {tried} were tried");
    }

    [Fact]
    public async Task Forms_WithAnIdOfSomebodyElse_ChangeNothingOfTheirs_NorForAnAdministrator()
    {
        await using var server = await StartAsync();
        var everybody = await EverybodyAsync(server);
        var (person, admin) = (everybody[1], everybody[2]);
        var accounts = server.Services.GetRequiredService<IAccountStore>();
        var victim = await server.RegisterAsync("victim@example.com", Password);
        using var browser = new PageClient(server.Url);
        await browser.SignInAsync(victim.Email, Password);
        var store = server.Services.GetRequiredService<ISessionStore>();
        var session = Assert.Single(await store.ListLiveAsync(victim.Id, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken));
        foreach (var (client, _) in (IEnumerable<Visitor>)[person, admin])
        {
            // The form of their own, with the other's id in it: a second session of theirs gives them one.
            using var second = new PageClient(server.Url);
            await second.SignInAsync(client == person.Client ? person.Email! : admin.Email!, Password);
            var (action, fields) = PageClient.Form(await client.ReadAsync("/account/sessions"), "handler=End");
            Assert.Contains("id", fields.Keys.Append(action.Contains("id=", StringComparison.Ordinal) ? "id" : ""));
            fields["id"] = session.Id;
            using var answer = await client.PostAsync(System.Text.RegularExpressions.Regex.Replace(action, "([?&]id=)[^&]+", "${1}" + session.Id), fields);
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
            Assert.Null((await store.FindAsync(session.Id, TestContext.Current.CancellationToken))!.EndedAt);
        }

        Assert.True((await accounts.FindAsync(victim.Id, TestContext.Current.CancellationToken))!.IsActive);
    }

    private sealed record Visitor(PageClient Client, string? Token, string? Email)
    {
        public void Deconstruct(out PageClient client, out string? token) => (client, token) = (Client, Token);
    }

    private static IReadOnlyList<PageActionDescriptor> Pages(HostedServer server) =>
        [.. server.Services.GetRequiredService<EndpointDataSource>().Endpoints.Select(endpoint => endpoint.Metadata.GetMetadata<PageActionDescriptor>()).OfType<PageActionDescriptor>().DistinctBy(page => page.AttributeRouteInfo!.Template)];

    private static Task<HostedServer> StartAsync() => HostedServer.StartAsync(
        """[{"client_id":"service","client_secret":"service-secret-of-at-least-32-characters","grant_types":["client_credentials"],"scope":"identity.users.read identity.users.write"}]""",
        settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["Accounts:AllowCodeSignIn"] = "true", ["Accounts:SignInsPerAddress"] = "1000" });

    private static async Task<IReadOnlyList<Visitor>> EverybodyAsync(HostedServer server)
    {
        await server.RegisterAsync("person@example.com", Password);
        var admin = await server.RegisterAsync("chief@example.com", Password);
        Assert.IsType<AccountChangeResult.Changed>(await server.Services.GetRequiredService<AccountChangeService>().ChangeAsync(admin.Id, new AccountChange { Roles = [RoleCatalog.Admin] }, null, new Caller(null, null), TestContext.Current.CancellationToken));
        var (person, chief) = (new PageClient(server.Url), new PageClient(server.Url));
        await person.SignInAsync("person@example.com", Password);
        await chief.SignInAsync("chief@example.com", Password);
        using var http = new HttpClient { BaseAddress = server.Url };
        using var issued = await http.PostAsync("/connect/token", new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", "service"), new("client_secret", "service-secret-of-at-least-32-characters"), new("scope", "identity.users.read identity.users.write")]), TestContext.Current.CancellationToken);
        var service = (string)JsonNode.Parse(await issued.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["access_token"]!;
        using var login = await http.PostAsJsonAsync("/api/identity/login", new { email = "chief@example.com", password = Password }, TestContext.Current.CancellationToken);
        var own = (string)JsonNode.Parse(await login.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["accessToken"]!;
        return [new(new PageClient(server.Url), null, null), new(person, null, "person@example.com"), new(chief, null, "chief@example.com"), new(new PageClient(server.Url), service, null), new(new PageClient(server.Url), own, null)];
    }
}
