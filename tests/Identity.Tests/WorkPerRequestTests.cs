// Speed as counts, which are the same on every machine: what a request asks of PostgreSQL, where each statement is a round trip and each write of its own a commit.
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Identity.Tests.Kit;
using Identity.Tests.Kit.Hosting;

namespace Identity.Tests;

/// <summary>The statements of the requests that apps and services make all day, in their order.</summary>
public sealed partial class WorkPerRequestTests(WorkPerRequestTests.World world) : IClassFixture<WorkPerRequestTests.World>
{
    private const string Scope = "openid email offline_access";

    // Of the node itself, not of requests: rows that its loops look at, and what it remembers for a second. So is what names none of our tables.
    private static readonly string[] s_ofTheNode = ["logout_notices", "outbox", "signing_keys", "applications", "resources", "push_messages", "SELECT mail_messages", "UPDATE mail_messages", "DELETE mail_messages"];

    [Fact]
    public async Task ClientCredentials_OnPostgres_AskNothing() =>
        Assert.Equal([], await StatementsAsync(() => world.Node.ServiceTokenAsync("notes.read")));

    [Fact]
    public async Task Introspection_OnPostgres_LooksWhetherTheTokenWasRevoked()
    {
        var token = await world.Node.ServiceTokenAsync("notes.read");
        Assert.Equal(["SELECT deny_entries"], await StatementsAsync(() => world.Node.PostAsync("/connect/introspect", "notes-api", ("token", token))));
    }

    [Fact]
    public async Task Refresh_OnPostgres_IsOneReadAndOneCommit()
    {
        using var browser = await world.Node.SignedInAsync();
        var token = (string)(await world.Node.TokensAsync(browser, scope: Scope))["refresh_token"]!;
        Assert.Equal(["SELECT deny_entries authorizations sessions accounts", "UPDATE authorizations"], await StatementsAsync(async () => token = (string)(await world.Node.RefreshAsync(token)).Body["refresh_token"]!));
    }

    [Fact]
    public async Task Login_OnPostgres_ReadsTheAccountBeforeAndAfterTheHashAndTheSession()
    {
        var (_, email) = await world.Node.RegisterAsync();
        string[] proof = ["INSERT rate_limits", "SELECT accounts", "SELECT credentials", "SELECT accounts", "SELECT second_factors"];
        string[] session = ["UPDATE accounts", "INSERT sessions", "SELECT accounts", "INSERT audit_log"];
        string[] tokens = ["UPDATE sessions", "INSERT authorizations", "SELECT account_metadata"];
        Assert.Equal([.. proof, .. session, .. tokens], await StatementsAsync(() => TokenAsync("/api/identity/login", new { email, password = Node.Password })));
    }

    [Fact]
    public async Task PasswordChange_OnPostgres_WritesTheNoticeInItsOwnTransaction()
    {
        var (_, email) = await world.Node.RegisterAsync();
        var before = 0;
        for (var i = 0; i < 2; i++)
        {
            using var login = await world.Node.Http.PostAsJsonAsync(new Uri(world.Node.Address, "/api/identity/login"), new { email, password = i == 0 ? Node.Password : Node.Password + "1" });
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(world.Node.Address, "/api/identity/password/change"));
            request.Headers.Authorization = new("Bearer", (string)JsonNode.Parse(await login.Content.ReadAsStringAsync())!["accessToken"]!);
            request.Content = JsonContent.Create(new { currentPassword = i == 0 ? Node.Password : Node.Password + "1", newPassword = Node.Password + (i + 1) });
            before = world.Statements.All.Count;
            using var changed = await world.Node.Http.SendAsync(request);
            Assert.True(changed.IsSuccessStatusCode);
        }

