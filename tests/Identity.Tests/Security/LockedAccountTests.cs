// Security catalogue: a lockout holds on every way in, and stops no owner at a known device. NIST SP 800-63B-4 §3.2.2; CVE-2026-9798 and its kind (device grant of a locked account).
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>A server whose clock a test moves, and browsers that were signed in before an account was locked.</summary>
public sealed class LockedAccountTests(LockedAccountTests.World world) : IClassFixture<LockedAccountTests.World>
{
    private const string Grant = "urn:ietf:params:oauth:grant-type:device_code";

    [Fact]
    public async Task Lock_ByGuesses_StopsCodesAndDevicesOfTheSessionsFromBefore()
    {
        var (email, browser) = await world.SignedInAsync();
        using (browser)
        {
            var code = await world.Node.CodeAsync(browser);
            var allowed = await world.DeviceAsync(browser);
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.GuessAsync(email);
            Assert.Equal("invalid_grant", (string?)(await world.Node.RedeemAsync(code)).Body["error"]);
            Assert.Equal("invalid_grant", (string?)(await world.PollAsync(allowed)).Body["error"]);

            // Whoever sits at that browser is asked who they are, or where nobody may be asked, the application is told so.
            using var asked = await browser.GetAsync(world.Node.AuthorizeUrl());
            Assert.StartsWith("/signin", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
            using var silent = await browser.GetAsync(world.Node.AuthorizeUrl(changes: ("prompt", "none")));
            Assert.Equal("login_required", Node.Query(silent.Headers.Location)["error"]);
            using var device = await browser.GetAsync(World.Link(await world.BeginDeviceAsync()));
            Assert.StartsWith("/signin", device.Headers.Location!.OriginalString, StringComparison.Ordinal);

            // A lock ends, and the session is what it was.
            world.Time.Advance(TimeSpan.FromMinutes(15));
            Assert.NotNull((await world.Node.TokensAsync(browser))["access_token"]);
        }
    }

    [Fact]
    public async Task Lock_ByGuesses_LetsTheOwnersBrowserGoOnAfterItsPassword()
    {
        var (email, browser) = await world.SignedInAsync();
        using (browser)
        {
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.GuessAsync(email);
            world.Time.Advance(TimeSpan.FromSeconds(1));
            using var asked = await browser.GetAsync(world.Node.AuthorizeUrl());
            var back = await browser.SignInAtAsync(new Uri(world.Node.Address, asked.Headers.Location!), email, Node.Password);
            using var answer = await browser.GetAsync(back.OriginalString);
            var (status, tokens) = await world.Node.RedeemAsync(Node.Query(answer.Headers.Location)["code"]);
            Assert.True(status == HttpStatusCode.OK, tokens.ToJsonString());

            // By now they are known to be the owner: what else is asked for is given, without a page.
            Assert.Equal(HttpStatusCode.OK, (await world.Node.RefreshAsync((string)tokens["refresh_token"]!)).Status);
            Assert.Equal(HttpStatusCode.OK, (await world.PollAsync(await world.DeviceAsync(browser))).Status);
            using var silent = await browser.GetAsync(world.Node.AuthorizeUrl(changes: ("prompt", "none")));
            Assert.True(Node.Query(silent.Headers.Location).ContainsKey("code"));
        }
    }

    [Fact]
    public async Task Lock_ThatSomebodyDecided_StopsEveryBrowser()
    {
        var (email, browser) = await world.SignedInAsync();
        using (browser)
        {
            var code = await world.Node.CodeAsync(browser);
            var allowed = await world.DeviceAsync(browser);
            await world.LockAsync(email, TimeSpan.FromDays(1));
            Assert.Equal("invalid_grant", (string?)(await world.Node.RedeemAsync(code)).Body["error"]);
            Assert.Equal("invalid_grant", (string?)(await world.PollAsync(allowed)).Body["error"]);
            using var asked = await browser.GetAsync(world.Node.AuthorizeUrl());
            var page = asked.Headers.Location!.OriginalString;
            Assert.StartsWith("/signin", page, StringComparison.Ordinal);
            using var refused = await browser.SubmitAsync(page, new() { ["username"] = email, ["current-password"] = Node.Password });
            Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        }
    }

    public sealed class World : IAsyncLifetime
    {
        private HostedServer? _server;

        public FakeTimeProvider Time { get; } = FakeTimeProvider.OfThisSecond();

        internal Node Node { get; private set; } = null!;

        public static string Link(JsonNode asked) => new Uri((string)asked["verification_uri_complete"]!).PathAndQuery;

        public async ValueTask InitializeAsync()
        {
            JsonObject Of(string id, string grant) => new()
            {
                ["client_id"] = id,
                ["token_endpoint_auth_method"] = "none",
                ["grant_types"] = new JsonArray(grant, "refresh_token"),
                ["scope"] = "openid email offline_access",
            };
            var spa = Of("spa", "authorization_code");
            spa["redirect_uris"] = new JsonArray("http://127.0.0.1/callback");
            _server = await HostedServer.StartAsync(new JsonArray(spa, Of("tv", Grant)).ToJsonString(), time: Time, settings: new Dictionary<string, string>(StringComparer.Ordinal) { ["RateLimits:TokenFailuresPerAddress"] = "100000" });
            Node = new AddressedNode(_server.Url);
        }

        public async ValueTask DisposeAsync()
        {
            Node?.Dispose();
            if (_server is not null)
            {
                await _server.DisposeAsync();
            }
        }

        public async Task<(string Email, Browser Browser)> SignedInAsync()
        {
            var (_, email) = await Node.RegisterAsync();
            var browser = new Browser(Node.Address);
            await browser.SignInAsync(email, Node.Password);
            return (email, browser);
        }

        public async Task GuessAsync(string email)
        {
            for (var i = 0; i < 10; i++)
            {
                using var answer = await Node.Http.PostAsJsonAsync(new Uri(Node.Address, "/api/identity/login"), new { email, password = "stranger's guess " + i });
                Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            }
        }

        public async Task LockAsync(string email, TimeSpan time)
        {
            var accounts = _server!.Services.GetRequiredService<IAccountStore>();
            var account = await accounts.FindByEmailAsync(email.ToUpperInvariant(), CancellationToken.None);
            Assert.True(await accounts.SetLockoutAsync(account!.Id, Time.GetUtcNow() + time, [], CancellationToken.None));
        }

        public async Task<JsonNode> BeginDeviceAsync()
        {
            var (status, body) = await Node.PostAsync("/connect/device", client: null, ("client_id", "tv"), ("scope", "openid email offline_access"));
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            return body;
        }

        /// <summary>A device that the person at this browser said yes to.</summary>
        public async Task<JsonNode> DeviceAsync(Browser browser)
        {
            var asked = await BeginDeviceAsync();
            using var answer = await browser.SubmitAsync(Link(asked), [], "Allow");
            Assert.True(answer.StatusCode == HttpStatusCode.SeeOther && answer.Headers.Location!.OriginalString.EndsWith("done=allowed", StringComparison.Ordinal), $"{answer.StatusCode} {answer.Headers.Location}");
            return asked;
        }

        public Task<(HttpStatusCode Status, JsonNode Body)> PollAsync(JsonNode asked) =>
            Node.PostAsync("/connect/token", client: null, ("grant_type", Grant), ("client_id", "tv"), ("device_code", (string)asked["device_code"]!));
    }
}
