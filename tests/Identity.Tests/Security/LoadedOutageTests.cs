// Security catalogue: each store stops and starts again under load; what was acknowledged is true, and what works once worked once.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Tests.Security;

/// <summary>
/// A hundred requests a second of every kind, each at its time whether or not the one before was answered, on PostgreSQL, Redis and MongoDB.
/// After a third of the time one store goes away, for another third. Eight seconds as a rule; IDENTITY_TEST_OUTAGE_SECONDS=60 is a minute.
/// There is no grace window.
/// </summary>
public sealed class LoadedOutageTests(LoadedOutageTests.World world) : IClassFixture<LoadedOutageTests.World>
{
    private const int PerSecond = 100;

    private static readonly int s_seconds = int.TryParse(Environment.GetEnvironmentVariable("IDENTITY_TEST_OUTAGE_SECONDS"), CultureInfo.InvariantCulture, out var wanted) ? wanted : 8;

    [Theory]
    [InlineData("postgres")]
    [InlineData("redis")]
    [InlineData("mongo")]
    public async Task Server_WhenAStoreIsAwayUnderLoad_Answers503Alone_LosesNothingAcknowledged_AndRecoversByItself(string away)
    {
        using var load = new Load(world.Process.Address, world.ClientKey);
        await load.PrepareAsync();
        var running = load.RunAsync(s_seconds * PerSecond);
        await Task.Delay(TimeSpan.FromSeconds(s_seconds / 3.0));
        Assert.Equal(0, load.Unavailable);
        await world.StopAsync(away);
        await Task.Delay(TimeSpan.FromSeconds(s_seconds / 3.0));
        await world.StartAsync(away);
        var back = Stopwatch.GetTimestamp();
        await world.Process.WaitReadyAsync();
        var ready = Stopwatch.GetElapsedTime(back);
        await running;
        load.AssertNothingWrong();
        Assert.True(load.Unavailable > 0, "Nothing noticed the outage.");

        // By itself and as before: a second in which nothing is refused.
        var before = load.Unavailable;
        await load.RunAsync(PerSecond);
        load.AssertNothingWrong();
        Assert.Equal(before, load.Unavailable);
        await load.CheckAsync();
        load.AssertNothingWrong();
        TestContext.Current.TestOutputHelper?.WriteLine($"{away}: {load}; ready {ready.TotalMilliseconds:F0} ms after it was back");
    }

    /// <summary>Three stores that can be stopped, and one server, which never is.</summary>
    public sealed class World : IAsyncLifetime
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-loaded-outage-test-");
        private PostgresServer? _postgres;
        private RedisInstance? _redis;
        private MongoInstance? _mongo;

        public ECDsa ClientKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        internal ServerProcess Process { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            _postgres = await PostgresServer.StartAsync();
            _redis = await RedisInstance.StartAsync();
            _mongo = await MongoInstance.StartAsync();
            Assert.SkipUnless(_postgres is { IsPrivate: true } && _redis is not null && _mongo is { IsPrivate: true }, "Needs a PostgreSQL, a Redis and a MongoDB of its own.");
            var settings = await RunningServer.WriteClientsAsync(_directory.FullName, ClientKey);
            settings["DATA_DIR"] = Path.Combine(_directory.FullName, "data");
            settings["OAuth__RefreshGrace"] = "00:00:00";
            settings["Accounts__RegistrationsPerAddress"] = "1000000";
            _postgres.AddSettings(settings);
            settings["REDIS_HOST"] = _redis.Host;
            settings["MONGO_URI"] = _mongo.Uri();
            Process = ServerProcess.Start(settings);
            await Process.WaitReadyAsync();
        }

        public Task StopAsync(string store) => store switch { "postgres" => _postgres!.StopAsync(), "redis" => _redis!.StopAsync(), _ => _mongo!.StopAsync() };

        public Task StartAsync(string store) => store switch { "postgres" => _postgres!.StartAgainAsync(), "redis" => _redis!.StartAsync(), _ => _mongo!.StartAgainAsync() };