        // The account first, the events last; link and mail go with the first of those, and cost no statement of their own. What follows is the audit trail's.
        string[] written = ["INSERT access_notices mail_messages outbox", "INSERT outbox", "INSERT audit_log", "INSERT audit_log"];
        Assert.Equal(written, world.Statements.All.Skip(before).Select(statement => Shape(statement.Text)).Where(shape => shape.StartsWith("INSERT", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task RefreshRoute_OnPostgres_ReadsTheMetadataBesides()
    {
        var (_, email) = await world.Node.RegisterAsync();
        var token = await TokenAsync("/api/identity/login", new { email, password = Node.Password });

        // Before the rotation: a home of the metadata that is away costs a 503, not the token.
        Assert.Equal(["SELECT deny_entries authorizations sessions accounts", "SELECT account_metadata", "UPDATE authorizations"], await StatementsAsync(async () => token = await TokenAsync("/api/identity/refresh-token", new { refreshToken = token })));
    }

    [Fact]
    public async Task CodeFlow_OnPostgres_IsTwoCommits()
    {
        using var browser = await world.Node.SignedInAsync();
        string[] authorize = ["SELECT sessions accounts", "INSERT authorizations tokens"];
        string[] token = ["SELECT tokens", "SELECT deny_entries authorizations sessions accounts", "UPDATE tokens"];
        Assert.Equal([.. authorize, .. token], await StatementsAsync(() => world.Node.TokensAsync(browser, scope: Scope)));
    }

    [Fact]
    public async Task IntrospectionOfAPersonsToken_OnPostgres_IsOneRead()
    {
        using var browser = await world.Node.SignedInAsync();
        var token = (string)(await world.Node.TokensAsync(browser, scope: Scope))["access_token"]!;
        Assert.Equal(["SELECT deny_entries sessions accounts"], await StatementsAsync(() => world.Node.PostAsync("/connect/introspect", "notes-api", ("token", token))));
    }

    [Fact]
    public async Task UserInfo_OnPostgres_IsOneRead()
    {
        using var browser = await world.Node.SignedInAsync();
        var token = (string)(await world.Node.TokensAsync(browser, scope: Scope))["access_token"]!;
        Assert.Equal(["SELECT deny_entries sessions accounts"], await StatementsAsync(() => world.Node.UserInfoAsync(token)));
    }

    [Fact]
    public async Task UserInfo_WhenTokensOfManyComeAtOnce_EachIsAnsweredForItself()
    {
        List<(string Token, string? Subject)> presented = [];
        foreach (var _ in Enumerable.Range(0, 4))
        {
            using var browser = await world.Node.SignedInAsync();
            for (var i = 0; i < 6; i++)
            {
                var token = (string)(await world.Node.TokensAsync(browser, scope: Scope))["access_token"]!;
                var subject = await SubjectAsync(token);
                Assert.NotNull(subject);
                if (i % 2 == 1)
                {
                    await world.Node.PostAsync("/connect/revoke", client: null, ("client_id", "spa"), ("token", token));
                }

                presented.Add((token, i % 2 == 1 ? null : subject));
            }
        }

        Assert.Equal(presented.Select(each => each.Subject), await Task.WhenAll(presented.Select(each => SubjectAsync(each.Token))));
    }

    /// <summary>Null where userinfo refuses the token.</summary>
    private async Task<string?> SubjectAsync(string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Node.Address, "/connect/userinfo"));
        request.Headers.Authorization = new("Bearer", token);
        using var answer = await world.Node.Http.SendAsync(request);
        return answer.IsSuccessStatusCode ? (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["sub"] : null;
    }

    private async Task<string> TokenAsync(string route, object body)
    {
        using var answer = await world.Node.Http.PostAsJsonAsync(new Uri(world.Node.Address, route), body);
        return (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["refreshToken"]!;
    }

    private async Task<IReadOnlyList<string>> StatementsAsync(Func<Task> request)
    {
        // What is made once, or remembered for a second, is made first.
        await request();
        var before = world.Statements.All.Count;
        await request();
        return [.. world.Statements.All.Skip(before).Select(statement => Shape(statement.Text)).Where(shape => shape.Contains(' ', StringComparison.Ordinal) && !s_ofTheNode.Any(shape.Contains))];
    }

    private static string Shape(string statement) => string.Join(' ', Words().Matches(statement).Select(match => match.Value));

    [GeneratedRegex(@"^\s*(SELECT|UPDATE|INSERT|DELETE)|(?<=(FROM|JOIN|INTO|UPDATE)\s+)[a-z_]+")]
    private static partial Regex Words();

    /// <summary>The server in this process, on a PostgreSQL of its own.</summary>
    public sealed class World : IAsyncLifetime
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("identity-work-test-");
        private readonly ECDsa _clientKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        private PostgresServer? _postgres;
        private HostedServer? _server;

        public Node Node { get; private set; } = null!;

        internal SentStatements Statements { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            _postgres = await PostgresServer.StartAsync();
            Assert.SkipWhen(_postgres is null, PostgresServer.WhatIsMissing);
            var settings = await RunningServer.WriteClientsAsync(_directory.FullName, _clientKey);
            _postgres.AddSettings(settings);
            Statements = new SentStatements(settings["DB_NAME"]);
            _server = await HostedServer.StartAsync(settings: settings.ToDictionary(setting => setting.Key.Replace("__", ":", StringComparison.Ordinal), setting => setting.Value, StringComparer.Ordinal));
            Node = new AddressedNode(_server.Url);
        }

        public async ValueTask DisposeAsync()
        {
            Node?.Dispose();
            await (_server?.DisposeAsync() ?? ValueTask.CompletedTask);
            Statements?.Dispose();
            await (_postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
            _clientKey.Dispose();
            _directory.Delete(recursive: true);
        }
    }
}
