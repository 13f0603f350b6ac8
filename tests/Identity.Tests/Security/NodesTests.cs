// Security catalogue: what holds for one server holds for two with one store between them.
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>Two server processes on one PostgreSQL and one Redis.</summary>
public sealed class NodesOnPostgresTests(NodesTests.World world) : NodesTests(world), IClassFixture<NodesTests.World>
{
    // What a node remembers of sessions is worth nothing while it cannot hear of their ends.
    [Fact]
    public async Task Session_WhenItEndsAtOneNodeWhileRedisIsAway_IsOverAtTheOther()
    {
        using var browser = await Nodes.A.SignedInAsync();
        using var other = new Browser(Nodes.B.Address);
        other.Cookies.Add(Nodes.B.Address, new Cookie("identity", browser.Cookies.GetCookies(Nodes.A.Address)["identity"]!.Value));
        async Task<HttpStatusCode> AtBAsync()
        {
            using var page = await other.GetAsync("/account");
            return page.StatusCode;
        }

        Assert.Equal(HttpStatusCode.OK, await AtBAsync());
        Assert.Equal(HttpStatusCode.OK, await AtBAsync());
        await Nodes.Redis.StopAsync();
        try
        {
            using var signedOut = await browser.SubmitAsync("/signout", []);
            Assert.Equal(HttpStatusCode.SeeOther, signedOut.StatusCode);
            await WithinASecondAsync(async () => await AtBAsync() == HttpStatusCode.SeeOther);
        }
        finally
        {
            await Nodes.Redis.StartAsync();
            await Nodes.WaitReadyAsync();
        }

        Assert.Equal(HttpStatusCode.SeeOther, await AtBAsync());
    }

    // A text with NUL is somebody's mistake or mischief, and no outage.
    [Theory]
    [InlineData("/signed-out?client_id=%00", 400)]
    [InlineData("/signin?returnUrl=%2Fconnect%2Fauthorize%3Fclient_id%3D%2500", 200)]
    [InlineData("/connect/verify?user_code=BCDF%00GHJK", 400)]
    [InlineData("/external/any/signed-out?state=a%00b", 400)]
    [InlineData("/connect/endsession?client_id=%00", 400)]
    public async Task Page_AskedForWithNulOnPostgres_AnswersThatTheLinkIsWrong(string address, int status)
    {
        using var browser = new Browser(Nodes.A.Address);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Nodes.A.Address, address));
        request.Headers.Accept.ParseAdd("text/html");
        using var answer = await browser.SendAsync(request);
        Assert.Equal((address, status), (address, (int)answer.StatusCode));
        if (status == 400)
        {
            Assert.Contains("This link does not work", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    // Only a form in parts brings it so far: the other kind is refused when it is read.
    [Theory]
    [InlineData("/signin", "Login", "a\0@example.com")]
    [InlineData("/signin", "Login", "a\0b")]
    [InlineData("/register", "FirstName", "A\0da")]
    [InlineData("/forgot-password", "Email", "a\0@example.com")]
    public async Task Form_WithNulOnPostgres_IsRefused(string page, string field, string value)
    {
        using var browser = new Browser(Nodes.A.Address);
        using var opened = await browser.GetAsync(page);
        var form = new AngleSharp.Html.Parser.HtmlParser().ParseDocument(await opened.Content.ReadAsStringAsync()).Forms.First(form => form.Method == "post" && form.QuerySelector($"[name={field}]") is not null);
        using var parts = new MultipartFormDataContent
        {
            { new StringContent(form.QuerySelector("input[name=__RequestVerificationToken]")!.GetAttribute("value")!), "__RequestVerificationToken" },
            { new StringContent(value), field },
            { new StringContent("a sound pass phrase 7"), "Password" },
        };
        if (field != "Email")
        {
            parts.Add(new StringContent("nul@example.com"), "Email");
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Nodes.A.Address, page)) { Content = parts };
        request.Headers.Accept.ParseAdd("text/html");
        using var answer = await browser.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("This link does not work", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    // PostgreSQL refuses NUL in a text, and half a surrogate pair has no UTF-8.
    [Fact]
    public async Task Server_WhenSentEveryKindOfBadValueOnPostgres_NeverFails()
    {
        var fuzz = new Fuzz(Nodes.A, 4);
        await fuzz.RunAsync(FuzzTests.Requests);
        Assert.True(fuzz.Sent >= FuzzTests.Requests - 3);
    }
}

/// <summary>The same with MongoDB for the credentials.</summary>
public sealed class NodesWithMongoTests(NodesTests.MongoWorld world) : NodesTests(world), IClassFixture<NodesTests.MongoWorld>
{
    [Fact]
    public async Task Password_ChangedAtOneNode_IsInMongoDB_AndTheOnlyOneAtTheOther()
    {
        const string Changed = "another sound pass phrase 8";
        var (id, email) = await Nodes.A.RegisterAsync();
        using var login = await Nodes.A.Http.PostAsJsonAsync(new Uri(Nodes.A.Address, "/api/identity/login"), new { email, password = Node.Password });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Nodes.A.Address, "/api/identity/password/change")) { Content = JsonContent.Create(new { currentPassword = Node.Password, newPassword = Changed }) };
        request.Headers.Authorization = new("Bearer", (string)(await login.Content.ReadFromJsonAsync<JsonNode>())!["accessToken"]!);
        using var answer = await Nodes.A.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(1, await ((MongoWorld)Nodes).CredentialsOfAsync(id));
        Assert.Equal(HttpStatusCode.OK, await LoginAsync(Nodes.B, email, Changed));
        Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(Nodes.B, email, Node.Password));
    }
}

