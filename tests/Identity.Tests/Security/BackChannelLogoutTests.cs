// Security catalogue, sign-out: OpenID Connect Back-Channel Logout 1.0. A client that is slow, away or wrong never blocks a sign-out, and none is told of what is not its own.
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Changes;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Identity.Tests.Conformance;
using Identity.Tests.External;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>Clients at stand-in addresses, and a clock that a test moves on.</summary>
public sealed class BackChannelLogoutTests
{
    [Theory]
    [InlineData("page")]
    [InlineData("session")]
    [InlineData("everywhere")]
    [InlineData("password")]
    [InlineData("reuse")]
    [InlineData("disabled")]
    [InlineData("deleted")]
    public async Task Clients_WhenTheSessionEndsInAnyWay_AreToldOnce(string way)
    {
        await using var world = await World.StartAsync();
        var (browser, tokens) = await world.SignInAsync();
        using (browser)
        {
            var claims = RunningServer.Payload((string)tokens["id_token"]!);
            var (session, id) = ((string)claims["sid"]!, Guid.Parse((string)claims["sub"]!));
            var services = world.Server.Services;
            var caller = new Caller(Ip: null, UserAgent: null);
            switch (way)
            {
                case "page":
                    using (await World.SignOutAsync(browser))
                    {
                        break;
                    }

                case "session":
                    await services.GetRequiredService<SessionService>().EndAsync(session, SessionEndReasons.Revoked, caller, CancellationToken.None);
                    break;
                case "everywhere":
                    await services.GetRequiredService<SessionService>().EndAllAsync(id, SessionEndReasons.Logout, caller, CancellationToken.None);
                    break;
                case "password":
                    using (var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Server.Url, "/api/identity/password/change")) { Content = JsonContent.Create(new { currentPassword = Node.Password, newPassword = "another sound pass phrase 8" }) })
                    {
                        // By another session of the same person, which stays.
                        using var login = await world.Node.Http.PostAsJsonAsync(new Uri(world.Server.Url, "/api/identity/login"), new { email = (string)claims["email"]!, password = Node.Password });
                        request.Headers.Authorization = new("Bearer", (string)(await login.Content.ReadFromJsonAsync<JsonNode>())!["accessToken"]!);
                        using var changed = await world.Node.Http.SendAsync(request);
                        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
                    }

                    break;
                case "reuse":
                    var first = (string)tokens["refresh_token"]!;
                    await world.Node.RefreshAsync(first);
                    world.Time.Advance(TimeSpan.FromSeconds(11));
                    await world.Node.RefreshAsync(first);
                    break;
                case "disabled":
                    Assert.IsType<AccountChangeResult.Changed>(await services.GetRequiredService<AccountChangeService>().ChangeAsync(id, new AccountChange { IsActive = false }, expectedVersion: null, caller, CancellationToken.None));
                    break;
                default:
                    Assert.Equal(Erasure.Done, await services.GetRequiredService<AccountErasure>().EraseAsync(id, expectedVersion: null, caller, CancellationToken.None));
                    break;
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            var token = RunningServer.Payload(await world.First.NextAsync());
            Assert.Equal(session, (string?)token["sid"]);
            Assert.Equal(id.ToString("D"), (string?)token["sub"]);
            Assert.Equal("spa", (string?)token["aud"]);
            await world.SettledAsync();

            // The second client took no part.
            world.Time.Advance(TimeSpan.FromSeconds(30));
            await world.SettledAsync();
            Assert.Equal((0, 0), (world.First.Waiting, world.Second.Waiting));
        }
    }

    [Fact]
    public async Task Clients_WithoutAnIdToken_AreToldNothing()
    {
        await using var world = await World.StartAsync();
        using var browser = await world.Node.SignedInAsync();
        await world.Node.TokensAsync(browser, scope: "email");
        using (await World.SignOutAsync(browser))
        {
        }

        Assert.Equal(0, await world.NoticesAsync());
    }

    [Fact]
    public async Task SignOut_WhenOneClientNeverAnswers_IsDoneAtOnceAndTheOtherIsTold()
    {
        await using var world = await World.StartAsync();
        var (browser, _) = await world.SignInAsync();
        using (browser)
        {
            await world.Node.TokensAsync(browser, client: "second");
            var never = new TaskCompletionSource<StubAnswer>();
            world.First.Answer = () => never.Task;
            using var answer = await World.SignOutAsync(browser);
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.SeeOther);
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.First.NextAsync();
            Assert.Equal("second", (string?)RunningServer.Payload(await world.Second.NextAsync())["aud"]);

            // Nor does it keep those of later sign-outs waiting.
            using var other = await world.Node.SignedInAsync();
            await world.Node.TokensAsync(other, client: "second");
            using (await World.SignOutAsync(other))
            {
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.Second.NextAsync();
            never.SetResult(new StubAnswer(200, ""));
        }
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(429)]
    [InlineData(0)]
    public async Task Client_ThatFails_IsToldTheSameAgain(int status)
    {
        await using var world = await World.StartAsync();
        var (browser, _) = await world.SignInAsync();
        using (browser)
        {
            world.First.Answer = () => Task.FromResult(new StubAnswer(status, ""));
            world.First.IsDown(status == 0);
            using (await World.SignOutAsync(browser))
            {
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            var first = status == 0 ? null : RunningServer.Payload(await world.First.NextAsync());
            await world.TriedAsync(1);
            world.First.Answer = () => Task.FromResult(new StubAnswer(204, ""));
            world.First.IsDown(false);

            // Not before five seconds have passed.
            world.Time.Advance(TimeSpan.FromSeconds(3));
            Assert.Equal(0, world.First.Waiting);
            world.Time.Advance(TimeSpan.FromSeconds(4));
            var second = RunningServer.Payload(await world.First.NextAsync());
            await world.SettledAsync();
            if (first is not null)
            {
                Assert.Equal((string?)first["jti"], (string?)second["jti"]);
            }
        }
    }

    [Theory]
    [InlineData(400)]
    [InlineData(404)]
    [InlineData(302)]
    public async Task Client_ThatRefusesOrRedirects_IsNotToldAgain(int status)
    {
        await using var world = await World.StartAsync();
        var (browser, _) = await world.SignInAsync();
        using (browser)
        {
            world.First.Answer = () => Task.FromResult(new StubAnswer(status, "", Headers: [new("Location", world.Second.Address)]));
            using (await World.SignOutAsync(browser))
            {
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.First.NextAsync();
            await world.SettledAsync();
            Assert.Equal(0, world.Second.Waiting);
        }
    }

    [Fact]
    public async Task Client_ThatIsAwayForAnHour_IsGivenUp()
    {
        await using var world = await World.StartAsync();
        var (browser, _) = await world.SignInAsync();
        using (browser)
        {
            world.First.IsDown(true);
            using (await World.SignOutAsync(browser))
            {
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.TriedAsync(1);
            world.Time.Jump(TimeSpan.FromMinutes(61));
            world.First.IsDown(false);
            await world.Server.Services.GetRequiredService<StoreCleanUp>().RunAsync(CancellationToken.None);
            await world.SettledAsync();
            Assert.Equal(0, world.First.Waiting);
        }
    }

    [Fact]
    public async Task Address_ThatIsPrivate_IsNotReachedUnlessAllowed()
    {
        await using var world = await World.StartAsync(new(StringComparer.Ordinal) { ["OUTGOING_ALLOW"] = "10.1.2.3" });
        var (browser, _) = await world.SignInAsync();
        using (browser)
        {
            using (await World.SignOutAsync(browser))
            {
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.TriedAsync(1);
            Assert.Equal(0, world.First.Waiting);
        }
    }

    [Fact]
    public async Task Session_WhenEndedFiftyTimesAtOnce_IsToldOnce()
    {
        await using var world = await World.StartAsync();
        var (browser, tokens) = await world.SignInAsync();
        using (browser)
        {
            var session = (string)RunningServer.Payload((string)tokens["id_token"]!)["sid"]!;
            await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() =>
                world.Server.Services.GetRequiredService<SessionService>().EndAsync(session, SessionEndReasons.Logout, new Caller(Ip: null, UserAgent: null), CancellationToken.None))));
            Assert.Equal(1, await world.NoticesAsync());
            var queue = world.Server.Services.GetRequiredService<Identity.OAuth.EndSession.LogoutNotices>();
            world.First.IsDown(true);
            var claims = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => queue.ClaimAsync([], CancellationToken.None))));
            Assert.Single(claims.SelectMany(claimed => claimed));
        }
    }

    private sealed class World : IAsyncDisposable
    {
        private World(HostedServer server, FakeTimeProvider time, LogoutReceiver first, LogoutReceiver second) =>
            (Server, Time, First, Second, Node) = (server, time, first, second, new AddressedNode(server.Url));

        public HostedServer Server { get; }

        public FakeTimeProvider Time { get; }

        public LogoutReceiver First { get; }

        public LogoutReceiver Second { get; }

        public AddressedNode Node { get; }

        public static async Task<World> StartAsync(Dictionary<string, string>? settings = null)
        {
            var (first, second) = (await LogoutReceiver.StartAsync(), await LogoutReceiver.StartAsync());
            JsonObject Client(string id, string address) => new()
            {
                ["client_id"] = id,
                ["token_endpoint_auth_method"] = "none",
                ["grant_types"] = new JsonArray("authorization_code", "refresh_token"),
                ["redirect_uris"] = new JsonArray("http://127.0.0.1/callback"),
                ["scope"] = "openid email offline_access",
                ["backchannel_logout_uri"] = address,
            };
            var time = FakeTimeProvider.OfThisSecond();
            var server = await HostedServer.StartAsync(new JsonArray(Client("spa", first.Address), Client("second", second.Address)).ToJsonString(), time: time, settings: settings);
            return new World(server, time, first, second);
        }

        public async Task<(Browser Browser, JsonNode Tokens)> SignInAsync()
        {
            var browser = await Node.SignedInAsync();
            return (browser, await Node.TokensAsync(browser));
        }

        public static async Task<HttpResponseMessage> SignOutAsync(Browser browser)
        {
            using var asked = await browser.GetAsync("/connect/endsession");
            return await browser.SubmitAsync(asked.Headers.Location!.OriginalString, []);
        }

        public Task<int> NoticesAsync() => Server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<LogoutNoticeRow>().CountAsync(token), CancellationToken.None);

        public Task SettledAsync() => WaitAsync(async () => await NoticesAsync() == 0);

        public Task TriedAsync(int attempts) => WaitAsync(() => Server.Services.GetRequiredService<StoreDatabase>().ReadAsync((context, token) => context.Set<LogoutNoticeRow>().AllAsync(r => r.Attempts == attempts, token), CancellationToken.None));

        public async ValueTask DisposeAsync()
        {
            Node.Dispose();
            await Server.DisposeAsync();
            await First.DisposeAsync();
            await Second.DisposeAsync();
        }

        // Settling is behind the client's answer, which is all that a test sees.
        private static async Task WaitAsync(Func<Task<bool>> condition)
        {
            for (var i = 0; i < 3600; i++)
            {
                if (await condition())
                {
                    return;
                }

                await Task.Delay(25);
            }

            Assert.Fail("It did not come to that.");
        }
    }
}