        public async ValueTask DisposeAsync()
        {
            if (Process is not null)
            {
                await Process.DisposeAsync();
            }

            foreach (var store in new IAsyncDisposable?[] { _postgres, _redis, _mongo })
            {
                await (store?.DisposeAsync() ?? ValueTask.CompletedTask);
            }

            ClientKey.Dispose();
            _directory.Delete(recursive: true);
        }
    }

    /// <summary>What is asked, and what was acknowledged.</summary>
    private sealed class Load(Uri address, ECDsa clientKey) : IDisposable
    {
        private const string NewPassword = "another sound pass phrase 8";

        private readonly AddressedNode _node = new(address, new SocketsHttpHandler { MaxConnectionsPerServer = 2000 });
        private readonly ConcurrentQueue<Person> _people = new();
        private readonly ConcurrentBag<string> _registered = [];
        private readonly ConcurrentBag<(string Email, string[] Passwords)> _changed = [];
        private readonly ConcurrentBag<string> _revoked = [];
        private readonly ConcurrentBag<string> _ended = [];
        private readonly ConcurrentBag<string> _redeemed = [];
        private readonly ConcurrentBag<string> _rotated = [];
        private readonly ConcurrentBag<string> _asserted = [];
        private readonly ConcurrentQueue<string> _wrong = [];
        private int _unavailable;
        private int _sent;

        public void AssertNothingWrong() => Assert.True(
            _wrong.IsEmpty,
            string.Join('\n', _wrong.GroupBy(wrong => wrong, StringComparer.Ordinal).OrderByDescending(group => group.Count()).Take(20).Select(group => $"{group.Count()} x {group.Key}")));

        public int Unavailable => Volatile.Read(ref _unavailable);

        public override string ToString() =>
            $"{_sent} requests, {Unavailable} times 503; acknowledged: {_registered.Count} registrations, {_changed.Count} passwords changed, {_rotated.Count} refreshes, {_redeemed.Count} codes, {_asserted.Count} assertions, {_revoked.Count} revocations, {_ended.Count} sign-outs";

        public async Task PrepareAsync()
        {
            for (var i = 0; i < 40; i++)
            {
                var (_, email) = await _node.RegisterAsync();
                var browser = new Browser(address);
                await browser.SignInAsync(email, Node.Password);
                _people.Enqueue(new(email, browser));
            }
        }

        public async Task RunAsync(int count)
        {
            var started = Stopwatch.GetTimestamp();
            var running = new List<Task>(count);
            for (var i = 0; i < count; i++)
            {
                var due = TimeSpan.FromSeconds((double)i / PerSecond) - Stopwatch.GetElapsedTime(started);
                if (due > TimeSpan.FromMilliseconds(1))
                {
                    await Task.Delay(due);
                }

                var kind = i % 20;
                running.Add(Task.Run(() => QuietlyAsync(kind switch
                {
                    < 4 => () => WithSomebodyAsync(UserInfoAsync),
                    < 8 => () => WithSomebodyAsync(RefreshAsync),
                    < 11 => RegisterAsync,
                    < 14 => () => WithSomebodyAsync(LoginAsync),
                    14 => ChangePasswordAsync,
                    15 => () => WithSomebodyAsync(LogoutAsync),
                    16 => () => WithSomebodyAsync(RevokeAsync),
                    17 => () => WithSomebodyAsync(CodeTwiceAsync),
                    18 => AssertTwiceAsync,
                    _ => StillRefusedAsync,
                })));
            }

            await Task.WhenAll(running);
        }

        /// <summary>With all stores back, everything that was acknowledged.</summary>
        public async Task CheckAsync()
        {
            await Task.WhenAll(_registered.Chunk(1 + (_registered.Count / 8)).Select(async emails =>
            {
                foreach (var email in emails)
                {
                    Expect(await TryLoginAsync(email, Node.Password), 200, "an acknowledged registration");
                }
            }));
            foreach (var (email, passwords) in _changed)
            {
                var works = false;
                foreach (var password in passwords)
                {
                    works |= await TryLoginAsync(email, password) == 200;
                }

                Expect(works ? 200 : 401, 200, "an acknowledged password");
                if (passwords is [NewPassword])
                {
                    Expect(await TryLoginAsync(email, Node.Password), 401, "a password that was changed");
                }
            }

            foreach (var token in _revoked)
            {
                Expect(await UserInfoAsync(token), 401, "a revoked token");
            }

            foreach (var token in _ended)
            {
                Expect(await MeAsync(token), 401, "a token of a session that ended");
            }

            foreach (var code in _redeemed)
            {
                Expect((await RedeemAsync(code)).Status, 400, "a code that was redeemed");
            }

            foreach (var assertion in _asserted)
            {
                Expect(await AssertAsync(assertion), 401, "an assertion that was used");
            }

            // What was acknowledged last still works, for those whose last answer was one; and what it replaced does not.
            var people = _people.ToArray();
            Assert.Contains(people, person => person.Refresh is not null);
            foreach (var person in people.Where(person => person.Refresh is not null))
            {
                Expect((await FormAsync("/connect/token", ("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", person.Refresh!))).Status, 200, "the newest refresh token");
            }

            foreach (var token in _rotated)
            {
                Expect((await FormAsync("/connect/token", ("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", token))).Status, 400, "a refresh token that was used");
            }
        }

        public void Dispose()
        {
            _node.Dispose();
            foreach (var person in _people)
            {
                person.Browser.Dispose();
            }
        }

        private async Task WithSomebodyAsync(Func<Person, Task> work)
        {
            if (!_people.TryDequeue(out var person))
            {
                // All are waiting for answers.
                await StillRefusedAsync();
                return;
            }

            try
            {
                await work(person);
            }
            finally
            {
                _people.Enqueue(person);
            }
        }

        private async Task UserInfoAsync(Person person)
        {
            if (person.Access is { } access)
            {
                Expect(await UserInfoAsync(access), 200, "a living token");
            }
            else
            {
                await TokensAsync(person);
            }
        }

        private async Task RefreshAsync(Person person)
        {
            if (person.Refresh is not { } token)
            {
                await TokensAsync(person);
                return;
            }

            // Sent twice in a row by nobody else: whoever gets no answer cannot know whether it was exchanged.
            (person.Refresh, person.Access) = (null, null);
            var (status, body) = await FormAsync("/connect/token", ("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", token));
            if (Expect(status, 200, "the newest refresh token"))
            {
                _rotated.Add(token);
                (person.Access, person.Refresh) = ((string)body!["access_token"]!, (string)body["refresh_token"]!);
            }
        }

        private async Task TokensAsync(Person person)
        {
            if (await CodeAsync(person) is { } code && await RedeemAsync(code) is var (status, body) && Expect(status, 200, "a fresh code"))
            {
                (person.Access, person.Refresh) = ((string)body!["access_token"]!, (string)body["refresh_token"]!);
            }
        }

        private async Task CodeTwiceAsync(Person person)
        {
            if (await CodeAsync(person) is not { } code)
            {
                return;
            }

            var answers = await Task.WhenAll(RedeemAsync(code), RedeemAsync(code));
            if (answers.Count(answer => answer.Status == 200) > 1)
            {
                _wrong.Enqueue("a code was redeemed twice");
            }

            foreach (var answer in answers)
            {
                if (answer.Status is not (200 or 400 or 503))
                {
                    _wrong.Enqueue($"a code sent twice: {answer.Status}");
                }
            }

            if (answers.Any(answer => answer.Status == 200))
            {
                _redeemed.Add(code);
            }
        }

        private async Task RevokeAsync(Person person)
        {
            if (person.Access is not { } access)
            {
                await TokensAsync(person);
                return;
            }

            person.Access = null;
            if (Expect((await FormAsync("/connect/revoke", ("client_id", "spa"), ("token", access))).Status, 200, "a revocation"))
            {
                _revoked.Add(access);
            }
        }

        private async Task RegisterAsync()
        {
            var email = $"p{Guid.NewGuid():N}@example.com";
            if (Expect((await SendAsync(HttpMethod.Post, "/api/identity/register", access: null, new { email, password = Node.Password })).Status, 201, "a registration"))
            {
                _registered.Add(email);
            }
        }

        private async Task LoginAsync(Person person) => Expect(await TryLoginAsync(person.Email, Node.Password), 200, "a right password");

        private async Task LogoutAsync(Person person)
        {
            var (status, body) = await SendAsync(HttpMethod.Post, "/api/identity/login", access: null, new { email = person.Email, password = Node.Password });
            if (Expect(status, 200, "a right password") && (string)body!["accessToken"]! is { } access
                && Expect((await SendAsync(HttpMethod.Post, "/api/identity/logout", access, new { })).Status, 200, "a sign-out"))
            {
                _ended.Add(access);
            }
        }

        private async Task ChangePasswordAsync()
        {
            var email = $"c{Guid.NewGuid():N}@example.com";
            if (!Expect((await SendAsync(HttpMethod.Post, "/api/identity/register", access: null, new { email, password = Node.Password })).Status, 201, "a registration"))
            {
                return;
            }

            var (status, body) = await SendAsync(HttpMethod.Post, "/api/identity/login", access: null, new { email, password = Node.Password });
            if (!Expect(status, 200, "a right password"))
            {
                _registered.Add(email);
                return;
            }

            // No answer is no promise: either password may be the one, but there is one.
            var isDone = Expect((await SendAsync(HttpMethod.Post, "/api/identity/password/change", (string)body!["accessToken"]!, new { currentPassword = Node.Password, newPassword = NewPassword })).Status, 200, "a change of password");
            _changed.Add((email, isDone ? [NewPassword] : [Node.Password, NewPassword]));
        }

        private async Task AssertTwiceAsync()
        {
            var claims = new JsonObject { ["iss"] = "web-jwt", ["sub"] = "web-jwt", ["aud"] = address.GetLeftPart(UriPartial.Authority), ["jti"] = Guid.NewGuid().ToString(), ["exp"] = DateTimeOffset.UtcNow.AddMinutes(4).ToUnixTimeSeconds() };
            var assertion = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(claims.ToJsonString(), new SigningCredentials(new ECDsaSecurityKey(clientKey) { KeyId = "client-key" }, "ES256"));
            var answers = await Task.WhenAll(AssertAsync(assertion), AssertAsync(assertion));
            if (answers.Count(status => status == 200) > 1)
            {
                _wrong.Enqueue("an assertion worked twice");
            }

            foreach (var status in answers.Where(status => status is not (200 or 401 or 503)))
            {
                _wrong.Enqueue($"an assertion sent twice: {status}");
            }

            if (answers.Contains(200))
            {
                _asserted.Add(assertion);
            }
        }

        // What was taken back or used stays so while stores come and go.
        private async Task StillRefusedAsync()
        {
            if (_revoked.TryPeek(out var revoked) && await UserInfoAsync(revoked) is var first and not (401 or 503))
            {
                _wrong.Enqueue($"a revoked token: {first}");
            }

            if (_ended.TryPeek(out var ended) && await MeAsync(ended) is var second and not (401 or 503))
            {
                _wrong.Enqueue($"a token of a session that ended: {second}");
            }

            if (_asserted.TryPeek(out var asserted) && await AssertAsync(asserted) is var third and not (401 or 503))
            {
                _wrong.Enqueue($"an assertion that was used: {third}");
            }
        }

        private async Task<string?> CodeAsync(Person person)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, _node.AuthorizeUrl(scope: "openid offline_access")));
            using var answer = await person.Browser.SendAsync(request);
            Note(answer);
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                return null;
            }

            var query = Node.Query(answer.Headers.Location);
            if (query.GetValueOrDefault("error") == "temporarily_unavailable")
            {
                Interlocked.Increment(ref _unavailable);
                return null;
            }

            if (query.GetValueOrDefault("code") is { } code)
            {
                return code;
            }

            _wrong.Enqueue($"authorize: {(int)answer.StatusCode} {answer.Headers.Location}");
            return null;
        }

        private Task<(int Status, JsonNode? Body)> RedeemAsync(string code) =>
            FormAsync("/connect/token", ("grant_type", "authorization_code"), ("client_id", "spa"), ("code", code), ("redirect_uri", Node.RedirectUri), ("code_verifier", Node.Verifier));

        private async Task<int> AssertAsync(string assertion) =>
            (await FormAsync("/connect/revoke", ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion), ("token", "x"))).Status;

        private async Task<int> UserInfoAsync(string access) => (await SendAsync(HttpMethod.Get, "/connect/userinfo", access, body: null)).Status;

        private async Task<int> MeAsync(string access) => (await SendAsync(HttpMethod.Get, "/api/identity/users/me", access, body: null)).Status;

        private async Task<int> TryLoginAsync(string email, string password) => (await SendAsync(HttpMethod.Post, "/api/identity/login", access: null, new { email, password })).Status;

        private async Task<(int Status, JsonNode? Body)> FormAsync(string path, params (string Name, string Value)[] fields)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, path)) { Content = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value))) };
            return await SendAsync(request);
        }

        private async Task<(int Status, JsonNode? Body)> SendAsync(HttpMethod method, string path, string? access, object? body)
        {
            using var request = new HttpRequestMessage(method, new Uri(address, path)) { Content = body is null ? null : JsonContent.Create(body) };
            request.Headers.Authorization = access is null ? null : new("Bearer", access);
            return await SendAsync(request);
        }

        private async Task<(int Status, JsonNode? Body)> SendAsync(HttpRequestMessage request)
        {
            using var answer = await _node.Http.SendAsync(request);
            Note(answer);
            var text = await answer.Content.ReadAsStringAsync();
            return ((int)answer.StatusCode, text.StartsWith('{') ? JsonNode.Parse(text) : null);
        }

        private void Note(HttpResponseMessage answer)
        {
            Interlocked.Increment(ref _sent);
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                Interlocked.Increment(ref _unavailable);
                if (answer.Headers.RetryAfter is null)
                {
                    _wrong.Enqueue($"503 without Retry-After: {answer.RequestMessage!.RequestUri!.AbsolutePath}");
                }
            }
            else if ((int)answer.StatusCode >= 500)
            {
                _wrong.Enqueue($"{(int)answer.StatusCode}: {answer.RequestMessage!.Method} {answer.RequestMessage.RequestUri!.AbsolutePath}");
            }
        }

        private bool Expect(int status, int expected, string what)
        {
            if (status is not 503 && status != expected)
            {
                _wrong.Enqueue($"{what}: {status}");
            }

            return status == expected;
        }

        private async Task QuietlyAsync(Func<Task> work)
        {
            try
            {
                await work();
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or TaskCanceledException)
            {
                _wrong.Enqueue("no answer: " + exception.Message);
            }
        }
    }

    private sealed class Person(string email, Browser browser)
    {
        public string Email => email;

        public Browser Browser => browser;

        public string? Access { get; set; }

        public string? Refresh { get; set; }
    }
}