/// <summary>
/// Two server processes with one set of stores, started at once on empty ones. There is no grace window.
/// </summary>
public abstract class NodesTests(NodesTests.World world)
{
    protected World Nodes { get; } = world;

    private const int Width = 50;

    [Fact]
    public async Task Code_WhenRedeemedFiftyTimesAtBothNodes_WorksOnce()
    {
        using var browser = await Nodes.A.SignedInAsync();
        var code = await Nodes.A.CodeAsync(browser);
        var results = await RaceAsync(node => node.RedeemAsync(code));
        Assert.Single(results, result => result.Status == HttpStatusCode.OK);
        Assert.All(results.Where(result => result.Status != HttpStatusCode.OK), result => Assert.Equal("invalid_grant", (string?)result.Body["error"]));
    }

    [Fact]
    public async Task DeviceCode_WhenPolledAndRedeemedFiftyTimesAtBothNodes_IsPacedOnceAndWorksOnce()
    {
        using var browser = await Nodes.A.SignedInAsync();
        var (_, asked) = await Nodes.A.PostAsync("/connect/device", client: null, ("client_id", "tv"), ("scope", "openid"));
        Task<(HttpStatusCode Status, JsonNode Body)> PollAsync(Node node) =>
            node.PostAsync("/connect/token", client: null, ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("client_id", "tv"), ("device_code", (string)asked["device_code"]!));
        var polls = await RaceAsync(PollAsync);
        Assert.Single(polls, poll => (string?)poll.Body["error"] == "authorization_pending");
        Assert.Equal(Width - 1, polls.Count(poll => (string?)poll.Body["error"] == "slow_down"));

        using var allowed = await browser.SubmitAsync(new Uri((string)asked["verification_uri_complete"]!).PathAndQuery, [], "Allow");
        Assert.Equal(HttpStatusCode.SeeOther, allowed.StatusCode);
        var results = await RaceAsync(PollAsync);
        Assert.Single(results, result => result.Status == HttpStatusCode.OK);
        Assert.All(results.Where(result => result.Status != HttpStatusCode.OK), result => Assert.Equal("invalid_grant", (string?)result.Body["error"]));
    }

    [Fact]
    public async Task Refresh_WhenUsedFiftyTimesAtBothNodesWithoutAWindow_WorksOnceAndTheFamilyDies()
    {
        using var browser = await Nodes.A.SignedInAsync();
        var tokens = await Nodes.A.TokensAsync(browser);
        var results = await RaceAsync(node => node.RefreshAsync((string)tokens["refresh_token"]!));
        var won = Assert.Single(results, result => result.Status == HttpStatusCode.OK);
        Assert.All(results.Where(result => result.Status != HttpStatusCode.OK), result => Assert.Equal("invalid_grant", (string?)result.Body["error"]));

        // 49 saw a token that was used before: nobody can tell which of them was the thief.
        Assert.Equal("invalid_grant", (string?)(await Nodes.B.RefreshAsync((string)won.Body["refresh_token"]!)).Body["error"]);
        await Eventually401Async(Nodes.A, (string)won.Body["access_token"]!);
        await Eventually401Async(Nodes.B, (string)won.Body["access_token"]!);
    }

    [Fact]
    public async Task Refresh_WhenTheNodesTakeTurns_RotatesOnAndOn()
    {
        using var browser = await Nodes.A.SignedInAsync();
        var token = (string)(await Nodes.A.TokensAsync(browser))["refresh_token"]!;
        for (var i = 0; i < 6; i++)
        {
            var (status, body) = await (i % 2 == 0 ? Nodes.B : Nodes.A).RefreshAsync(token);
            Assert.True(status == HttpStatusCode.OK, body.ToJsonString());
            token = (string)body["refresh_token"]!;
        }
    }

    [Fact]
    public async Task ClientAssertion_WhenSentToBothNodesAtOnce_WorksOnce()
    {
        var claims = new JsonObject { ["iss"] = "web-jwt", ["sub"] = "web-jwt", ["aud"] = Nodes.Issuer, ["jti"] = Guid.NewGuid().ToString(), ["exp"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds() };
        var assertion = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(Nodes.ClientKey) { KeyId = "client-key" }, "ES256"));
        var answers = await RaceAsync(node => node.PostAsync("/connect/revoke", null, ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("token", "x")));
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.OK), answer => Assert.Equal("invalid_client", (string?)answer.Body["error"]));
    }

    [Fact]
    public async Task DPoPProof_WhenSentToBothNodesAtOnce_WorksOnce()
    {
        using var key = new DPoPKey();
        var proof = key.Proof("POST", Nodes.Issuer + "/connect/token", TimeProvider.System.GetUtcNow());
        var answers = await RaceAsync(async node =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(node.Address, "/connect/token")) { Content = new FormUrlEncodedContent([KeyValuePair.Create("grant_type", "client_credentials"), KeyValuePair.Create("scope", "reports.read")]) };
            request.Headers.Authorization = Node.Basic("service", Node.Secret);
            request.Headers.Add("DPoP", proof);
            using var answer = await node.Http.SendAsync(request);
            return (Status: answer.StatusCode, Body: JsonNode.Parse(await answer.Content.ReadAsStringAsync())!);
        });
        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(answer => answer.Status != HttpStatusCode.OK), answer => Assert.Equal("invalid_dpop_proof", (string?)answer.Body["error"]));
    }

    [Fact]
    public async Task Passwords_WhenGuessedWrongTwentyTimesAtBothNodes_CountAsTwentyAndLockEveryWayIn()
    {
        var (_, email) = await Nodes.A.RegisterAsync();
        using var browser = new Browser(Nodes.A.Address);
        await browser.SignInAsync(email, Node.Password);
        var refresh = (string)(await Nodes.A.TokensAsync(browser))["refresh_token"]!;
        var answers = await RaceAsync(node => LoginAsync(node, email, "not the one"), 20);
        Assert.All(answers, status => Assert.Equal(HttpStatusCode.Unauthorized, status));

        foreach (var node in new[] { Nodes.A, Nodes.B })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await LoginAsync(node, email, Node.Password));
            using var page = new Browser(node.Address);
            using var refused = await page.SubmitAsync("/signin", new() { ["username"] = email, ["current-password"] = Node.Password });
            Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
            Assert.Equal("invalid_grant", (string?)(await node.RefreshAsync(refresh)).Body["error"]);
        }
    }

    [Fact]
    public async Task Email_WhenRegisteredFiftyTimesAtBothNodes_IsOnePersons()
    {
        var email = $"p{Guid.NewGuid():N}@example.com";
        var answers = await RaceAsync(async node =>
        {
            using var answer = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/register"), new { email, password = Node.Password });
            return answer.StatusCode;
        });
        Assert.Single(answers, status => (int)status is 200 or 201);
        Assert.Equal(Width - 1, answers.Count(status => status == HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task Session_WhenItEndsAtOneNode_IsOverAtTheOther()
    {
        using var browser = await Nodes.A.SignedInAsync();
        var tokens = await Nodes.A.TokensAsync(browser);

        // The same browser at the other node: its cookie is readable there, and single sign-on holds.
        var atB = new Uri(Nodes.B.Address, Nodes.B.AuthorizeUrl(changes: ("prompt", "none"))).AbsoluteUri;
        using (var silent = await browser.GetAsync(atB))
        {
            Assert.Contains("code", RunningServer.Query(silent.Headers.Location).Keys);
        }

        Assert.Equal(HttpStatusCode.OK, await Nodes.B.UserInfoAsync((string)tokens["access_token"]!));
        var cookie = browser.Cookies.GetCookies(Nodes.A.Address)["identity"]!.Value;
        using var page = await browser.SubmitAsync("/signout", []);
        using var thief = new Browser(Nodes.B.Address);
        thief.Cookies.Add(Nodes.B.Address, new Cookie("identity", cookie));
        using var after = await thief.GetAsync(Nodes.B.AuthorizeUrl(changes: ("prompt", "none")));
        Assert.Equal("login_required", RunningServer.Query(after.Headers.Location)["error"]);
        Assert.Equal("invalid_grant", (string?)(await Nodes.B.RefreshAsync((string)tokens["refresh_token"]!)).Body["error"]);
        await Eventually401Async(Nodes.B, (string)tokens["access_token"]!);
    }

    [Theory]
    [InlineData("sign-out")]
    [InlineData("sign-out by an administrator")]
    [InlineData("deactivation")]
    [InlineData("deletion")]
    public async Task Session_WhenTheOtherNodeRemembersIt_IsRefusedThereWithinASecondOf(string end)
    {
        var (id, email) = await Nodes.A.RegisterAsync();
        var own = await AccessAsync(email);
        var admin = await AccessAsync("admin@example.com");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await SendAsync(Nodes.B, HttpMethod.Get, "users/me", own));
        }

        var ended = end switch
        {
            "sign-out" => await SendAsync(Nodes.A, HttpMethod.Post, "logout", own, new JsonObject()),
            "deactivation" => await SendAsync(Nodes.A, HttpMethod.Put, "users/" + id, admin, new JsonObject { ["isActive"] = false }),
            "deletion" => await SendAsync(Nodes.A, HttpMethod.Delete, "users/" + id, admin),
            _ => await SendAsync(Nodes.A, HttpMethod.Post, $"users/{id}/sign-out", admin),
        };
        Assert.True((int)ended is >= 200 and < 300, $"{ended}");
        await WithinASecondAsync(async () => await SendAsync(Nodes.B, HttpMethod.Get, "users/me", own) == HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task AccessToken_WhenRevokedAtOneNode_IsInactiveAtTheOther()
    {
        using var browser = await Nodes.A.SignedInAsync();
        var access = (string)(await Nodes.A.TokensAsync(browser, scope: "openid notes.read"))["access_token"]!;
        Assert.True((bool)(await Nodes.B.PostAsync("/connect/introspect", "notes-api", ("token", access))).Body["active"]!);
        Assert.Equal(HttpStatusCode.OK, (await Nodes.A.PostAsync("/connect/revoke", null, ("client_id", "spa"), ("token", access))).Status);
        await EventuallyAsync(async () => !(bool)(await Nodes.B.PostAsync("/connect/introspect", "notes-api", ("token", access))).Body["active"]!, "the token is inactive at the other node");
    }

    [Fact]
    public async Task Keys_WhenBothNodesStartAtOnce_AreTheSame()
    {
        var keys = await Task.WhenAll(new[] { Nodes.A, Nodes.B }.Select(node => node.Http.GetStringAsync(new Uri(node.Address, "/connect/jwks"))));
        Assert.Equal(keys[0], keys[1]);
    }

    private protected static async Task WithinASecondAsync(Func<Task<bool>> condition)
    {
        for (var started = Stopwatch.GetTimestamp(); !await condition(); await Task.Delay(10))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TimeLimit.Seconds(1), "Not within a second.");
        }
    }

    private async Task<string> AccessAsync(string email)
    {
        using var login = await Nodes.A.Http.PostAsJsonAsync(new Uri(Nodes.A.Address, "/api/identity/login"), new { email, password = Node.Password });
        return (string)(await login.Content.ReadFromJsonAsync<JsonNode>())!["accessToken"]!;
    }

    private static async Task<HttpStatusCode> SendAsync(Node node, HttpMethod method, string path, string access, JsonObject? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(node.Address, "/api/identity/" + path)) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new("Bearer", access);
        using var answer = await node.Http.SendAsync(request);
        return answer.StatusCode;
    }

    private protected static async Task<HttpStatusCode> LoginAsync(Node node, string email, string password)
    {
        using var answer = await node.Http.PostAsJsonAsync(new Uri(node.Address, "/api/identity/login"), new { email, password });
        return answer.StatusCode;
    }

    private Task<T[]> RaceAsync<T>(Func<Node, Task<T>> attempt, int width = Width) =>
        Task.WhenAll(Enumerable.Range(0, width).Select(i => attempt(i % 2 == 0 ? Nodes.A : Nodes.B)));

    private static Task Eventually401Async(Node node, string access) =>
        EventuallyAsync(async () => await node.UserInfoAsync(access) == HttpStatusCode.Unauthorized, "the access token is worth nothing");

    // What one node denies, another may learn up to a second later (docs/operations.md).
    private static async Task EventuallyAsync(Func<Task<bool>> condition, string what)
    {
        using var limit = new CancellationTokenSource(TimeLimit.Seconds(10));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!await condition())
        {
            try
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail("Not in time: " + what);
            }
        }
    }

    /// <summary>And MongoDB.</summary>
    public sealed class MongoWorld : World
    {
        private MongoInstance? _mongo;
        private string _uri = "";

        /// <summary>How many documents of credentials there are for an account.</summary>
        public async Task<long> CredentialsOfAsync(string account)
        {
            var url = MongoDB.Driver.MongoUrl.Create(_uri);
            using var client = new MongoDB.Driver.MongoClient(url);
            return await client.GetDatabase(url.DatabaseName).GetCollection<MongoDB.Bson.BsonDocument>("credentials")
                .CountDocumentsAsync(new MongoDB.Bson.BsonDocument("_id", new MongoDB.Bson.BsonBinaryData(Guid.Parse(account), MongoDB.Bson.GuidRepresentation.Standard)));
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            if (_mongo is not null)
            {
                await _mongo.DisposeAsync();
            }
        }

        protected override async Task AddAsync(Dictionary<string, string> settings)
        {
            _mongo = await MongoInstance.StartAsync();
            if (_mongo is null)
            {
                Assert.Skip(MongoInstance.WhatIsMissing);
            }

            settings["MONGO_URI"] = _uri = _mongo.Uri();
        }
    }

    /// <summary>PostgreSQL, Redis where there is one, and two servers.</summary>
    public class World : IAsyncLifetime
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-nodes-test-");
        private readonly List<ServerProcess> _processes = [];
        private PostgresServer? _database;
        private RedisInstance? _redis;

        public Node A { get; private set; } = null!;

        public Node B { get; private set; } = null!;

        public string Issuer { get; private set; } = "";

        /// <summary>Ours to stop and start.</summary>
        public RedisInstance Redis
        {
            get
            {
                Assert.SkipWhen(_redis is null, RedisInstance.WhatIsMissing);
                return _redis!;
            }
        }

        public Task WaitReadyAsync() => Task.WhenAll(_processes.Select(process => process.WaitReadyAsync()));

        public ECDsa ClientKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        public async ValueTask InitializeAsync()
        {
            _database = await PostgresServer.StartAsync();
            if (_database is null)
            {
                Assert.Skip(PostgresServer.WhatIsMissing);
            }

            var settings = await RunningServer.WriteClientsAsync(_directory.FullName, ClientKey);
            var port = Ports.Free();
            Issuer = $"http://localhost:{port}";
            settings["PUBLIC_URL"] = Issuer;
            _database.AddSettings(settings);
            _redis = await RedisInstance.StartAsync();
            if (_redis is not null)
            {
                settings["REDIS_HOST"] = _redis.Host;
            }

            await AddAsync(settings);
            settings["OAuth__RefreshGrace"] = "00:00:00";
            foreach (var node in (string[])["a", "b"])
            {
                _processes.Add(ServerProcess.Start(new Dictionary<string, string>(settings, StringComparer.Ordinal)
                {
                    ["PORT"] = (node == "a" ? port : Ports.Free()).ToString(System.Globalization.CultureInfo.InvariantCulture),
                    ["DATA_DIR"] = Path.Combine(_directory.FullName, node),
                }));
            }

            await WaitReadyAsync();
            (A, B) = (new AddressedNode(_processes[0].Address), new AddressedNode(_processes[1].Address));
        }

        /// <summary>More stores, before the servers start.</summary>
        protected virtual Task AddAsync(Dictionary<string, string> settings) => Task.CompletedTask;

        public virtual async ValueTask DisposeAsync()
        {
            foreach (var process in _processes)
            {
                await process.DisposeAsync();
            }

            if (_database is not null)
            {
                await _database.DisposeAsync();
            }

            if (_redis is not null)
            {
                await _redis.DisposeAsync();
            }

            A?.Dispose();
            B?.Dispose();
            ClientKey.Dispose();
            _directory.Delete(recursive: true);
        }
    }
}
